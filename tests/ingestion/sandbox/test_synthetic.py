"""The synthetic market's promises, whatever the seed, symbol and minute."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import fsum
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.listings import Listing
from ingestion.sandbox.synthetic import SyntheticMarket
from tests.ingestion.sandbox.market_time import CLOSE, FRIDAY_LABEL, OPEN, epoch
from universe.domain.session_grid import label_of
from universe.domain.tier import Tier
from universe.domain.time_range import TimeRange

NEVER_BEFORE = 1_262_304_000  # 2010-01-01T00:00Z
LISTED = {
    listing.ticker: listing
    for listing in (
        Listing("BIG", tier=Tier.T0),
        Listing("MID", tier=Tier.T1),
        Listing("THIN", tier=Tier.T2),
        Listing("COIN-USD", "24/7", Tier.T0, "crypto"),
        Listing("DUST-USD", "24/7", Tier.T2, "crypto"),
    )
}
TICKERS = list(LISTED)
starts = st.integers(NEVER_BEFORE // 60, NEVER_BEFORE // 60 + 20 * 525_600).map(lambda m: m * 60)
seeds = st.integers(0, 3)
MARKETS = [SyntheticMarket(LISTED, seed) for seed in range(4)]


def same(one: Bars, other: Bars) -> bool:
    """Whether two batches are equal to the last bit."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in Bars.__slots__)


@given(seeds, starts, st.integers(1, 600))
@settings(max_examples=60, deadline=None)
def test_bars_are_possible(seed: int, start: int, minutes: int) -> None:
    bars = MARKETS[seed].minutes(TICKERS, TimeRange(start, start + minutes * 60))
    assert np.all(bars.ts % 60 == 0)
    assert np.all((bars.ts >= start) & (bars.ts < start + minutes * 60))
    assert np.all(bars.low > 0)
    for column in (bars.open, bars.close, bars.vwap):
        assert np.all((bars.low <= column) & (column <= bars.high))
    assert np.all(bars.volume > 0)
    assert np.all(bars.trades >= 1)
    shares = np.isin(bars.owner, [0, 1, 2])
    assert np.all(bars.volume[shares] == np.floor(bars.volume[shares]))
    assert np.all(bars.trades[shares] <= bars.volume[shares])
    for column in (bars.open, bars.high, bars.low, bars.close):
        cents = column[shares] * 100
        assert np.all(np.abs(cents - np.round(cents)) < 1e-6)


@given(seeds, starts, st.integers(0, 2000), st.integers(0, 2000), st.permutations(TICKERS))
@settings(max_examples=40, deadline=None)
def test_every_slicing_gives_the_same_bars(
    seed: int, start: int, one: int, two: int, order: Sequence[str]
) -> None:
    cut, end = start + 60 + one * 60, start + 120 + (one + two) * 60
    whole = MARKETS[seed].minutes(TICKERS, TimeRange(start, end))
    fresh = SyntheticMarket(LISTED, seed)
    for owner, ticker in enumerate(TICKERS):
        mine = whole.take(whole.owner == owner)
        parts = [
            fresh.minutes([ticker], TimeRange(start, cut)),
            fresh.minutes([ticker], TimeRange(cut, end)),
        ]
        assert same(mine.owned_by(mine.owner * 0), Bars.join(parts))
        place = order.index(ticker)
        shuffled = fresh.minutes(order, TimeRange(start, end))
        assert same(mine.owned_by(mine.owner * 0 + place), shuffled.take(shuffled.owner == place))


def test_bars_come_by_owner_and_then_by_time() -> None:
    bars = MARKETS[0].minutes(TICKERS, TimeRange(epoch(OPEN), epoch(CLOSE)))
    rows = list(zip(bars.owner.tolist(), bars.ts.tolist(), strict=True))
    assert rows == sorted(set(rows))


@given(seeds, st.sampled_from(TICKERS), st.integers(0, 4000))
@settings(max_examples=25, deadline=None)
def test_a_day_is_its_regular_minutes(seed: int, ticker: str, days_on: int) -> None:
    market, label = MARKETS[seed], label_of(date(2012, 1, 2) + timedelta(days=days_on))
    days = market.days([ticker], TimeRange(label, label + 86_400))
    session = market.hours(ticker).grid.session_on(date(2012, 1, 2) + timedelta(days=days_on))
    if session is None:
        assert len(days) == 0
        return
    minutes = market.minutes([ticker], TimeRange(session.open, session.close))
    assert days.ts.tolist() == [label]
    assert days.open[0] == minutes.open[0]
    assert days.close[0] == minutes.close[-1]
    assert days.high[0] == max(minutes.high)
    assert days.low[0] == min(minutes.low)
    assert days.trades[0] == sum(minutes.trades.tolist())
    assert abs(days.volume[0] - fsum(minutes.volume)) < 1e-6
    paid = fsum(v * p for v, p in zip(minutes.volume, minutes.vwap, strict=True))
    assert abs(days.vwap[0] - paid / fsum(minutes.volume)) < 2e-6


