"""How many symbols the sources can be asked for, and whose turn it is when not all fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from universe.domain.tier import Tier

T = TypeVar("T")

UNLIMITED = float("inf")


def symbols_per_minute(sources: Sequence[tuple[int, float]]) -> float:
    """How many symbols all sources together can serve in a minute: (symbols a call, calls a
    minute) of each; UNLIMITED calls make the sum unlimited."""
    return sum(batch * calls for batch, calls in sources)


def share(wanted: Mapping[Tier, tuple[int, int]], per_minute: float) -> dict[Tier, float]:
    """How much of each tier fits, in tier order: tier → part of its symbols that may be
    asked at each of its polls (0 to 1). `wanted` is tier → (symbols, cadence in s)."""
    left = per_minute
    parts: dict[Tier, float] = {}
    for tier in sorted(wanted):
        symbols, cadence_s = wanted[tier]
        needed = symbols * 60 / cadence_s
        parts[tier] = min(1.0, left / needed) if needed else 1.0
        left = max(0.0, left - needed)
    return parts


def whose_turn(items: Sequence[T], part: float, round_number: int) -> list[T]:
    """The items to do in this round when only a `part` of them fits: the next ones in turn,
    the same for everybody who asks about the same round. Nothing is left out for good: after
    about 1 / part rounds each had its turn."""
    if part >= 1.0 or not items:
        return list(items)
    count = max(1, int(len(items) * part)) if part > 0 else 0
    first = round_number * count % len(items)
    return [items[(first + offset) % len(items)] for offset in range(count)]
