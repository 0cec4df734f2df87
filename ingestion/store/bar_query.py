"""What a database is asked when bars are read, and what it gives back.

Times of bars are epoch seconds, positions (`as_of`) epoch microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from universe.domain.interval import Interval

Column = npt.NDArray[Any]

PRICES = ("open", "high", "low", "close", "volume")
"""The columns of a page, beside `ts`."""
DETAILS = (*PRICES, "vwap", "trades")
"""All columns of a bar, beside `ts`; NaN and -1 where unknown."""


@dataclass(frozen=True, slots=True)
class BarQuery:
    """The bars of one series with `ts` in `[start, end)`, ascending: the current ones, or
    with `as_of` those that held then. At most `limit` of them and one more, by which the
    reader sees that there are more."""

    symbol_id: int
    interval: Interval
    start: int
    end: int
    as_of: int | None = None
    extended: bool = False
    """With the bars outside regular hours."""
    limit: int | None = None
    columns: tuple[str, ...] = PRICES

    @property
    def rows(self) -> int | None:
        """How many rows to stop at; None where the range cannot hold that many."""
        if self.limit is None or self.limit * self.interval.seconds >= self.end - self.start:
            return None
        return self.limit + 1


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Parallel columns, ascending in `ts` unless said otherwise."""

    ts: Int64s
    source: Int64s
    """Index into `sources`."""
    sources: tuple[str, ...]
    extended: Bools
    columns: Sequence[Column]
    """Those that were asked for, in that order."""

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, rows: Int64s | Bools | slice) -> StoredRows:
        """The rows that an index, a mask or a slice chooses."""
        return StoredRows(
            self.ts[rows],
            self.source[rows],
            self.sources,
            self.extended[rows],
            [column[rows] for column in self.columns],
        )

    def ascending(self) -> StoredRows:
        """The same rows in order."""
        if (self.ts[1:] >= self.ts[:-1]).all():
            return self
        return self.take(np.argsort(self.ts, kind="stable"))

    def present_sources(self) -> tuple[str, ...]:
        """The names of the sources that the rows have, sorted."""
        if len(self.sources) > 1:
            return tuple(sorted(self.sources[code] for code in np.unique(self.source)))
        return self.sources if len(self) else ()

    @classmethod
    def join(cls, parts: Sequence[StoredRows]) -> StoredRows:
        """All rows of all parts, which have the same columns, in order."""
        if len(parts) == 1:
            return parts[0]
        names = tuple(sorted({name for part in parts for name in part.sources}))
        place = {name: code for code, name in enumerate(names)}
        renumbered = [
            np.array([place[name] for name in part.sources], np.int64)[part.source]
            for part in parts
        ]
        return cls(
            np.concatenate([part.ts for part in parts]),
            np.concatenate(renumbered),
            names,
            np.concatenate([part.extended for part in parts]),
            [np.concatenate(same) for same in zip(*(p.columns for p in parts), strict=True)],
        ).ascending()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the database has to a query."""

    watermark: int | None
    """The newest commit of the snapshot that the rows are of."""
    changed_at: int | None
    rows: StoredRows
    regular: Int64s
    """The `ts` of today's regular bars, ascending, at least as far as `rows` reach."""
    no_trade: Int64s
    """The `ts` of the bars that are marked as without a trade, ascending, of the UTC days
    that `[start, end)` touches."""


class BarReader(Protocol):
    """What the reader needs of a database. Answers: `reader_portable` for every one, which
    the others must agree with, `reader_postgres` and `reader_sqlite`; all three modules have
    these functions."""

    def fetch(self, query: BarQuery) -> Fetched:
        """Bars and all that is said about them."""
        ...

    def latest(self, symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
        """The newest stored bar of each symbol that has one."""
        ...

    def stamp(self, symbol_id: int, interval: Interval) -> Stamp:
        """The watermark and the series' last change."""
        ...
