"""Reading bars from SQLite in a few plain statements.

It gives what `reader_portable` gives, without an ORM between the rows and the arrays:
compiling the queries and converting the values took three quarters of a read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from django.db import connection

from ingestion.domain import minute_bitmap
from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.store import reader_history
from ingestion.store.bar_query import PRICES, BarQuery, Fetched, StoredRows
from ingestion.store.moments import at_seconds, at_us, to_us
from ingestion.store.reader_history import NEWER, Current
from ingestion.store.reader_portable import columnar
from ingestion.store.snapshot import snapshot
from universe.domain.interval import Interval
from universe.domain.session import label_of

# Moments are kept as text. An expression (`|| ''`, `+ 0`) has no declared type, so that
# sqlite3 calls no converter for its values.
_STAMP = """
    SELECT (SELECT as_of || '' FROM ingest_commits ORDER BY as_of DESC LIMIT 1),
           (SELECT as_of || '' FROM series WHERE symbol_id = :symbol AND interval = :interval)
"""
_MARKS = """
    SELECT day, bitmap FROM no_trade
    WHERE symbol_id = :symbol AND interval = :interval AND day BETWEEN :first_day AND :last_day
    ORDER BY day
"""
_BARS = """
    SELECT CAST(strftime('%s', ts) AS integer), source, extended + 0, {columns} FROM {table}
    WHERE symbol_id = :symbol AND ts >= :start AND ts < :end AND {hours} ORDER BY ts LIMIT :rows
"""
_WITHDRAWN = """
    SELECT DISTINCT CAST(strftime('%s', ts) AS integer) FROM {table}_revisions
    WHERE symbol_id = :symbol AND ts >= :start AND ts < :end AND withdrawn
"""
_FORMER = """
    SELECT CAST(strftime('%s', bars.ts) AS integer), source, extended + 0, {columns}
    FROM json_each(:times) wanted CROSS JOIN {table}_revisions bars ON bars.id = (
        SELECT id FROM {table}_revisions
        WHERE symbol_id = :symbol AND ts = wanted.value AND superseded_at > :as_of
        ORDER BY superseded_at LIMIT 1
    )
    WHERE as_of <= :as_of ORDER BY bars.ts
"""
_LATEST = """
    SELECT bars.symbol_id, CAST(strftime('%s', ts) AS integer), {columns}, source, extended + 0,
        bars.as_of || ''
    FROM json_each(:symbols) wanted
    CROSS JOIN series ON series.symbol_id = wanted.value AND interval = :interval
    CROSS JOIN {table} bars ON bars.symbol_id = series.symbol_id AND ts = newest_ts
"""
_TABLES = {Interval.MINUTE: "candles_intraday", Interval.DAY: "candles_daily"}


def fetch(query: BarQuery) -> Fetched:
    """Bars and all that is said about them."""
    return reader_history.fetch(query, _look, _seek)


def latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    """The newest stored bar of each symbol that has one."""
    statement = _LATEST.format(columns=", ".join(PRICES), table=_TABLES[interval])
    symbols = orjson.dumps(list(symbol_ids)).decode()
    found = _select(statement, {"symbols": symbols, "interval": interval.value})
    return [
        LatestBar(*(*row, bool(extended), to_us(_moment(as_of)))) for *row, extended, as_of in found
    ]


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """The watermark and the series' last change."""
    ((newest, changed),) = _select(_STAMP, {"symbol": symbol_id, "interval": interval.value})
    return Stamp(*(None if text is None else to_us(_moment(text)) for text in (newest, changed)))


def _look(query: BarQuery) -> Current:
    parameters: dict[str, Any] = {
        "symbol": query.symbol_id,
        "interval": query.interval.value,
        "start": _text(at_seconds(query.start)),
        "end": _text(at_seconds(query.end)),
        "first_day": str(at_seconds(query.start).date()),
        "last_day": str(at_seconds(query.end - 1).date()),
        "rows": -1 if query.rows is None else query.rows,
    }
    with snapshot():
        now = stamp(query.symbol_id, query.interval)
        marks = _marks(parameters)
        if query.as_of is None:
            hours = "true" if query.extended else "NOT extended"
            rows = _bars(query, parameters, hours, query.columns)
            return Current(now.as_of, now.changed_at, marks, np.empty(0, np.int64), rows)
        parameters["as_of"] = _text(at_us(query.as_of))
        hours = "true" if query.extended else "(NOT extended OR as_of > :as_of)"
        rows = _bars(query, parameters, hours, (*query.columns, NEWER))
        gone = _select(_WITHDRAWN.format(table=_TABLES[query.interval]), parameters)
    return Current(
        now.as_of, now.changed_at, marks, np.array(sorted(ts for (ts,) in gone), np.int64), rows
    )


def _seek(query: BarQuery, ts: Int64s, at: int) -> StoredRows:
    parameters = {
        "symbol": query.symbol_id,
        "as_of": _text(at_us(at)),
        "times": orjson.dumps([_text(at_seconds(one)) for one in ts.tolist()]).decode(),
    }
    statement = _FORMER.format(columns=", ".join(query.columns), table=_TABLES[query.interval])
    return columnar(_select(statement, parameters), query.columns)


def _bars(
    query: BarQuery, parameters: dict[str, Any], hours: str, columns: tuple[str, ...]
) -> StoredRows:
    expressions = ("as_of > :as_of" if column == NEWER else column for column in columns)
    statement = _BARS.format(
        columns=", ".join(expressions), table=_TABLES[query.interval], hours=hours
    )
    return columnar(_select(statement, parameters), columns)


def _marks(parameters: dict[str, Any]) -> Int64s:
    marked = [
        minute_bitmap.minutes(bytes(bitmap)) * 60 + label_of(day)
        for day, bitmap in _select(_MARKS, parameters)
    ]
    return np.concatenate(marked) if marked else np.empty(0, np.int64)


def _select(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.wrap_database_errors:
        connection.ensure_connection()
        rows: list[tuple[Any, ...]] = connection.connection.execute(
            statement, parameters
        ).fetchall()
    return rows


def _text(moment: datetime) -> str:
    """A moment as the tables keep it: no zone, and a fraction only where there is one."""
    return str(moment.replace(tzinfo=None))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
