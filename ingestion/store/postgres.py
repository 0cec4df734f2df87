"""The bar tables on PostgreSQL: binary COPY in, binary arrays both ways, no ORM on the way.

Leaves exactly the rows that `portable` leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from psycopg import sql
from typing_extensions import override

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.store import pg_arrays
from ingestion.store.changes import CandleWrite
from ingestion.store.moments import at_us
from ingestion.store.pg_arrays import Bool, Float8, Int4, Time
from ingestion.store.pg_copy import copy_candles
from ingestion.store.portable import PortableTables
from ingestion.store.rows import NONE, Differing, SeriesRows
from universe.domain.interval import Interval

_TABLE = {Interval.MINUTE: "candles_intraday", Interval.DAY: "candles_daily"}

_SERIES = """
SELECT array_agg(n.at), array_agg(s.id IS NOT NULL),
       array_agg(coalesce(s.history_from, '-infinity')),
       array_agg(coalesce(s.settled_to, '-infinity')),
       array_agg(coalesce(s.newest_ts, '-infinity')),
       array_agg(coalesce(s.newest_close, 'NaN')),
       array_agg(coalesce(s.session_date::timestamp AT TIME ZONE 'UTC', '-infinity')),
       array_agg(coalesce(s.session_settled, 0)), array_agg(coalesce(s.session_traded, 0)),
       array_agg(coalesce(s.traded_share, 'NaN')),
       array_agg(coalesce(c.newest_ts, '-infinity'))
FROM unnest(%b::int4[]) WITH ORDINALITY n(symbol_id, at)
LEFT JOIN series s ON s.symbol_id = n.symbol_id AND s.interval = %t
LEFT JOIN ingestion_cursor c
       ON c.symbol_id = n.symbol_id AND c.interval = %t AND c.source = %t
"""

_DIFFERING = """
SELECT array_agg(n.at), array_agg(c.as_of IS NOT NULL), array_agg(coalesce(c.source = %t, false)),
       array_agg(coalesce(c.as_of, '-infinity'))
FROM unnest(%b::int4[], %b::timestamptz[], %b::float8[], %b::float8[], %b::float8[],
            %b::float8[], %b::float8[], %b::float8[], %b::int4[])
     WITH ORDINALITY n(symbol_id, ts, o, h, l, c, v, vwap, trades, at)
LEFT JOIN LATERAL (
    SELECT * FROM {table} k WHERE k.symbol_id = n.symbol_id AND k.ts = n.ts
    AND k.ts BETWEEN %b AND %b
) c ON true
WHERE c.as_of IS NULL
   OR (c.open, c.high, c.low, c.close, c.volume) IS DISTINCT FROM (n.o, n.h, n.l, n.c, n.v)
   OR coalesce(c.vwap, 'NaN') <> n.vwap OR coalesce(c.trades, -1) <> n.trades
"""

_STORED = """
SELECT array_agg(n.at)
FROM unnest(%b::int4[], %b::timestamptz[]) WITH ORDINALITY n(symbol_id, ts, at)
CROSS JOIN LATERAL (
    SELECT 1 FROM {table} k WHERE k.symbol_id = n.symbol_id AND k.ts = n.ts
    AND k.ts BETWEEN %b AND %b
) c
"""

_TOUCHED = """
SELECT EXISTS (
    SELECT 1 FROM unnest(%b::int4[]) n(symbol_id)
    JOIN series s ON s.symbol_id = n.symbol_id AND s.interval = %t AND s.as_of > %b
)
"""

_SERIES_COLUMNS = """
unnest(%b::int4[], %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::float8[],
       %b::timestamptz[], %b::int4[], %b::int4[], %b::float8[])
     n(symbol_id, history_from, settled_to, newest_ts, newest_close, session_label,
       session_settled, session_traded, traded_share)
"""

_INSERT_SERIES = """
INSERT INTO series (interval, as_of, symbol_id, history_from, settled_to, newest_ts, newest_close,
                    session_date, session_settled, session_traded, traded_share)
SELECT %t, %b, symbol_id, nullif(history_from, '-infinity'), nullif(settled_to, '-infinity'),
       nullif(newest_ts, '-infinity'), nullif(newest_close, 'NaN'),
       (nullif(session_label, '-infinity') AT TIME ZONE 'UTC')::date,
       session_settled, session_traded, nullif(traded_share, 'NaN')
FROM {columns}
"""

# An upsert would cost half as much again: it takes every row for new first.
_UPDATE_SERIES = """
UPDATE series s SET
    history_from = nullif(n.history_from, '-infinity'),
    settled_to = nullif(n.settled_to, '-infinity'),
    newest_ts = nullif(n.newest_ts, '-infinity'), newest_close = nullif(n.newest_close, 'NaN'),
    session_date = (nullif(n.session_label, '-infinity') AT TIME ZONE 'UTC')::date,
    session_settled = n.session_settled, session_traded = n.session_traded,
    traded_share = nullif(n.traded_share, 'NaN'), as_of = %b
