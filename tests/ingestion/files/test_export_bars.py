"""What is stored goes out and comes back the same."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, date, datetime
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from ingestion.files import exporting
from ingestion.files.layout import Format
from ingestion.models import (
    CandleDaily,
    CandleIntraday,
    Cursor,
    IngestCommit,
    QuarantinedBar,
    RevisionIntraday,
    Series,
)
from marketdata_site import clock
from tests.ingestion.files import truth
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import DAYS, MINUTES, stored
from tests.ingestion.market_week import at
from universe.domain.interval import Interval
from universe.models import Symbol


def export(*arguments: object) -> str:
    """Run the command; what it says about the file."""
    said = StringIO()
    call_command("export_bars", *map(str, arguments), stdout=said, stderr=said)
    return said.getvalue()


@pytest.fixture
def filled(june: dict[str, Symbol], tmp_path: Path, import_bars: Run) -> dict[str, Symbol]:
    """Two sessions of AAPL's minutes and five of its days, imported."""
    import_bars(truth.new_york_opens(tmp_path, MINUTES), "--basis", "raw")
    daily = tmp_path / "AAPL_daily.csv"
    rows = (
        f"{datetime.fromtimestamp(b[0], UTC):%Y-%m-%d},{b[1]},{b[2]},{b[3]},{b[4]},{b[5]},,7"
        for b in DAYS
    )
    daily.write_text("\n".join(["date,o,h,l,c,v,vw,n", *rows]))
    import_bars(daily, "--basis", "raw")
    return june


def test_minutes_as_csv(filled: dict[str, Symbol], tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    said = export("aapl", "--interval", "1m", "--output", file)
    assert "780 bars (AAPL 780)" in said
    assert "raw, from import:csv (import)" in said
    with file.open() as text:
        rows = list(csv.DictReader(text))
    assert rows[0] == {
        "symbol": "AAPL", "time": "2014-06-05T13:30:00Z", "open": "90", "high": "90.75",
        "low": "89.5", "close": "90.11", "volume": "100", "vwap": "", "trades": "",
        "extended": "false", "source": "import:csv",
    }  # fmt: skip
    numbers = ("open", "high", "low", "close", "volume")
    exported = [(at(row["time"]), *(float(row[name]) for name in numbers)) for row in rows]
    assert exported == MINUTES


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2014-06-06", "2014-06-06", MINUTES[390:]),
        ("2014-06-06", None, MINUTES[390:]),
        ("2014-06-07", "2014-06-13", None),
        (None, "2014-06-05", MINUTES[:390]),
        ("2014-06-05T13:30:00Z", "2014-06-05T09:32:00-04:00", MINUTES[:2]),
        ("2014-06-05T13:30:01Z", "2014-06-05T13:32:01Z", MINUTES[1:3]),
    ],
)
def test_a_range_of_sessions_or_moments(
    filled: dict[str, Symbol],
    tmp_path: Path,
    start: str | None,
    end: str | None,
    expected: list[truth.Bar] | None,
) -> None:
    file = tmp_path / "out.parquet"
    bounds = [*(["--start", start] if start else []), *(["--end", end] if end else [])]
    arguments = ("AAPL", "--interval", "1m", "--output", file, *bounds)
    if expected is None:
        with pytest.raises(CommandError, match="no 1m bar of AAPL is stored in that range"):
            export(*arguments)
        assert not file.exists()
        return
    export(*arguments)
    times = pq.read_table(file)["time"].to_pylist()
    assert [int(time.timestamp()) for time in times] == [bar[0] for bar in expected]


def test_a_parquet_file_says_what_it_is(filled: dict[str, Symbol], tmp_path: Path) -> None:
    file = tmp_path / "out.parquet"
    export("AAPL", "--interval", "1d", "--output", file)
    about = json.loads(pq.read_metadata(file).metadata[b"marketdata"])
    newest = IngestCommit.objects.values_list("as_of", flat=True).first()
    assert newest is not None
    assert about["as_of"] == newest.isoformat().replace("+00:00", "Z")
    assert (about["interval"], about["basis"], about["label"]) == ("1d", "raw", "open")
    assert (about["sources"], about["origin"]) == (["import:csv"], ["import"])
    assert (about["symbols"], about["rows"]) == ({"AAPL": 5}, 5)
    rows = pq.read_table(file).to_pylist()
    assert [row["date"] for row in rows] == [date(2014, 6, day) for day in (5, 6, 9, 10, 11)]
    assert rows[0]["vwap"] is None
    assert rows[0]["trades"] == 7


def clear() -> None:
    """As if nothing had ever been stored."""
    for model in (CandleIntraday, CandleDaily, RevisionIntraday, QuarantinedBar, Series, Cursor):
        model.objects.all().delete()
    IngestCommit.objects.all().delete()


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("interval", ["1m", "1d"])
def test_a_round_trip(
    filled: dict[str, Symbol], tmp_path: Path, import_bars: Run, name: str, interval: str
) -> None:
    file = tmp_path / name
    sidecar = ["--sidecar"] if name.endswith("csv") else []
    export("AAPL", "--interval", interval, "--output", file, *sidecar)
    model = CandleDaily if interval == "1d" else CandleIntraday
    columns = ("symbol_id", "ts", "open", "high", "low", "close", "volume", "vwap", "trades",
               "extended")  # fmt: skip
    before = list(model.objects.order_by("ts").values_list(*columns))
    clear()
    printed = import_bars(file)  # nothing needs to be declared
    assert ("out.csv.json" if sidecar else "out.parquet's own metadata") in printed
    assert list(model.objects.order_by("ts").values_list(*columns)) == before


