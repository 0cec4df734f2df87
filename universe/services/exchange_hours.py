"""Sessions as exchange_calendars computes them.

The only module that imports exchange_calendars, and it does so inside functions: the import
costs a second and 66 MB that no web process or worker should pay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple

DEFAULT_FIRST = date(1990, 1, 1)
"""The first date that a sync reads unless told otherwise."""

_MARGIN = timedelta(days=90)  # longer than any exchange was ever closed since 1970
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
    import exchange_calendars

    try:
        return str(exchange_calendars.resolve_alias(name))
    except exchange_calendars.errors.InvalidCalendarName:
        raise UnknownCalendar(
            f"exchange_calendars has no calendar {name!r}; it knows ISO 10383 codes"
            " such as XNYS, XLON and XTKS, and 24/7"
        ) from None


def read(name: str, first: date, last: date) -> ExchangeHours:
    """The hours of the calendar with canonical name `name` from `first` to `last`, inclusive,
    or the part of these dates that exchange_calendars can compute.

    Raises HoursUnavailable when that is no date at all.
    """
    import exchange_calendars

    low, high = _bounds(name)
    begin, stop = max(first, low), min(last, high)
    if begin > stop:
        raise HoursUnavailable(
            f"exchange_calendars computes {name} from {low} to {high}; asked for {first} to {last}"
        )
    # Asked for more than is wanted: it refuses a range without a session, and it has given
    # the last session of a range another open (XKRX) than the same session inside one.
    calendar = exchange_calendars.get_calendar(
        name, start=str(max(begin - _MARGIN, low)), end=str(min(stop + _MARGIN, high))
    )
    return ExchangeHours(
        name=name,
        timezone=str(calendar.tz),
        first=begin,
        last=stop,
        extended=_EXTENDED.get(name),
        sessions={
            day: hours for day, hours in _sessions(calendar.schedule) if begin <= day <= stop
        },
    )


@cache
def _bounds(name: str) -> tuple[date, date]:
    """The first and the last date that exchange_calendars can compute for this calendar."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(name)
    low, high = calendar.bound_min(), calendar.bound_max()
    return (
        low.date() if low is not None else date.min + _MARGIN,
        high.date() if high is not None else date.max - _MARGIN,
    )


def _sessions(schedule: Any) -> Iterator[tuple[date, SessionHours]]:
    columns = (_moments(schedule[name]) for name in SessionHours._fields)
    for stamp, *times in zip(schedule.index, *columns, strict=True):
        yield stamp.date(), SessionHours(*times)


def _moments(column: Any) -> Iterator[datetime | None]:
    for seconds, absent in zip(column.to_numpy("M8[s]").astype(int), column.isna(), strict=True):
        yield None if absent else datetime.fromtimestamp(int(seconds), UTC)
