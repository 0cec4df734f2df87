"""Bars as they stood at a moment, worked out from those of now.

A bar of now that is no newer than the moment is the bar of then. For every other, and for
those that were withdrawn, one seek in `(symbol, ts, superseded_at)` finds the version that
held, however many there are. The seeks may see more commits than the first look and find
the same: which version held at or below a watermark never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ingestion.domain.bar_batch import Int64s
from ingestion.store.bar_query import BarQuery, Fetched, StoredRows

NEWER = "newer"
"""The column, last of all, that says which rows changed after the moment asked for."""


@dataclass(frozen=True, slots=True)
class Current:
    """One snapshot: what is said about a range, and the bars stored there now."""

    watermark: int | None
    changed_at: int | None
    no_trade: Int64s
    withdrawn: Int64s
    """The `ts` of bars that were withdrawn at some time; none are given for a latest read."""
    rows: StoredRows
    """For a read of the past also those that are outside regular hours since the moment asked
    for, and with the column NEWER."""

    @property
    def regular(self) -> Int64s:
        """The `ts` of the regular ones."""
        return self.rows.ts[~self.rows.extended] if self.rows.extended.any() else self.rows.ts


Look = Callable[[BarQuery], Current]
Seek = Callable[[BarQuery, Int64s, int], StoredRows]
"""(query, ts, at) → the versions of the bars at these `ts` that held at `at` (epoch µs)."""


def fetch(query: BarQuery, look: Look, seek: Seek) -> Fetched:
    """Bars and all that is said about them: those of now after one look, those of a moment
    after one look and, if any of them has changed since, one round of seeks."""
    now = look(query)
    rows, regular = now.rows, now.regular
    if query.as_of is not None:
        at = min(query.as_of, now.watermark or 0)
        rows, regular = _in_the_past(query, now, at, look, seek)
    return Fetched(now.watermark, now.changed_at, rows, regular, now.no_trade)


def _in_the_past(
    query: BarQuery, now: Current, at: int, look: Look, seek: Seek
) -> tuple[StoredRows, Int64s]:
    """The rows that held at `at`, and the `ts` of today's regular bars as far as they reach.

    A page of current bars may hold fewer bars of the past, as those that came later drop
    out: then the next page follows, until there are as many as wanted.
    """
    held, regular, wanted, part = [], [], query.rows, query
    while True:
        full = part.rows is not None and len(now.rows) == part.rows
        edge = int(now.rows.ts[-1]) + 1 if full else part.end
        held.append(_held(part, now, at, edge, seek))
        regular.append(now.regular)
        if not full or sum(map(len, held)) >= (wanted or 0):
            break
        part = replace(part, start=edge)
        now = look(part)
    return StoredRows.join(held).take(slice(wanted)), np.concatenate(regular)


def _held(query: BarQuery, now: Current, at: int, edge: int, seek: Seek) -> StoredRows:
    """The rows before `edge` that held at `at`."""
    *columns, newer = now.rows.columns
    rows = replace(now.rows, columns=columns)
    unchanged = rows.take(~newer)
    changed = np.union1d(rows.ts[newer], np.setdiff1d(now.withdrawn, unchanged.ts))
    changed = changed[changed < edge]
    if not query.extended:
        unchanged = unchanged.take(~unchanged.extended)
    if not len(changed):
        return unchanged
    former = seek(query, changed, at)
    if not query.extended:
        former = former.take(~former.extended)
    return StoredRows.join([unchanged, former])
