"""What a write does to the gap ledger: new gaps in, arrived bars out.

Gaps that nobody works on and that are neighbours for the same reason are one gap, so that
the ledger's rows depend on what is missing and not on how the polls fell.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from ingestion.domain import gap_ranges
from ingestion.domain.bar_batch import Int64s
from ingestion.domain.expectation import Expectation
from ingestion.models.ledger import GapReason, GapState
from ingestion.store.changes import CandleWrite
from ingestion.store.rows import GapRow, SeriesRows, WritePlan
from ingestion.store.settle import Explained
from ingestion.store.tables import Tables


def add(
    plan: WritePlan,
    change: CandleWrite,
    tables: Tables,
    ids: Int64s,
    after: SeriesRows,
    which: Int64s,
    expectations: list[Expectation],
    explained: Explained,
) -> None:
    """Put the changes of the ledger into `plan`."""
    gaps = {
        reason: _sorted(ids[owner], ts) for reason, (owner, ts) in explained.gaps.items() if len(ts)
    }
    _withdrawals(gaps, plan, ids, after, which, expectations)
    touched = [ts for _, ts in gaps.values()] + [plan.traded[1]]
    if not any(len(ts) for ts in touched):
        return
    owners = np.unique(np.concatenate([owner for owner, _ in gaps.values()] + [plan.traded[0]]))
    lowest = min(int(ts.min()) for ts in touched if len(ts))
    highest = max(int(ts.max()) for ts in touched if len(ts))
    low, high = _widen(owners, ids, which, expectations, lowest, highest)
    ledger = _Ledger(tables.missing_gaps(change.interval, owners, low, high))
    for symbol_id in owners.tolist():
        expectation = expectations[which[np.searchsorted(ids, symbol_id)]]
        ledger.subtract(symbol_id, expectation, _of(symbol_id, plan.traded))
        for reason, pairs in gaps.items():
            ledger.add(symbol_id, expectation, _of(symbol_id, pairs), reason, change.source)
    ledger.into(plan)
    plan.gap_bars = sum(len(ts) for _, ts in gaps.values())


def _sorted(symbol_ids: Int64s, ts: Int64s) -> tuple[Int64s, Int64s]:
    order = np.lexsort((ts, symbol_ids))
    return symbol_ids[order], ts[order]


def _of(symbol_id: int, pairs: tuple[Int64s, Int64s]) -> Int64s:
    """The times of one symbol; pairs are sorted, so they are a slice."""
    low, high = np.searchsorted(pairs[0], [symbol_id, symbol_id + 1])
    return pairs[1][low:high]


def _withdrawals(
    gaps: dict[GapReason, tuple[Int64s, Int64s]],
    plan: WritePlan,
    ids: Int64s,
    after: SeriesRows,
    which: Int64s,
    expectations: list[Expectation],
) -> None:
    """A settled, expected bar that is withdrawn is missing from now on."""
    symbol_ids, ts = plan.withdrawn
    owner = np.searchsorted(ids, symbol_ids)
    missing = ts < after.settled_to[owner]
    for number, expectation in enumerate(expectations):
        rows = np.flatnonzero(missing & (which[owner] == number))
        missing[rows] = expectation.includes(ts[rows])
    if missing.any():
        gaps[GapReason.WITHDRAWN] = _sorted(symbol_ids[missing], ts[missing])


def _widen(
    owners: Int64s,
    ids: Int64s,
    which: Int64s,
    expectations: list[Expectation],
    lowest: int,
    highest: int,
) -> tuple[int, int]:
    """From the expected bar before `lowest` to the end of the one after `highest`, on every
    calendar concerned: where a neighbouring gap may lie."""
    low, high = lowest, highest
    for number in np.unique(which[np.searchsorted(ids, owners)]).tolist():
        before, after = expectations[number].neighbours(lowest, highest)
        low, high = min(low, before), max(high, after)
    return low, high + 86_400


class _Ledger:
    """The missing gaps of some symbols, being changed."""

    def __init__(self, gaps: list[GapRow]) -> None:
        self._gaps: dict[int, list[GapRow]] = defaultdict(list)
        for gap in gaps:
            self._gaps[gap.symbol_id].append(gap)
        self._stored = {gap.id: gap for gap in gaps}
        self._closed: list[GapRow] = []

    def subtract(self, symbol_id: int, expectation: Expectation, ts: Int64s) -> None:
        """Bars of these times arrived."""
        gaps = self._gaps.get(symbol_id, [])
        if not len(ts) or not gaps:
            return
        numbers = expectation.numbers(ts[expectation.includes(ts)]).tolist()
        left: list[GapRow] = []
        for gap in gaps:
            range_ = _range_of(gap, expectation)
            pieces = gap_ranges.subtract(range_, numbers)
            if pieces == [range_]:
                left.append(gap)
            elif not pieces:
                self._closed.append(replace(gap, state=GapState.FILLED))
            else:
                first, *others = (_placed(gap, piece, expectation) for piece in pieces)
                left += [first, *(replace(other, id=0) for other in others)]
        self._gaps[symbol_id] = left

    def add(
        self,
        symbol_id: int,
        expectation: Expectation,
        ts: Int64s,
        reason: GapReason,
        source: str,
    ) -> None:
        """Bars of these times are missing for `reason`."""
        if not len(ts):
            return
        gaps = self._gaps[symbol_id]
        taken = [_range_of(gap, expectation) for gap in gaps]
        numbers = expectation.numbers(ts)
        for first, last in taken:  # a bar is missing once
            numbers = numbers[(numbers < first) | (numbers >= last)]
        fresh = GapRow(0, symbol_id, 0, 0, 0, GapState.OPEN, reason, source, None)
        for range_ in gap_ranges.runs(numbers):
            self._merge(gaps, _placed(fresh, range_, expectation), expectation)

    @staticmethod
    def _merge(gaps: list[GapRow], new: GapRow, expectation: Expectation) -> None:
        """Append `new`, or grow the neighbour(s) that it continues."""
        first, last = _range_of(new, expectation)
        for gap in [*gaps]:
            alike = (gap.reason, gap.source) == (new.reason, new.source)
            if gap.state != GapState.OPEN or not alike:
                continue
            low, high = _range_of(gap, expectation)
            if high == first or low == last:
                gaps.remove(gap)
                older = gap if gap.id or not new.id else new
                first, last = min(first, low), max(last, high)
                new = _placed(older, (first, last), expectation)
        gaps.append(new)

    def into(self, plan: WritePlan) -> None:
        """Say what changed."""
        now = [gap for gaps in self._gaps.values() for gap in gaps]
        plan.new_gaps = [gap for gap in now if gap.id == 0]
        plan.changed_gaps = self._closed + [
            gap for gap in now if gap.id and gap != self._stored[gap.id]
        ]
        still = {gap.id for gap in now} | {gap.id for gap in self._closed}
        plan.removed_gaps = [id_ for id_ in self._stored if id_ not in still]


def _range_of(gap: GapRow, expectation: Expectation) -> gap_ranges.Range:
    last = gap.end - expectation.interval.seconds
    first, final = expectation.numbers(np.array([gap.start, last], np.int64)).tolist()
    return first, final + 1


def _placed(gap: GapRow, range_: gap_ranges.Range, expectation: Expectation) -> GapRow:
    first, last = expectation.times(np.array([range_[0], range_[1] - 1], np.int64)).tolist()
    return replace(
        gap, start=first, end=last + expectation.interval.seconds, bars=range_[1] - range_[0]
    )
