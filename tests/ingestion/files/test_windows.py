"""A file in pieces is judged like the file in one piece."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.collection.intake import Intake, take_in
from ingestion.collection.roster import Roster
from ingestion.domain.bar_batch import Bars
from ingestion.domain.neighbours import Stored
from ingestion.files.windows import Windows
from tests.ingestion.market_week import at, june_grid
from universe.domain.interval import Interval
from universe.models import Symbol

NOW = float(at("2014-06-14"))
OPEN = at("2014-06-09T13:30")
ROSTER = Roster.of(
    [Symbol(id=number, calendar_id="XNYS") for number in (1, 2)], {"XNYS": june_grid()}.__getitem__
)


def outcome(*intakes: Intake) -> tuple[Counter[object], Counter[object], Counter[str]]:
    """What was accepted, rejected and dropped, in whatever order."""
    accepted: Counter[object] = Counter()
    rejected: Counter[object] = Counter()
    dropped: Counter[str] = Counter()
    for intake in intakes:
        bars, bad = intake.bars, intake.rejected.bars
        accepted.update(zip(bars.owner.tolist(), bars.ts.tolist(), bars.open, strict=True))
        reasons = map(str, intake.rejected.reasons)
        rejected.update(zip(bad.owner.tolist(), bad.ts.tolist(), reasons, strict=True))
        dropped.update(intake.dropped)
    return accepted, rejected, dropped


def in_pieces(bars: Bars, cuts: list[int]) -> list[Intake]:
    windows = Windows(Interval.MINUTE, lambda ids: ROSTER, lambda new: Stored.nothing())
    edges = [0, *sorted(cut % (len(bars) + 1) for cut in cuts), len(bars)]
    pieces = [bars.take(slice(start, end)) for start, end in pairwise(edges)]
    return [*(windows.feed(piece, NOW) for piece in pieces), windows.finish(NOW)]


@st.composite
def markets(draw: st.DrawFn) -> Bars:
    """Two symbols' minutes: calm, with bad prints here and there, and a new level that holds."""
    parts = []
    for owner in (1, 2):
        prices = np.full(draw(st.integers(1, 60)), 100.0)
        if len(prices) > 20 and draw(st.booleans()):
            prices[draw(st.integers(10, len(prices) - 10)) :] *= 2
        for spot in draw(st.sets(st.integers(0, len(prices) // 6), max_size=4)):
            if spot * 6 < len(prices):
                prices[spot * 6] *= draw(st.sampled_from([7.0, 0.1, 50.0]))
        ts = OPEN + np.arange(len(prices)) * 60
        owners = np.full(len(prices), owner)
        parts.append(Bars.of(owners, ts, prices, prices, prices, prices, np.ones(len(prices))))
    return Bars.join(parts)


@given(
    markets(), st.lists(st.integers(0, 200), max_size=12), st.sampled_from(["up", "down", "time"])
)
def test_however_it_is_cut_and_sorted(market: Bars, cuts: list[int], order: str) -> None:
    if order == "down":
        market = market.take(np.arange(len(market))[::-1])
    elif order == "time":
        market = market.take(np.argsort(market.ts, kind="stable"))
    whole = take_in(market, Interval.MINUTE, ROSTER, now=NOW)
    assert outcome(*in_pieces(market, cuts)) == outcome(whole)


def test_nothing_is_held_for_longer_than_it_takes() -> None:
    ts = OPEN + np.arange(300) * 60
    prices = np.full(300, 100.0)
    bars = Bars.of(np.ones(300), ts, prices, prices, prices, prices, np.ones(300))
    first, second, last = in_pieces(bars, [200])
    assert len(first.bars) == 200 - 2 * 3
    assert (len(second.bars), len(last.bars)) == (100, 6)


@pytest.mark.parametrize(("stored", "accepted"), [(100.0, 1), (700.0, 0)])
def test_what_is_stored_before_a_file_counts(stored: float, accepted: int) -> None:
    price = np.array([100.0])
    before = Stored(np.array([1]), np.array([OPEN - 60]), np.array([stored]), np.array([stored]))
    windows = Windows(Interval.MINUTE, lambda ids: ROSTER, lambda new: before)
    windows.feed(Bars.of([1], [OPEN], price, price, price, price, [1]), NOW)
    assert len(windows.finish(NOW).bars) == accepted
