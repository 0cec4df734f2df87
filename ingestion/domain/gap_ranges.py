"""Gaps as ranges of expected-bar numbers: adding to them and subtracting from them.

A range is `[first, last)` in the numbering of `Expectation`. Nothing here knows tables.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ingestion.domain.bar_batch import Int64s

Range = tuple[int, int]


def runs(numbers: Int64s) -> list[Range]:
    """The maximal runs of consecutive numbers (`numbers` ascending and unique)."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    firsts = numbers[np.concatenate(([0], breaks + 1))]
    lasts = numbers[np.concatenate((breaks, [len(numbers) - 1]))]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def subtract(range_: Range, numbers: Iterable[int]) -> list[Range]:
    """What is left of `range_` without `numbers` (ascending), in order."""
    left: list[Range] = []
    first, last = range_
    for number in numbers:
        if first <= number < last:
            if first < number:
                left.append((first, number))
            first = number + 1
    if first < last:
        left.append((first, last))
    return left
