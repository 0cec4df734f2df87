"""Explaining every expected bar that an answer speaks for: there, without a trade, or a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.domain.expectation import Expectation
from ingestion.models.ledger import GapReason
from ingestion.store.changes import Settlement
from ingestion.store.rows import NONE, SeriesRows
from ingestion.store.tables import Tables
from universe.domain.interval import Interval

_SHARE_WEIGHT = 0.2
"""Weight of a whole session in the trailing traded share."""

_SHARE_BARS = 30
"""A symbol's first session counts as history from this many settled minutes on."""

Pairs = tuple[Int64s, Int64s]
"""(position in the write's symbol ids, ts), parallel."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The absent bars of a settlement, by what they are taken for."""

    no_trade: Pairs
    gaps: dict[GapReason, Pairs]

    @classmethod
    def nothing(cls) -> Explained:
        """Nothing was absent."""
        return cls((np.empty(0, np.int64), np.empty(0, np.int64)), {})


def explain(
    interval: Interval,
    settlement: Settlement,
    tables: Tables,
    before: SeriesRows,
    after: SeriesRows,
    which: Int64s,
    expectations: list[Expectation],
    bars: Bars,
    rejected: Bars,
) -> Explained:
    """Carry out `settlement`: moves `after` and says what every absent bar is."""
    at = np.searchsorted(before.symbol_id, settlement.symbol_id)
    _begin(before, after, settlement, at)
    owner, ts, asked = _expected(after, settlement, at, which, expectations)
    present = _contains(before, bars, owner, ts)
    unsure = np.flatnonzero(~present & (ts <= before.newest_ts[owner]))
    if len(unsure):
        present[unsure] = tables.stored(interval, before.symbol_id[owner[unsure]], ts[unsure])
    _count_sessions(after, expectations, which, owner[asked], ts[asked], present[asked])
    after.settled_to[at] = np.maximum(after.settled_to[at], settlement.end)

    silent = np.zeros(len(before.symbol_id), np.bool_)
    silent[at] = settlement.absent_is_no_trade
    refused = _contains(before, rejected, owner, ts)
    absent = ~present
    return Explained(
        _pick(owner, ts, absent & asked & ~refused & silent[owner]),
        {
            GapReason.OUTAGE: _pick(owner, ts, absent & ~asked),
            GapReason.QUARANTINED: _pick(owner, ts, absent & asked & refused),
            GapReason.ABSENT: _pick(owner, ts, absent & asked & ~refused & ~silent[owner]),
        },
    )


def _begin(before: SeriesRows, after: SeriesRows, settlement: Settlement, at: Int64s) -> None:
    """A series that was never collected begins where this answer begins."""
    first = before.settled_to[at] == NONE
    after.history_from[at[first]] = settlement.start[first]
    after.settled_to[at[first]] = settlement.start[first]


def _expected(
    after: SeriesRows,
    settlement: Settlement,
    at: Int64s,
    which: Int64s,
    expectations: list[Expectation],
) -> tuple[Int64s, Int64s, Bools]:
    """Every expected bar from `settled_to` to the settlement's end: (position, ts, asked for).

    Most symbols stand at the same place, so the calendar is asked once for each distinct
    (calendar, from, start, end)."""
    spans = np.stack((which[at], after.settled_to[at], settlement.start, settlement.end), axis=1)
    distinct, of_span = np.unique(spans, axis=0, return_inverse=True)
    owners: list[Int64s] = [np.empty(0, np.int64)]
    times: list[Int64s] = [np.empty(0, np.int64)]
    asked: list[Bools] = [np.empty(0, np.bool_)]
    for number, (calendar, settled, start, end) in enumerate(distinct.tolist()):
        ts = expectations[calendar].between(settled, end)
        members = at[of_span.reshape(-1) == number]
        if len(ts):
            owners.append(np.repeat(members, len(ts)))
            times.append(np.tile(ts, len(members)))
            asked.append(np.tile(ts >= start, len(members)))
    return np.concatenate(owners), np.concatenate(times), np.concatenate(asked)


def _contains(series: SeriesRows, bars: Bars, owner: Int64s, ts: Int64s) -> Bools:
    """For each (position, ts): whether `bars` has it."""
    if not len(bars) or not len(ts):
        return np.zeros(len(ts), np.bool_)
    base = min(int(ts.min()), int(bars.ts.min()))
    width = max(int(ts.max()), int(bars.ts.max())) - base + 1
    have = np.searchsorted(series.symbol_id, bars.owner) * width + (bars.ts - base)
    return np.isin(owner * width + (ts - base), have)


def _pick(owner: Int64s, ts: Int64s, chosen: Bools) -> Pairs:
    return owner[chosen], ts[chosen]


def _count_sessions(
    after: SeriesRows,
    expectations: list[Expectation],
    which: Int64s,
    owner: Int64s,
    ts: Int64s,
    present: Bools,
) -> None:
    """Count settled and traded bars of each session, in order; a session that ends goes into
    the trailing share. Counts only add up, so it is the same in however many polls."""
    for label, length, rows in _by_session(expectations, which, owner, ts):
        members, inverse = np.unique(owner[rows], return_inverse=True)
        settled = np.bincount(inverse)
        traded = np.bincount(inverse, weights=present[rows]).astype(np.int64)
        over = members[after.session_label[members] != label]
        _close_sessions(after, over, length)
        after.session_label[over] = label
        after.session_settled[over] = 0
        after.session_traded[over] = 0
        after.session_settled[members] += settled
        after.session_traded[members] += traded


def _by_session(
    expectations: list[Expectation], which: Int64s, owner: Int64s, ts: Int64s
) -> Iterator[tuple[int, int, Int64s]]:
    """(label, bars in a session, rows) for each calendar's sessions in ascending order."""
    calendars = which[owner]
    for number, expectation in enumerate(expectations):
        rows = np.flatnonzero(calendars == number)
        if not len(rows):
            continue
        labels = expectation.labels_of(ts[rows])
        for label in np.unique(labels).tolist():
            yield label, expectation.bars_in_session(label), rows[labels == label]


def _close_sessions(after: SeriesRows, members: Int64s, length: int) -> None:
    """Blend the counted session of each member into its trailing traded share."""
    settled = after.session_settled[members]
    counted = members[settled > 0]
    if not len(counted):
        return
    settled = after.session_settled[counted]
    share = after.session_traded[counted] / settled
    old = after.traded_share[counted]
    blended = old + (share - old) * _SHARE_WEIGHT * np.minimum(settled / length, 1.0)
    enough = (settled >= _SHARE_BARS) | (length == 1)
    after.traded_share[counted] = np.where(np.isnan(old), np.where(enough, share, np.nan), blended)
