"""Sessions as exchange_calendars computes them.

The only module that imports exchange_calendars, and it does so inside functions: the import
costs a second and 66 MB that no web process or worker should pay.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

DEFAULT_FIRST = date(1990, 1, 1)
"""The first date that a sync reads unless told otherwise."""

_EXTENDED = {"XNYS": (time(4), time(20))}


class UnknownCalendar(LookupError):
    """No calendar has this name: not in the sessions table, or not in exchange_calendars."""


class HoursUnavailable(LookupError):
    """exchange_calendars knows no session of the calendar in the dates asked for."""


class SessionHours(NamedTuple):
    """When a session opens, closes and breaks: aware, UTC; close and break end exclusive."""

    open: datetime
    close: datetime
    break_start: datetime | None = None
    break_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExchangeHours:
    """What exchange_calendars knows of one calendar in `[first, last]`, both inclusive."""

    name: str
    timezone: str
    first: date
    last: date
    extended: tuple[time, time] | None
    sessions: dict[date, SessionHours]


def canonical_name(name: str) -> str:
    """The one name of the calendar that `name` is an alias of (XNAS is XNYS).

    Raises UnknownCalendar.
    """
    with _quiet_pandas() as calendars:
        try:
            return str(calendars.resolve_alias(name))
        except calendars.errors.InvalidCalendarName:
            raise UnknownCalendar(
                f"exchange_calendars has no calendar {name!r}; it knows ISO 10383 codes"
                " such as XNYS, XLON and XTKS, and 24/7"
            ) from None


def read(name: str, first: date, last: date) -> ExchangeHours:
    """The hours of the calendar with canonical name `name` from `first` to `last`, inclusive,
    or as much of them as exchange_calendars can compute.

    Raises HoursUnavailable when that is nothing.
    """
    with _quiet_pandas() as calendars:
        bounds = calendars.get_calendar(name)
        low, high = bounds.bound_min(), bounds.bound_max()
        begin = max(first, low.date()) if low is not None else first
        stop = min(last, high.date()) if high is not None else last
        try:
            calendar = calendars.get_calendar(name, start=begin.isoformat(), end=stop.isoformat())
        except (ValueError, calendars.errors.NoSessionsError) as error:
            raise HoursUnavailable(
                f"exchange_calendars has no session of {name} from {first} to {last}: {error}"
            ) from None
        return ExchangeHours(
            name=name,
            timezone=str(calendar.tz),
            first=begin,
            last=stop,
            extended=_EXTENDED.get(name),
            sessions=_sessions(calendar.schedule),
        )


def _sessions(schedule: Any) -> dict[date, SessionHours]:
    columns = (_moments(schedule[name]) for name in SessionHours._fields)
    return {
        stamp.date(): SessionHours(*times)
        for stamp, *times in zip(schedule.index, *columns, strict=True)
    }


def _moments(column: Any) -> Iterator[datetime | None]:
    for seconds, absent in zip(column.to_numpy("M8[s]").astype(int), column.isna(), strict=True):
        yield None if absent else datetime.fromtimestamp(int(seconds), UTC)


@contextmanager
def _quiet_pandas() -> Iterator[Any]:
    with warnings.catch_warnings():
        # It uses pandas in ways that the next major pandas will change.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        import exchange_calendars

        yield exchange_calendars
