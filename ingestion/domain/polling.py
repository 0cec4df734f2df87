"""When a live poll is due, and which range it asks for.

Times are epoch seconds, UTC. Pure arithmetic over a calendar's sessions.
"""

from __future__ import annotations

from universe.domain.session_grid import Session, SessionGrid
from universe.domain.time_range import TimeRange

DAY = 86_400
DAILY_SETTLE_LAG_S = 20 * 60
"""How long after its session's close a daily bar may still move."""

FIRST_DAYS = 30
"""How many sessions the first poll of a daily series reaches back."""

POLL_DELAY_S = 2
"""Vendors publish a minute about a second after its end; a poll waits this long."""

TAIL_S = 300
"""Polling goes on this long after a session's last minute, until it has settled."""


def due_at(now: float, cadence_s: int) -> int:
    """The latest moment on the cadence's grid whose poll may begin by `now`."""
    return int((now - POLL_DELAY_S) // cadence_s) * cadence_s


def trading(grid: SessionGrid, now: int) -> bool:
    """Whether the calendar is in a session, extended hours and the tail included."""
    session = grid.latest_session(now)
    return session is not None and now < session.extended_close + TAIL_S


def minutes_to_ask(
    grid: SessionGrid, settled_to: int | None, now: int, settle_lag_s: int, lookback: int
) -> TimeRange | None:
    """The range `[start, end)` of minutes that a poll at `now` asks for; None: nothing.

    It begins where the series is settled, so that what a vendor revises after the first
    answer is fetched again. A series that lags by more than `lookback` expected minutes
    begins `lookback` minutes before the newest that could be settled instead: the rest is
    a gap. A series that was never collected (`settled_to` None) begins with the latest
    session that has opened, so that before today's open there is yesterday's to serve.
    """
    session = grid.latest_session(now)
    if session is None:
        return None
    end = min(now // 60 * 60, session.extended_close)
    if settled_to is None:
        start = _opened_by(grid, session, now).extended_open
    else:
        start = _resume(grid, session, settled_to, (now - settle_lag_s) // 60 * 60, lookback)
    return TimeRange(start, end) if start < end else None


def _opened_by(grid: SessionGrid, latest: Session, now: int) -> Session:
    """The newest session whose regular hours have begun; the calendar's first has none before."""
    before = int(grid.labels.searchsorted(latest.label)) - 1
    return latest if now >= latest.open or before < 0 else grid.sessions[before]


def _resume(
    grid: SessionGrid, session: Session, settled_to: int, settles_by: int, lookback: int
) -> int:
    if grid.expected_count(settled_to, max(settles_by, settled_to)) > lookback:
        return int(grid.expected(settled_to, settles_by)[-lookback])
    begins = session.extended_open
    if settled_to < begins and not grid.expected_count(settled_to, begins):
        return begins  # nothing is expected between the sessions, so nothing need be asked
    return settled_to


def newest_daily_label(grid: SessionGrid, now: int) -> int | None:
    """The label of the newest session whose daily bar has settled; None: there is none."""
    latest = grid.latest_session(now)
    if latest is None:
        return None
    last = int(grid.labels.searchsorted(latest.label))
    recent = grid.labels[max(last - 2, 0) : last + 1]
    settled = recent[grid.closes_of(recent) + DAILY_SETTLE_LAG_S <= now]
    return int(settled[-1]) if len(settled) else None


def days_to_ask(grid: SessionGrid, settled_to: int | None, now: int) -> TimeRange | None:
    """The range of labels that a poll of daily bars at `now` asks for; None: nothing."""
    newest = newest_daily_label(grid, now)
    if newest is None:
        return None
    if settled_to is None:
        labels = grid.labels[: grid.labels.searchsorted(newest) + 1]
        start = int(labels[-FIRST_DAYS:][0])
    else:
        start = settled_to
    return TimeRange(start, newest + DAY) if start <= newest else None
