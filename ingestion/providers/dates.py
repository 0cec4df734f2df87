"""Session labels and local midnights. A label is 00:00Z of a session's date, epoch seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from universe.domain.session import date_of, label_of
from universe.domain.time_range import TimeRange

_DAY = 86_400


def local_midnight(label: int, zone: str) -> int:
    """The epoch second at which the labelled date begins in `zone`."""
    return int(datetime.combine(date_of(label), time(), ZoneInfo(zone)).timestamp())


def last_label(labels: TimeRange) -> int:
    """The last label in a range of labels."""
    return (labels.end - 1) // _DAY * _DAY


def first_label(labels: TimeRange) -> int:
    """The first label in a range of labels."""
    return -(-labels.start // _DAY) * _DAY


def local_days(minutes: TimeRange, zone: str) -> Iterator[date]:
    """The dates that a range of minutes touches in `zone`, ascending."""
    place = ZoneInfo(zone)
    first = datetime.fromtimestamp(minutes.start, place).date()
    last = datetime.fromtimestamp(minutes.end - 1, place).date()
    for label in range(label_of(first), label_of(last) + 1, _DAY):
        yield date_of(label)


def pieces(whole: TimeRange, seconds: int) -> Iterator[TimeRange]:
    """`whole` cut into ranges of at most `seconds`, in order."""
    for start in range(whole.start, whole.end, seconds):
        yield TimeRange(start, min(start + seconds, whole.end))


def rfc3339(epoch: int) -> str:
    """An epoch second as `2026-01-02T14:30:00Z`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