FROM {columns}
WHERE s.symbol_id = n.symbol_id AND s.interval = %t
"""

_PUT_CURSORS = """
INSERT INTO ingestion_cursor (symbol_id, interval, source, newest_ts, as_of)
SELECT symbol_id, %t, %t, ts, %b FROM unnest(%b::int4[], %b::timestamptz[]) n(symbol_id, ts)
ON CONFLICT (symbol_id, interval, source)
    DO UPDATE SET newest_ts = excluded.newest_ts, as_of = excluded.as_of
"""

_MOVE_CURSORS = """
UPDATE ingestion_cursor c SET newest_ts = n.ts, as_of = %b
FROM unnest(%b::int4[], %b::timestamptz[]) n(symbol_id, ts)
WHERE c.symbol_id = n.symbol_id AND c.interval = %t AND c.source = %t
RETURNING c.symbol_id
"""

_REVISE = """
INSERT INTO {table}_revisions (symbol_id, ts, open, high, low, close, volume, vwap, trades,
                               source, status, extended, as_of, superseded_at, withdrawn)
SELECT c.symbol_id, c.ts, c.open, c.high, c.low, c.close, c.volume, c.vwap, c.trades,
       c.source, c.status, c.extended, c.as_of, %b, %b
FROM unnest(%b::int4[], %b::timestamptz[]) n(symbol_id, ts)
JOIN {table} c ON c.symbol_id = n.symbol_id AND c.ts = n.ts AND c.ts BETWEEN %b AND %b
"""

_DELETE = """
DELETE FROM {table} c USING unnest(%b::int4[], %b::timestamptz[]) n(symbol_id, ts)
WHERE c.symbol_id = n.symbol_id AND c.ts = n.ts AND c.ts BETWEEN %b AND %b
"""

_UPDATE = """
UPDATE {table} c SET open = n.o, high = n.h, low = n.l, close = n.c, volume = n.v,
    vwap = nullif(n.vwap, 'NaN'), trades = nullif(n.trades, -1), source = %t, status = n.status,
    extended = n.extended, as_of = %b
FROM unnest(%b::int4[], %b::timestamptz[], %b::float8[], %b::float8[], %b::float8[],
            %b::float8[], %b::float8[], %b::float8[], %b::int4[], %b::bool[], %t::text[])
     n(symbol_id, ts, o, h, l, c, v, vwap, trades, extended, status)
