"""One trading day of an exchange, and the labels of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

from universe.domain.time_range import iso

_EPOCH = date(1970, 1, 1)
DAY = 86_400


class Placement(IntEnum):
    """Where a minute lies: outside every session, in regular or in extended hours."""

    CLOSED = 0
    REGULAR = 1
    EXTENDED = 2


class DateNotCovered(LookupError):
    """The question reaches outside the dates that the sessions table covers."""


class SessionsInvalid(ValueError):
    """Sessions that cannot be one calendar's: the message names the date and the times."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day. `close`, `break_end` and `extended_close` are exclusive.

    Without a break, `break_start == break_end == 0`; without extended hours the extended
    window is the regular one. Whole minutes, in epoch seconds, UTC.
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

    def check(self) -> None:
        """Raise SessionsInvalid unless the times follow each other on whole minutes, on the
        session's own UTC day or its two neighbours."""
        pause = (self.break_start, self.break_end)
        inside = pause == (0, 0) or self.open < pause[0] < pause[1] < self.close
        outside = self.extended_open <= self.open < self.close <= self.extended_close
        near = (
            self.label - DAY <= self.extended_open and self.extended_close <= self.label + 2 * DAY
        )
        times = (self.open, self.close, *pause, self.extended_open, self.extended_close)
        if not (inside and outside and near) or any(ts % 60 for ts in times):
            raise SessionsInvalid(
                f"{self.date}: times must be whole minutes near that date in the order extended"
                f" open, open, break, close, extended close; got {', '.join(map(iso, times))}"
            )


def label_of(day: date) -> int:
    """00:00Z of `day` in epoch seconds."""
    return (day - _EPOCH).days * DAY


def date_of(label: int) -> date:
    """The UTC date that the epoch second `label` falls on."""
    return _EPOCH + timedelta(days=label // DAY)
