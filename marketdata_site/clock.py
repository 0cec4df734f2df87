"""The one clock. Nothing else in the service asks the operating system for the time of day.

Three kinds, chosen by the environment, the same in every process of a host:

- the system clock (default);
- a scaled clock: `CLOCK_START` is what it read at real time `CLOCK_ANCHOR`, and it runs
  `CLOCK_RATE` times as fast, so that recorded days can be replayed through the real system;
- a stepped clock: `CLOCK_FILE` holds the time as ISO 8601 text and somebody else moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Clock = Callable[[], datetime]


def system() -> datetime:
    """The operating system's time, UTC."""
    return datetime.now(UTC)


def scaled(start: datetime, rate: float, anchor: datetime) -> Clock:
    """A clock that read `start` at real time `anchor` and runs `rate` times as fast."""
    return lambda: start + (system() - anchor) * rate


def stepped(file: Path) -> Clock:
    """A clock that reads its time from `file` at every call (ISO 8601 with a zone)."""
    return lambda: datetime.fromisoformat(file.read_text().strip()).astimezone(UTC)


_clock: Clock = system
_rate = 1.0


def install(clock: Clock, rate: float = 1.0) -> Clock:
    """Make `clock`, which runs `rate` times as fast as real time, the process's clock, and
    return the one before it."""
    global _clock, _rate
    before, _clock, _rate = _clock, clock, rate
    return before


def rate() -> float:
    """How many of the service's seconds pass in a real one."""
    return _rate


def now() -> datetime:
    """The service's current time: timezone-aware, UTC."""
    return _clock()


def now_epoch() -> int:
    """The service's current time in whole seconds since 1970-01-01T00:00Z, rounded down."""
    return int(_clock().timestamp() // 1)
