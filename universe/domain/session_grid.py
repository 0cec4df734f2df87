"""Which minutes an exchange trades: the hot path's view of the sessions table.

Times are epoch seconds, UTC, in int64 arrays; ranges are half-open. A minute is named by its
open. Nothing here knows Django, pandas or exchange_calendars.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from universe.domain.minute_table import MinuteTable
from universe.domain.session import (
    DAY,
    DateNotCovered,
    Placement,
    Session,
    SessionsInvalid,
    date_of,
    label_of,
)
from universe.domain.time_range import TimeRange, iso

__all__ = [
    "EARLIEST_DATE",
    "DateNotCovered",
    "Int64s",
    "Placement",
    "Session",
    "SessionGrid",
    "SessionsInvalid",
    "date_of",
    "label_of",
]

Int64s = npt.NDArray[np.int64]

EARLIEST_DATE = date(1970, 1, 2)
"""No coverage begins earlier: its sessions would open before the epoch."""


class SessionGrid:
    """The sessions of one calendar between two dates, ready for vectorised questions.

    The grid knows the days `[first, last]`, both inclusive: open ones have a session, all
    others are closed. Every question that reaches a moment or a date it cannot know raises
    DateNotCovered, naming that moment and the coverage.

    Raises SessionsInvalid for sessions that overlap, share a date, lie outside the coverage,
    or whose times are out of order; and for a coverage that begins before 1970-01-02.
    """

    def __init__(
        self, calendar: str, sessions: list[Session], first: date, last: date, version: int = 1
    ) -> None:
        self.calendar = calendar
        self.version = version
        self.first, self.last = first, last
        self.sessions = sorted(sessions, key=lambda session: session.open)
        self._check()
        self._opens = [session.open for session in self.sessions]
        self._extended_opens = [session.extended_open for session in self.sessions]
        self._dates = [session.date for session in self.sessions]
        self.labels = np.array([session.label for session in self.sessions], np.int64)
        """The daily `ts` of every session, ascending."""
        self._open_at = np.array(self._opens, np.int64)
        self._extended_open_at = np.array(self._extended_opens, np.int64)
        self._close_at = np.array([s.close for s in self.sessions], np.int64)
        self._break_start_at = np.array([s.break_start for s in self.sessions], np.int64)
        self._break_end_at = np.array([s.break_end for s in self.sessions], np.int64)
        self._cumulative = np.concatenate(
            ([0], np.cumsum([session.minutes for session in self.sessions], dtype=np.int64))
        )
        self._covered_regular = self._span([(s.open, s.close) for s in self.sessions])
        self.covered = self._span([(s.extended_open, s.extended_close) for s in self.sessions])
        """The moments that the grid knows, extended hours included: those that only sessions
        dated in `[first, last]` can contain, judged by how far from their own UTC days this
        calendar's sessions reach."""
        self._table = MinuteTable(self.sessions, self.covered.start, self.covered.end)

    def _check(self) -> None:
        if self.first > self.last or self.first < EARLIEST_DATE:
            raise SessionsInvalid(
                f"calendar {self.calendar}: coverage {self.first} to {self.last} must be"
                f" ascending and begin no earlier than {EARLIEST_DATE}"
            )
        for session in self.sessions:
            session.check()
            if not self.first <= session.date <= self.last:
                raise SessionsInvalid(
                    f"calendar {self.calendar}: session {session.date} lies outside"
                    f" {self.first} to {self.last}"
                )
        for before, after in pairwise(self.sessions):
            if before.date >= after.date or before.close > after.open:
                raise SessionsInvalid(
                    f"calendar {self.calendar}: sessions {before.date} and {after.date} overlap"
                )

    def _span(self, windows: list[tuple[int, int]]) -> TimeRange:
        """The known moments, given each session's window."""
        opens = [opened - s.label for (opened, _), s in zip(windows, self.sessions, strict=True)]
        closes = [closed - s.label for (_, closed), s in zip(windows, self.sessions, strict=True)]
        start = label_of(self.first) - DAY + max(closes, default=DAY)
        end = label_of(self.last) + DAY + min(opens, default=0)
        if windows:  # a moment inside a known session is known, whatever the others' habits
            start, end = min(start, windows[0][0]), max(end, windows[-1][1])
        return TimeRange(start, end)

    # ---- single questions -----------------------------------------------------------

    def require(self, start: int, end: int) -> None:
        """Raise DateNotCovered unless the regular hours in all of `[start, end)` are known."""
        self._require(self._covered_regular, start, end)

    def _require(self, covered: TimeRange, start: int, end: int) -> None:
        if start < covered.start or end > covered.end:
            bad = start if start < covered.start else end
            raise self._not_covered(iso(bad))

    def require_date(self, day: date) -> None:
        """Raise DateNotCovered unless the sessions table covers the date `day`."""
        if not self.first <= day <= self.last:
            raise self._not_covered(str(day))

    def _require_labels(self, low: int, high: int) -> None:
        if low < label_of(self.first) or high >= label_of(self.last) + DAY:
            raise self._not_covered(iso(low if low < label_of(self.first) else high))

    def _not_covered(self, what: str) -> DateNotCovered:
        return DateNotCovered(
            f"{what} is outside what calendar {self.calendar} covers"
            f" (sessions from {self.first} to {self.last}); manage.py sync_sessions extends it"
        )

    def session_on(self, day: date) -> Session | None:
        """The session dated `day`, or None on a closed day."""
        self.require_date(day)
        index = bisect_left(self._dates, day)
        if index < len(self._dates) and self._dates[index] == day:
            return self.sessions[index]
        return None

    def latest_session(self, now: int) -> Session | None:
        """The newest session that has begun (extended hours included) by `now`, or None."""
        self._require(self.covered, now, now + 1)
        index = bisect_right(self._extended_opens, now)
        return self.sessions[index - 1] if index else None

    def sessions_between(self, first: date, last: date) -> list[Session]:
        """The sessions dated `first` to `last`, both inclusive, in order."""
        self.require_date(first)
        self.require_date(last)
        return self.sessions[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    def first_session_from(self, day: date) -> Session | None:
        """The first session dated `day` or later; None when the coverage ends before one."""
        self.require_date(day)
        index = bisect_left(self._dates, day)
        return self.sessions[index] if index < len(self.sessions) else None

    def last_session_until(self, day: date) -> Session | None:
        """The last session dated `day` or earlier; None when the coverage begins after it."""
        self.require_date(day)
        index = bisect_right(self._dates, day)
        return self.sessions[index - 1] if index else None

    # ---- vectorised questions -------------------------------------------------------

    def place(self, ts: Int64s) -> npt.NDArray[np.uint8]:
        """The Placement of the minute that each moment of `ts` falls in (any order)."""
        ts = np.asarray(ts, np.int64)
        placed = self._table.look_up(ts)
        if placed is None:
            low, high = int(ts.min()), int(ts.max())
            self._require(self.covered, low, high + 1)
            self._table.paint(low, high)
            placed = self._table.look_up(ts)
            assert placed is not None, "a covered minute is painted"  # noqa: S101 (an invariant)
        return placed

    def labels_at(self, ts: Int64s) -> Int64s:
        """The label of the newest session that has begun (extended hours included) by each
        moment; -1 before the first. Says nothing of whether it is still under way."""
        self._require_all(self.covered, ts)
        at = np.searchsorted(self._extended_open_at, ts, side="right") - 1
        return np.where(at < 0, -1, self.labels[at]) if len(self.labels) else at

    def closes_of(self, labels: Int64s) -> Int64s:
        """When the session with each label closes (exclusive); -1 where no session has it."""
        if not len(labels):
            return np.empty(0, np.int64)
        self._require_labels(int(labels.min()), int(labels.max()))
        if not len(self.labels):
            return np.full(len(labels), -1, np.int64)
        at = np.minimum(np.searchsorted(self.labels, labels), len(self.labels) - 1)
        return np.where(self.labels[at] == labels, self._close_at[at], -1)

    def expected(self, start: int, end: int) -> Int64s:
        """The opens of the regular minutes in `[start, end)`, ascending."""
        self.require(start, end)
        low, high = self.index_of(start), self.index_of(end)
        return self.minute_at(np.arange(low, high, dtype=np.int64))

    def expected_count(self, start: int, end: int) -> int:
        """How many regular minutes open in `[start, end)`."""
        self.require(start, end)
        return max(self.index_of(end) - self.index_of(start), 0)

    def expected_labels(self, start: int, end: int) -> Int64s:
        """The daily `ts` (00:00Z of the session date) in `[start, end)`, ascending."""
        first, last = -(-start // DAY) * DAY, (end - 1) // DAY * DAY
        if first <= last:
            self._require_labels(first, last)
        low, high = np.searchsorted(self.labels, (start, end))
        return self.labels[low:high].copy()

    def index_of(self, ts: int) -> int:
        """How many regular minutes of the grid open before `ts`."""
        at = bisect_right(self._opens, ts) - 1
        if at < 0:
            return 0
        session = self.sessions[at]
        inside = min(ts, session.close) - session.open
        if session.break_end and ts > session.break_start:
            inside -= min(ts, session.break_end) - session.break_start
        return int(self._cumulative[at]) + -(-inside // 60)

    def indices_of(self, ts: Int64s) -> Int64s:
        """`index_of` for each regular minute in `ts`. Two of them are neighbours on the
        exchange when their indices differ by one, whatever lies between them."""
        self._require_all(self._covered_regular, ts)
        at = np.searchsorted(self._open_at, ts, side="right") - 1
        paused = np.where(
            ts >= self._break_end_at[at], self._break_end_at[at] - self._break_start_at[at], 0
        )
        return np.asarray(self._cumulative[at] + (ts - self._open_at[at] - paused) // 60, np.int64)

    def labels_of(self, ts: Int64s) -> Int64s:
        """The label (00:00Z of the session date) of the session that each minute of `ts`,
        regular ones all, belongs to."""
        self._require_all(self._covered_regular, ts)
        return np.asarray(self.labels[np.searchsorted(self._open_at, ts, side="right") - 1])

    def minute_at(self, index: Int64s) -> Int64s:
        """The opens of the regular minutes with these indices (`index_of` backwards).

        Raises IndexError for an index that no minute of the grid has.
        """
        if not len(index):
            return np.empty(0, np.int64)
        if index.min() < 0 or index.max() >= self._cumulative[-1]:
            raise IndexError(
                f"calendar {self.calendar} has minutes 0 to {self._cumulative[-1] - 1};"
                f" asked for {index.min()} to {index.max()}"
            )
        at = np.searchsorted(self._cumulative, index, side="right") - 1
        ts = self._open_at[at] + (index - self._cumulative[at]) * 60
        pause = self._break_end_at[at] - self._break_start_at[at]
        after = (pause > 0) & (ts >= self._break_start_at[at])
        return np.asarray(ts + np.where(after, pause, 0), np.int64)

    def _require_all(self, covered: TimeRange, ts: Int64s) -> None:
        if len(ts):
            self._require(covered, int(ts.min()), int(ts.max()) + 1)
