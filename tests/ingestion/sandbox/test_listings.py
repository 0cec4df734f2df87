"""Which symbols the sandbox lists."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ingestion.sandbox.listings import Listing, UniverseUnreadable, read_universe
from ingestion.sandbox.synthetic import SyntheticMarket
from universe.domain.session_grid import label_of
from universe.domain.tier import Tier
from universe.domain.time_range import TimeRange


def _file(folder: Path, text: str) -> Path:
    file = folder / "universe.csv"
    file.write_text(text)
    return file


def test_a_universe_file_is_read(tmp_path: Path) -> None:
    text = (
        "ticker,name,calendar,tier,asset_class,listed_on,delisted_on\n"
        "aapl,Apple,XNAS,T0,equity,1980-12-12,\n"
        "BTC-USD,Bitcoin,24/7,T1,crypto,,\n"
    )
    listings = read_universe(_file(tmp_path, text))
    assert listings["AAPL"].listed_on == date(1980, 12, 12)
    assert (listings["AAPL"].calendar, listings["AAPL"].crypto) == ("XNAS", False)
    assert (listings["BTC-USD"].tier, listings["BTC-USD"].crypto) == (Tier.T1, True)


def test_a_renamed_company_trades_under_each_ticker_in_its_time(tmp_path: Path) -> None:
    text = (
        "ticker,calendar,tier,asset_class,former_tickers\n"
        "FOXA,XNYS,T0,equity,NWSA:2013-07-01\n"
        "SAME,XNYS,T0,equity,\n"
    )
    market = SyntheticMarket(read_universe(_file(tmp_path, text)))
    week = TimeRange(label_of(date(2013, 6, 27)), label_of(date(2013, 7, 3)))
    before, after = market.days(["NWSA"], week), market.days(["FOXA"], week)
    assert before.ts.tolist() == [label_of(date(2013, 6, 27)), label_of(date(2013, 6, 28))]
    assert after.ts.tolist() == [label_of(date(2013, 7, 1)), label_of(date(2013, 7, 2))]
    assert abs(after.open[0] / before.close[-1] - 1.0) < 0.1
    always = SyntheticMarket({"FOXA": Listing("FOXA")}).days(["FOXA"], week)
    assert always.close.tolist() == [*before.close.tolist(), *after.close.tolist()]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ticker,tier\nA,T0\nB,T7\n", "line 3: 'T7'"),
        ("ticker,tier\n,T0\n", "line 2: no ticker"),
        ("ticker,listed_on\nA,yesterday\n", "line 2: Invalid isoformat string: 'yesterday'"),
        ("ticker,tier\n", "no symbols"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UniverseUnreadable, match=said):
        read_universe(_file(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UniverseUnreadable, match=r"gone\.csv"):
        read_universe(tmp_path / "gone.csv")
