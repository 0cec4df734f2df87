"""How complete the stored bars of a range are."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import Completeness
from ingestion.domain.expectation import Expectation
from universe.domain.interval import Interval
from universe.domain.session import Placement
from universe.domain.time_range import TimeRange

NOTHING_EXPECTED = Completeness(expected=0, stored=0, no_trade=0, missing=0)


def completeness(
    expectation: Expectation, part: TimeRange | None, now: int, stored: Int64s, no_trade: Int64s
) -> Completeness:
    """Account for every bar that is expected in `part` (None: none is) and over by `now`.

    `stored` and `no_trade` are the ascending `ts` of regular bars and of marks; those outside
    `part` do not count, nor do marks beside a stored bar. Raises DateNotCovered.
    """
    end = min(part.end, now + 1) if part else 0
    if part is None or end <= part.start:
        return NOTHING_EXPECTED
    if expectation.interval is Interval.MINUTE:
        return _minutes(expectation, part.start, min(end, now // 60 * 60), stored, no_trade)
    labels = expectation.between(part.start, end)
    labels = labels[expectation.grid.closes_of(labels) <= now]
    return _add_up(
        len(labels), stored[np.isin(stored, labels)], no_trade[np.isin(no_trade, labels)]
    )


def _minutes(
    expectation: Expectation, start: int, end: int, stored: Int64s, no_trade: Int64s
) -> Completeness:
    if end <= start:
        return NOTHING_EXPECTED
    expected = expectation.grid.expected_count(start, end)
    present = _inside(stored, start, end)
    regular = expectation.grid.place(present) == Placement.REGULAR
    if not len(no_trade):
        return _account(expected, int(np.count_nonzero(regular)), 0)
    marked = _inside(no_trade, start, end)
    marked = marked[expectation.includes(marked)]
    return _add_up(expected, present[regular], marked)


def _inside(ts: Int64s, start: int, end: int) -> Int64s:
    low, high = np.searchsorted(ts, (start, end))
    return ts[low:high]


def _add_up(expected: int, stored: Int64s, no_trade: Int64s) -> Completeness:
    beside = np.isin(no_trade, stored, assume_unique=True)
    return _account(expected, len(stored), len(no_trade) - int(np.count_nonzero(beside)))


def _account(expected: int, stored: int, no_trade: int) -> Completeness:
    return Completeness(expected, stored, no_trade, missing=expected - stored - no_trade)
