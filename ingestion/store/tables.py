"""What the writer needs of a database. Two answers: `portable` for every one, `postgres`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.store.changes import CandleWrite, Rejected
from ingestion.store.rows import Differing, GapRow, SeriesRows
from universe.domain.interval import Interval


class LedgerTables(Protocol):
    """No-trade marks, the gap ledger and quarantine."""

    def missing_gaps(
        self, interval: Interval, symbol_ids: Int64s, start: int, end: int
    ) -> list[GapRow]:
        """Gaps of these symbols that are still missing bars and touch `[start, end]`."""
        ...

    def in_quarantine(self, interval: Interval, source: str, rejected: Rejected) -> Bools:
        """For each rejected bar: whether it is there already, for the same reason."""
        ...

    def mark_no_trade(self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int) -> None:
        """Set the bits of these bars."""
        ...

    def clear_no_trade(
        self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int
    ) -> None:
        """Clear the bits of these bars."""
        ...

    def put_gaps(
        self,
        interval: Interval,
        new: list[GapRow],
        changed: list[GapRow],
        removed: list[int],
        as_of: int,
    ) -> None:
        """Insert, update and delete gaps."""
        ...

    def put_quarantine(
        self, change: CandleWrite, rejected: Rejected, rows: Int64s, as_of: int
    ) -> None:
        """Keep the rejected bars at these indices."""
        ...


class Tables(LedgerTables, Protocol):
    """The bar tables. Reading methods may be called inside or outside the transaction."""

    # ---- reading

    def newest(self) -> tuple[int, str]:
        """The newest commit's position (µs, 0 when there is none) and the origin of the
        newest commit that came from vendors ("" when there is none)."""
        ...

    def touched_since(self, interval: Interval, symbol_ids: Int64s, as_of: int) -> bool:
        """Whether a commit after `as_of` changed any of these series."""
        ...

    def series(self, interval: Interval, symbol_ids: Int64s, source: str) -> SeriesRows:
        """The series of these symbols, in their order."""
        ...

    def differing(self, interval: Interval, bars: Bars, source: str) -> Differing:
        """Which of `bars` are not stored with the same values."""
        ...

    def stored(self, interval: Interval, symbol_ids: Int64s, ts: Int64s) -> Bools:
        """For each (symbol, ts): whether a candle is stored."""
        ...

    def newest_before(
        self, interval: Interval, symbol_id: int, without: Int64s
    ) -> tuple[int, float]:
        """The newest candle not in `without`: its ts and close (NONE, NaN: none is left)."""
        ...

    def observed_at(self, as_ofs: Int64s) -> Int64s:
        """When the sources of these commits were asked, µs."""
        ...

    # ---- writing, inside the transaction

    def lock(self) -> None:
        """Take the commit lock; held until the transaction ends."""
        ...

    def insert(self, change: CandleWrite, bars: Bars, extended: Bools, as_of: int) -> None:
        """Store bars that are not there. Raises IntegrityError when one is."""
        ...

    def correct(
        self, change: CandleWrite, bars: Bars, extended: Bools, statuses: Sequence[str], as_of: int
    ) -> None:
        """Replace stored bars; the versions before become revisions."""
        ...

    def withdraw(self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int) -> None:
        """Remove stored bars; their versions become revisions."""
        ...

    def put_series(self, interval: Interval, rows: SeriesRows, as_of: int) -> None:
        """Insert or update series."""
        ...

    def put_cursors(
        self, interval: Interval, source: str, symbol_ids: Int64s, ts: Int64s, as_of: int
    ) -> None:
        """Insert or update the cursors of one source."""
        ...

    def put_commit(self, fields: Mapping[str, Any]) -> None:
        """Append the commit row; `fields` are IngestCommit's."""
        ...
