"""Which of a vendor's rows answer the question: the rules that hold for every vendor.

Rows beyond the range, of the minute still forming, or (where asked) off the grid are left
out and counted. A row from the future makes the whole answer unbelievable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.providers.errors import Malformed
from universe.domain.interval import Interval
from universe.domain.session import label_of
from universe.domain.time_range import TimeRange

CLOCK_TOLERANCE_S = 5
"""How far a vendor's clock may be ahead of ours."""

_OLDEST = -(1 << 32)
"""Epoch seconds, in 1833: an older time is a number that means something else."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one call was asked, and when.

    `range` bounds the rows as BarRequest does. `asked_at` and `received_at` are epoch
    seconds: a bar that ends after the first may be unfinished, one that begins after the
    second cannot be. `zone` is the IANA zone whose dates label daily bars.
    """

    provider: str
    endpoint: str
    interval: Interval
    range: TimeRange
    asked_at: float
    received_at: float
    zone: str = "UTC"

    def malformed(self, detail: str) -> Malformed:
        """The error that says the answer is not what the vendor documents."""
        return Malformed(self.provider, self.endpoint, detail)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The bars of one answer, and how many rows were left out, by reason."""

    bars: Bars
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def nothing(cls) -> Parsed:
        """An answer without rows."""
        return cls(Bars.empty())


def refuse_future(ts: Int64s, window: Window) -> None:
    """Raise Malformed when a time in `ts` (epoch seconds) is after the answer came, or is
    so long ago that it cannot be in seconds since 1970."""
    if not len(ts):
        return
    newest, oldest = int(ts.max()), int(ts.min())
    if newest > window.received_at + CLOCK_TOLERANCE_S:
        now = _iso(window.received_at)
        raise window.malformed(f"a bar from the future: {_iso(newest)} at {now}")
    if oldest < _OLDEST:
        raise window.malformed(f"a bar's time is {oldest} seconds from 1970")


def screen(bars: Bars, window: Window, dropped: Mapping[str, int] | None = None) -> Parsed:
    """The bars that belong in the answer; `dropped` counts rows already left out.

    Raises Malformed for a bar from the future.
    """
    counts = Counter(dropped or {})
    if window.interval is Interval.MINUTE:
        refuse_future(bars.ts, window)
    else:
        _refuse_future_dates(bars.ts, window)
    inside = (bars.ts >= window.range.start) & (bars.ts < window.range.end)
    finished = _finished(bars.ts, window)
    counts["outside_range"] += int(np.count_nonzero(~inside))
    counts["unfinished"] += int(np.count_nonzero(inside & ~finished))
    kept = inside & finished
    return Parsed(bars if kept.all() else bars.take(kept), +counts)


def local_dates(ts: Int64s, zone: str, window: Window) -> tuple[Int64s, Bools]:
    """00:00Z of the date that each moment has in `zone`, and whether it is midnight there.

    Raises Malformed for a moment from the future.
    """
    refuse_future(ts, window)
    if zone == "UTC":
        return ts - ts % 86_400, ts % 86_400 == 0
    moments, where = np.unique(ts, return_inverse=True)
    place = ZoneInfo(zone)
    local = [datetime.fromtimestamp(int(moment), place) for moment in moments]
    labels = np.array([label_of(moment.date()) for moment in local], np.int64)
    midnight = np.array([moment.time() == time() for moment in local], np.bool_)
    return labels[where], midnight[where]


def finished_part(range: TimeRange, interval: Interval, now: float) -> TimeRange | None:
    """The part of `range` whose minutes have ended at `now`; for days all of `range`, as
    only the exchange's calendar knows when one ends. None: nothing of it."""
    if interval is Interval.DAY:
        return range
    end = min(range.end, int(now // 60) * 60)
    return TimeRange(range.start, end) if end > range.start else None


def _refuse_future_dates(labels: Int64s, window: Window) -> None:
    if not len(labels):
        return
    now = datetime.fromtimestamp(window.received_at + CLOCK_TOLERANCE_S, ZoneInfo(window.zone))
    newest = int(labels.max())
    if newest > label_of(now.date()):
        raise window.malformed(
            f"a bar from the future: {_iso(newest)[:10]} when it is {now.date()} in {window.zone}"
        )


def _finished(ts: Int64s, window: Window) -> Bools:
    if window.interval is Interval.DAY and window.zone != "UTC":
        return np.ones(len(ts), np.bool_)
    return np.asarray(ts + window.interval.seconds <= window.asked_at)


def _iso(epoch: float) -> str:
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{epoch:.0f} s after 1970"
