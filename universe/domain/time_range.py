"""Half-open ranges of time, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """`[start, end)` in whole epoch seconds; never empty, never reversed.

    Raises ValueError naming both ends when `end <= start`.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(f"end {iso(self.end)} must be after start {iso(self.start)}")

    @classmethod
    def between(cls, start: datetime, end: datetime) -> TimeRange:
        """The range between two aware datetimes. Raises ValueError for a naive one."""
        for name, moment in (("start", start), ("end", end)):
            if moment.tzinfo is None:
                raise ValueError(f"{name} {moment.isoformat()} has no time zone")
        return cls(int(start.timestamp()), int(end.timestamp()))

    @property
    def start_at(self) -> datetime:
        """The inclusive start, UTC."""
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def end_at(self) -> datetime:
        """The exclusive end, UTC."""
        return datetime.fromtimestamp(self.end, UTC)

    @property
    def seconds(self) -> int:
        """The length in seconds."""
        return self.end - self.start

    def intersection(self, other: TimeRange) -> TimeRange | None:
        """What both ranges share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return TimeRange(start, end) if start < end else None


def iso(ts: int) -> str:
    """The epoch second as ISO 8601 in UTC, or the bare number where no date reaches."""
    try:
        return datetime.fromtimestamp(ts, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"moment {ts}"
