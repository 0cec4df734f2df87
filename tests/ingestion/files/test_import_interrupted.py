"""An import that ends in the middle goes on where it was, and leaves what a clean one does."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError
from django.db import OperationalError

from ingestion.domain.source import Basis
from ingestion.files import importing
from ingestion.files.layout import Declaration, Label
from ingestion.files.problems import Problems
from ingestion.models import CandleIntraday, IngestCommit
from ingestion.store import writer
from ingestion.store.changes import CandleWrite, WriteResult
from tests.ingestion.files import truth
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import MINUTES
from tests.ingestion.market_week import at
from tests.processes import manage, run_manage, running, service_environment
from universe.models import Symbol

BATCH = 8_000
START = at("2014-03-01")
DECLARED = Declaration("declared", basis=Basis.RAW, label=Label.OPEN)


def coin_file(folder: Path, minutes: int, start: int) -> Path:
    """Minutes of BTC-USD without a hole; the price tells the minute."""
    file = folder / "BTC-USD.csv"
    rows = (
        f"{start + 60 * n},{600 + n % 50},{652 + n % 50},{598 + n % 50},{601 + n % 50},{n}.25"
        for n in range(minutes)
    )
    file.write_text("\n".join(["t,o,h,l,c,v", *rows]))
    return file


class Crash(Exception):
    """Stands for whatever can end a process."""


def test_a_crash_between_two_transactions(
    june: dict[str, Symbol], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = BATCH - 1_000
    file = coin_file(tmp_path, minutes, at("2014-06-05"))
    taken: list[str] = []

    def write_once(change: CandleWrite) -> WriteResult:
        if taken:
            raise Crash
        taken.append(change.job_id)
        return writer.write(change)

    small = BATCH // 4
    monkeypatch.setattr(writer, "MAX_BARS", small)
    with pytest.raises(Crash):
        importing.store(importing.plan([file], DECLARED), lambda more: None, write=write_once)
    assert CandleIntraday.objects.count() == small
    written = importing.store(importing.plan([file], DECLARED), lambda more: None)
    assert written.counts["before"] == small
    assert written.counts["inserted"] == minutes - small
    volumes = CandleIntraday.objects.order_by("ts").values_list("volume", flat=True)
    assert list(volumes) == [n + 0.25 for n in range(minutes)]
    names = list(IngestCommit.objects.values_list("job_id", flat=True))
    assert len(names) == len(set(names)) == -(-minutes // small)
    assert taken[0] in names


@pytest.mark.parametrize(
    ("failure", "words", "code"),
    [
        (KeyboardInterrupt(), "Interrupted. What is written stays; the same command goes on", 130),
        (OperationalError("disk full"), "The database failed: disk full\nWhat is written stays", 1),
    ],
)
def test_an_end_in_the_middle_is_explained(
    june: dict[str, Symbol],
    tmp_path: Path,
    import_bars: Run,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    words: str,
    code: int,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise failure

    monkeypatch.setattr(importing, "store", fail)
    file = coin_file(tmp_path, 100, at("2014-06-05"))
    with pytest.raises(CommandError, match=words) as error:
        import_bars(file, "--basis", "raw", "--label", "open")
    assert error.value.returncode == code


def test_progress_adds_up_to_the_files(june: dict[str, Symbol], tmp_path: Path) -> None:
    files = [truth.new_york_opens(tmp_path, MINUTES), truth.parquet_epoch(tmp_path, MINUTES),
             truth.epoch_milliseconds_without_header(tmp_path, MINUTES)]  # fmt: skip
    plan = importing.plan(files, DECLARED)
    steps: list[int] = []
    importing.check(plan, Problems(), steps.append)
    assert sum(steps) == plan.size == sum(file.stat().st_size for file in files)
    assert min(steps) >= 0


# ---- a real process, killed ----------------------------------------------------------------


def rows_of(environment: Mapping[str, str], statement: str) -> list[tuple[Any, ...]]:
    """What another process sees in the service's database; nothing while it has no table."""
    url = environment.get("DATABASE_URL")
    if url:
        with psycopg.connect(url) as server:
            return server.execute(statement).fetchall()
    database = Path(environment["DATA_DIR"]) / "marketdata.sqlite3"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as file:
        return file.execute(statement).fetchall()


def test_a_killed_import_goes_on(tmp_path: Path) -> None:
    minutes = 5 * BATCH
    file = coin_file(tmp_path, minutes, START)
    universe = tmp_path / "universe.csv"
    universe.write_text("ticker,name,calendar,tier,asset_class,currency\n"
                        "BTC-USD,Bitcoin,24/7,T0,crypto,USD\n")  # fmt: skip
    options = ("import_bars", str(file), "--basis", "raw", "--label", "open")
    count = "SELECT count(*) FROM candles_intraday"
    with service_environment(tmp_path / "data") as environment:
        run_manage(environment, "migrate", "--verbosity", "0")
        run_manage(environment, "load_universe", str(universe))
        with running(manage(*options), environment, tmp_path / "log") as process:
            process.wait_until(lambda: rows_of(environment, count)[0][0], "a first transaction")
            process.send(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        (stored,) = rows_of(environment, count)[0]
        assert 0 < stored < minutes, "the import was to be killed in its middle"
        assert stored % BATCH == 0, "a transaction is written as a whole or not at all"
        printed = run_manage(environment, *options)
        assert f"{stored:,} were imported by an earlier run" in printed
        assert f"Stored: {minutes - stored:,} bars new" in printed
        columns = "ts, open, high, low, close, volume"
        candles = rows_of(environment, f"SELECT {columns} FROM candles_intraday ORDER BY ts")
        assert [row[1:] for row in candles] == [
            (600 + n % 50, 652 + n % 50, 598 + n % 50, 601 + n % 50, n + 0.25)
            for n in range(minutes)
        ]
        jobs = rows_of(environment, "SELECT job_id, inserted FROM ingest_commits")
        assert len(jobs) == len(set(jobs)) == minutes // BATCH
        assert sum(inserted for _, inserted in jobs) == minutes
