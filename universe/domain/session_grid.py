"""Which minutes an exchange trades: the hot path's view of the sessions table.

Times are epoch seconds, UTC, in int64 arrays; ranges are half-open. A minute is named by its
open. Nothing here knows Django, pandas or exchange_calendars.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

_EPOCH = date(1970, 1, 1)
_DAY = 86_400
_BLOCK_MINUTES = 1 << 19  # a lookup block: 364 days at a byte a minute, built when first needed


class Placement(IntEnum):
    """Where a minute lies: outside every session, in regular or in extended hours."""

    CLOSED = 0
    REGULAR = 1
    EXTENDED = 2


class DateNotCovered(LookupError):
    """The question reaches outside the dates that the sessions table covers."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day. `close`, `break_end` and `extended_close` are exclusive.

    Without a break, `break_start == break_end == 0`; without extended hours the extended
    window is the regular one. Epoch seconds, UTC.
    """

    date: date
    open: int
    close: int
    break_start: int
    break_end: int
    extended_open: int
    extended_close: int

    @property
    def minutes(self) -> int:
        """How many regular minutes the session has."""
        return (self.close - self.open - (self.break_end - self.break_start)) // 60

    @property
    def label(self) -> int:
        """The daily bar's `ts`: 00:00Z of the session date."""
        return label_of(self.date)


def label_of(day: date) -> int:
    """00:00Z of `day` in epoch seconds."""
    return (day - _EPOCH).days * _DAY


