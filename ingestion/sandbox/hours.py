"""When the sandbox's market is open.

The sandbox plays the outside world, so it does not learn from the service's sessions table
when an exchange is open: what an operator changes there, the world does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ingestion.sandbox.listings import ROUND_THE_CLOCK
from universe.domain.session_grid import Placement, Session, SessionGrid, date_of, label_of
from universe.domain.time_range import TimeRange
from universe.services.exchange_hours import canonical_name, read

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

FIRST, LAST = date(1990, 1, 1), date(2045, 12, 31)
NEW_YORK = ZoneInfo("America/New_York")
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class OpenMinutes:
    """Minutes in which a market is open, ascending.

    `progress` is how far through its session a regular minute lies, in [0, 1).
    """

    ts: Int64s
    regular: npt.NDArray[np.bool_]
    progress: Float64s


class Hours:
    """One exchange's calendar."""

    def __init__(self, grid: SessionGrid, timezone: ZoneInfo) -> None:
        self.grid = grid
        self.timezone = timezone
        self._open = np.array([session.open for session in grid.sessions], np.int64)
        self._close = np.array([session.close for session in grid.sessions], np.int64)
        self._label = np.array([session.label for session in grid.sessions], np.int64)

    def open_minutes(self, span: TimeRange) -> OpenMinutes:
        """The open minutes of `span`, extended hours included; none beyond the calendar."""
        start = max(span.start, self.grid.covered.start)
        end = min(span.end, self.grid.covered.end)
        first, stop = -(-start // 60), -(-end // 60)
        ts = np.arange(first, max(stop, first), dtype=np.int64) * 60
        placed = self.grid.place(ts)
        ts, placed = ts[placed != Placement.CLOSED], placed[placed != Placement.CLOSED]
        return OpenMinutes(ts, placed == Placement.REGULAR, self._progress(ts))

    def regular_minutes(self, sessions: list[Session]) -> OpenMinutes:
        """The regular minutes of some sessions."""
        if not sessions:
            return OpenMinutes(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0))
        ts = np.concatenate([self.grid.expected(one.open, one.close) for one in sessions])
        return OpenMinutes(ts, np.ones(len(ts), np.bool_), self._progress(ts))

    def _progress(self, ts: Int64s) -> Float64s:
        at = np.maximum(np.searchsorted(self._open, ts, side="right") - 1, 0)
        share = (ts - self._open[at]) / (self._close[at] - self._open[at])
        return np.clip(share, 0.0, 1.0)

    def is_regular(self, ts: Int64s) -> npt.NDArray[np.bool_]:
        """Which of these minutes lie in regular hours."""
        return np.asarray(self.grid.place(ts) == Placement.REGULAR)

    def labels(self, ts: Int64s) -> Int64s:
        """The daily label (00:00Z of the session date) of each regular minute."""
        return self._label[np.maximum(np.searchsorted(self._open, ts, side="right") - 1, 0)]

    def sessions_labelled(self, span: TimeRange) -> list[Session]:
        """The sessions whose label lies in `span`."""
        first = max(date_of(span.start + _DAY - 1), self.grid.first)
        last = min(date_of(span.end - 1), self.grid.last)
        return self.grid.sessions_between(first, last) if first <= last else []

    def midnight(self, label: int) -> int:
        """00:00 local time of the session date that `label` names, in epoch seconds."""
        return int(datetime.combine(date_of(label), time(0), self.timezone).timestamp())

    def midnights(self, labels: Int64s) -> Int64s:
        """`midnight` of each label."""
        known = {label: self.midnight(label) for label in np.unique(labels).tolist()}
        return np.array([known[label] for label in labels.tolist()], np.int64)

    def local_label(self, ts: float) -> int:
        """00:00Z of the local date at `ts`."""
        return label_of(datetime.fromtimestamp(ts, self.timezone).date())


@cache
def hours_of(calendar: str) -> Hours:
    """The hours of an exchange_calendars name or alias, or of 24/7.

    Raises UnknownCalendar for other names.
    """
    if calendar == ROUND_THE_CLOCK:
        return Hours(SessionGrid(calendar, _utc_days(), FIRST, LAST), ZoneInfo("UTC"))
    name = canonical_name(calendar)
    return _read(name) if name == calendar else hours_of(name)


def _read(name: str) -> Hours:
    exchange = read(name, FIRST, LAST)
    timezone = ZoneInfo(exchange.timezone)
    sessions = []
    for day, times in exchange.sessions.items():
        opens, closes, *pause = (
            int(moment.timestamp()) if moment else 0
            for moment in (times.open, times.close, times.break_start, times.break_end)
        )
        early, late = opens, closes
        if exchange.extended:
            early, late = (
                int(datetime.combine(day, local, timezone).timestamp())
                for local in exchange.extended
            )
        sessions.append(
            Session(day, opens, closes, pause[0], pause[1], min(early, opens), max(late, closes))
        )
    return Hours(SessionGrid(name, sessions, exchange.first, exchange.last), timezone)


def _utc_days() -> list[Session]:
    days = []
    for number in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=number)
        start = label_of(day)
        days.append(Session(day, start, start + _DAY, 0, 0, start, start + _DAY))
    return days
