"""Moments that the sandbox's tests use, written out by hand."""

from __future__ import annotations

from datetime import UTC, datetime

# A Friday in November: New York is five hours behind UTC, the session is 14:30Z to 21:00Z.
OPEN = datetime(2025, 11, 21, 14, 30, tzinfo=UTC)
CLOSE = datetime(2025, 11, 21, 21, 0, tzinfo=UTC)
MID_MORNING = datetime(2025, 11, 21, 15, 0, tzinfo=UTC)
EVENING = datetime(2025, 11, 22, 3, 0, tzinfo=UTC)
THURSDAY_LABEL = 1763596800  # 2025-11-20T00:00Z
FRIDAY_LABEL = 1763683200  # 2025-11-21T00:00Z
NEW_YORK_MIDNIGHT = 5 * 3600  # after 00:00Z, in winter


def epoch(moment: datetime) -> int:
    """Whole epoch seconds."""
    return int(moment.timestamp())
