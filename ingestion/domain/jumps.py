"""Price jumps that no market makes without confirmation.

A jump is the larger price over the smaller, so always ≥ 1. It is *split-like* when it lies
within SPLIT_TOLERANCE of a ratio that companies split by, and *absurd* from ABSURD_JUMP on.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Float64s

SPLITS = (1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50)
"""Ratios that companies split by, 3:2 and above, forward or in reverse."""

SPLIT_TOLERANCE = 0.01
"""How far from the exact ratio a jump still looks like the split. A bar that straddles a
split shows the ratio almost exactly (AAPL 2014-06-09 04:00: 6.9996 for 7:1); each percent
more would take in more of the ratios that markets do make."""

ABSURD_JUMP = 3.0
"""From here on, what a minute or a night did to a price needs to be confirmed."""

ABSURD_DAY_RANGE = 5.0
"""A whole day may do more: GME traded between 112.25 and 483.00 on 2021-01-28. Nor does a
resemblance to a split say much of a day's range: among thousands of symbols some company
trades over a range of 3:2 within a percent every other day."""


class Jump(IntEnum):
    """What a jump looks like."""

    NONE = 0
    SPLIT_LIKE = 1
    ABSURD = 2


def ratio(first: Float64s, second: Float64s) -> Float64s:
    """The jump between two columns of positive prices, ≥ 1."""
    return np.maximum(first, second) / np.minimum(first, second)


def classify(jumps: Float64s, absurd: float = ABSURD_JUMP) -> npt.NDArray[np.uint8]:
    """The Jump that each ratio is; split-like before absurd."""
    kinds = np.zeros(len(jumps), np.uint8)
    rows = np.flatnonzero(jumps >= SPLITS[0] * (1 - SPLIT_TOLERANCE))  # hardly ever any
    if len(rows):
        off = np.abs(jumps[rows, np.newaxis] / np.array(SPLITS) - 1).min(axis=1)
        unlike = np.where(jumps[rows] >= absurd, Jump.ABSURD, Jump.NONE)
        kinds[rows] = np.where(off <= SPLIT_TOLERANCE, Jump.SPLIT_LIKE, unlike)
    return kinds


def kind_of(jump: float, absurd: float = ABSURD_JUMP) -> Jump:
    """What one ratio (≥ 1) looks like."""
    if nearest_split(jump) is not None:
        return Jump.SPLIT_LIKE
    return Jump.ABSURD if jump >= absurd else Jump.NONE


def nearest_split(jump: float) -> float | None:
    """The split ratio that `jump` (≥ 1) looks like, or None."""
    near = min(SPLITS, key=lambda split: abs(jump / split - 1))
    return near if abs(jump / near - 1) <= SPLIT_TOLERANCE else None


def describe(jump: float, absurd: float = ABSURD_JUMP) -> str:
    """The jump and the bound that it broke, in words."""
    split = nearest_split(jump)
    if split is None:
        return f"a factor of {jump:.5g}, not below {absurd:g}"
    name = f"{int(split)}:1" if split == int(split) else f"{int(split * 2)}:2"
    return f"a factor of {jump:.5g}, within {SPLIT_TOLERANCE:.0%} of a {name} split"