def test_a_many_days_answer_is_its_days() -> None:
    span = TimeRange(label_of(date(2024, 2, 26)), label_of(date(2024, 3, 18)))
    whole = MARKETS[1].days(TICKERS, span)
    for label in range(span.start, span.end, 86_400):
        day = MARKETS[1].days(TICKERS, TimeRange(label, label + 86_400))
        assert same(whole.take(whole.ts == label), day)


def test_stocks_trade_when_the_exchange_is_open_and_only_then(market_data_dir: Path) -> None:
    with (market_data_dir / "calendar/xnys.csv").open() as file:
        sessions = [
            (
                epoch(datetime.fromisoformat(row["open"])),
                epoch(datetime.fromisoformat(row["close"])),
            )
            for row in csv.DictReader(file)
            if row["open"] >= "2018"
        ]
    for opens, closes in sessions[::25]:
        bars = MARKETS[0].minutes(["BIG"], TimeRange(opens, closes))
        assert bars.ts.tolist() == list(range(opens, closes, 60))
    before_four = 5 * 3600 + 30 * 60  # 04:00 New York, where extended hours begin
    for (_, closes), (opens, _) in pairwise(sessions):
        night = TimeRange(opens - before_four - 8 * 3600, opens - before_four)
        assert len(MARKETS[0].minutes(["BIG"], night)) == 0
        if opens - closes > 2 * 86_400:  # a weekend or a holiday
            quiet = TimeRange(closes + 8 * 3600, opens - before_four)
            assert len(MARKETS[0].minutes(["BIG"], quiet)) == 0


def test_crypto_trades_round_the_clock() -> None:
    saturday = label_of(date(2025, 12, 27))
    bars = MARKETS[0].minutes(["COIN-USD"], TimeRange(saturday, saturday + 86_400))
    assert bars.ts.tolist() == list(range(saturday, saturday + 86_400, 60))
    assert np.any(bars.volume != np.floor(bars.volume))


def test_liquidity_follows_the_tier() -> None:
    session = TimeRange(epoch(OPEN), epoch(CLOSE))
    bars = MARKETS[0].minutes(TICKERS, session)
    counts = np.bincount(bars.owner, minlength=3)
    assert counts[0] == 390
    assert 375 <= counts[1] <= 390
    assert 80 <= counts[2] < 385  # it has regular minutes without a trade
    early = MARKETS[0].minutes(TICKERS[:3], TimeRange(epoch(OPEN) - 5 * 3600, epoch(OPEN)))
    assert 60 <= np.bincount(early.owner, minlength=3)[0] < 300
    assert np.bincount(early.owner, minlength=3)[2] < 30


def test_volume_is_u_shaped() -> None:
    market = MARKETS[2]
    by_minute = np.zeros(390)
    for session in market.hours("BIG").grid.sessions_between(date(2025, 3, 3), date(2025, 5, 30)):
        if session.minutes == 390:
            by_minute += market.minutes(["BIG"], TimeRange(session.open, session.close)).volume
    middle = by_minute[180:210].mean()
    assert by_minute[:30].mean() > 2 * middle
    assert by_minute[-30:].mean() > 2 * middle


def test_prices_move_like_prices() -> None:
    """Not flat, and without the jumps that quality rules look for."""
    year = TimeRange(label_of(date(2024, 1, 1)), label_of(date(2025, 1, 1)))
    days = MARKETS[0].days(["BIG"], year)
    returns = np.diff(np.log(days.close))
    assert len(days) == 252
    assert 0.003 < returns.std() < 0.05
    assert np.abs(returns).max() < 0.25
    minutes = MARKETS[0].minutes(["BIG"], TimeRange(epoch(OPEN), epoch(CLOSE)))
    assert np.abs(np.diff(np.log(minutes.close))).max() < 0.02


def test_another_seed_is_another_market() -> None:
    span = TimeRange(epoch(OPEN), epoch(OPEN) + 600)
    assert not same(MARKETS[0].minutes(["BIG"], span), MARKETS[1].minutes(["BIG"], span))


def test_nothing_trades_before_listing_or_after_delisting() -> None:
    listed = Listing("NEW", listed_on=date(2025, 11, 21), delisted_on=date(2025, 11, 24))
    market = SyntheticMarket({"NEW": listed})
    days = market.days(["NEW"], TimeRange(FRIDAY_LABEL - 7 * 86_400, FRIDAY_LABEL + 7 * 86_400))
    assert days.ts.tolist() == [FRIDAY_LABEL, FRIDAY_LABEL + 3 * 86_400]


def test_unknown_tickers_have_no_bars_and_old_times_none_either() -> None:
    assert len(MARKETS[0].minutes(["NOPE"], TimeRange(epoch(OPEN), epoch(CLOSE)))) == 0
    assert len(MARKETS[0].minutes(["BIG"], TimeRange(0, 86_400))) == 0
    assert len(MARKETS[0].days(["BIG"], TimeRange(0, 86_400))) == 0
