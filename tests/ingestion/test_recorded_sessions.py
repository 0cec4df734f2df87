"""Real sessions through the whole service: what it serves equals the files, number by number.

Recorded days are replayed by the sandbox on a clock that jumps; sweeper, workers, store and
web server are real processes. The same files go in by `import_bars` beside it.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.live_service import LiveService, live_service
from tests.processes import free_port, running

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("recorded sessions")]

NEW_YORK = ZoneInfo("America/New_York")
SESSIONS = {
    "NWSA": ["20130627", "20130628"],
    "FOXA": ["20130701", "20130702"],
    "SPY": ["20131007", "20131008", "20131009", "20131010", "20131011"],
    "AAPL": ["20140605", "20140606", "20140609"],
    "GOOG": ["20151223", "20151224"],
}
UNIVERSE = """\
ticker,calendar,tier,asset_class,listed_on,delisted_on,former_tickers
FOXA,XNYS,T0,equity,2013-06-27,2013-07-02,NWSA:2013-07-01
SPY,XNYS,T0,etf,2013-10-07,2013-10-11,
AAPL,XNYS,T1,equity,2014-06-05,2014-06-09,
GOOG,XNYS,T0,equity,2015-12-23,2015-12-24,
"""
BAD_PRINT = ("AAPL", datetime(2014, 6, 9, 8, 0, tzinfo=UTC))
"""04:00 in New York, the first minute after a 7:1 split: open 645.57, low 92.23."""

POLLS = [time(4, 31), time(9, 40), time(13, 10), time(16, 30), time(20, 4)]
"""When the clock stops on each day, New York."""

Row = tuple[int, float, float, float, float, float]


def recorded(folder: Path, ticker: str, day: str) -> list[Row]:
    """A file's rows: epoch seconds, prices, volume."""
    midnight = datetime.combine(datetime.strptime(day, "%Y%m%d").date(), time(0), NEW_YORK)  # noqa: DTZ007 - a date
    with zipfile.ZipFile(zip_of(folder, ticker, day)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = []
    for ms, *prices, volume in csv.reader(io.StringIO(text)):
        moment = midnight + timedelta(milliseconds=int(ms))
        if (ticker, moment) != BAD_PRINT:
            scaled = [int(price) / 10_000 for price in prices]
            rows.append((int(moment.timestamp()), *scaled, float(volume)))
    return rows  # type: ignore[return-value]  # four prices


def zip_of(folder: Path, ticker: str, day: str) -> Path:
    return folder / f"lean/equity/usa/minute/{ticker.lower()}/{day}_trade.zip"


@pytest.fixture(scope="module")
def universe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recorded") / "universe.csv"
    file.write_text(UNIVERSE)
    return file


@pytest.fixture(scope="module")
def replayed(
    market_data_dir: Path, universe: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveService, str]]:
    """The service after all recorded days went by, and where it serves."""
    days = sorted({day for listed in SESSIONS.values() for day in listed})
    begin = datetime.strptime(days[0], "%Y%m%d").replace(tzinfo=UTC)
    with live_service(
        tmp_path_factory.mktemp("replayed"),
        universe,
        begin.isoformat(),
        "--replay",
        str(market_data_dir / "lean"),
        sessions_until="2016-06-30",
        # The clock jumps by hours: nothing of a day may count as an outage.
        LIVE_LOOKBACK_MINUTES="390",
        SANDBOX_ORIGIN="replayed",
        PUBLIC_READ="1",
    ) as service:
        service.start()
        for day in days:
            for poll in POLLS:
                moment = datetime.combine(begin.date(), poll, NEW_YORK)
                moment = moment.replace(year=int(day[:4]), month=int(day[4:6]), day=int(day[6:]))
                service.step(moment.astimezone(UTC).replace(second=3).isoformat())
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "marketdata_site.wsgi",
            "-b",
            f"127.0.0.1:{port}",
        ]
        log = service.folder / "web.log"
        with running(command, service.environment, log) as web:
            web.wait_for_output("Listening at")
            yield service, f"http://127.0.0.1:{port}"


def intraday(base: str, ticker: str, day: str, **query: str) -> dict[str, Any]:
    session = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    answer = requests.get(
        f"{base}/stocks/{ticker}/intraday",
        params={"start": session, "end": session, **query},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_is_served_equals_the_recorded_files(
    market_data_dir: Path, replayed: tuple[LiveService, str]
) -> None:
    _, base = replayed
    for ticker, days in SESSIONS.items():
        for day in days:
            bars = intraday(base, ticker, day, hours="extended")["bars"]
            served = list(zip(*(bars[name] for name in "tohlcv"), strict=True))
            assert served == recorded(market_data_dir, ticker, day), f"{ticker} {day}"


@pytest.mark.parametrize(
    ("ticker", "day", "minutes"),
    [
        *(("SPY", day, 390) for day in SESSIONS["SPY"]),
        ("GOOG", "20151223", 390),
        ("GOOG", "20151224", 210),
        ("AAPL", "20140609", 390),
        ("NWSA", "20130628", 390),
        ("FOXA", "20130701", 390),
    ],
)
def test_completeness_of_the_recorded_sessions(
    replayed: tuple[LiveService, str], ticker: str, day: str, minutes: int
) -> None:
    answer = intraday(replayed[1], ticker, day)
    counts = {name: answer["completeness"][name] for name in ("expected", "stored", "missing")}
    assert counts == {"expected": minutes, "stored": minutes, "missing": 0}
    assert len(answer["bars"]["t"]) == minutes
    assert answer["origin"] == "replayed"


def test_the_bad_print_is_in_quarantine_and_nothing_else(
    replayed: tuple[LiveService, str],
) -> None:
    service, _ = replayed
    kept = service.query(
        "SELECT s.ticker, q.open, q.low, q.reason FROM quarantined_bars q"
        " JOIN symbol_universe s ON s.id = q.symbol_id WHERE q.interval = '1m'"
    )
    assert kept == [("AAPL", 645.57, 92.23, "split_like")]


def test_the_same_files_imported_are_the_same_candles(
    market_data_dir: Path,
    universe: Path,
    replayed: tuple[LiveService, str],
    tmp_path: Path,
) -> None:
    from tests.processes import run_manage

    service, _ = replayed
    files = [
        str(zip_of(market_data_dir, ticker, day))
        for ticker, days in SESSIONS.items()
        for day in days
    ]
    begin = service.clock_file.read_text()
    with live_service(
        tmp_path / "imported", universe, begin, sessions_until="2016-06-30"
    ) as imported:
        run_manage(imported.environment, "import_bars", *files)
        assert candles(imported) == candles(service)


def candles(service: LiveService) -> list[tuple[Any, ...]]:
    return service.query(
        "SELECT s.ticker, c.ts, c.open, c.high, c.low, c.close, c.volume, c.extended"
        " FROM candles_intraday c JOIN symbol_universe s ON s.id = c.symbol_id ORDER BY 1, 2"
    )