WHERE c.symbol_id = n.symbol_id AND c.ts = n.ts AND c.ts BETWEEN %b AND %b
"""


class PostgresTables(PortableTables):
    """See `Tables`; what is rare goes the portable way."""

    @override
    def touched_since(self, interval: Interval, symbol_ids: Int64s, as_of: int) -> bool:
        return bool(_one(_TOUCHED, [Int4(symbol_ids), interval.value, at_us(as_of)])[0])

    @override
    def series(self, interval: Interval, symbol_ids: Int64s, source: str) -> SeriesRows:
        name = interval.value
        found = _one(_SERIES, [Int4(symbol_ids), name, name, source])
        if found[0] is None:
            return SeriesRows.unknown(symbol_ids)
        columns = [column[np.argsort(found[0])] for column in found[1:]]
        return SeriesRows(
            symbol_id=symbol_ids,
            known=columns[0],
            history_from=_seconds(columns[1]),
            settled_to=_seconds(columns[2]),
            newest_ts=_seconds(columns[3]),
            newest_close=columns[4],
            session_label=_seconds(columns[5]),
            session_settled=columns[6].astype(np.int64),
            session_traded=columns[7].astype(np.int64),
            traded_share=columns[8],
            cursor_ts=_seconds(columns[9]),
        )

    @override
    def differing(self, interval: Interval, bars: Bars, source: str) -> Differing:
        statement = _DIFFERING.format(table=_TABLE[interval])
        found = _one(statement, [source, *_keys(bars), *_values(bars), *_span(bars.ts)])
        if found[0] is None:
            nothing = np.empty(0, np.int64)
            return Differing(nothing, nothing.astype(bool), nothing.astype(bool), nothing)
        order = np.argsort(found[0])
        row, stored, same, as_of = (column[order] for column in found)
        return Differing(row - 1, stored, same, as_of)

    @override
    def stored(self, interval: Interval, symbol_ids: Int64s, ts: Int64s) -> Bools:
        there = np.zeros(len(ts), np.bool_)
        if len(ts):
            statement = _STORED.format(table=_TABLE[interval])
            (found,) = _one(statement, [Int4(symbol_ids), _times(ts), *_span(ts)])
            if found is not None:
                there[found - 1] = True
        return there

    @override
    def insert(self, change: CandleWrite, bars: Bars, extended: Bools, as_of: int) -> None:
        copy_candles(_TABLE[change.interval], bars, extended, change.source, change.status, as_of)

    @override
    def correct(
        self, change: CandleWrite, bars: Bars, extended: Bools, statuses: Sequence[str], as_of: int
    ) -> None:
        table = _TABLE[change.interval]
        self._revise(table, bars.owner, bars.ts, as_of, withdrawn=False)
        _run(
            _UPDATE.format(table=table),
            [
                change.source,
                at_us(as_of),
                *_keys(bars),
                *_values(bars),
                Bool(extended),
                list(statuses),
                *_span(bars.ts),
            ],
        )

    @override
    def withdraw(self, interval: Interval, symbol_ids: Int64s, ts: Int64s, as_of: int) -> None:
        table = _TABLE[interval]
        self._revise(table, symbol_ids, ts, as_of, withdrawn=True)
        _run(_DELETE.format(table=table), [Int4(symbol_ids), _times(ts), *_span(ts)])

    @staticmethod
    def _revise(table: str, symbol_ids: Int64s, ts: Int64s, as_of: int, *, withdrawn: bool) -> None:
        keys = [Int4(symbol_ids), _times(ts), *_span(ts)]
        _run(_REVISE.format(table=table), [at_us(as_of), withdrawn, *keys])

    @override
    def put_series(self, interval: Interval, rows: SeriesRows, as_of: int) -> None:
        new = rows.take(~rows.known)
        if len(new.symbol_id):
            _run(
                _INSERT_SERIES.format(columns=_SERIES_COLUMNS),
                [interval.value, at_us(as_of), *_series_columns(new)],
            )
        known = rows.take(rows.known)
        if len(known.symbol_id):
            _run(
                _UPDATE_SERIES.format(columns=_SERIES_COLUMNS),
                [at_us(as_of), *_series_columns(known), interval.value],
            )

    @override
    def put_cursors(
        self, interval: Interval, source: str, symbol_ids: Int64s, ts: Int64s, as_of: int
    ) -> None:
        values = [Int4(symbol_ids), _times(ts)]
        with pg_arrays.cursor() as cursor:
            cursor.execute(_MOVE_CURSORS, [at_us(as_of), *values, interval.value, source])
            moved = np.fromiter((row[0] for row in cursor), np.int64)
        new = ~np.isin(symbol_ids, moved)
        if new.any():
            rest = [Int4(symbol_ids[new]), _times(ts[new])]
            _run(_PUT_CURSORS, [interval.value, source, at_us(as_of), *rest])

    @override
    def put_commit(self, fields: Mapping[str, Any]) -> None:
        # By hand for the events' sake: half a megabyte that the ORM would send as text.
        names = sql.SQL(", ").join(map(sql.Identifier, fields))
        values = sql.SQL(", ").join(sql.Placeholder() for _ in fields)
        statement = sql.SQL("INSERT INTO ingest_commits ({}) VALUES ({})").format(names, values)
        with pg_arrays.cursor() as cursor:
            cursor.execute(statement, list(fields.values()))


def _series_columns(rows: SeriesRows) -> list[Any]:
    return [
        Int4(rows.symbol_id),
        _times(rows.history_from),
        _times(rows.settled_to),
        _times(rows.newest_ts),
        Float8(rows.newest_close),
        _times(rows.session_label),
        Int4(rows.session_settled),
        Int4(rows.session_traded),
        Float8(rows.traded_share),
    ]


def _one(statement: str, parameters: list[Any]) -> tuple[Any, ...]:
    with pg_arrays.cursor() as cursor:
        row = cursor.execute(statement, parameters).fetchone()
    return row or ()


def _run(statement: str, parameters: list[Any]) -> None:
    with pg_arrays.cursor() as cursor:
        cursor.execute(statement, parameters)


def _times(seconds: Int64s) -> Time:
    """Epoch seconds as timestamptz[]; NONE as -infinity."""
    return Time(np.where(seconds == NONE, NONE, seconds * 1_000_000))


def _seconds(us: Int64s) -> Int64s:
    return np.where(us == NONE, NONE, us // 1_000_000)


def _span(ts: Int64s) -> list[Any]:
    """The first and last time: lets the planner leave out partitions."""
    return [at_us(int(ts.min()) * 1_000_000), at_us(int(ts.max()) * 1_000_000)]


def _keys(bars: Bars) -> list[Any]:
    return [Int4(bars.owner), _times(bars.ts)]


def _values(bars: Bars) -> list[Any]:
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume, bars.vwap)
    return [*map(Float8, prices), Int4(bars.trades)]
