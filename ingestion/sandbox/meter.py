"""Exact counts of the calls each provider received, and the limits it enforces."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from marketdata_site.call_limits import CallLimits

WINDOWS = {"100ms": 0.1, "second": 1.0, "minute": 60.0, "day": 86_400.0}
"""The sliding windows whose fullest moment is kept, in real seconds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands with a limit: `room` calls left after this one, fully free again in
    `wait` seconds. `refused`: this call was one too many."""

    refused: bool = False
    limit: int | None = None
    room: int = 0
    wait: float = 0.0


@dataclass
class _Tally:
    """One provider's calls. A window of length W ending now holds those younger than W."""

    recent: dict[str, deque[float]] = field(
        default_factory=lambda: {name: deque() for name in WINDOWS}
    )
    accepted: dict[str, deque[float]] = field(
        default_factory=lambda: {name: deque() for name in WINDOWS}
    )
    peaks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WINDOWS, 0))
    calls: int = 0
    limited: int = 0
    under_way: int = 0
    peak_under_way: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)


class Meter:
    """Counts by provider; thread-safe. Arrivals are counted as the server reads them."""

    def __init__(self, limits: Mapping[str, CallLimits] | None = None) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        self._limits = dict(limits or {})

    @contextmanager
    def call(self, provider: str, path: str) -> Iterator[Standing]:
        """Count one call for as long as it lasts. Gives where the caller stands."""
        with self._lock:
            tally = self._tallies.setdefault(provider, _Tally())
            standing = self._arrive(provider, tally, monotonic())
            tally.paths["/".join(path.split("/")[:4])] += 1  # few: the rest holds times
        try:
            yield standing
        finally:
            with self._lock:
                tally.under_way -= 1

    def answered(self, provider: str, status: str) -> None:
        """Count how a call ended: an HTTP status, or what was done to the connection."""
        with self._lock:
            self._tallies.setdefault(provider, _Tally()).statuses[status] += 1

    def limit(self, provider: str, limits: CallLimits) -> None:
        """Enforce other limits from now on."""
        with self._lock:
            self._limits[provider] = limits

    def reset(self) -> None:
        """Forget all counts; limits stay."""
        with self._lock:
            self._tallies.clear()

    def figures(self) -> dict[str, dict[str, object]]:
        """The counts by provider, as plain values."""
        with self._lock:
            return {
                provider: {
                    "calls": tally.calls,
                    "limited": tally.limited,
                    "under_way": tally.under_way,
                    "peak": {**tally.peaks, "concurrent": tally.peak_under_way},
                    "statuses": dict(tally.statuses),
                    "paths": dict(tally.paths),
                    "limits": limits.model_dump(exclude_none=True) if limits else {},
                }
                for provider, tally in self._tallies.items()
                for limits in [self._limits.get(provider)]
            }

    def _arrive(self, provider: str, tally: _Tally, now: float) -> Standing:
        tally.calls += 1
        tally.under_way += 1
        tally.peak_under_way = max(tally.peak_under_way, tally.under_way)
        for name, calls in tally.recent.items():
            _slide(calls, now - WINDOWS[name])
            calls.append(now)
            tally.peaks[name] = max(tally.peaks[name], len(calls))
        standing = self._standing(provider, tally, now)
        if standing.refused:
            tally.limited += 1
            return standing
        for calls in tally.accepted.values():
            calls.append(now)
        return standing

    def _standing(self, provider: str, tally: _Tally, now: float) -> Standing:
        limits = self._limits.get(provider)
        for name, calls in tally.accepted.items():
            _slide(calls, now - WINDOWS[name])
        if limits is None:
            return Standing()
        if limits.concurrency and tally.under_way > limits.concurrency:
            return Standing(refused=True, limit=limits.concurrency)
        bounds = (limits.burst, limits.per_second, limits.per_minute, limits.per_day)
        shown = Standing()
        for (name, calls), bound in zip(tally.accepted.items(), bounds, strict=True):
            if bound is None:
                continue
            wait = (calls[0] if calls else now) + WINDOWS[name] - now
            if len(calls) >= bound:
                return Standing(refused=True, limit=bound, wait=wait)
            shown = Standing(limit=bound, room=bound - len(calls) - 1, wait=wait)
        return shown


def _slide(calls: deque[float], oldest: float) -> None:
    while calls and calls[0] <= oldest:
        calls.popleft()
