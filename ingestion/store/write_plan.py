"""What a write will change, worked out before the commit lock by reading only.

The same function runs again under the lock when another commit touched the same series in
between; it decides everything, so that both database paths decide alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.domain.expectation import Expectation
from ingestion.store import gap_plan, symbol_grids
from ingestion.store.changes import CandleWrite
from ingestion.store.rows import NONE, SeriesRows, WritePlan
from ingestion.store.settle import Explained, explain
from ingestion.store.tables import Tables


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """The batch, split by what it means for the store. Index arrays into the bars."""

    inserted: Int64s
    corrected: Int64s
    corrected_final: Bools
    unchanged: int


def plan_write(change: CandleWrite, tables: Tables, *, trust_newest: bool = True) -> WritePlan:
    """Work out everything that `change` will change. Reads only.

    Bars newer than their series' newest are taken as new without looking, unless
    `trust_newest` is False.
    """
    ids = change.symbol_ids()
    if not len(ids):
        return WritePlan()
    before = tables.series(change.interval, ids, change.source)
    bars, extended = _last_of_each(change.bars, change.extended)
    owner = np.searchsorted(ids, bars.owner)
    arrivals = _sort_arrivals(change, tables, bars, before, owner, trust_newest)
    plan = WritePlan(
        inserted=bars.take(arrivals.inserted),
        inserted_extended=extended[arrivals.inserted],
        corrected=bars.take(arrivals.corrected),
        corrected_extended=extended[arrivals.corrected],
        corrected_final=arrivals.corrected_final,
        unchanged=arrivals.unchanged,
    )
    plan.withdrawn = _withdrawn(change, tables, bars)
    which, expectations = symbol_grids.expectations(change.interval, ids)
    after = before.copy()
    explained = _settle(change, tables, before, after, which, expectations, bars)
    plan.no_trade = (ids[explained.no_trade[0]], explained.no_trade[1])
    _mark_traded(plan, before, ids)
    gap_plan.add(plan, change, tables, ids, after, which, expectations, explained)
    _move_newest(plan, change, tables, after, ids)
    _move_cursors(plan, before, bars, owner)
    plan.series = _changed(before, after, plan, ids)
    if change.rejected is not None and len(change.rejected.bars):
        known = tables.in_quarantine(change.interval, change.source, change.rejected)
        plan.quarantined = np.flatnonzero(~known)
    return plan


def _last_of_each(bars: Bars, extended: Bools) -> tuple[Bars, Bools]:
    """One bar per (symbol, ts), the last given, in that order."""
    order = np.lexsort((bars.ts, bars.owner))  # stable: equal keys keep their order
    owner, ts = bars.owner[order], bars.ts[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = (owner[1:] != owner[:-1]) | (ts[1:] != ts[:-1])
    chosen = order[last]
    return bars.take(chosen), extended[chosen]


def _sort_arrivals(
    change: CandleWrite,
    tables: Tables,
    bars: Bars,
    before: SeriesRows,
    owner: Int64s,
    trust_newest: bool,
) -> _Arrivals:
    fresh = (bars.ts > before.newest_ts[owner]) & trust_newest
    known = np.flatnonzero(~fresh)
    if not len(known):
        return _Arrivals(np.flatnonzero(fresh), known, np.empty(0, np.bool_), 0)
    found = tables.differing(change.interval, bars.take(known), change.source)
    new = known[found.row[~found.stored]]
    rows = known[found.row[found.stored]]
    final = bars.ts[rows] + change.interval.seconds <= before.settled_to[owner[rows]]
    same = found.same_source[found.stored]
    observed = int(change.observed_at * 1_000_000)
    stored_observed = tables.observed_at(found.stored_as_of[found.stored])
    # The first settled bar wins and only its own source corrects it; an older observation
    # never replaces a newer one, in whatever order the two arrive.
    accepted = np.where(same, observed >= stored_observed, ~final & (observed > stored_observed))
    unchanged = len(known) - len(new) - int(accepted.sum())
    inserted = np.sort(np.concatenate((np.flatnonzero(fresh), new)))
    return _Arrivals(inserted, rows[accepted], final[accepted], unchanged)


def _withdrawn(change: CandleWrite, tables: Tables, bars: Bars) -> tuple[Int64s, Int64s]:
    """The stored bars to withdraw, each once; a bar that the same batch brings stays."""
    if change.withdrawn is None:
        nothing = np.empty(0, np.int64)
        return nothing, nothing
    brought = set(zip(bars.owner.tolist(), bars.ts.tolist(), strict=True))
    named = set(zip(*(column.tolist() for column in change.withdrawn), strict=True))
    pairs = np.array(sorted(named - brought), np.int64).reshape(-1, 2)
    there = tables.stored(change.interval, pairs[:, 0], pairs[:, 1])
    return pairs[there, 0], pairs[there, 1]


def _settle(
    change: CandleWrite,
    tables: Tables,
    before: SeriesRows,
    after: SeriesRows,
    which: Int64s,
    expectations: list[Expectation],
    bars: Bars,
) -> Explained:
    if change.settlement is None:
        return Explained.nothing()
    rejected = change.rejected.bars if change.rejected is not None else Bars.empty()
    return explain(
        change.interval,
        change.settlement,
        tables,
        before,
        after,
        which,
        expectations,
        bars,
        rejected,
    )


def _mark_traded(plan: WritePlan, before: SeriesRows, ids: Int64s) -> None:
    """A bar that arrives for a settled minute removes its mark, if it has one."""
    bars = plan.inserted
    late = bars.ts < before.settled_to[np.searchsorted(ids, bars.owner)]
    late &= ~plan.inserted_extended
    plan.traded = (bars.owner[late], bars.ts[late])


def _move_newest(
    plan: WritePlan, change: CandleWrite, tables: Tables, after: SeriesRows, ids: Int64s
) -> None:
    # Withdrawals first: a bar of the same batch may be the newest that is left.
    for symbol_id in np.unique(plan.withdrawn[0]):
        at = int(np.searchsorted(ids, symbol_id))
        gone = plan.withdrawn[1][plan.withdrawn[0] == symbol_id]
        if after.newest_ts[at] in gone:
            after.newest_ts[at], after.newest_close[at] = tables.newest_before(
                change.interval, int(symbol_id), gone
            )
    for bars in (plan.inserted, plan.corrected):
        owner = np.searchsorted(ids, bars.owner)
        newest = bars.ts >= after.newest_ts[owner]
        # Sorted by time inside each symbol, so the last assignment is the newest bar's.
        after.newest_ts[owner[newest]] = bars.ts[newest]
        after.newest_close[owner[newest]] = bars.close[newest]


def _changed(before: SeriesRows, after: SeriesRows, plan: WritePlan, ids: Int64s) -> SeriesRows:
    """The series to write: those with another state, and those whose bars or gaps change."""
    moved = np.zeros(len(ids), np.bool_)
    for name in ("settled_to", "newest_ts", "session_label", "session_settled", "session_traded"):
        moved |= getattr(before, name) != getattr(after, name)
    gap_owners = [gap.symbol_id for gap in (*plan.new_gaps, *plan.changed_gaps)]
    for touched in (
        plan.inserted.owner,
        plan.corrected.owner,
        plan.withdrawn[0],
        plan.no_trade[0],
        plan.cursors[0],  # so that a writer who planned before sees that they moved
        np.array(gap_owners, np.int64),
    ):
        moved[np.searchsorted(ids, touched)] = True
    return after.take(moved)


def _move_cursors(plan: WritePlan, before: SeriesRows, bars: Bars, owner: Int64s) -> None:
    newest = np.full(len(before.symbol_id), NONE, np.int64)
    np.maximum.at(newest, owner, bars.ts)
    on = newest > before.cursor_ts
    plan.cursors = (before.symbol_id[on], newest[on])
