"""Reading bars from PostgreSQL: one statement an answer, so that all of it is of one snapshot;
a second one when some of the bars have changed since the moment that was asked for.

Columns travel as binary arrays and become numpy arrays without a Python object per value.
Statements are prepared once per connection, as planning them costs as much as a session's
bars; behind a pooler that gives each transaction another connection
(`DISABLE_SERVER_SIDE_CURSORS` is Django's word for it) they are not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from django.db import connection
from psycopg.pq import Format
from psycopg.types.numeric import Int4, Int8

from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.store import pg_arrays, reader_history, reader_sql
from ingestion.store.bar_query import BarQuery, Fetched, StoredRows
from ingestion.store.moments import at_seconds, at_us
from ingestion.store.reader_history import NEWER, Current
from universe.domain.interval import Interval

_KINDS: Mapping[str, type[pg_arrays.Column]] = {
    "symbol_id": pg_arrays.Int4,
    "trades": pg_arrays.Int4,
    "as_of": pg_arrays.Time,
    NEWER: pg_arrays.Bool,
}
_MARKS = np.dtype([("day", ">i4"), ("bitmap", "u1", (180,))])
_ARRAY_HEADER = 20  # bytes before an array's elements
_EMPTY = b"\0\0\0\0"  # an array without a dimension, for the NULL that stands for none
_ONLY_WHEN_ASKED = sys.maxsize
_DAY = 86_400
_SECOND = 1_000_000
_PG_EPOCH = pg_arrays.PG_EPOCH_US // _SECOND


def fetch(query: BarQuery) -> Fetched:
    """Bars and all that is said about them."""
    return reader_history.fetch(query, _look, _seek)


def latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    """The newest stored bar of each symbol that has one."""
    parameters = {"symbols": pg_arrays.Int4(symbol_ids)}
    statement = reader_sql.latest(interval)
    rows = _rows(_execute(statement, parameters, arrays=True), reader_sql.LATEST)
    symbols, *prices, as_of = (column.tolist() for column in rows.columns)
    sources = [rows.sources[code] for code in rows.source]
    bars = zip(
        symbols, rows.ts.tolist(), *prices, sources, rows.extended.tolist(), as_of, strict=True
    )
    return [LatestBar(*bar) for bar in bars]


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """The watermark and the series' last change."""
    cells = _execute(reader_sql.stamp(interval), {"symbol": Int4(symbol_id)})
    return Stamp(*map(_position, cells))


def _look(query: BarQuery) -> Current:
    columns = query.columns
    parameters: dict[str, Any] = {
        "symbol": Int4(query.symbol_id),
        "start": at_seconds(query.start),
        "end": at_seconds(query.end),
    }
    if query.as_of is not None:
        columns = (*columns, NEWER)
        parameters["as_of"] = at_us(query.as_of)
    if query.rows is not None:
        parameters["rows"] = Int8(query.rows)
    statement = reader_sql.current(
        query.interval,
        columns,
        historic=query.as_of is not None,
        extended=query.extended,
        limited=query.rows is not None,
    )
    watermark, changed_at, marks, withdrawn, *arrays = _execute(statement, parameters)
    return Current(
        _position(watermark),
        _position(changed_at),
        _marked(marks),
        np.unique(_seconds(withdrawn)) if withdrawn else np.empty(0, np.int64),
        _rows(arrays, columns),
    )


def _seek(query: BarQuery, ts: Int64s, at: int) -> StoredRows:
    parameters = {
        "symbol": Int4(query.symbol_id),
        "ts": pg_arrays.Time(ts * _SECOND),
        "as_of": at_us(at),
    }
    statement = reader_sql.former(query.interval, query.columns)
    return _rows(_execute(statement, parameters, arrays=True), query.columns)


def _execute(
    statement: str, parameters: dict[str, Any], *, arrays: bool = False
) -> list[bytes | None]:
    """The cells of the only row of the answer, in the binary format. `arrays` says whether
    a parameter is one. Runs on Django's connection and in its transaction, if one is open."""
    with connection.wrap_database_errors:
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        raw: psycopg.Connection[Any] = connection.connection
        pooled = connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        if raw.prepare_threshold is None and not pooled:
            raw.prepare_threshold = _ONLY_WHEN_ASKED
        with pg_arrays.cursor() if arrays else psycopg.Cursor(raw) as cursor:
            cursor.format = Format.BINARY
            cursor.execute(statement, parameters, prepare=not pooled)
            result = cursor.pgresult
            assert result is not None, "a SELECT has a result"  # noqa: S101 (an invariant)
            return [result.get_value(0, column) for column in range(result.nfields)]


def _rows(arrays: Sequence[bytes | None], names: tuple[str, ...]) -> StoredRows:
    """Rows from arrays of `ts`, source, the named columns and, maybe, extended."""
    ts, source, *cells = [array or _EMPTY for array in arrays]
    codes, sources = _sources(source)
    columns = [
        _KINDS.get(name, pg_arrays.Float8).from_bytes(cell)
        for name, cell in zip(names, cells, strict=False)
    ]
    known = len(cells) > len(names)
    extended = pg_arrays.Bool.from_bytes(cells[-1]) if known else np.zeros(len(codes), np.bool_)
    return StoredRows(_seconds(ts), codes, sources, extended, columns).ascending()


def _sources(array: bytes) -> tuple[Int64s, tuple[str, ...]]:
    """Codes and sorted names in an array of texts, which most often are all the same."""
    count = int.from_bytes(array[12:16], "big")
    if not count:
        return np.empty(0, np.int64), ()
    size = 4 + int.from_bytes(array[_ARRAY_HEADER : _ARRAY_HEADER + 4], "big")
    first = array[_ARRAY_HEADER : _ARRAY_HEADER + size]
    if array[_ARRAY_HEADER:] == first * count:
        return np.zeros(count, np.int64), (first[4:].decode(),)
    names, at = [], _ARRAY_HEADER
    for _ in range(count):
        end = at + 4 + int.from_bytes(array[at : at + 4], "big")
        names.append(array[at + 4 : end])
        at = end
    known, codes = np.unique(np.array(names), return_inverse=True)
    return codes.astype(np.int64), tuple(name.decode() for name in known.tolist())


def _seconds(array: bytes) -> Int64s:
    micros = pg_arrays.Int8.from_bytes(array)  # since PostgreSQL's epoch, a whole second
    return micros // _SECOND + _PG_EPOCH


def _position(moment: bytes | None) -> int | None:
    return int.from_bytes(moment, "big", signed=True) + pg_arrays.PG_EPOCH_US if moment else None


def _marked(marks: bytes | None) -> Int64s:
    """The `ts` in records of a day's number and its bitmap."""
    if not marks:
        return np.empty(0, np.int64)
    records = np.frombuffer(marks, _MARKS)
    day, minute = np.nonzero(np.unpackbits(records["bitmap"], axis=1))
    return np.sort(records["day"].astype(np.int64)[day] * _DAY + minute * 60)
