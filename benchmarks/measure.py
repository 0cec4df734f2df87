"""Timing by interleaved medians, shown as ratios within one run.

Absolute times move with the machine and with what else it does; the ratio of two medians
whose rounds alternated moves little. So a figure here is always a share of another one.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds per call in every round of each candidate."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """The median of one candidate's rounds, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """The time of `name` as a multiple of the time of `to`."""
        return self.median(name) / self.median(to)


def interleave(
    candidates: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 9,
    calls: int = 1,
    warmup: int = 2,
) -> Timings:
    """Run every candidate in each of `rounds` rounds, `calls` times in a row (more than one
    for what takes microseconds), after `warmup` untimed rounds.

    Each round begins with another candidate, as the first one finds cold caches. Garbage is
    collected before each round and not during it.
    """
    for _ in range(warmup):
        for run in candidates.values():
            _repeat(run, calls)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    collecting = gc.isenabled()
    try:
        for number in range(rounds):
            gc.collect()
            gc.disable()
            for name, run in _rotated(list(candidates.items()), number):
                began = time.perf_counter()
                _repeat(run, calls)
                seconds[name].append((time.perf_counter() - began) / calls)
    finally:
        if collecting:
            gc.enable()
    return Timings(seconds)


def _rotated(
    candidates: list[tuple[str, Callable[[], object]]], by: int
) -> list[tuple[str, Callable[[], object]]]:
    by %= len(candidates)
    return candidates[by:] + candidates[:by]


def _repeat(run: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        run()


def compare(
    title: str,
    base: str,
    candidates: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 9,
    calls: int = 1,
    warmup: int = 2,
    at_most: Mapping[str, float] | None = None,
) -> Timings:
    """Interleave, then print each candidate's median and its multiple of `base`; those named
    in `at_most` with the bound they should keep."""
    timings = interleave(candidates, rounds=rounds, calls=calls, warmup=warmup)
    print(f"\n{title}")
    for name in candidates:
        note = ""
        if at_most and name in at_most:
            note = verdict(timings.ratio(name, base), at_most=at_most[name])
        row(name, f"{_seconds(timings.median(name))}  {timings.ratio(name, base):7.2f} ×", note)
    return timings


def row(name: str, figure: str, note: str = "") -> None:
    """Print one line of a benchmark's table."""
    print(f"  {name:<44} {figure:>24}  {note}".rstrip(), flush=True)


def verdict(value: float, *, at_most: float | None = None, at_least: float | None = None) -> str:
    """The bound and whether `value` keeps it, for the end of a line."""
    parts = []
    if at_most is not None:
        parts.append(f"at most {at_most:g}: {'ok' if value <= at_most else 'MISSED'}")
    if at_least is not None:
        parts.append(f"at least {at_least:g}: {'ok' if value >= at_least else 'MISSED'}")
    return ", ".join(parts)


def _seconds(value: float) -> str:
    for unit, size in (("s ", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:8.2f} {unit}"
    return f"{value / 1e-6:8.1f} µs"
