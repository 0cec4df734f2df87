"""The reader's statements for PostgreSQL.

Every statement on bars bounds `ts` on both sides by parameters, so that partitions outside
are left out when it is planned. Revisions are never scanned: for each bar that changed after
the moment asked for, one seek in `(symbol, ts, superseded_at)` finds the version that held,
however many there are.
"""

from __future__ import annotations

from functools import cache

from universe.domain.interval import Interval

HEADER = 4
"""How many columns say something of the whole answer: watermark, the series' last change,
no-trade marks, `ts` of the current regular bars. Those of a group of rows follow."""

_CANDLES = {Interval.MINUTE: "candles_intraday", Interval.DAY: "candles_daily"}
_REVISIONS = {
    Interval.MINUTE: "candles_intraday_revisions",
    Interval.DAY: "candles_daily_revisions",
}
_UNKNOWN = {"vwap": "'NaN'", "trades": "-1"}
_SCOPE = "symbol_id = %(symbol)s AND ts >= %(start)s AND ts < %(end)s"

_WATERMARK = "SELECT as_of FROM ingest_commits ORDER BY as_of DESC LIMIT 1"
_CHANGED = "SELECT as_of FROM series WHERE symbol_id = %(symbol)s AND interval = %(interval)s"
_MARKS = """
    SELECT string_agg(int4send(day - date '1970-01-01') || bitmap, '') FROM no_trade
    WHERE symbol_id = %(symbol)s AND interval = %(interval)s
    AND day >= %(first_day)s AND day <= %(last_day)s"""

STAMP = f"SELECT ({_WATERMARK}), ({_CHANGED})"


@cache
def bars(
    interval: Interval,
    *,
    columns: tuple[str, ...],
    historic: bool,
    extended: bool,
    limited: bool,
) -> str:
    """One row per source and kind: the header, the source's name, whether the bars are of
    extended hours, and an array of each column. A single row with NULLs when there is no bar.
    """
    arrays = ", ".join(f"array_agg({_filled(column)})" for column in ("ts", *columns))
    page = "ORDER BY ts LIMIT %(rows)s" if limited else ""
    hours = "" if extended else "AND NOT extended"
    if historic:
        return _historic(interval, ("ts", "source", "extended", *columns), arrays, hours, page)
    rows = f"SELECT * FROM {_CANDLES[interval]} WHERE {_SCOPE} {hours} {page}"
    return f"""
        SELECT header.*, groups.*
        FROM (SELECT ({_WATERMARK}), ({_CHANGED}), ({_MARKS}), NULL::timestamptz[]) header
        LEFT JOIN (
            SELECT source, extended, {arrays} FROM ({rows}) rows GROUP BY source, extended
        ) groups ON true"""


def _historic(
    interval: Interval, columns: tuple[str, ...], arrays: str, hours: str, page: str
) -> str:
    candles, revisions, chosen = _CANDLES[interval], _REVISIONS[interval], ", ".join(columns)
    # A page ends no later than the last of as many rows that have not changed since; only
    # up to there is anything else looked for.
    edge = "CASE WHEN count(*) = %(rows)s THEN max(ts) END" if page else "NULL::timestamptz"
    versions = ", ".join(f"version.{column}" for column in columns)
    return f"""
        WITH moment AS MATERIALIZED (
            SELECT watermark, least(watermark, %(as_of)s) AS at
            FROM (SELECT ({_WATERMARK}) AS watermark) newest
        ), unchanged AS {"MATERIALIZED" if page else "NOT MATERIALIZED"} (
            SELECT {chosen} FROM {candles}
            WHERE {_SCOPE} AND as_of <= (SELECT at FROM moment) {hours} {page}
        ), edge AS MATERIALIZED (
            SELECT coalesce({edge}, %(end)s) AS at {"FROM unchanged" if page else ""}
        ), changed AS (
            SELECT ts FROM {candles}
            WHERE {_SCOPE} AND ts <= (SELECT at FROM edge) AND as_of > (SELECT at FROM moment)
            UNION
            SELECT ts FROM {revisions}
            WHERE {_SCOPE} AND ts <= (SELECT at FROM edge) AND withdrawn
        ), replaced AS (
            SELECT {versions} FROM changed CROSS JOIN LATERAL (
                SELECT {chosen}, as_of FROM {revisions} revision
                WHERE {_SCOPE} AND ts = changed.ts AND superseded_at > (SELECT at FROM moment)
                ORDER BY superseded_at LIMIT 1
            ) version
            WHERE version.as_of <= (SELECT at FROM moment) {hours}
        )
        SELECT header.*, groups.*
        FROM (
            SELECT (SELECT watermark FROM moment), ({_CHANGED}), ({_MARKS}), (
                SELECT array_agg(ts) FROM {candles}
                WHERE {_SCOPE} AND ts <= (SELECT at FROM edge) AND NOT extended
            )
        ) header
        LEFT JOIN (
            SELECT source, extended, {arrays} FROM (
                SELECT * FROM unchanged UNION ALL SELECT * FROM replaced {page}
            ) rows GROUP BY source, extended
        ) groups ON true"""


@cache
def latest(interval: Interval) -> str:
    """The newest stored bar of each of %(symbols)s that has one, as LatestBar's fields."""
    return f"""
        SELECT candle.symbol_id, extract(epoch FROM candle.ts)::bigint, candle.open, candle.high,
            candle.low, candle.close, candle.volume, candle.source, candle.extended,
            (extract(epoch FROM candle.as_of) * 1000000)::bigint
        FROM series
        JOIN {_CANDLES[interval]} candle
            ON candle.symbol_id = series.symbol_id AND candle.ts = series.newest_ts
        WHERE series.symbol_id = ANY(%(symbols)s) AND series.interval = %(interval)s"""


def _filled(column: str) -> str:
    """The column without NULLs, which the arrays cannot hold."""
    return f"coalesce({column}, {_UNKNOWN[column]})" if column in _UNKNOWN else column
