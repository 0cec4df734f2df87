"""Which bars of an interval a calendar expects, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from universe.domain.interval import Interval
from universe.domain.session_grid import Placement, SessionGrid, date_of


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected bars of one calendar × interval, numbered in order: two bars are
    neighbours when their numbers differ by one, whatever night lies between them.

    Times are epoch seconds; every question outside the calendar's coverage raises
    DateNotCovered.
    """

    grid: SessionGrid
    interval: Interval

    def between(self, start: int, end: int) -> Int64s:
        """The `ts` of the bars expected in `[start, end)`, ascending."""
        if end <= start:
            return np.empty(0, np.int64)
        if self.interval is Interval.MINUTE:
            return self.grid.expected(start, end)
        return self.grid.expected_labels(start, end)

    def includes(self, ts: Int64s) -> Bools:
        """Whether each `ts` is one of the expected bars."""
        if not len(ts):
            return np.empty(0, np.bool_)
        if self.interval is Interval.MINUTE:
            return np.asarray((self.grid.place(ts) == Placement.REGULAR) & (ts % 60 == 0))
        return np.isin(ts, self.grid.expected_labels(int(ts.min()), int(ts.max()) + 1))

    def numbers(self, ts: Int64s) -> Int64s:
        """The number of each expected bar in `ts`."""
        if self.interval is Interval.MINUTE:
            return self.grid.indices_of(ts)
        return np.searchsorted(self.grid.labels, ts).astype(np.int64)

    def times(self, numbers: Int64s) -> Int64s:
        """The `ts` of the bars with these numbers: `numbers()` backwards."""
        if self.interval is Interval.MINUTE:
            return self.grid.minute_at(numbers)
        return self.grid.labels[numbers]

    def labels_of(self, ts: Int64s) -> Int64s:
        """The session label (00:00Z of its date) of each expected bar in `ts`."""
        return self.grid.labels_of(ts) if self.interval is Interval.MINUTE else ts

    def bars_in_session(self, label: int) -> int:
        """How many bars the session with this label has."""
        session = self.grid.session_on(date_of(label))
        if session is None:
            return 0
        return session.minutes if self.interval is Interval.MINUTE else 1

    def neighbours(self, first: int, last: int) -> tuple[int, int]:
        """The `ts` of the expected bars just before `first` and just after `last`; at the
        calendar's ends, these themselves. Both must be expected bars."""
        low, high = self.numbers(np.array([first, last], np.int64)).tolist()
        around = np.array([max(low - 1, 0), min(high + 1, self._count - 1)], np.int64)
        before, after = self.times(around).tolist()
        return before, after

    @property
    def _count(self) -> int:
        if self.interval is Interval.MINUTE:
            return self.grid.index_of(self.grid.sessions[-1].close)
        return len(self.grid.labels)
