"""The bar tables through Django's ORM: right on every database, and the reference for the
fast path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Max
from typing_extensions import override

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.models import (
    CandleDaily,
    CandleIntraday,
    Cursor,
    IngestCommit,
    RevisionDaily,
    RevisionIntraday,
    Series,
)
from ingestion.store.changes import CandleWrite
from ingestion.store.moments import at_seconds, at_us, maybe_at_seconds, to_seconds, to_us
from ingestion.store.portable_ledger import PortableLedger
from ingestion.store.rows import NONE, Differing, SeriesRows
from ingestion.store.tables import Tables
from universe.domain.interval import Interval
from universe.domain.session_grid import date_of, label_of

_CANDLES: dict[Interval, type[CandleIntraday] | type[CandleDaily]] = {
    Interval.MINUTE: CandleIntraday,
    Interval.DAY: CandleDaily,
}
_REVISIONS: dict[Interval, type[RevisionIntraday] | type[RevisionDaily]] = {
    Interval.MINUTE: RevisionIntraday,
    Interval.DAY: RevisionDaily,
}
_VALUES = ("open", "high", "low", "close", "volume", "vwap", "trades")
_COPIED = ("symbol_id", "ts", *_VALUES, "source", "status", "extended", "as_of")
_IN_CHUNK = 400
_LOCK = 0x6D64_636F_6D69  # advisory lock of the commit log ("mdcomi"), on PostgreSQL


class PortableTables(PortableLedger, Tables):
    """See `Tables`."""

    # ---- reading

    @override
    def newest(self) -> tuple[int, str]:
        newest = IngestCommit.objects.aggregate(as_of=Max("as_of"))["as_of"]
        if newest is None:
            return 0, ""
        vendor = IngestCommit.objects.exclude(origin="import").order_by("-as_of")
        origin = vendor.values_list("origin", flat=True).first()
        return to_us(newest), origin or ""

    @override
    def touched_since(self, interval: Interval, symbol_ids: Int64s, as_of: int) -> bool:
        touched = Series.objects.filter(interval=interval, as_of__gt=at_us(as_of))
        return not set(touched.values_list("symbol_id", flat=True)).isdisjoint(symbol_ids.tolist())

    @override
    def series(self, interval: Interval, symbol_ids: Int64s, source: str) -> SeriesRows:
        rows = SeriesRows.unknown(symbol_ids)
        place = {symbol_id: at for at, symbol_id in enumerate(symbol_ids.tolist())}
        for chunk in _chunks(symbol_ids.tolist()):
            for one in Series.objects.filter(interval=interval, symbol_id__in=chunk):
                _fill(rows, place[one.symbol_id], one)
            cursors = Cursor.objects.filter(interval=interval, source=source, symbol_id__in=chunk)
            for symbol_id, ts in cursors.values_list("symbol_id", "newest_ts"):
                rows.cursor_ts[place[symbol_id]] = to_seconds(ts)
        return rows

    @override
    def differing(self, interval: Interval, bars: Bars, source: str) -> Differing:
        stored = self._candles(interval, bars.owner, bars.ts, (*_VALUES, "source", "as_of"))
        row, there, same, as_of = [], [], [], []
        for number, key in enumerate(zip(bars.owner.tolist(), bars.ts.tolist(), strict=True)):
            found = stored.get(key)
            if found is not None and found[:7] == _values(bars, number):
                continue
            row.append(number)
            there.append(found is not None)
            same.append(found is not None and found[7] == source)
            as_of.append(to_us(found[8]) if found is not None else NONE)
        return Differing(
            np.array(row, np.int64),
            np.array(there, np.bool_),
            np.array(same, np.bool_),
            np.array(as_of, np.int64),
        )

    @override
    def stored(self, interval: Interval, symbol_ids: Int64s, ts: Int64s) -> Bools:
        there = self._candles(interval, symbol_ids, ts, ())
        keys = zip(symbol_ids.tolist(), ts.tolist(), strict=True)
        return np.fromiter((key in there for key in keys), np.bool_, len(ts))

    @override
    def newest_before(
        self, interval: Interval, symbol_id: int, without: Int64s
    ) -> tuple[int, float]:
        left = _CANDLES[interval].objects.filter(symbol_id=symbol_id)
        left = left.exclude(ts__in=[at_seconds(ts) for ts in without.tolist()])
        newest = left.order_by("-ts").values_list("ts", "close").first()
        return (NONE, float("nan")) if newest is None else (to_seconds(newest[0]), newest[1])

    @override
    def observed_at(self, as_ofs: Int64s) -> Int64s:
        distinct, inverse = np.unique(as_ofs, return_inverse=True)
        found: dict[int, int] = {}
        for chunk in _chunks(distinct.tolist()):
            commits = IngestCommit.objects.filter(as_of__in=[at_us(us) for us in chunk])
            for as_of, observed_at in commits.values_list("as_of", "observed_at"):
                found[to_us(as_of)] = to_us(observed_at)
        times = np.array([found.get(us, NONE) for us in distinct.tolist()], np.int64)
        return np.asarray(times[inverse], np.int64)

    def _candles(
        self, interval: Interval, symbol_ids: Int64s, ts: Int64s, columns: tuple[str, ...]
    ) -> dict[tuple[int, int], tuple[Any, ...]]:
        """(symbol id, ts) → columns, for those of the pairs that are stored (and others)."""
        found: dict[tuple[int, int], tuple[Any, ...]] = {}
        for ids, low, high in _blocks(symbol_ids, ts):
            rows = _CANDLES[interval].objects.filter(
                symbol_id__in=ids, ts__gte=at_seconds(low), ts__lte=at_seconds(high)
            )
            for symbol_id, moment, *values in rows.values_list("symbol_id", "ts", *columns):
                found[(symbol_id, to_seconds(moment))] = tuple(values)
        return found

    # ---- writing

    @override
    def lock(self) -> None:
        # On SQLite the transaction began IMMEDIATE: it holds the only write lock already.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])

    @override
    def insert(self, change: CandleWrite, bars: Bars, extended: Bools, as_of: int) -> None:
        statuses = [change.status] * len(bars)
        rows = _rows(_CANDLES[change.interval], change.source, bars, extended, statuses, as_of)
        _CANDLES[change.interval].objects.bulk_create(rows, batch_size=_IN_CHUNK)

    @override
    def correct(
        self, change: CandleWrite, bars: Bars, extended: Bools, statuses: Sequence[str], as_of: int
    ) -> None:
        self._to_revisions(change.interval, bars.owner, bars.ts, as_of, withdrawn=False)
        rows = _rows(_CANDLES[change.interval], change.source, bars, extended, statuses, as_of)
        _CANDLES[change.interval].objects.bulk_create(
            rows,
            batch_size=_IN_CHUNK,
            update_conflicts=True,
            unique_fields=["symbol_id", "ts"],
            update_fields=[*_VALUES, "source", "status", "extended", "as_of"],
        )

    @override
    def withdraw(self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int) -> None:
        self._to_revisions(interval, symbol_ids, ts, as_of, withdrawn=True)
        for symbol_id, one in zip(symbol_ids.tolist(), ts.tolist(), strict=True):
            _CANDLES[interval].objects.filter(symbol_id=symbol_id, ts=at_seconds(one)).delete()

    def _to_revisions(
        self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int, *, withdrawn: bool
    ) -> None:
        revision = _REVISIONS[interval]
        stored = self._candles(interval, symbol_ids, ts, _COPIED)
        keys = zip(symbol_ids.tolist(), ts.tolist(), strict=True)
        rows = [
            revision(
                **dict(zip(_COPIED, stored[key], strict=True)),
                superseded_at=at_us(as_of),
                withdrawn=withdrawn,
            )
            for key in keys
        ]
        revision.objects.bulk_create(rows, batch_size=_IN_CHUNK)  # type: ignore[arg-type]  # one class a call

    @override
    def put_series(self, interval: Interval, rows: SeriesRows, as_of: int) -> None:
        fields = [
            "history_from",
            "settled_to",
            "newest_ts",
            "newest_close",
            "session_date",
            "session_settled",
            "session_traded",
            "traded_share",
            "as_of",
        ]
        Series.objects.bulk_create(
            [_series(interval, rows, at, as_of) for at in range(len(rows.symbol_id))],
            batch_size=_IN_CHUNK,
            update_conflicts=True,
            unique_fields=["symbol", "interval"],
            update_fields=fields,
        )

    @override
    def put_cursors(
        self, interval: Interval, source: str, symbol_ids: Int64s, ts: Int64s, as_of: int
    ) -> None:
        Cursor.objects.bulk_create(
            [
                Cursor(
                    symbol_id=symbol_id,
                    interval=interval,
                    source=source,
                    newest_ts=at_seconds(newest),
                    as_of=at_us(as_of),
                )
                for symbol_id, newest in zip(symbol_ids.tolist(), ts.tolist(), strict=True)
            ],
            batch_size=_IN_CHUNK,
            update_conflicts=True,
            unique_fields=["symbol", "interval", "source"],
            update_fields=["newest_ts", "as_of"],
        )

    @override
    def put_commit(self, fields: Mapping[str, Any]) -> None:
        IngestCommit.objects.create(**fields)


def _fill(rows: SeriesRows, at: int, one: Series) -> None:
    rows.known[at] = True
    rows.history_from[at] = to_seconds(one.history_from)
    rows.settled_to[at] = to_seconds(one.settled_to)
    rows.newest_ts[at] = to_seconds(one.newest_ts)
    rows.newest_close[at] = np.nan if one.newest_close is None else one.newest_close
    rows.session_label[at] = NONE if one.session_date is None else label_of(one.session_date)
    rows.session_settled[at] = one.session_settled
    rows.session_traded[at] = one.session_traded
    rows.traded_share[at] = np.nan if one.traded_share is None else one.traded_share


def _series(interval: Interval, rows: SeriesRows, at: int, as_of: int) -> Series:
    label = int(rows.session_label[at])
    return Series(
        symbol_id=int(rows.symbol_id[at]),
        interval=interval,
        history_from=maybe_at_seconds(int(rows.history_from[at])),
        settled_to=maybe_at_seconds(int(rows.settled_to[at])),
        newest_ts=maybe_at_seconds(int(rows.newest_ts[at])),
        newest_close=_or_none(rows.newest_close[at]),
        session_date=None if label == NONE else date_of(label),
        session_settled=int(rows.session_settled[at]),
        session_traded=int(rows.session_traded[at]),
        traded_share=_or_none(rows.traded_share[at]),
        as_of=at_us(as_of),
    )


def _rows(
    model: type[Any],
    source: str,
    bars: Bars,
    extended: Bools,
    statuses: Sequence[str],
    as_of: int,
) -> list[Any]:
    stamp = at_us(as_of)
    rows = []
    for at, (owner, ts) in enumerate(zip(bars.owner.tolist(), bars.ts.tolist(), strict=True)):
        values = dict(zip(_VALUES, _values(bars, at), strict=True))
        rows.append(
            model(
                symbol_id=owner,
                ts=at_seconds(ts),
                **values,
                source=source,
                status=statuses[at],
                extended=bool(extended[at]),
                as_of=stamp,
            )
        )
    return rows


def _values(bars: Bars, at: int) -> tuple[float | int | None, ...]:
    """The bar's values as the table holds them."""
    trades = int(bars.trades[at])
    return (
        float(bars.open[at]),
        float(bars.high[at]),
        float(bars.low[at]),
        float(bars.close[at]),
        float(bars.volume[at]),
        _or_none(bars.vwap[at]),
        None if trades < 0 else trades,
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _chunks(values: list[int]) -> Iterable[list[int]]:
    return (values[at : at + _IN_CHUNK] for at in range(0, len(values), _IN_CHUNK))


def _blocks(symbol_ids: Int64s, ts: Int64s) -> Iterator[tuple[list[int], int, int]]:
    """The pairs as few queries: some symbols and the span of their times."""
    if not len(ts):
        return
    for chunk in _chunks(np.unique(symbol_ids).tolist()):
        inside = np.isin(symbol_ids, chunk)
        yield chunk, int(ts[inside].min()), int(ts[inside].max())
