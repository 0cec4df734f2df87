"""How complete the stored bars of a range are."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import Completeness
from ingestion.domain.expectation import Expectation
from universe.domain.interval import Interval
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
    return _account(
        len(labels), stored[np.isin(stored, labels)], no_trade[np.isin(no_trade, labels)]
    )


def _minutes(
    expectation: Expectation, start: int, end: int, stored: Int64s, no_trade: Int64s
) -> Completeness:
    if end <= start:
        return NOTHING_EXPECTED
    return _account(
        expectation.grid.expected_count(start, end),
        _expected(expectation, start, end, stored),
        _expected(expectation, start, end, no_trade),
    )


def _expected(expectation: Expectation, start: int, end: int, ts: Int64s) -> Int64s:
    low, high = np.searchsorted(ts, (start, end))
    inside = ts[low:high]
    return inside[expectation.includes(inside)]


def _account(expected: int, stored: Int64s, no_trade: Int64s) -> Completeness:
    marked = len(no_trade)
    if marked:
        marked -= int(np.isin(no_trade, stored, assume_unique=True).sum())
    return Completeness(
        expected=expected,
        stored=len(stored),
        no_trade=marked,
        missing=expected - len(stored) - marked,
    )
