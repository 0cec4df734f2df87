"""From the tables of sessions and overrides to a grid."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from universe.domain.session_grid import Session, SessionGrid
from universe.models import ExchangeCalendar, ExchangeSession, SessionOverride
from universe.services.exchange_hours import SessionHours

_COLUMNS = ("date", *SessionHours._fields)

Hours = dict[date, SessionHours | None]
"""Session date → its hours; None: the exchange is closed."""


def stored_hours(calendar: ExchangeCalendar) -> Hours:
    """What the tables hold now: the synced sessions, and the overrides on top of them."""
    synced = ExchangeSession.objects.filter(calendar=calendar).values_list(*_COLUMNS)
    words = SessionOverride.objects.filter(calendar=calendar).values_list(*_COLUMNS)
    hours: Hours = {day: SessionHours(*times) for day, *times in synced.iterator(2000)}
    for day, *times in words:
        hours[day] = SessionHours(*times) if times[0] else None
    return hours


def build_grid(calendar: ExchangeCalendar, hours: Hours | None = None) -> SessionGrid:
    """The grid of `hours`, or else of what the tables hold now.

    Raises SessionsInvalid when the hours contradict each other.
    """
    if hours is None:
        hours = stored_hours(calendar)
    zone = ZoneInfo(calendar.timezone)
    sessions = [_session(calendar, zone, day, times) for day, times in hours.items() if times]
    return SessionGrid(
        calendar.name, sessions, calendar.covered_from, calendar.covered_to, calendar.version
    )


def _session(calendar: ExchangeCalendar, zone: ZoneInfo, day: date, hours: SessionHours) -> Session:
    opens, closes = int(hours.open.timestamp()), int(hours.close.timestamp())
    pause = (0, 0)
    if hours.break_start and hours.break_end:
        pause = int(hours.break_start.timestamp()), int(hours.break_end.timestamp())
    early, late = opens, closes
    if calendar.extended_open and calendar.extended_close:
        early = int(datetime.combine(day, calendar.extended_open, zone).timestamp())
        late = int(datetime.combine(day, calendar.extended_close, zone).timestamp())
    return Session(day, opens, closes, *pause, min(early, opens), max(late, closes))
