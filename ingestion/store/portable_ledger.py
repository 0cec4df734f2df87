"""No-trade marks, gaps and quarantine through Django's ORM; the fast path uses it too."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import date

import numpy as np
from typing_extensions import override

from ingestion.domain import minute_bitmap
from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.models import Gap, GapState, NoTrade, QuarantinedBar
from ingestion.store.changes import CandleWrite, Rejected
from ingestion.store.moments import at_seconds, at_us, to_seconds, to_us
from ingestion.store.rows import GapRow
from ingestion.store.tables import LedgerTables
from universe.domain.interval import Interval
from universe.domain.session_grid import date_of

_IN_CHUNK = 400
_MISSING = (GapState.OPEN, GapState.QUEUED, GapState.UNRECOVERABLE)


class PortableLedger(LedgerTables):
    """The ledger's part of `Tables`."""

    @override
    def missing_gaps(
        self, interval: Interval, symbol_ids: Int64s, start: int, end: int
    ) -> list[GapRow]:
        ids = symbol_ids.tolist()
        found: list[Gap] = []
        for at in range(0, len(ids), _IN_CHUNK):
            found += Gap.objects.filter(
                symbol_id__in=ids[at : at + _IN_CHUNK],
                interval=interval,
                state__in=_MISSING,
                start__lte=at_seconds(end),
                end__gte=at_seconds(start),
            ).order_by("symbol_id", "start")
        return [_gap_row(gap) for gap in found]

    @override
    def in_quarantine(self, interval: Interval, source: str, rejected: Rejected) -> Bools:
        bars = rejected.bars
        there = set(
            QuarantinedBar.objects.filter(
                interval=interval,
                source=source,
                ts__gte=at_seconds(int(bars.ts.min())),
                ts__lte=at_seconds(int(bars.ts.max())),
            ).values_list("symbol_id", "ts", "reason")
        )
        return np.fromiter(
            (
                (owner, at_seconds(ts), str(reason)) in there
                for owner, ts, reason in zip(
                    bars.owner.tolist(), bars.ts.tolist(), rejected.reasons, strict=True
                )
            ),
            np.bool_,
            len(bars),
        )

    @override
    def mark_no_trade(self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int) -> None:
        self._change_bitmaps(interval, symbol_ids, ts, as_of, minute_bitmap.union)

    @override
    def clear_no_trade(
        self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int
    ) -> None:
        self._change_bitmaps(interval, symbol_ids, ts, as_of, minute_bitmap.difference)

    def _change_bitmaps(
        self,
        interval: Interval,
        symbol_ids: Int64s,
        ts: Int64s,
        as_of: int,
        combine: Callable[[bytes, bytes], bytes],
    ) -> None:
        masks = bitmaps_of(symbol_ids, ts)
        by_day: dict[date, list[int]] = defaultdict(list)
        for symbol_id, day in masks:
            by_day[day].append(symbol_id)
        stored: dict[tuple[int, date], bytes] = {}
        for day, ids in by_day.items():
            for at in range(0, len(ids), _IN_CHUNK):
                rows = NoTrade.objects.filter(
                    interval=interval, day=day, symbol_id__in=ids[at : at + _IN_CHUNK]
                )
                for symbol_id, bitmap in rows.values_list("symbol_id", "bitmap"):
                    stored[(symbol_id, day)] = bytes(bitmap)
        changed = []
        for (symbol_id, day), mask in masks.items():
            old = stored.get((symbol_id, day), minute_bitmap.EMPTY)
            new = combine(old, mask)
            if new != old:
                changed.append(
                    NoTrade(
                        symbol_id=symbol_id,
                        interval=interval,
                        day=day,
                        bitmap=new,
                        as_of=at_us(as_of),
                    )
                )
        NoTrade.objects.bulk_create(
            changed,
            batch_size=_IN_CHUNK,
            update_conflicts=True,
            unique_fields=["symbol", "interval", "day"],
            update_fields=["bitmap", "as_of"],
        )

    @override
    def put_gaps(
        self,
        interval: Interval,
        new: list[GapRow],
        changed: list[GapRow],
        removed: list[int],
        as_of: int,
    ) -> None:
        if removed:
            Gap.objects.filter(id__in=removed).delete()
        if changed:
            Gap.objects.bulk_update(
                [_gap(interval, row, as_of) for row in changed],
                ["start", "end", "bars", "state", "as_of"],
                batch_size=_IN_CHUNK,
            )
        Gap.objects.bulk_create([_gap(interval, row, as_of) for row in new], batch_size=_IN_CHUNK)

    @override
    def put_quarantine(
        self, change: CandleWrite, rejected: Rejected, rows: Int64s, as_of: int
    ) -> None:
        bars = rejected.bars
        QuarantinedBar.objects.bulk_create(
            [
                QuarantinedBar(
                    symbol_id=int(bars.owner[at]),
                    interval=change.interval,
                    ts=at_seconds(int(bars.ts[at])),
                    source=change.source,
                    reason=rejected.reasons[at],
                    detail=rejected.details[at][:300],
                    open=_finite(bars.open[at]),
                    high=_finite(bars.high[at]),
                    low=_finite(bars.low[at]),
                    close=_finite(bars.close[at]),
                    volume=_finite(bars.volume[at]),
                    as_of=at_us(as_of),
                )
                for at in rows.tolist()
            ],
            batch_size=_IN_CHUNK,
            # The same bar twice in one batch, for the same reason, is kept once.
            ignore_conflicts=True,
        )


def bitmaps_of(symbol_ids: Int64s, ts: Int64s) -> dict[tuple[int, date], bytes]:
    """(symbol id, UTC day) → the bitmap of these bars."""
    order = np.lexsort((ts, symbol_ids))
    owner, times = symbol_ids[order], ts[order]
    days = times // 86_400
    breaks = np.flatnonzero((np.diff(owner) != 0) | (np.diff(days) != 0)) + 1
    bitmaps = {}
    for part in np.split(np.arange(len(times)), breaks):
        if len(part):
            first = int(part[0])
            day = date_of(int(times[first]))
            bitmaps[(int(owner[first]), day)] = minute_bitmap.of(times[part] % 86_400 // 60)
    return bitmaps


def _gap_row(gap: Gap) -> GapRow:
    return GapRow(
        gap.id,
        gap.symbol_id,
        to_seconds(gap.start),
        to_seconds(gap.end),
        gap.bars,
        gap.state,
        gap.reason,
        gap.source,
        to_us(gap.opened_at),
    )


def _gap(interval: Interval, row: GapRow, as_of: int) -> Gap:
    return Gap(
        id=row.id or None,
        symbol_id=row.symbol_id,
        interval=interval,
        start=at_seconds(row.start),
        end=at_seconds(row.end),
        bars=row.bars,
        state=row.state,
        reason=row.reason,
        source=row.source,
        opened_at=at_us(as_of if row.opened_at is None else row.opened_at),
        as_of=at_us(as_of),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