def date_of(label: int) -> date:
    """The UTC date that the epoch second `label` falls on."""
    return _EPOCH + timedelta(days=label // _DAY)


class SessionGrid:
    """The sessions of one calendar between two dates, ready for vectorised questions.

    Every question about a date outside `[first, last]` raises DateNotCovered, naming the
    date and the coverage.
    """

    def __init__(
        self, calendar: str, sessions: list[Session], first: date, last: date, version: int = 1
    ) -> None:
        self.calendar = calendar
        self.version = version
        self.first, self.last = first, last
        self.sessions = sorted(sessions, key=lambda session: session.open)
        self._opens = [session.open for session in self.sessions]
        self._dates = [session.date for session in self.sessions]
        self.labels = np.array([session.label for session in self.sessions], np.int64)
        """The daily `ts` of every session, ascending."""
        self._open_at = np.array(self._opens, np.int64)
        self._extended_open_at = np.array([s.extended_open for s in self.sessions], np.int64)
        self._close_at = np.array([s.close for s in self.sessions], np.int64)
        self._break_start_at = np.array([s.break_start for s in self.sessions], np.int64)
        self._break_end_at = np.array([s.break_end for s in self.sessions], np.int64)
        self._cumulative = np.concatenate(
            ([0], np.cumsum([session.minutes for session in self.sessions], dtype=np.int64))
        )
        self._blocks: dict[int, npt.NDArray[np.uint8]] = {}
        # A session may reach into its neighbours' UTC days, but no further than a day.
        self._covered = (label_of(first) - _DAY, label_of(last) + 2 * _DAY)

    # ---- single questions -----------------------------------------------------------

    def require(self, start: int, end: int) -> None:
        """Raise DateNotCovered unless the sessions table covers all of `[start, end)`."""
        if start < self._covered[0] or end > self._covered[1]:
            bad = date_of(start) if start < self._covered[0] else date_of(end)
            raise DateNotCovered(
                f"{bad} is outside what calendar {self.calendar} covers"
                f" ({self.first} to {self.last}); manage.py sync_sessions extends it"
            )

    def require_date(self, day: date) -> None:
        """Raise DateNotCovered unless the sessions table covers the date `day`."""
        if not self.first <= day <= self.last:
            raise DateNotCovered(
                f"{day} is outside what calendar {self.calendar} covers"
                f" ({self.first} to {self.last}); manage.py sync_sessions extends it"
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
        self.require(now, now)
        index = bisect_right(self._opens, now)
        if index < len(self.sessions) and self.sessions[index].extended_open <= now:
            return self.sessions[index]
        return self.sessions[index - 1] if index else None

    def sessions_between(self, first: date, last: date) -> list[Session]:
        """The sessions dated `first` to `last`, both inclusive, in order."""
        self.require_date(first)
        self.require_date(last)
        return self.sessions[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    # ---- vectorised questions -------------------------------------------------------

    def place(self, ts: Int64s) -> npt.NDArray[np.uint8]:
        """The Placement of each minute in `ts` (any order). Cost: two passes and a look-up."""
        if not len(ts):
            return np.empty(0, np.uint8)
        minutes = ts // 60
        low, high = int(minutes.min()), int(minutes.max())
        self.require(low * 60, high * 60 + 60)
        first, last = low // _BLOCK_MINUTES, high // _BLOCK_MINUTES
        if first == last:
            minutes -= first * _BLOCK_MINUTES
            return self._block(first)[minutes]
        placed = np.empty(len(ts), np.uint8)
        numbers = minutes // _BLOCK_MINUTES
        for number in range(first, last + 1):
            chosen = numbers == number
            if chosen.any():
                placed[chosen] = self._block(number)[minutes[chosen] - number * _BLOCK_MINUTES]
        return placed

    def labels_at(self, ts: Int64s) -> Int64s:
        """The label of the newest session that has begun (extended hours included) by each
        moment; -1 before the first. Says nothing of whether it is still under way."""
        at = np.searchsorted(self._extended_open_at, ts, side="right") - 1
        return np.where(at < 0, -1, self.labels[at]) if len(self.labels) else at

    def closes_of(self, labels: Int64s) -> Int64s:
        """When the session with each label closes (exclusive); -1 where no session has it."""
        if not len(labels) or not len(self.labels):
            return np.full(len(labels), -1, np.int64)
        self.require_date(date_of(int(labels.min())))
        self.require_date(date_of(int(labels.max())))
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
        self.require(start, end)
        labels = [label_of(day) for day in self._dates]
        chosen = labels[bisect_left(labels, start) : bisect_left(labels, end)]
        return np.array(chosen, np.int64)

    def index_of(self, ts: int) -> int:
        """How many regular minutes of the calendar open before `ts`."""
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
        at = np.searchsorted(self._open_at, ts, side="right") - 1
        paused = np.where(
            ts >= self._break_end_at[at], self._break_end_at[at] - self._break_start_at[at], 0
        )
        return np.asarray(self._cumulative[at] + (ts - self._open_at[at] - paused) // 60, np.int64)

    def minute_at(self, index: Int64s) -> Int64s:
        """The opens of the regular minutes with these indices (`index_of` backwards)."""
        if not len(index):
            return np.empty(0, np.int64)
        at = np.searchsorted(self._cumulative, index, side="right") - 1
        ts = self._open_at[at] + (index - self._cumulative[at]) * 60
        pause = self._break_end_at[at] - self._break_start_at[at]
        after = (pause > 0) & (ts >= self._break_start_at[at])
        return np.asarray(ts + np.where(after, pause, 0), np.int64)

    def _block(self, number: int) -> npt.NDArray[np.uint8]:
        """The placements of `_BLOCK_MINUTES` minutes from `number` blocks after the epoch."""
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._build_block(number * _BLOCK_MINUTES)
        return block

    def _build_block(self, base: int) -> npt.NDArray[np.uint8]:
        block = np.full(_BLOCK_MINUTES, Placement.CLOSED, np.uint8)

        def paint(start: int, end: int, placement: Placement) -> None:
            low, high = max(start // 60 - base, 0), min(-(-end // 60) - base, _BLOCK_MINUTES)
            if low < high:
                block[low:high] = placement

        begin, end = base * 60 - 2 * _DAY, (base + _BLOCK_MINUTES) * 60 + 2 * _DAY
        near = self.sessions[bisect_left(self._opens, begin) : bisect_right(self._opens, end)]
        for session in near:
            paint(session.extended_open, session.extended_close, Placement.EXTENDED)
        for session in near:
            paint(session.open, session.close, Placement.REGULAR)
            paint(session.break_start, session.break_end, Placement.CLOSED)
        return block
