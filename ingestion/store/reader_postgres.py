"""Reading bars from PostgreSQL: one statement an answer, so that all of it is of one snapshot.

Columns travel as binary arrays, one per source and kind, and become numpy arrays without a
Python object per value. Statements are prepared once per connection: planning them costs
as much as a session's bars. Behind a pooler that gives each transaction another connection
(`DISABLE_SERVER_SIDE_CURSORS` set, Django's word for it) they are not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from django.db import connection
from psycopg.pq import Format
from psycopg.types.numeric import Int4, Int8

from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.store import pg_arrays, reader_sql
from ingestion.store.bar_query import BarQuery, Fetched, Group, merge
from ingestion.store.moments import at_seconds, at_us
from ingestion.store.reader_sql import HEADER
from universe.domain.interval import Interval

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_KINDS: Mapping[str, type[pg_arrays.Column]] = {"trades": pg_arrays.Int4}
_MARKS = np.dtype([("day", ">i4"), ("bitmap", "u1", (180,))])
_ONLY_WHEN_ASKED = sys.maxsize
_DAY = 86_400


def fetch(query: BarQuery) -> Fetched:
    """Bars and all that is said about them, from one snapshot."""
    statement = reader_sql.bars(
        query.interval,
        columns=query.columns,
        historic=query.as_of is not None,
        extended=query.extended,
        limited=query.rows is not None,
    )
    with _executed(statement, _parameters(query)) as result:
        header = [result.get_value(0, column) for column in range(HEADER)]
        watermark, changed_at, marks, regular = header
        groups = [
            _group(result, row, query.columns)
            for row in range(result.ntuples)
            if result.get_value(row, HEADER) is not None
        ]
    rows = merge(groups, len(query.columns))
    if query.as_of is None:
        current = rows.ts if not query.extended else rows.ts[~rows.extended]
    else:
        current = np.sort(_seconds(regular))
    return Fetched(_position(watermark), _position(changed_at), rows, current, _marked(marks))


def _parameters(query: BarQuery) -> dict[str, Any]:
    start, end = at_seconds(query.start), at_seconds(query.end)
    parameters: dict[str, Any] = {
        "symbol": Int4(query.symbol_id),
        "interval": query.interval.value,
        "start": start,
        "end": end,
        "first_day": start.date(),
        "last_day": at_seconds(query.end - 1).date(),
    }
    if query.as_of is not None:
        parameters["as_of"] = at_us(query.as_of)
    if query.rows is not None:
        parameters["rows"] = Int8(query.rows)
    return parameters


def latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    """The newest stored bar of each symbol that has one."""
    parameters = {"symbols": pg_arrays.Int4(symbol_ids), "interval": interval.value}
    with connection.wrap_database_errors, pg_arrays.cursor() as cursor:
        cursor.execute(reader_sql.latest(interval), parameters)
        return [LatestBar(*row) for row in cursor.fetchall()]


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """The watermark and the series' last change."""
    parameters = {"symbol": Int4(symbol_id), "interval": interval.value}
    with _executed(reader_sql.STAMP, parameters) as result:
        return Stamp(_position(result.get_value(0, 0)), _position(result.get_value(0, 1)))


@contextmanager
def _executed(statement: str, parameters: dict[str, Any]) -> Iterator[PGresult]:
    """The statement's answer in the binary format, on Django's connection and in its
    transaction, if one is open there."""
    with connection.wrap_database_errors:
        connection.close_if_health_check_failed()
        connection.ensure_connection()
        raw: psycopg.Connection[Any] = connection.connection
        pooled = connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]
        if raw.prepare_threshold is None and not pooled:
            raw.prepare_threshold = _ONLY_WHEN_ASKED
        with psycopg.Cursor(raw) as cursor:
            cursor.format = Format.BINARY
            cursor.execute(statement, parameters, prepare=not pooled)
            assert cursor.pgresult is not None, "a SELECT has a result"  # noqa: S101 (an invariant)
            yield cursor.pgresult


def _group(result: PGresult, row: int, names: tuple[str, ...]) -> Group:
    cells = [result.get_value(row, column) for column in range(HEADER, result.nfields)]
    source, extended, ts, *columns = (cell or b"" for cell in cells)
    kinds = [_KINDS.get(name, pg_arrays.Float8) for name in names]
    return Group(
        source.decode(),
        extended == b"\x01",
        _seconds(ts),
        [kind.from_bytes(column) for kind, column in zip(kinds, columns, strict=True)],
    )


def _seconds(array: bytes | None) -> Int64s:
    return pg_arrays.Time.from_bytes(array) // 1_000_000 if array else np.empty(0, np.int64)


def _position(moment: bytes | None) -> int | None:
    return int.from_bytes(moment, "big", signed=True) + pg_arrays.PG_EPOCH_US if moment else None


def _marked(marks: bytes | None) -> Int64s:
    records = np.frombuffer(marks or b"", _MARKS)
    day, minute = np.nonzero(np.unpackbits(records["bitmap"], axis=1))
    return np.sort(records["day"][day].astype(np.int64) * _DAY + minute * 60)
