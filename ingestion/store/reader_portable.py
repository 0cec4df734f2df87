"""Reading bars through the ORM, on any database: the reference for every other path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Func, OuterRef, QuerySet, Subquery
from django.db.models.sql.compiler import SQLCompiler

from ingestion.domain import minute_bitmap
from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.models import (
    CandleDaily,
    CandleIntraday,
    IngestCommit,
    NoTrade,
    RevisionDaily,
    RevisionIntraday,
    Series,
)
from ingestion.models.candles import BarColumns, RevisionColumns
from ingestion.store.bar_query import PRICES, BarQuery, Column, Fetched, StoredRows
from ingestion.store.moments import at_seconds, at_us, to_us
from ingestion.store.reader_history import NEWER
from ingestion.store.snapshot import snapshot
from universe.domain.interval import Interval
from universe.domain.session_grid import label_of

_CANDLES: dict[Interval, type[BarColumns]] = {
    Interval.MINUTE: CandleIntraday,
    Interval.DAY: CandleDaily,
}
_REVISIONS: dict[Interval, type[RevisionColumns]] = {
    Interval.MINUTE: RevisionIntraday,
    Interval.DAY: RevisionDaily,
}
_SYMBOLS_AT_ONCE = 300  # SQLite bounds how deep an expression may nest


class EpochSeconds(Func):
    """A moment as whole epoch seconds, without a datetime per row."""

    template = "CAST(EXTRACT(EPOCH FROM %(expressions)s) AS bigint)"
    output_field = BigIntegerField()

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> Any:
        """SQLite's own word for it, on the text that it keeps moments as."""
        template = "CAST(strftime('%%%%s', %(expressions)s) AS integer)"
        return self.as_sql(compiler, connection, template=template, **context)


def fetch(query: BarQuery) -> Fetched:
    """Bars and all that is said about them, from one snapshot."""
    with snapshot():
        now = stamp(query.symbol_id, query.interval)
        marks = _marks(query)
        if query.as_of is None or now.as_of is None:
            candles = _scope(_CANDLES[query.interval], query)
            rows = _page(candles, query)
            return Fetched(now.as_of, now.changed_at, rows, rows.ts[~rows.extended], marks)
        rows, regular = _historic(query, min(query.as_of, now.as_of))
        return Fetched(now.as_of, now.changed_at, rows, regular, marks)


def latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    """The newest stored bar of each symbol that has one."""
    with snapshot():
        return [
            bar
            for first in range(0, len(symbol_ids), _SYMBOLS_AT_ONCE)
            for bar in _latest(symbol_ids[first : first + _SYMBOLS_AT_ONCE], interval)
        ]


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """The watermark and the series' last change."""
    with snapshot():
        newest = IngestCommit.objects.order_by("-as_of").values_list("as_of", flat=True).first()
        series = Series.objects.filter(symbol_id=symbol_id, interval=interval)
        changed = series.values_list("as_of", flat=True).first()
    return Stamp(*(None if moment is None else to_us(moment) for moment in (newest, changed)))


def _latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    series = Series.objects.filter(
        symbol_id__in=symbol_ids, interval=interval, newest_ts__isnull=False
    )
    newest = list(series.values_list("symbol_id", "newest_ts"))
    candles = _CANDLES[interval]._default_manager.filter(pk__in=newest)
    columns: tuple[Any, ...] = ("as_of", "symbol_id", EpochSeconds("ts"), *PRICES)
    rows: QuerySet[Any, tuple[Any, ...]] = candles.values_list(*columns, "source", "extended")
    return [LatestBar(*(*row[1:], to_us(row[0]))) for row in rows]


def _scope(model: type[BarColumns], query: BarQuery) -> QuerySet[Any]:
    return model._default_manager.filter(
        symbol_id=query.symbol_id, ts__gte=at_seconds(query.start), ts__lt=at_seconds(query.end)
    )


def _page(bars: QuerySet[Any], query: BarQuery) -> StoredRows:
    """The first rows among `bars`, as many as the query wants."""
    if not query.extended:
        bars = bars.filter(extended=False)
    columns: tuple[Any, ...] = (EpochSeconds("ts"), "source", "extended", *query.columns)
    return columnar(bars.order_by("ts").values_list(*columns)[: query.rows], query.columns)


def columnar(rows: Iterable[tuple[Any, ...]], names: tuple[str, ...]) -> StoredRows:
    """Columns of rows of `ts`, source, extended and the named columns."""
    ts, sources, extended, *columns = [*zip(*rows, strict=True)] or [()] * (len(names) + 3)
    known = tuple(sorted(set(sources)))
    codes = {name: code for code, name in enumerate(known)}
    return StoredRows(
        np.array(ts, np.int64),
        np.array([codes[name] for name in sources], np.int64),
        known,
        np.array(extended, np.bool_),
        [_filled(name, column) for name, column in zip(names, columns, strict=True)],
    )


def _filled(name: str, column: tuple[Any, ...]) -> Column:
    if name == "trades":
        return np.array([-1 if value is None else value for value in column], np.int64)
    if name == NEWER:
        return np.array(column, np.bool_)
    return np.array(column, np.float64)  # None becomes NaN


def _historic(query: BarQuery, at: int) -> tuple[StoredRows, Int64s]:
    """The rows that held at `at`, and the `ts` of today's regular bars."""
    moment = at_us(at)
    candles = _scope(_CANDLES[query.interval], query)
    revisions = _scope(_REVISIONS[query.interval], query)
    unchanged = _page(candles.filter(as_of__lte=moment), query)
    if len(unchanged) == query.rows:  # the page ends no later than here
        edge = at_seconds(int(unchanged.ts[-1]))
        candles, revisions = candles.filter(ts__lte=edge), revisions.filter(ts__lte=edge)
    held = (
        revisions.filter(ts=OuterRef("ts"), superseded_at__gt=moment)
        .order_by("superseded_at")
        .values("pk")[:1]
    )
    changed = [candles.filter(as_of__gt=moment), revisions.filter(withdrawn=True)]
    chosen = [bars.values_list(Subquery(held), flat=True) for bars in changed]
    # By key alone: with the range said again, SQLite would look through all of its revisions.
    replaced = _REVISIONS[query.interval]._default_manager.filter(
        pk__in=chosen[0].union(chosen[1]), as_of__lte=moment
    )
    regular = candles.filter(extended=False).order_by("ts").values_list(EpochSeconds("ts"))
    rows = StoredRows.join([unchanged, _page(replaced, query)]).take(slice(query.rows))
    return rows, np.array([ts for (ts,) in regular], np.int64)


def _marks(query: BarQuery) -> Int64s:
    days = NoTrade.objects.filter(
        symbol_id=query.symbol_id,
        interval=query.interval,
        day__gte=at_seconds(query.start).date(),
        day__lte=at_seconds(query.end - 1).date(),
    ).order_by("day")
    marked = [
        minute_bitmap.minutes(bytes(bitmap)) * 60 + label_of(day)
        for day, bitmap in days.values_list("day", "bitmap")
    ]
    return np.concatenate(marked) if marked else np.empty(0, np.int64)
