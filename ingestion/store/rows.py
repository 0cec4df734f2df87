"""Columns that travel between the planner of a write and the tables.

Times of bars are epoch seconds, positions (`as_of`) epoch microseconds, both int64; NONE
stands for a missing one. Arrays of one class are parallel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s

NONE = int(np.iinfo(np.int64).min)
"""A time that is not there. Smaller than every real one."""


@dataclass(slots=True)
class SeriesRows:
    """The series of some symbols, in the order they were asked for."""

    symbol_id: Int64s
    known: Bools
    """False: there is no such row yet; its other columns are NONE, NaN and 0."""
    history_from: Int64s
    settled_to: Int64s
    newest_ts: Int64s
    newest_close: Float64s
    session_label: Int64s
    session_settled: Int64s
    session_traded: Int64s
    traded_share: Float64s
    cursor_ts: Int64s
    """The newest bar of the asked-for source."""

    @classmethod
    def unknown(cls, symbol_id: Int64s) -> SeriesRows:
        """Rows for symbols that have no series yet."""
        n = len(symbol_id)

        def none() -> Int64s:
            return np.full(n, NONE, np.int64)

        return cls(
            symbol_id=symbol_id,
            known=np.zeros(n, np.bool_),
            history_from=none(),
            settled_to=none(),
            newest_ts=none(),
            newest_close=np.full(n, np.nan),
            session_label=none(),
            session_settled=np.zeros(n, np.int64),
            session_traded=np.zeros(n, np.int64),
            traded_share=np.full(n, np.nan),
            cursor_ts=none(),
        )

    def take(self, rows: Int64s | Bools) -> SeriesRows:
        """The rows that an index or mask array chooses."""
        return SeriesRows(*(getattr(self, name)[rows] for name in self.__slots__))

    def copy(self) -> SeriesRows:
        """The same values in arrays of their own."""
        return SeriesRows(*(getattr(self, name).copy() for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Differing:
    """Those rows of a batch that the store does not have just so."""

    row: Int64s
    """Index into the batch."""
    stored: Bools
    """True: the store has another version; False: none."""
    same_source: Bools
    stored_as_of: Int64s
    """The stored version's commit, µs; NONE where there is none."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap that can still shrink. `id` 0: not stored yet."""

    id: int
    symbol_id: int
    start: int
    end: int
    bars: int
    state: str
    reason: str
    source: str
    opened_at: int | None
    """µs; None: by the commit being written."""


@dataclass(slots=True)
class WritePlan:
    """Everything that one transaction will change, worked out by reading only."""

    inserted: Bars = field(default_factory=Bars.empty)
    inserted_extended: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    corrected: Bars = field(default_factory=Bars.empty)
    corrected_extended: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    corrected_final: Bools = field(default_factory=lambda: np.empty(0, np.bool_))
    withdrawn: tuple[Int64s, Int64s] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64))
    )
    unchanged: int = 0
    no_trade: tuple[Int64s, Int64s] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64))
    )
    """(symbol id, ts) to mark."""
    traded: tuple[Int64s, Int64s] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64))
    )
    """(symbol id, ts) whose mark goes."""
    new_gaps: list[GapRow] = field(default_factory=list)
    changed_gaps: list[GapRow] = field(default_factory=list)
    removed_gaps: list[int] = field(default_factory=list)
    gap_bars: int = 0
    quarantined: Int64s = field(default_factory=lambda: np.empty(0, np.int64))
    """Indices into the rejected bars that are not in quarantine yet."""
    series: SeriesRows = field(default_factory=lambda: SeriesRows.unknown(np.empty(0, np.int64)))
    """The new state of the series that this write touches."""
    cursors: tuple[Int64s, Int64s] = field(
        default_factory=lambda: (np.empty(0, np.int64), np.empty(0, np.int64))
    )
    """(symbol id, newest ts of this source) that move on."""

    @property
    def empty(self) -> bool:
        """True: nothing would change."""
        return not (
            len(self.inserted)
            or len(self.corrected)
            or len(self.withdrawn[0])
            or len(self.no_trade[0])
            or self.new_gaps
            or self.changed_gaps
            or self.removed_gaps
            or len(self.quarantined)
            or len(self.series.symbol_id)
            or len(self.cursors[0])
        )
