"""Epoch numbers and the datetimes of the ORM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingestion.store.rows import NONE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at_seconds(ts: int) -> datetime:
    """The moment `ts` epoch seconds."""
    return _EPOCH + timedelta(seconds=ts)


def at_us(us: int) -> datetime:
    """The moment `us` epoch microseconds, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def maybe_at_seconds(ts: int) -> datetime | None:
    """The moment `ts`, or None for NONE."""
    return None if ts == NONE else at_seconds(ts)


def to_seconds(moment: datetime | None) -> int:
    """Epoch seconds of a moment on a whole second; NONE for None."""
    return NONE if moment is None else (moment - _EPOCH) // timedelta(seconds=1)


def to_us(moment: datetime) -> int:
    """Epoch microseconds of a moment, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
