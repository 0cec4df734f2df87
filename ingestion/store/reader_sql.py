"""The reader's statements for PostgreSQL.

Every statement on candles bounds `ts` on both sides by parameters, so that partitions outside
are left out when it is planned. Each gives one row: whatever the range holds comes as an
array per column (no sort, no group, NULL when there is nothing).
"""

from __future__ import annotations

from functools import cache

from ingestion.store.bar_query import PRICES
from ingestion.store.reader_history import NEWER
from universe.domain.interval import Interval

LATEST = ("symbol_id", *PRICES, "as_of")
"""The columns of the newest bars, beside `ts`, source and extended."""

_CANDLES = {Interval.MINUTE: "candles_intraday", Interval.DAY: "candles_daily"}
_REVISIONS = {
    Interval.MINUTE: "candles_intraday_revisions",
    Interval.DAY: "candles_daily_revisions",
}
_EXPRESSIONS = {
    "vwap": "coalesce(bars.vwap, 'NaN')",  # columns of numbers cannot hold NULL
    "trades": "coalesce(bars.trades, -1)",
    NEWER: "bars.as_of > %(as_of)s",
}
_SCOPE = "symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s"

_WATERMARK = "SELECT as_of FROM ingest_commits ORDER BY as_of DESC LIMIT 1"
_CHANGED = "SELECT as_of FROM series WHERE symbol_id = %(symbol)s AND interval = '{interval}'"
_MARKS = """
    SELECT string_agg(int4send(day - date '1970-01-01') || bitmap, '') FROM no_trade
    WHERE symbol_id = %(symbol)s AND interval = '{interval}'
    AND day >= (%(start)s AT TIME ZONE 'UTC')::date AND day <= (%(end)s AT TIME ZONE 'UTC')::date
"""


@cache
def stamp(interval: Interval) -> str:
    """The watermark and the series' last change."""
    return f"SELECT ({_WATERMARK}), ({_CHANGED.format(interval=interval)})"


@cache
def current(
    interval: Interval,
    columns: tuple[str, ...],
    *,
    historic: bool,
    extended: bool,
    limited: bool,
) -> str:
    """Watermark, the series' last change, its no-trade marks and, if `historic`, the `ts` of
    its withdrawn bars; then arrays of the current bars: `ts`, source, the columns and, if
    some can be, whether they are outside regular hours.

    If `historic`, such bars are left out only if they have not changed since %(as_of)s:
    before, they may have been regular ones.
    """
    withdrawn, hours = "NULL", "AND NOT extended"
    if historic:
        withdrawn = _withdrawn(interval)
        hours = "AND (NOT extended OR as_of > %(as_of)s)"
    if extended:
        hours = ""
    page = "ORDER BY ts LIMIT %(rows)s" if limited else ""
    arrays = _arrays(("ts", "source", *columns, *(["extended"] if extended or historic else [])))
    changed, marks = (question.format(interval=interval) for question in (_CHANGED, _MARKS))
    return f"""
        SELECT ({_WATERMARK}), ({changed}), ({marks}), ({withdrawn}), {arrays}
        FROM (SELECT * FROM {_CANDLES[interval]} WHERE {_SCOPE} {hours} {page}) bars
    """  # noqa: S608 (made of our own words only)


def _withdrawn(interval: Interval) -> str:
    revisions = _REVISIONS[interval]
    return f"SELECT array_agg(ts) FROM {revisions} WHERE {_SCOPE} AND withdrawn"  # noqa: S608 (so is this)


@cache
def former(interval: Interval, columns: tuple[str, ...]) -> str:
    """Arrays of those versions of the bars at %(ts)s that held at %(as_of)s.

    One seek in `(symbol, ts, superseded_at)` for each bar, however many revisions it has.
    """
    arrays = ("ts", "source", *columns, "extended")
    chosen = ", ".join((*arrays, "as_of"))
    return f"""
        SELECT {_arrays(arrays)}
        FROM unnest(%(ts)s::timestamptz[]) AS changed (at) CROSS JOIN LATERAL (
            SELECT {chosen} FROM {_REVISIONS[interval]}
            WHERE symbol_id = %(symbol)s AND ts = changed.at
            AND superseded_at > %(as_of)s
            ORDER BY superseded_at LIMIT 1
        ) bars
        WHERE bars.as_of <= %(as_of)s
    """  # noqa: S608 (made of our own words only)


@cache
def latest(interval: Interval) -> str:
    """Arrays of the newest stored bar of each of %(symbols)s that has one: `ts`, source, the
    LATEST columns, extended.

    LIMIT keeps the search for one bar what it is, a seek in the one partition that holds it:
    planned as a join, it may become a scan of them all.
    """
    return f"""
        SELECT {_arrays(("ts", "source", *LATEST, "extended"))}
        FROM series CROSS JOIN LATERAL (
            SELECT candle.* FROM {_CANDLES[interval]} candle
            WHERE candle.symbol_id = series.symbol_id AND candle.ts = series.newest_ts LIMIT 1
        ) bars
        WHERE series.symbol_id = ANY(%(symbols)s) AND series.interval = '{interval}'
    """  # noqa: S608 (made of our own words only)


def _arrays(columns: tuple[str, ...]) -> str:
    return ", ".join(f"array_agg({_expression(column)})" for column in columns)


def _expression(column: str) -> str:
    return _EXPRESSIONS.get(column, f"bars.{column}")
