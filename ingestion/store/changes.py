"""What the writer is asked to do, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.models.quarantine import QuarantineReason
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class Settlement:
    """How far an answer explains each series. Parallel arrays, a row a symbol, ids unique.

    symbol_id  the series' symbol
    start      where the answer's word begins (epoch s). Minutes between the series'
               `settled_to` and here were never asked for: gaps by outage
    end        where it ends, exclusive: `settled_to` becomes this
    absent_is_no_trade   whether an expected bar that is absent from `[start, end)` is
               confirmed not to exist; otherwise it becomes a gap
    """

    symbol_id: Int64s
    start: Int64s
    end: Int64s
    absent_is_no_trade: Bools


@dataclass(frozen=True, slots=True)
class Rejected:
    """Bars that broke a quality rule, parallel to `reasons` and `details`."""

    bars: Bars
    reasons: Sequence[QuarantineReason]
    details: Sequence[str]


@dataclass(frozen=True, slots=True)
class CandleWrite:
    """One batch for one transaction: at most 8,000 bars, `owner` is the symbol id.

    `bars` have passed the quality rules; when a (symbol, ts) occurs twice the later row
    counts. `extended` is parallel to them. `withdrawn` names stored bars (owner, ts) that
    the source says never were. `observed_at` is the epoch second (with fraction) at which
    the source was asked: an older observation never replaces a newer one of that source.
    `settlement` None: the series do not move (imports beside live collection).
    """

    interval: Interval
    source: str
    origin: str
    status: str
    chosen_because: str
    observed_at: float
    range: TimeRange
    bars: Bars
    extended: Bools
    settlement: Settlement | None = None
    rejected: Rejected | None = None
    withdrawn: tuple[Int64s, Int64s] | None = None
    job_id: str = ""

    def symbol_ids(self) -> Int64s:
        """Every symbol that the write may touch, ascending."""
        parts = [self.bars.owner]
        if self.settlement is not None:
            parts.append(self.settlement.symbol_id)
        if self.withdrawn is not None:
            parts.append(self.withdrawn[0])
        if self.rejected is not None:
            parts.append(self.rejected.bars.owner)
        return np.unique(np.concatenate(parts))


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write changed. `as_of` (epoch µs) is None when nothing did."""

    as_of: int | None
    inserted: int = 0
    corrected: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    """Bars that the store already had, or has better (settled by another source)."""
    no_trade: int = 0
    gap_bars: int = 0
    quarantined: int = 0