def test_a_round_trip_of_real_sessions(
    lean: dict[str, Symbol], market_data_dir: Path, tmp_path: Path, import_bars: Run
) -> None:
    """All fourteen sessions, extended hours and a change of ticker included."""
    import_bars(market_data_dir / "lean/equity/usa/minute")
    columns = ("symbol_id", "ts", "open", "high", "low", "close", "volume", "extended")
    before = list(CandleIntraday.objects.order_by("symbol_id", "ts").values_list(*columns))
    files = [tmp_path / "a.csv", tmp_path / "b.parquet"]
    export(*lean, "--interval", "1m", "--output", files[0], "--sidecar")
    export(*lean, "--interval", "1m", "--output", files[1])
    assert "NWSA,2013-06-28" in files[0].read_text()
    assert "FOXA,2013-07-01" in files[0].read_text()
    for file in files:
        clear()
        import_bars(file)
        after = CandleIntraday.objects.order_by("symbol_id", "ts").values_list(*columns)
        assert list(after) == before


def test_as_of_a_moment_before_a_correction(
    filled: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    before = IngestCommit.objects.values_list("as_of", flat=True).first()
    assert before is not None
    clock.install(lambda: datetime(2014, 6, 14, 13, 0, tzinfo=UTC))
    corrected = [(ts, o, h + 1, l, c, v) for ts, o, h, l, c, v in MINUTES]  # noqa: E741 (the columns' names)
    import_bars(truth.new_york_opens(tmp_path, corrected), "--basis", "raw")
    assert stored(filled["AAPL"].id) == corrected
    for moment, expected in ((before.isoformat(), MINUTES), (None, corrected)):
        file = tmp_path / "out.parquet"
        as_of = ["--as-of", moment] if moment else []
        export("AAPL", "--interval", "1m", "--output", file, "--force", *as_of)
        assert pq.read_table(file)["high"].to_pylist() == [bar[2] for bar in expected]


def test_to_standard_output(filled: dict[str, Symbol], monkeypatch: pytest.MonkeyPatch) -> None:
    caught = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(caught, write_through=True))
    export("AAPL", "--end", "2014-06-06", "--output", "-")
    assert caught.getvalue().decode().splitlines() == [
        "symbol,date,open,high,low,close,volume,vwap,trades,extended,source",
        "AAPL,2014-06-05,90,90.75,89.5,90.11,100,,7,false,import:csv",
        "AAPL,2014-06-06,90.03,90.78,89.53,90.14,101,,7,false,import:csv",
    ]


def test_an_interrupted_export_leaves_nothing_and_harms_nothing(
    filled: dict[str, Symbol], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "folder" / "out.csv"
    file.parent.mkdir()
    file.write_text("what was there")
    request = exporting.Request([filled["AAPL"]], Interval.MINUTE)

    def disk_full(more: float) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"), exporting.new_file(file) as stream:
        exporting.export_bars(request, Format.CSV, stream, disk_full)
    assert [path.name for path in file.parent.iterdir()] == ["out.csv"]
    assert file.read_text() == "what was there"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("NOPE", "AAPL"), "no symbol has the ticker NOPE"),
        (("MSFT",), "no 1d bar of MSFT is stored"),
        (("AAPL", "--start", "2014-06-10", "--end", "2014-06-09"), "nothing lies between"),
        (("AAPL", "--start", "2014-06-10T00:00"), "names no time zone"),
        (("AAPL", "--start", "yesterday"), "is no ISO time"),
        (("AAPL", "--start", "2014-06-31"), "2014-06-31"),
        (("AAPL", "--start", "1999-06-10"), "is outside what calendar XNYS covers"),
        (("AAPL", "--interval", "1h"), "1h"),
        (("AAPL", "--output", "-", "--sidecar"), "no file beside it"),
        (("AAPL", "--output", "/nowhere/out.csv"), "No such file or directory"),
        (("AAPL", "--output", "b.xyz"), "b.xyz: its name tells no format; end it in one of .csv"),
        (("AAPL", "--output", "bars"), "or declare --format"),
        (("AAPL", "--output", "bars.csv.gz"), "its name tells no format"),
    ],
)
@pytest.mark.usefixtures("filled")
def test_what_cannot_be_exported_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = set(tmp_path.iterdir())
    with pytest.raises(CommandError, match=complaint):
        export(*arguments)
    assert set(tmp_path.iterdir()) == files


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("b.xyz", ["--format", "csv"], b"symbol,date"),
        ("b.xyz", ["--format", "parquet"], b"PAR1"),
        ("B.CSV", [], b"symbol,date"),
        ("b.PQ", [], b"PAR1"),
    ],
)
def test_the_format_is_declared_or_the_suffixs(
    tmp_path: Path, name: str, options: list[str], start: bytes
) -> None:
    export("AAPL", "--output", tmp_path / name, *options)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.usefixtures("filled")
def test_a_file_that_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("mine")
    with pytest.raises(CommandError, match="is there already"):
        export("AAPL", "--output", file)
    assert file.read_text() == "mine"
    export("AAPL", "--output", file, "--force")
    assert file.read_text().startswith("symbol,date")
