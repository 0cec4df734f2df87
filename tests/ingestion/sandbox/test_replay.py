"""Recorded sessions served as if they were live: the files, number by number."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingestion.sandbox.quirks import Quirks
from ingestion.sandbox.replay import ReplayMarket
from ingestion.sandbox.replay_files import NothingToReplay, find_equities
from tests.ingestion.sandbox.conftest import Stand
from tests.sandbox_server import RunningSandbox, serve_sandbox

NEW_YORK = ZoneInfo("America/New_York")
MINUTES = sorted(
    {
        ("aapl", "20140605"),
        ("aapl", "20140606"),
        ("aapl", "20140609"),
        ("foxa", "20130701"),
        ("goog", "20151223"),
        ("goog", "20151224"),
        ("nwsa", "20130628"),
        ("spy", "20131007"),
        ("spy", "20131011"),
    }
)


def rows_of(file: Path) -> list[list[str]]:
    """The CSV rows in a zip, as text."""
    with zipfile.ZipFile(file) as archive:
        return [
            line.split(",") for line in archive.read(archive.namelist()[0]).decode().splitlines()
        ]


def recorded_minutes(folder: Path, ticker: str, day: str) -> list[tuple[float, ...]]:
    """(epoch second, open, high, low, close, volume) of each row."""
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=NEW_YORK).timestamp()
    file = folder / f"lean/equity/usa/minute/{ticker}/{day}_trade.zip"
    return [
        (midnight + int(at) / 1000, *(int(price) / 10_000 for price in prices), float(volume))
        for at, *prices, volume in rows_of(file)
    ]


@pytest.fixture
def replay(market_data_dir: Path) -> Iterator[Stand]:
    """A sandbox over the recorded sessions; its clock stands after all of them."""
    here = Stand(RunningSandbox(""), datetime(2016, 1, 4, 12, tzinfo=UTC))
    market = ReplayMarket(market_data_dir / "lean")
    with serve_sandbox(market, now=lambda: here.now, quirks=Quirks(yahoo_crumb=False)) as running:
        here.sandbox = running
        yield here


def polygon_rows(stand: Stand, ticker: str, day: str, **params: Any) -> list[tuple[float, ...]]:
    iso = date.fromisoformat(day).isoformat()
    path = f"/v2/aggs/ticker/{ticker.upper()}/range/1/minute/{iso}/{iso}"
    document = stand.json("polygon", path, **{"adjusted": "false", **params})
    return [
        (row["t"] / 1000, *(float(row[name]) for name in "ohlcv"))
        for row in document.get("results", [])
    ]


@pytest.mark.parametrize(("ticker", "day"), MINUTES)
def test_minutes_are_the_files(replay: Stand, market_data_dir: Path, ticker: str, day: str) -> None:
    recorded = recorded_minutes(market_data_dir, ticker, day)
    assert polygon_rows(replay, ticker, day) == recorded
    start, end = (datetime.fromtimestamp(recorded[row][0], UTC) for row in (0, -1))
    asked = {
        "symbols": ticker.upper(),
        "timeframe": "1Min",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "limit": 10_000,
    }
    served = replay.json("alpaca", "/v2/stocks/bars", **asked)["bars"][ticker.upper()]
    assert [
        (datetime.fromisoformat(row["t"]).timestamp(), *(float(row[name]) for name in "ohlcv"))
        for row in served
    ] == recorded
    true = replay.sandbox.truth(ticker, start, end + timedelta(minutes=1))
    assert list(zip(*(true[name] for name in "tohlcv"), strict=True)) == recorded
    assert true["origin"] == "replayed"


def test_what_the_index_says_of_the_files(replay: Stand) -> None:
    bad_print = polygon_rows(replay, "aapl", "20140609")[0]
    assert bad_print[2:4] == (645.57, 92.23)
    half_day = polygon_rows(replay, "goog", "20151224")
    opens = datetime(2015, 12, 24, 9, 30, tzinfo=NEW_YORK).timestamp()
    closes = datetime(2015, 12, 24, 13, 0, tzinfo=NEW_YORK).timestamp()
    assert len(half_day) == 227
    assert sum(opens <= row[0] < closes for row in half_day) == 210


def test_days_are_the_files(replay: Stand, market_data_dir: Path) -> None:
    recorded = [
        (date.fromisoformat(row[0][:8]), [int(p) / 10_000 for p in row[1:5]], int(row[5]))
        for row in rows_of(market_data_dir / "lean/equity/usa/daily/qqq.zip")
        if row[0][:8] < "20160101"
    ]
    path = "/v2/aggs/ticker/QQQ/range/1/day/1998-01-01/2015-12-31"
    served = replay.json("polygon", path, adjusted="false", limit=50_000)["results"]
    assert [(row["o"], row["h"], row["l"], row["c"]) for row in served] == [
        tuple(prices) for _, prices, _ in recorded
    ]
    assert [row["v"] for row in served] == [volume for _, _, volume in recorded]
    assert [datetime.fromtimestamp(row["t"] / 1000, NEW_YORK).date() for row in served] == [
        day for day, _, _ in recorded
    ]


def test_a_day_that_is_recorded_in_minutes_only_is_their_sum(
    market_data_dir: Path, tmp_path: Path
) -> None:
    usa = tmp_path / "lean/equity/usa"
    shutil.copytree(market_data_dir / "lean/equity/usa/minute/spy", usa / "minute/spy")
    market = ReplayMarket(tmp_path)
    with serve_sandbox(market) as running:
        true = running.truth("SPY", 1381104000, 1381104000 + 5 * 86_400, "1d")
    assert len(true["t"]) == 5
    opens = datetime(2013, 10, 7, 9, 30, tzinfo=NEW_YORK).timestamp()
    first = [
        row
        for row in recorded_minutes(market_data_dir, "spy", "20131007")
        if opens <= row[0] < opens + 390 * 60
    ]
    assert [true[name][0] for name in "ohlcv"] == [
        first[0][1],
        max(row[2] for row in first),
        min(row[3] for row in first),
        first[-1][4],
        sum(row[5] for row in first),
    ]


def test_a_bar_shows_only_once_its_minute_has_ended(replay: Stand) -> None:
    replay.sandbox.quirk(polygon_forming_minute=False)
    whole = polygon_rows(replay, "spy", "20131007")
    replay.now = datetime(2013, 10, 7, 10, 0, 59, tzinfo=NEW_YORK)
    shown = polygon_rows(replay, "spy", "20131007")
    assert shown == [row for row in whole if row[0] + 60 <= replay.now.timestamp()]
    assert shown[-1][0] == datetime(2013, 10, 7, 9, 59, tzinfo=NEW_YORK).timestamp()
    assert polygon_rows(replay, "spy", "20131008") == []
    replay.sandbox.quirk(polygon_forming_minute=True)
    forming = polygon_rows(replay, "spy", "20131007")
    assert forming[:-1] == shown
    assert forming[-1][0] == datetime(2013, 10, 7, 10, 0, tzinfo=NEW_YORK).timestamp()


def test_a_day_shows_as_far_as_it_got_and_whole_once_closed(
    replay: Stand, market_data_dir: Path
) -> None:
    path = "/v2/aggs/ticker/SPY/range/1/day/2013-10-07/2013-10-07"
    replay.now = datetime(2013, 10, 7, 9, 33, tzinfo=NEW_YORK)
    (so_far,) = replay.json("polygon", path, adjusted="false")["results"]
    opens = datetime(2013, 10, 7, 9, 30, tzinfo=NEW_YORK).timestamp()
    minutes = [
        row
        for row in recorded_minutes(market_data_dir, "spy", "20131007")
        if opens <= row[0] < opens + 180
    ]
    assert so_far["v"] == sum(row[5] for row in minutes)
    assert so_far["c"] == minutes[-1][4]
    replay.now = datetime(2013, 10, 7, 16, 0, tzinfo=NEW_YORK)
    (whole,) = replay.json("polygon", path, adjusted="false")["results"]
    daily = rows_of(market_data_dir / "lean/equity/usa/daily/spy.zip")
    (row,) = [row for row in daily if row[0].startswith("20131007")]
    assert whole["v"] == int(row[5])


def test_adjusted_prices_know_the_splits_that_have_happened(replay: Stand) -> None:
    def first(day: str) -> tuple[float, ...]:
        return polygon_rows(replay, "aapl", day, adjusted="true")[0]

    raw = polygon_rows(replay, "aapl", "20140606")[0]
    assert first("20140606")[1] == round(raw[1] / 7, 6)
    assert first("20140606")[5] == raw[5] * 7
    assert first("20140609") == polygon_rows(replay, "aapl", "20140609")[0]
    replay.now = datetime(2014, 6, 6, 18, tzinfo=NEW_YORK)  # the evening before
    assert first("20140606") == raw
    chart = replay.json(
        "yahoo",
        "/v8/finance/chart/AAPL",
        interval="1d",
        period1=int(raw[0]) - 86_400,
        period2=int(raw[0]) + 86_400,
    )
    assert chart["chart"]["result"][0]["indicators"]["quote"][0]["close"][-1] > 600


def test_a_renamed_company_is_two_tickers(replay: Stand) -> None:
    listed = replay.json("polygon", "/v2/aggs/grouped/locale/us/market/stocks/2013-07-01")
    assert {"FOXA"} <= {row["T"] for row in listed["results"]}
    assert polygon_rows(replay, "nwsa", "20130701") == []
    assert polygon_rows(replay, "foxa", "20130628") == []


def test_answers_say_that_they_are_replayed(replay: Stand) -> None:
    answer = replay.get("polygon", "/v2/aggs/ticker/SPY/range/1/day/2013-10-07/2013-10-07")
    assert answer.headers["X-Market-Origin"] == "replayed"
    assert "n" not in answer.json()["results"][0]  # the files have no counts


@pytest.mark.parametrize("below", ["", "lean", "lean/equity", "lean/equity/usa"])
def test_the_folder_may_be_given_at_any_depth(market_data_dir: Path, below: str) -> None:
    assert find_equities(market_data_dir / below).samefile(market_data_dir / "lean/equity/usa")


def test_a_folder_without_sessions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NothingToReplay, match="equity/usa/minute"):
        ReplayMarket(tmp_path)
    with pytest.raises(NothingToReplay, match="is no folder"):
        ReplayMarket(tmp_path / "gone")
    (tmp_path / "equity/usa/minute").mkdir(parents=True)
    with pytest.raises(NothingToReplay, match="neither minutes nor days"):
        ReplayMarket(tmp_path)
