"""What a read of stored bars gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Completeness:
    """Of the regular bars expected in a range: how many are stored, confirmed without a
    trade, and missing (in the gap ledger or not yet settled). They add up."""

    expected: int
    stored: int
    no_trade: int
    missing: int


@dataclass(frozen=True, slots=True)
class BarPage:
    """Stored bars of one symbol in ascending time, columns as plain lists.

    `as_of` (epoch µs) is the watermark the page was answered at; None: nothing was ever
    stored. `next` is the `ts` to continue after, or None at the end. `vwap` and `trades`
    have None where unknown. `changed_at` (epoch µs) is when the series last changed.
    """

    as_of: int | None
    changed_at: int | None
    t: Sequence[int]
    o: Sequence[float]
    h: Sequence[float]
    l: Sequence[float]  # noqa: E741 - the wire's own column name
    c: Sequence[float]
    v: Sequence[float]
    sources: tuple[str, ...]
    completeness: Completeness
    next: int | None
