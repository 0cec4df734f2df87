"""What the tests of providers share: a gate that takes notes, instruments and requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ingestion.domain.bar_batch import Bars
from ingestion.providers.base import BarRequest, Instrument
from ingestion.providers.screening import Window
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

NEW_YORK = "America/New_York"


class NotingGate:
    """Lets all calls pass, and knows how many are inside now and who was blocked."""

    def __init__(self) -> None:
        self.slots = 0
        self.inside = 0
        self.blocks: list[tuple[str, float, str]] = []
        self._lock = threading.Lock()

    @contextmanager
    def slot(self, provider: str) -> Iterator[None]:
        with self._lock:
            self.slots += 1
            self.inside += 1
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1

    def block(self, provider: str, seconds: float, code: str) -> None:
        self.blocks.append((provider, seconds, code))


def epoch(text: str) -> int:
    """`2026-01-02T14:30` (UTC) or `2026-01-02` in epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def between(start: str, end: str) -> TimeRange:
    return TimeRange(epoch(start), epoch(end))


def stock(ticker: str) -> Instrument:
    return Instrument(ticker, "equity", NEW_YORK)


def crypto(ticker: str) -> Instrument:
    return Instrument(ticker, "crypto", "UTC")


def minutes(start: str, end: str, *instruments: Instrument) -> BarRequest:
    return BarRequest(instruments, Interval.MINUTE, between(start, end))


def days(start: str, end: str, *instruments: Instrument) -> BarRequest:
    """Sessions from `start` up to, not including, `end`."""
    return BarRequest(instruments, Interval.DAY, between(start, end))


def window(request: BarRequest, now: str, zone: str = "UTC") -> Window:
    return Window(
        provider="vendor",
        endpoint="bars",
        interval=request.interval,
        range=request.range,
        asked_at=epoch(now),
        received_at=epoch(now),
        zone=zone,
    )


def table(bars: Bars) -> list[tuple[Any, ...]]:
    """(owner, ts, open, high, low, close, volume) by owner and time."""
    columns = (bars.owner, bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def counted(dropped: Mapping[str, int]) -> dict[str, int]:
    """Counts without the zeros."""
    return {reason: count for reason, count in dropped.items() if count}
