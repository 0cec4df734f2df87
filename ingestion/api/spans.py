"""Which range a request for bars means.

`start` is inclusive. An `end` that is a moment is exclusive; one that is a session date is
the end of that session: it is included. For minutes a session date stands for the session's
own hours, extended ones and all: from when the first session on or after `start` begins to
when the last one on or before `end` is over. For days, moments are compared with the bars'
labels, 00:00Z of the session date.
"""

from __future__ import annotations

from datetime import date

from ingestion.api.errors import InputInvalid
from ingestion.api.parameters import BarParameters, Bound
from ingestion.domain.bar_series import Hours
from universe.domain.interval import Interval
from universe.domain.session import DAY, DateNotCovered, date_of, label_of
from universe.domain.session_grid import SessionGrid
from universe.domain.time_range import TimeRange, iso

MAX_DAYS = {Interval.MINUTE: 366, Interval.DAY: 36_600}
"""The longest range of one request."""
DEFAULT_DAYS = 366
"""How far back daily bars go when no start is given."""


def resolve_on(asked: BarParameters, today: date) -> date | None:
    """The date at which a ticker is meant: that of `as_of`, or of the range's end; None for
    today or later."""
    if asked.as_of is not None:
        day = date_of(asked.as_of // 1_000_000)
    elif isinstance(asked.end, date):
        day = asked.end
    elif asked.end is not None:
        day = date_of(asked.end - 1)
    else:
        return None
    return day if day < today else None


def span(asked: BarParameters, grid: SessionGrid, now: int) -> TimeRange:
    """The range that `asked` means at `now` (epoch seconds).

    Raises InputInvalid for one that is reversed, too long, or outside what the calendar
    covers, and DateNotCovered where `now` itself is outside.
    """
    at = now
    if asked.as_of is not None and asked.as_of // 1_000_000 < now:
        at = asked.as_of // 1_000_000
        if asked.start is None or asked.end is None:
            _require_covered(asked, "as_of", at, at, grid)
    if asked.interval is Interval.MINUTE and asked.start is None:
        last = at if asked.end is None else _bound(asked, "end", asked.end, grid) - 1
        return _latest_session(grid, last, asked.hours)
    end = _end(asked, grid, at)
    start = _start(asked, grid, end)
    if start >= end:
        return _without_sessions(asked, start, end)
    days = MAX_DAYS[asked.interval]
    if end - start > days * DAY:
        raise _start_refused(asked, f"at most {days} days before", end)
    return TimeRange(start, end)


def _latest_session(grid: SessionGrid, at: int, hours: Hours) -> TimeRange:
    """The session under way at `at`, or the last one before: one whose regular hours have
    begun, if only those are wanted."""
    session = grid.latest_session(at)
    if session is not None and hours == "regular" and session.open > at:
        session = grid.latest_session(session.extended_open - 1)
    if session is None:
        raise DateNotCovered(f"calendar {grid.calendar} has no session before {iso(at)}")
    return TimeRange(session.extended_open, session.extended_close)


def _end(asked: BarParameters, grid: SessionGrid, at: int) -> int:
    if asked.end is not None:
        return _bound(asked, "end", asked.end, grid)
    return label_of(date_of(at)) + DAY if asked.interval is Interval.DAY else at + 1


def _start(asked: BarParameters, grid: SessionGrid, end: int) -> int:
    if asked.start is not None:
        return _bound(asked, "start", asked.start, grid)
    return max(end - DEFAULT_DAYS * DAY, label_of(grid.first))


def _bound(asked: BarParameters, field: str, bound: Bound, grid: SessionGrid) -> int:
    if isinstance(bound, date):
        _require_date(asked, field, bound, grid)
        return _of_session(field, bound, asked.interval, grid)
    last = bound - 1 if field == "end" else bound
    _require_covered(asked, field, bound, last, grid)
    return bound


def _of_session(field: str, day: date, interval: Interval, grid: SessionGrid) -> int:
    if interval is Interval.DAY:
        return label_of(day) + (DAY if field == "end" else 0)
    if field == "start":
        following = grid.first_session_from(day)
        return following.extended_open if following else grid.covered.end
    before = grid.last_session_until(day)
    return before.extended_close if before else grid.covered.start


def _require_covered(
    asked: BarParameters, field: str, given: int, last: int, grid: SessionGrid
) -> None:
    _require_date(asked, field, date_of(last), grid)
    if asked.interval is Interval.MINUTE and not grid.covered.start <= last < grid.covered.end:
        raise InputInvalid(field, asked.texts.get(field, iso(given)), _coverage(grid))


def _require_date(asked: BarParameters, field: str, day: date, grid: SessionGrid) -> None:
    if not grid.first <= day <= grid.last:
        raise InputInvalid(field, asked.texts.get(field, str(day)), _coverage(grid))


def _coverage(grid: SessionGrid) -> str:
    return f"within {grid.first} to {grid.last}, which calendar {grid.calendar} covers"


def _without_sessions(asked: BarParameters, start: int, end: int) -> TimeRange:
    """The closed time around two session dates that have no session between them."""
    first, last = asked.start, asked.end
    if isinstance(first, date) and isinstance(last, date) and first <= last:
        return TimeRange(end, start)
    raise _start_refused(asked, "before", end)


def _start_refused(asked: BarParameters, relation: str, end: int) -> InputInvalid:
    return InputInvalid(
        "start",
        asked.texts.get("start", "the default"),
        f"{relation} the end, {asked.texts.get('end', iso(end))}, for interval {asked.interval}",
    )
