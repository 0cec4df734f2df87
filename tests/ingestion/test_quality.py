"""What is a bar and what is not: the rules one by one, then the jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.bar_batch import Bars
from ingestion.domain.neighbours import KnownSplits, Stored
from ingestion.domain.quality import Fault, Known, Surroundings, judge_alone, judge_beside
from ingestion.models.quarantine import QuarantineReason
from tests.ingestion.market_week import at
from universe.domain.interval import Interval

NAN, INF = math.nan, math.inf
OPEN = at("2014-06-05T13:30")
DAY = 86_400
ALL_WRONG = (
    "high 9 is below open 10, high 9 is below close 10, high 9 is below low 11,"
    " low 11 is above open 10, low 11 is above close 10"
)


def around(
    count: int, session: object = 0, closed: object = False, unlisted: object = False
) -> Surroundings:
    def column(value: object, dtype: type) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype), (count,))

    return Surroundings(column(closed, bool), column(unlisted, bool), column(session, np.int64))


def verdict(
    *row: float,
    ts: int = OPEN,
    interval: Interval = Interval.MINUTE,
    closed: bool = False,
    unlisted: bool = False,
) -> tuple[str, str]:
    """The fault of one bar (open, high, low, close, volume, vwap?) and the words."""
    columns = np.array(row, np.float64)[:, np.newaxis]
    bars = Bars.of([1], [ts], *columns)
    verdicts = judge_alone(bars, interval, around(1, 0, closed, unlisted))
    return Fault(verdicts.faults[0]).name.lower(), verdicts.details.get(0, "")


# ---- each bar for itself ------------------------------------------------------------------


def test_every_fault_has_a_quarantine_reason_and_every_reason_a_fault() -> None:
    assert {fault.reason for fault in Fault if fault} == set(QuarantineReason.values)


@pytest.mark.parametrize(
    "bar",
    [
        (10, 11, 9, 10.5, 100),
        (10, 10, 10, 10, 0),  # quoted, not traded: a vendor may say so
        (10, 11, 9, 10.5, 0.00012),  # crypto
        (10, 11, 9, 10.5, 100, NAN),  # no vwap
        (0.0001, 0.0001, 0.0001, 0.0001, 1),
        (10, 14.8, 10, 12, 5),  # wild, but no split's ratio
        (10, 29.2, 10, 12, 5),
    ],
)
def test_a_possible_bar_passes(bar: tuple[float, ...]) -> None:
    assert verdict(*bar) == ("none", "")


@pytest.mark.parametrize(
    ("bar", "fault", "words"),
    [
        ((NAN, 11, 9, 10, 5), "non_finite", "open is nan"),
        ((10, INF, 9, 10, 5), "non_finite", "high is inf"),
        ((10, 11, -INF, 10, 5), "non_finite", "low is -inf"),
        ((10, 11, 9, NAN, NAN), "non_finite", "close is nan, volume is nan"),
        ((10, 11, 9, 10, 5, INF), "non_finite", "vwap is inf"),
        ((10, 11, 0, 10, 5), "non_positive", "low 0 is not above 0"),
        ((-1, 11, -1, 10, 5), "non_positive", "open -1 is not above 0, low -1 is not above 0"),
        ((10, 11, 9, 10, -5), "non_positive", "volume -5 is below 0"),
        ((10, 9.9, 9, 9.5, 5), "ohlc_order", "high 9.9 is below open 10"),
        ((10, 11, 9, 11.5, 5), "ohlc_order", "high 11 is below close 11.5"),
        ((10, 11, 10.5, 11, 5), "ohlc_order", "low 10.5 is above open 10"),
        ((10, 9, 11, 10, 5), "ohlc_order", ALL_WRONG),
        # A minute's own range. AAPL 2014-06-09 04:00 New York, as it was recorded:
        ((645.57, 645.57, 92.23, 92.42, 600), "split_like",
         "high 645.57 over low 92.23: a factor of 6.9996, within 1% of a 7:1 split"),
        ((150, 150, 100, 100, 5), "split_like",
         "high 150 over low 100: a factor of 1.5, within 1% of a 3:2 split"),
        ((100, 1009, 100, 100, 5), "split_like",
         "high 1009 over low 100: a factor of 10.09, within 1% of a 10:1 split"),
        ((100, 348, 100, 100, 5), "absurd_jump",
         "high 348 over low 100: a factor of 3.48, not below 3"),
        ((100, 1e9, 100, 100, 5), "absurd_jump",
         "high 1e+09 over low 100: a factor of 1e+07, not below 3"),
    ],
)  # fmt: skip
def test_an_impossible_bar_is_named(bar: tuple[float, ...], fault: str, words: str) -> None:
    assert verdict(*bar) == (fault, words)


def test_a_minute_lies_on_the_grid() -> None:
    assert verdict(10, 11, 9, 10, 5, ts=OPEN + 17) == (
        "off_grid",
        "2014-06-05T13:30:17Z is no multiple of 60 seconds",
    )


def test_a_day_is_a_label() -> None:
    assert verdict(10, 11, 9, 10, 5, ts=OPEN, interval=Interval.DAY) == (
        "off_grid",
        "2014-06-05T13:30:00Z is no multiple of 86400 seconds",
    )


def test_a_closed_market_makes_no_bars() -> None:
    night, sunday = at("2014-06-05T03:00"), at("2014-06-08")
    assert verdict(1, 1, 1, 1, 1, ts=night, closed=True) == (
        "outside_hours",
        "2014-06-05T03:00:00Z is outside trading hours",
    )
    assert verdict(1, 1, 1, 1, 1, ts=sunday, interval=Interval.DAY, closed=True) == (
        "outside_hours",
        "2014-06-08 is no session of the calendar",
    )


def test_a_symbol_trades_only_while_it_is_listed() -> None:
    assert verdict(1, 1, 1, 1, 1, unlisted=True) == (
        "unlisted",
        "2014-06-05T13:30:00Z is outside the symbol's listing",
    )
    assert Fault.UNLISTED.reason == QuarantineReason.OUTSIDE_HOURS


def test_a_day_may_range_further_than_a_minute() -> None:
    # GME on 2021-01-28, and on 2021-01-25: real days, unadjusted.
    assert verdict(265, 483, 112.25, 193.6, 5, ts=0, interval=Interval.DAY)[0] == "none"
    assert verdict(96.73, 159.18, 61.13, 76.79, 5, ts=0, interval=Interval.DAY)[0] == "none"
    assert verdict(265, 483, 112.25, 193.6, 5)[0] == "absurd_jump"
    for high in (150, 200, 300, 400):
        assert verdict(100, high, 100, 100, 5, ts=0, interval=Interval.DAY)[0] == "none"
    assert verdict(265, 483, 80, 193.6, 5, ts=0, interval=Interval.DAY) == (
        "split_like",
        "high 483 over low 80: a factor of 6.0375, within 1% of a 6:1 split",
    )
    assert verdict(265, 483, 85, 193.6, 5, ts=0, interval=Interval.DAY) == (
        "absurd_jump",
        "high 483 over low 85: a factor of 5.6824, not below 5",
    )


@pytest.mark.parametrize(
    ("bar", "ts", "where", "first"),
    [
        ((NAN, -1, 9, 10, 5), OPEN + 1, (True, True), "non_finite"),
        ((10, -1, 9, 10, 5), OPEN + 1, (True, True), "non_positive"),
        ((10, 8, 9, 10, 5), OPEN + 1, (True, True), "ohlc_order"),
        ((70, 70, 10, 10, 5), OPEN + 1, (True, True), "off_grid"),
        ((70, 70, 10, 10, 5), OPEN, (True, True), "outside_hours"),
        ((70, 70, 10, 10, 5), OPEN, (False, True), "unlisted"),
        ((70, 70, 10, 10, 5), OPEN, (False, False), "split_like"),
    ],
)
def test_the_first_rule_broken_is_the_reason(
    bar: tuple[float, ...], ts: int, where: tuple[bool, bool], first: str
) -> None:
    assert verdict(*bar, ts=ts, closed=where[0], unlisted=where[1])[0] == first


# ---- beside its neighbours ----------------------------------------------------------------


def flat(owner: object, ts: object, prices: Sequence[float] | np.ndarray) -> Bars:
    """Bars that opened and closed at one price."""
    return Bars.of(owner, ts, prices, prices, prices, prices, np.ones(len(prices)))


def rejected(
    prices: Sequence[float] | np.ndarray,
    *,
    interval: Interval = Interval.MINUTE,
    ts: Sequence[int] | None = None,
    session: Sequence[int] | None = None,
    stored: Sequence[tuple[int, float]] = (),
    stored_session: int = 0,
    witnesses: Sequence[tuple[int, float]] = (),
    splits: KnownSplits | None = None,
) -> dict[int, tuple[str, str]]:
    """Which of some flat bars of one symbol, a minute (a day) apart, are rejected and why.
    Stored bars are given as (position in the sequence, price)."""
    steps = np.arange(len(prices)) if ts is None else np.asarray(ts)
    bars = flat(np.ones(len(prices)), OPEN // DAY * DAY + steps * interval.seconds, prices)
    column = np.array([price for _, price in stored], np.float64)
    beside = Stored(
        np.ones(len(stored), np.int64),
        np.array([OPEN // DAY * DAY + at * interval.seconds for at, _ in stored], np.int64),
        column,
        column,
    )
    where = around(len(prices), 0 if session is None else session)
    of_stored = np.full(len(stored), stored_session, np.int64)
    heard = Stored(
        np.ones(len(witnesses), np.int64),
        np.array([OPEN // DAY * DAY + at * interval.seconds for at, _ in witnesses], np.int64),
        *(np.array([price for _, price in witnesses], np.float64),) * 2,
    )
    session_of = np.concatenate((of_stored, np.zeros(len(witnesses), np.int64)))
    known = Known(beside, heard, session_of)
    rows = np.arange(len(prices))
    verdicts = judge_beside(bars, rows, interval, where, known, splits or {})
    return {
        int(row): (Fault(verdicts.faults[row]).name.lower(), verdicts.details[int(row)])
        for row in np.flatnonzero(verdicts.faults)
    }


def test_a_lone_spike_is_rejected_with_its_reason() -> None:
    (found,) = rejected([100, 101, 700, 101, 100]).items()
    words = "open 700, the bar before closed at 101: a factor of 6.9307, within 1% of a 7:1 split"
    assert found == (2, ("split_like", words))
    (found,) = rejected([100, 101, 30, 101, 100]).items()
    words = "open 30, the bar before closed at 101: a factor of 3.3667, not below 3"
    assert found == (2, ("absurd_jump", words))


@pytest.mark.parametrize(
    ("prices", "positions"),
    [
        ([100], []),
        ([100, 101, 99], []),
        ([100, 130, 180, 240, 310], []),  # a rally, step by step
        ([100, 147, 100], []),  # large, but unlike a split and not absurd
        ([100, 50, 100], [1]),
        ([50, 100, 100], [0]),  # the first bar of a batch
        ([100, 100, 50], [2]),  # the newest bar: nothing confirms it yet
        ([100, 100, 50, 50], []),  # confirmed by the next one
        ([100, 100, 700, 700, 100, 100], []),  # whatever happened, two bars agree on it
        ([100, 50], [0, 1]),  # one of them is wrong, and nobody says which
        ([100, 50, 100, 50], [1, 3]),
        ([100, 100, 20, 1000, 100], [2, 3]),
        ([100, 20, 101, 1000, 100, 100], [1, 3]),  # 101 stands between two bad prints
        ([20, 100, 5, 1000], [0, 1, 2, 3]),
    ],
)
def test_who_stands_alone(prices: Sequence[float], positions: list[int]) -> None:
    assert sorted(rejected(prices)) == positions


def test_another_session_is_no_neighbour() -> None:
    """A split takes effect overnight, and a raw series shows it."""
    assert rejected([100, 50], session=[0, DAY]) == {}
    assert sorted(rejected([100, 100, 50, 51, 700], session=[0, 0, DAY, DAY, DAY])) == [4]


def test_a_stored_bar_vouches_for_its_neighbours_and_is_not_judged() -> None:
    assert rejected([50], stored=[(-1, 50)]) == {}
    assert sorted(rejected([50], stored=[(-1, 100)])) == [0]
    assert rejected([50], stored=[(-1, 100)], stored_session=DAY) == {}
    assert rejected([50], stored=[(-1, 100), (1, 50)]) == {}
    assert sorted(rejected([100, 50], stored=[(-1, 100)])) == [1]
    assert rejected([50, 50], stored=[(-1, 100)]) == {}
    # What is stored of the judged bar itself says nothing about it.
    assert sorted(rejected([100, 50], ts=[0, 1], stored=[(-1, 100), (1, 50)])) == [1]


def test_a_rejected_bar_bears_witness_for_the_next_one() -> None:
    """What comes bar by bar is judged as if it had come at once."""
    before = [(-2, 100.0)]
    assert sorted(rejected([50], stored=before)) == [0]
    assert rejected([50], stored=before, witnesses=[(-1, 50)]) == {}
    assert sorted(rejected([50], stored=before, witnesses=[(-1, 700)])) == [0]
    # A witness beside a good bar says nothing against it, nor for a bar further on.
    assert rejected([100], stored=before, witnesses=[(-1, 50)]) == {}
    assert sorted(rejected([100, 50], stored=before, witnesses=[(-1, 50)])) == [1]
    # It is not judged itself, and what is judged again needs no witness of its own.
    assert sorted(rejected([50, 100, 100], witnesses=[(0, 50)])) == [0]
    assert sorted(rejected([50], witnesses=[(-1, 700)])) == [0]
    assert rejected([50], stored=[(-2, 50.0)], witnesses=[(-1, 700)]) == {}


def test_another_symbol_is_no_neighbour() -> None:
    bars = flat([1, 2, 1, 2], [0, 0, 60, 60], [10, 500, 10, 500])
    nothing, none = Stored.nothing(), np.empty(0, np.int64)
    rows = np.array([0, 2, 1, 3])
    known = Known(nothing, nothing, none)
    verdicts = judge_beside(bars, rows, Interval.MINUTE, around(4), known, {})
    assert not verdicts.faults.any()


@pytest.mark.parametrize(
    ("prices", "positions"),
    [
        ([100, 20, 100], [1]),
        ([100, 100, 14.3, 14.2], []),  # a split, confirmed the day after
        ([100, 100, 14.3], [2]),  # the ex-date itself, before anybody knows of the split
        ([100, 14.3, 14.2], []),  # the last day before a split, nothing known before it
        ([100, 30, 30], [0]),  # like no split: the first price is not believed
        ([100, 70, 48, 30], []),
    ],
)
def test_days_are_judged_by_the_days_beside_them(
    prices: Sequence[float], positions: list[int]
) -> None:
    assert sorted(rejected(prices, interval=Interval.DAY)) == positions


def test_a_known_split_is_no_jump() -> None:
    third_day = OPEN // DAY * DAY + 2 * DAY
    splits = {1: [(third_day, 7.0)]}
    assert rejected([100, 100, 14.3], interval=Interval.DAY, splits=splits) == {}
    assert rejected([100, 100, 14.3], interval=Interval.DAY, splits={2: [(third_day, 7.0)]})
    too_early = {1: [(third_day - DAY, 7.0)]}
    assert rejected([100, 100, 14.3], interval=Interval.DAY, splits=too_early)
    reverse = {1: [(third_day, 0.1)]}
    assert rejected([10, 10, 99], interval=Interval.DAY, splits=reverse) == {}


def test_days_far_apart_are_no_neighbours() -> None:
    assert rejected([39.13, 55.2, 55.7], interval=Interval.DAY, ts=[0, 2304, 2305]) == {}
    week = [0, 7, 8]  # 2001-09-10 and 2001-09-17 are
    assert sorted(rejected([100, 20, 100], interval=Interval.DAY, ts=week)) == [1]


calm = st.lists(st.floats(-0.1, 0.1), min_size=4, max_size=40).map(
    lambda steps: np.exp(np.cumsum(steps)) * 100
)
wild = st.one_of(
    st.floats(3.0, 1e6), st.sampled_from([1.5, 2.0, 2.5]).map(lambda split: split * 1.0001)
)


@given(calm)
def test_a_calm_market_loses_nothing(prices: Sequence[float]) -> None:
    assert rejected(prices) == {}


@given(st.data(), wild, st.booleans())
def test_one_bad_print_is_found_wherever_it_is(
    data: st.DataObject, factor: float, upwards: bool
) -> None:
    prices = np.full(data.draw(st.integers(4, 30)), 100.0)
    position = data.draw(st.integers(0, len(prices) - 1))
    prices[position] *= factor if upwards else 1 / factor
    assert list(rejected(prices)) == [position]


@given(calm, calm, wild)
def test_a_new_level_that_holds_is_real(
    before: np.ndarray, after: np.ndarray, factor: float
) -> None:
    assert rejected(np.concatenate((before, after / after[0] * before[-1] * factor))) == {}
