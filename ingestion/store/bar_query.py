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
    """Parallel columns in ascending `ts`."""

    ts: Int64s
    columns: Sequence[Column]
    """Those that were asked for, in that order."""
    extended: Bools
    source: Int64s
    """Index into `sources`."""
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ts)

    def first(self, rows: int) -> StoredRows:
        """The first `rows` of them."""
        return StoredRows(
            self.ts[:rows],
            [column[:rows] for column in self.columns],
            self.extended[:rows],
            self.source[:rows],
            self.sources,
        )

    def present_sources(self) -> tuple[str, ...]:
        """The names of the sources that the rows have, sorted."""
        if len(self.sources) > 1:
            return tuple(sorted(self.sources[code] for code in np.unique(self.source)))
        return self.sources if len(self) else ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One snapshot's answer to a query."""

    watermark: int | None
    changed_at: int | None
    rows: StoredRows
    regular: Int64s
    """The `ts` of the current regular bars, ascending, at least as far as `rows` reach."""
    no_trade: Int64s
    """The `ts` of the bars in `[start, end)` that are marked as without a trade, ascending."""


class BarReader(Protocol):
    """What the reader needs of a database. Two answers: `reader_portable` for every one,
    `reader_postgres`; both modules have these functions."""

    def fetch(self, query: BarQuery) -> Fetched:
        """Bars and all that is said about them, from one snapshot."""
        ...

    def latest(self, symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
        """The newest stored bar of each symbol that has one."""
        ...

    def stamp(self, symbol_id: int, interval: Interval) -> Stamp:
        """The watermark and the series' last change."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one source and kind, in any order."""

    source: str
    extended: bool
    ts: Int64s
    columns: list[Column]


def merge(groups: Sequence[Group], width: int) -> StoredRows:
    """The rows of all groups (of `width` columns), ascending in `ts`."""
    if not groups:
        nothing = np.empty(0)
        return StoredRows(
            np.empty(0, np.int64),
            [nothing] * width,
            np.empty(0, np.bool_),
            np.empty(0, np.int64),
            (),
        )
    names = tuple(sorted({group.source for group in groups}))
    lengths = [len(group.ts) for group in groups]
    extended = np.repeat(np.array([group.extended for group in groups]), lengths)
    source = np.repeat(np.array([names.index(group.source) for group in groups]), lengths)
    if len(groups) == 1:
        ts, columns = groups[0].ts, groups[0].columns
    else:
        ts = np.concatenate([group.ts for group in groups])
        columns = [
            np.concatenate(parts) for parts in zip(*(g.columns for g in groups), strict=True)
        ]
    if (ts[1:] < ts[:-1]).any():
        order = np.argsort(ts, kind="stable")
        ts, columns = ts[order], [column[order] for column in columns]
        extended, source = extended[order], source[order]
    return StoredRows(ts, columns, extended, source, names)
