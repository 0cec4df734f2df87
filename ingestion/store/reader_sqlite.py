"""Reading the current bars from SQLite in three plain statements.

It gives what `reader_portable` gives, without an ORM between the rows and the arrays:
compiling the queries and converting the values took three quarters of a read. History and
the newest bars are read the portable way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import connection

from ingestion.domain import minute_bitmap
from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.store import reader_portable
from ingestion.store.bar_query import BarQuery, Fetched, StoredRows
from ingestion.store.moments import at_seconds, to_us
from ingestion.store.snapshot import snapshot
from universe.domain.interval import Interval
from universe.domain.session import label_of

# Moments are kept as text. An expression (`|| ''`, `+ 0`) has no declared type, so that
# sqlite3 calls no converter for its values.
_STAMP = """
    SELECT (SELECT as_of || '' FROM ingest_commits ORDER BY as_of DESC LIMIT 1),
           (SELECT as_of || '' FROM series WHERE symbol_id = ? AND interval = ?)
"""
_MARKS = """
    SELECT day, bitmap FROM no_trade
    WHERE symbol_id = ? AND interval = ? AND day BETWEEN ? AND ? ORDER BY day
"""
_BARS = """
    SELECT CAST(strftime('%s', ts) AS integer), source, extended + 0, {columns} FROM {table}
    WHERE symbol_id = ? AND ts >= ? AND ts < ? AND extended <= ? ORDER BY ts LIMIT ?
"""
_TABLES = {Interval.MINUTE: "candles_intraday", Interval.DAY: "candles_daily"}
_TEXT = "%Y-%m-%d %H:%M:%S"


def fetch(query: BarQuery) -> Fetched:
    """Bars and all that is said about them, from one snapshot."""
    if query.as_of is not None:
        return reader_portable.fetch(query)
    with snapshot(), connection.wrap_database_errors:
        now = _stamp(query.symbol_id, query.interval)
        marks = _marks(query)
        rows = _bars(query)
    return Fetched(now.as_of, now.changed_at, rows, rows.ts[~rows.extended], marks)


def latest(symbol_ids: Sequence[int], interval: Interval) -> list[LatestBar]:
    """The newest stored bar of each symbol that has one."""
    return reader_portable.latest(symbol_ids, interval)


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """The watermark and the series' last change."""
    with snapshot(), connection.wrap_database_errors:
        return _stamp(symbol_id, interval)


def _select(statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.connection.execute(statement, parameters).fetchall()
    return rows


def _stamp(symbol_id: int, interval: Interval) -> Stamp:
    ((newest, changed),) = _select(_STAMP, (symbol_id, interval.value))
    return Stamp(_us(newest), _us(changed))


def _us(text: str | None) -> int | None:
    return None if text is None else to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def _marks(query: BarQuery) -> Int64s:
    days = (str(at_seconds(moment).date()) for moment in (query.start, query.end - 1))
    found = _select(_MARKS, (query.symbol_id, query.interval.value, *days))
    marked = [minute_bitmap.minutes(bytes(bitmap)) * 60 + label_of(day) for day, bitmap in found]
    return np.concatenate(marked) if marked else np.empty(0, np.int64)


def _bars(query: BarQuery) -> StoredRows:
    statement = _BARS.format(columns=", ".join(query.columns), table=_TABLES[query.interval])
    edges = (at_seconds(moment).strftime(_TEXT) for moment in (query.start, query.end))
    limit = -1 if query.rows is None else query.rows
    found = _select(statement, (query.symbol_id, *edges, query.extended, limit))
    return reader_portable.columnar(found, query.columns)
