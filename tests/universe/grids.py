"""Grids built by hand, without a database and without exchange_calendars."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from universe.domain.session_grid import Session, SessionGrid

NEW_YORK = ZoneInfo("America/New_York")


def utc(text: str) -> int:
    """The epoch second of `2024-07-03 13:30`, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def session(
    day: str,
    opens: str,
    closes: str,
    pause: tuple[str, str] | None = None,
    extended: tuple[str, str] | None = None,
) -> Session:
    """A session from moments in UTC."""
    around = extended or (opens, closes)
    return Session(
        date.fromisoformat(day),
        utc(opens),
        utc(closes),
        utc(pause[0]) if pause else 0,
        utc(pause[1]) if pause else 0,
        utc(around[0]),
        utc(around[1]),
    )


def new_york_day(day: str, close: str = "16:00") -> Session:
    """A session at New York hours: 9:30 to `close`, extended from 4:00 to 20:00."""

    def local(clock: str) -> int:
        return int(datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=NEW_YORK).timestamp())

    return Session(
        date.fromisoformat(day),
        local("09:30"),
        local(close),
        0,
        0,
        local("04:00"),
        local("20:00"),
    )


def grid(*sessions: Session, first: str, last: str) -> SessionGrid:
    """The grid of these sessions, covering `first` to `last`."""
    return SessionGrid("TEST", list(sessions), date.fromisoformat(first), date.fromisoformat(last))
