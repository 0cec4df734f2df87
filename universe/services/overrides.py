"""An operator's word about single dates of an exchange: closed, or open at other hours.

An override beats the synced session and survives every sync. Each change makes the
calendar's version grow, so that every process sees it within a second.
"""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import F

from universe.domain.session_grid import SessionsInvalid
from universe.models import ExchangeCalendar, SessionOverride
from universe.services.exchange_hours import SessionHours, UnknownCalendar
from universe.services.session_table import build_grid, stored_hours
from universe.services.sessions import forget


class OverrideInvalid(ValueError):
    """An override that cannot be. `problems`: field → what is wrong with it."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems.items()))
        self.problems = problems


def put_override(
    calendar: str, day: date, hours: SessionHours | None, reason: str
) -> SessionOverride:
    """From now on the calendar's session dated `day` has these hours; None: it is closed.

    Replaces an earlier override of that date; the same one again changes nothing. Raises
    UnknownCalendar, and OverrideInvalid naming each wrong field: a date that the sessions
    table does not cover, hours that are no session or overlap a neighbour, no reason.
    """
    with transaction.atomic():
        row = _locked(calendar)
        check_override(row, day, hours, reason)
        times = hours._asdict() if hours else dict.fromkeys(SessionHours._fields)
        written = {**times, "reason": reason.strip()}
        same = SessionOverride.objects.filter(calendar=row, date=day, **written).first()
        if same is not None:
            return same
        override, _ = SessionOverride.objects.update_or_create(
            calendar=row, date=day, defaults=written
        )
        _bump(row)
    forget(calendar)
    return override


def remove_override(calendar: str, day: date) -> bool:
    """The synced session of that date counts again. False when there was no override.

    Raises UnknownCalendar.
    """
    with transaction.atomic():
        row = _locked(calendar)
        deleted, _ = SessionOverride.objects.filter(calendar=row, date=day).delete()
        if deleted:
            build_grid(row)
            _bump(row)
    forget(calendar)
    return bool(deleted)


def check_override(
    calendar: ExchangeCalendar, day: date, hours: SessionHours | None, reason: str
) -> None:
    """Raise OverrideInvalid, naming each wrong field, if this override could not be put."""
    problems: dict[str, str] = {}
    if not reason.strip():
        problems["reason"] = "say why; it is kept with the override"
    if len(reason.strip()) > 200:
        problems["reason"] = f"at most 200 characters; got {len(reason.strip())}"
    if not calendar.covered_from <= day <= calendar.covered_to:
        problems["date"] = (
            f"{day} is outside what calendar {calendar.name} covers"
            f" ({calendar.covered_from} to {calendar.covered_to})"
        )
    problems |= _zoneless(hours)
    if not problems:
        proposed = {**stored_hours(calendar), day: hours}
        try:
            build_grid(calendar, proposed)
        except SessionsInvalid as error:
            problems["open" if hours else "date"] = str(error)
    if problems:
        raise OverrideInvalid(problems)


def _zoneless(hours: SessionHours | None) -> dict[str, str]:
    times = hours._asdict() if hours else {}
    return {
        field: f"{moment.isoformat()} has no time zone"
        for field, moment in times.items()
        if moment is not None and moment.tzinfo is None
    }


def _locked(calendar: str) -> ExchangeCalendar:
    row = ExchangeCalendar.objects.select_for_update().filter(pk=calendar).first()
    if row is None:
        raise UnknownCalendar(f"calendar {calendar!r} has no sessions here to override")
    return row


def _bump(calendar: ExchangeCalendar) -> None:
    ExchangeCalendar.objects.filter(pk=calendar.pk).update(version=F("version") + 1)
