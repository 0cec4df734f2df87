"""The quality rules on real prices: every Lean file at hand, and what is wrong in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from ingestion.collection.intake import Intake, take_in
from ingestion.collection.roster import Roster
from ingestion.domain.bar_batch import Bars
from tests.ingestion.market_week import answer_sheet, at
from universe.domain.interval import Interval
from universe.models import Symbol

NEW_YORK = ZoneInfo("America/New_York")
US = Path("lean/equity/usa")

BAD_PRINTS = {
    # The session after a 7:1 split: opened at the price before it, traded after it.
    ("aapl", "1m", "2014-06-09T08:00"): "high 645.57 over low 92.23: a factor of 6.9996,",
    # One wrong low, a tenth of the price or less, in days that moved by 2 %.
    ("aapl", "1d", "2009-09-21T00:00"): "high 185.16 over low 10.59: a factor of 17.484,",
    ("aapl", "1d", "2010-08-31T00:00"): "high 244.56 over low 25.3: a factor of 9.6664,",
    ("aapl", "1d", "2011-01-03T00:00"): "high 330.26 over low 32.65: a factor of 10.115,",
    ("goog", "1d", "2007-12-18T00:00"): "high 676.71 over low 67.5: a factor of 10.025,",
    # The day of the cancelled trades: a low of one cent, and a close 27 % under the truth.
    ("goog", "1d", "2008-09-30T00:00"): "high 489.36 over low 0.01: a factor of 48936,",
}

# Wrong as well, but no rule that honest days survive can tell: GOOG's first day, which opened
# at 100.01 and never traded above 104.06 (here: 135.91 and 140.93, a range of 1.49 like many
# a small company's), and lows of QQQ and SPY up to a quarter under the market, 2000 to 2005.

# The files' regular minutes (390, and 210 on the half day) and others, bad prints included.
MINUTE_FILES = {
    ("aapl", "20140605"): (390, 296),
    ("aapl", "20140606"): (390, 393),
    ("aapl", "20140609"): (390, 444),
    ("foxa", "20130701"): (390, 18),
    ("foxa", "20130702"): (390, 14),
    ("goog", "20151223"): (390, 42),
    ("goog", "20151224"): (210, 17),
    ("nwsa", "20130627"): (390, 11),
    ("nwsa", "20130628"): (390, 27),
    ("spy", "20131007"): (390, 438),
    ("spy", "20131008"): (390, 438),
    ("spy", "20131009"): (390, 423),
    ("spy", "20131010"): (390, 493),
    ("spy", "20131011"): (390, 386),
}

# Bars and real splits (ex-dates) in the raw daily files.
DAILY_FILES = {
    "aapl": (5849, ["2000-06-21", "2005-02-28", "2014-06-09", "2020-08-31"]),
    "foxa": (2, []),
    "goog": (4183, ["2014-04-03"]),
    "nwsa": (2, []),
    "qqq": (3964, ["2000-03-20"]),
    "spy": (5849, []),
}


@pytest.fixture(scope="module")
def roster(market_data_dir: Path) -> Roster:
    grid = answer_sheet(market_data_dir)
    return Roster.of([Symbol(id=1, calendar_id="XNYS")], {"XNYS": grid}.__getitem__)


def lines(file: Path) -> list[list[str]]:
    with ZipFile(file) as archive:
        (name,) = archive.namelist()
        return [line.split(",") for line in archive.read(name).decode().splitlines()]


def bars(ts: list[int], rows: list[list[str]]) -> Bars:
    values = np.array(rows, np.float64).T
    o, h, l, c = values[:4] / 10_000  # noqa: E741 - the vendors' names of the columns
    return Bars.of(np.ones(len(ts)), ts, o, h, l, c, values[4])


def bad_prints(symbol: str, interval: str, intake: Intake) -> dict[tuple[str, str, str], str]:
    moments = (datetime.fromtimestamp(ts, UTC) for ts in intake.rejected.bars.ts.tolist())
    return {
        (symbol, interval, f"{moment:%Y-%m-%dT%H:%M}"): detail[: detail.index(",") + 1]
        for moment, detail in zip(moments, intake.rejected.details, strict=True)
    }


def expected(symbol: str, interval: str, day: str = "") -> dict[tuple[str, str, str], str]:
    return {
        key: words
        for key, words in BAD_PRINTS.items()
        if key[:2] == (symbol, interval) and key[2].startswith(day)
    }


def test_every_file_at_hand_is_examined(market_data_dir: Path) -> None:
    found = (market_data_dir / US / "minute").glob("*/*_trade.zip")
    assert {(file.parent.name, file.name[:8]) for file in found} == set(MINUTE_FILES)
    found = (market_data_dir / US / "daily").glob("*.zip")
    assert {file.stem for file in found} == set(DAILY_FILES)


@pytest.mark.parametrize(("symbol", "day"), MINUTE_FILES)
def test_minutes(market_data_dir: Path, roster: Roster, symbol: str, day: str) -> None:
    file = market_data_dir / US / "minute" / symbol / f"{day}_trade.zip"
    rows = lines(file)
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=NEW_YORK).timestamp()
    ts = [int(midnight) + int(row[0]) // 1000 for row in rows]
    intake = take_in(bars(ts, [row[1:] for row in rows]), Interval.MINUTE, roster, now=ts[-1] + 60)
    bad = expected(symbol, "1m", f"{day[:4]}-{day[4:6]}-{day[6:]}")
    assert bad_prints(symbol, "1m", intake) == bad
    extended = int(intake.extended.sum())
    regular, others = MINUTE_FILES[symbol, day]
    assert (len(intake.bars) - extended, extended) == (regular, others - len(bad))
    assert intake.dropped == {}


@pytest.mark.parametrize("symbol", DAILY_FILES)
def test_days(market_data_dir: Path, roster: Roster, symbol: str) -> None:
    rows = lines(market_data_dir / US / "daily" / f"{symbol}.zip")
    ts = [at(row[0][:8]) for row in rows]
    count, splits = DAILY_FILES[symbol]
    assert len(rows) == count
    intake = take_in(
        bars(ts, [row[1:] for row in rows]), Interval.DAY, roster, now=at("2021-04-02")
    )
    bad = expected(symbol, "1d")
    assert bad_prints(symbol, "1d", intake) == bad
    assert len(intake.bars) == count - len(bad)
    assert set(map(at, splits)) <= set(intake.bars.ts.tolist())
