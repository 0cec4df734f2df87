"""Exchange sessions: kept in a table, asked through grids.

`grid()` is the hot path's only way to sessions. It never reads exchange_calendars; `sync()`
does, and writes the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic

from django.db import transaction

from marketdata_site import clock
from universe.domain.session_grid import EARLIEST_DATE, SessionGrid
from universe.models import ExchangeCalendar, ExchangeSession
from universe.services.exchange_hours import (
    DEFAULT_FIRST,
    ExchangeHours,
    HoursUnavailable,
    SessionHours,
    UnknownCalendar,
    canonical_name,
    read,
)
from universe.services.session_table import build_grid

__all__ = [
    "HoursUnavailable",
    "SyncResult",
    "UnknownCalendar",
    "default_span",
    "forget",
    "grid",
    "sync",
]

FRESH_S = 1.0
"""For so long after it was checked, a grid is answered without asking the database."""

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class _Known:
    grid: SessionGrid
    stamp: tuple[int, datetime]
    checked_at: float


_known: dict[str, _Known] = {}


def grid(calendar: str) -> SessionGrid:
    """The sessions of the calendar with this canonical name, overrides applied.

    Kept per process; a sync or an override made by any process is seen within a second.
    Raises UnknownCalendar for a calendar that was never synced. The grid itself raises
    DateNotCovered for dates that the table does not cover.
    """
    known = _known.get(calendar)
    now = monotonic()
    if known is not None and now - known.checked_at < FRESH_S:
        return known.grid
    row = ExchangeCalendar.objects.filter(pk=calendar).first()
    if row is None:
        forget(calendar)
        raise UnknownCalendar(
            f"calendar {calendar!r} has no sessions here; run"
            f" manage.py sync_sessions --calendars {calendar}"
        )
    stamp = (row.version, row.synced_at)
    # The row was read before its sessions: what changes in between shows at the next check.
    current = known.grid if known is not None and known.stamp == stamp else build_grid(row)
    _known[calendar] = _Known(current, stamp, now)
    return current


def forget(calendar: str | None = None) -> None:
    """Make the next `grid()` of this calendar (None: of any) ask the database."""
    if calendar is None:
        _known.clear()
    else:
        _known.pop(calendar, None)


# ---- sync ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one calendar's sync did; `first` to `last`, inclusive, is what it covers now."""

    calendar: str
    first: date
    last: date
    sessions: int
    added: int
    changed: int
    removed: int
    version: int


def default_span() -> tuple[date, date]:
    """The dates that a sync covers unless told otherwise: 1990 to a year from now."""
    return DEFAULT_FIRST, clock.now().date() + timedelta(days=365)


def sync(
    names: Iterable[str],
    first: date | None = None,
    last: date | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[SyncResult]:
    """Bring the calendars' rows from `first` to `last`, inclusive, to what
    exchange_calendars computes. `progress` is told each calendar's name before its turn.

    Names may be aliases. What was covered before stays covered, and coverage has no holes:
    a range apart from it is synced with all that lies between. Each calendar is one
    transaction; when nothing differs, only `synced_at` changes.

    Raises UnknownCalendar before anything is written, HoursUnavailable, and ValueError for
    a range that is reversed or begins before 1970-01-02.
    """
    begin, stop = default_span()
    begin, stop = first or begin, last or stop
    if stop < begin:
        raise ValueError(f"last {stop} is before first {begin}")
    if begin < EARLIEST_DATE:
        raise ValueError(f"first {begin} is before {EARLIEST_DATE}, where calendars begin here")
    results = []
    for name in dict.fromkeys(canonical_name(name) for name in names):
        if progress is not None:
            progress(name)
        results.append(_sync_one(name, begin, stop))
    return results


def _sync_one(name: str, first: date, last: date) -> SyncResult:
    result = None
    while result is None:
        row = ExchangeCalendar.objects.filter(pk=name).first()
        if row is not None:
            first = min(first, row.covered_to + timedelta(days=1))
            last = max(last, row.covered_from - timedelta(days=1))
        hours = read(name, first, last)  # slow, so outside the transaction
        with transaction.atomic():
            result = _store(hours)
    forget(name)
    return result


def _store(hours: ExchangeHours) -> SyncResult | None:
    """Write `hours`; None when another sync meanwhile moved the coverage out of reach."""
    extended_open, extended_close = hours.extended or (None, None)
    calendar, created = ExchangeCalendar.objects.select_for_update().get_or_create(
        name=hours.name,
        defaults={
            "timezone": hours.timezone,
            "covered_from": hours.first,
            "covered_to": hours.last,
            "extended_open": extended_open,
            "extended_close": extended_close,
            "synced_at": clock.now(),
        },
    )
    a_day = timedelta(days=1)
    if hours.first > calendar.covered_to + a_day or hours.last < calendar.covered_from - a_day:
        return None
    added, changed, removed = _store_sessions(hours)
    before = _described(calendar)
    calendar.timezone = hours.timezone
    calendar.covered_from = min(calendar.covered_from, hours.first)
    calendar.covered_to = max(calendar.covered_to, hours.last)
    calendar.extended_open, calendar.extended_close = extended_open, extended_close
    calendar.synced_at = clock.now()
    if not created and (added or changed or removed or before != _described(calendar)):
        calendar.version += 1
    calendar.save()
    return SyncResult(
        calendar=calendar.name,
        first=calendar.covered_from,
        last=calendar.covered_to,
        sessions=len(build_grid(calendar).sessions),  # and it must build, or nothing is kept
        added=added,
        changed=changed,
        removed=removed,
        version=calendar.version,
    )


def _described(calendar: ExchangeCalendar) -> tuple[object, ...]:
    return (
        calendar.timezone,
        calendar.covered_from,
        calendar.covered_to,
        calendar.extended_open,
        calendar.extended_close,
    )


def _store_sessions(hours: ExchangeHours) -> tuple[int, int, int]:
    """Make the rows of `[first, last]` equal to `hours`; how many were added, changed and
    removed."""
    rows = ExchangeSession.objects.filter(
        calendar_id=hours.name, date__range=(hours.first, hours.last)
    )
    stored = {
        day: SessionHours(*times) for day, *times in rows.values_list("date", *SessionHours._fields)
    }
    changed = [day for day, times in stored.items() if hours.sessions.get(day, times) != times]
    removed = [day for day in stored if day not in hours.sessions]
    added = [day for day in hours.sessions if day not in stored]
    stale = changed + removed
    for at in range(0, len(stale), _BATCH):
        rows.filter(date__in=stale[at : at + _BATCH]).delete()
    ExchangeSession.objects.bulk_create(
        [
            ExchangeSession(calendar_id=hours.name, date=day, **hours.sessions[day]._asdict())
            for day in changed + added
        ],
        batch_size=_BATCH,
    )
    return len(added), len(changed), len(removed)
