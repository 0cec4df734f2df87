"""How far apart a file's bars are. A few odd rows among many do not decide it: the great
majority does, and the odd ones are found out when the rows are judged."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Int64s
from universe.domain.interval import Interval

_DAY = Interval.DAY.seconds
_SHORT_DAY, _LONG_WEEKEND = 23 * 3600, 4 * _DAY + 3600  # clocks go forward, and back
_MOST = 0.75
"""Share of the times that must agree. Bars that really are half a minute or half a day apart
never come near it."""
_WIDER = (3600, 1800, 900, 600, 300, 180, 120)
"""Grids of wider bars: a minute's bar between those is odd, and does not make them minutes."""
_NEARLY_ALL, _ENOUGH = 0.9, 20
"""What it takes to believe in a wider grid: thin minutes fall on one by chance when they are
few."""


def interval_of(seconds: Int64s) -> Interval | None:
    """The interval of bars at these times (in order, each once); None when it is neither a
    minute nor a day."""
    steps = np.diff(_core(seconds))
    if len(steps) and steps.min() == Interval.MINUTE.seconds:
        return Interval.MINUTE
    long = steps[steps >= _SHORT_DAY]
    if len(long) and len(long) >= _MOST * len(steps):
        typical = np.quantile(long, 1 - _NEARLY_ALL, method="lower")
        return Interval.DAY if typical <= _LONG_WEEKEND else None
    return None


def apart(seconds: Int64s) -> int | None:
    """The seconds between neighbours, odd ones left out; None for a single time."""
    steps = np.diff(_core(seconds))
    steps = steps if len(steps) else np.diff(seconds)
    return int(steps.min()) if len(steps) else None


def on_their_grid(seconds: Int64s) -> Int64s:
    """The times of minutes without those between two minutes, where most agree on a grid."""
    return _sharing(seconds, Interval.MINUTE.seconds, _MOST)


def at_midnight(seconds: Int64s) -> bool:
    """Whether most of the times are 00:00 of a day."""
    return bool(np.count_nonzero(seconds % _DAY == 0) >= _MOST * len(seconds))


def _core(seconds: Int64s) -> Int64s:
    """The times on the widest grid that they keep to."""
    if len(seconds) >= _ENOUGH:
        for grid in _WIDER:
            core = _sharing(seconds, grid, _NEARLY_ALL)
            if len(core) < len(seconds) or not np.any(np.diff(seconds) % grid):
                return core
    return on_their_grid(seconds)


def _sharing(seconds: Int64s, grid: int, share: float) -> Int64s:
    """The times that lie on one grid with most others; all of them when too few do."""
    if not len(seconds):
        return seconds
    rests, which, counts = np.unique(seconds % grid, return_inverse=True, return_counts=True)
    del rests
    best = int(counts.argmax())
    return seconds[which == best] if counts[best] >= share * len(seconds) else seconds
