"""Reads stored bars: the latest, or as they stood at a moment.

Every answer comes from one snapshot of the database and is labelled with the newest commit
in it (the watermark) or the earlier moment that was asked for. A read at or below a
watermark gives the same bars forever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db import connection

from ingestion.domain.bar_series import BarChunk, BarPage, Hours, LatestBar, Stamp
from ingestion.domain.completeness import completeness
from ingestion.domain.expectation import Expectation
from ingestion.store import reader_portable, reader_postgres, reader_sqlite
from ingestion.store.bar_query import DETAILS, BarQuery, BarReader, Fetched, StoredRows
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid
from universe.domain.time_range import TimeRange
from universe.models import Symbol
from universe.services import symbology


def read(
    symbol: Symbol,
    interval: Interval,
    grid: SessionGrid,
    range: TimeRange,
    *,
    as_of: int | None = None,
    hours: Hours = "regular",
    limit: int | None = None,
    after: int | None = None,
) -> BarPage:
    """The bars of `symbol` whose `ts` is in `[range.start, range.end)`, ascending.

    `grid` is the grid of the symbol's calendar. `as_of` (epoch µs) asks for the bars as they
    stood then; above the watermark it is answered at the watermark, and so is None. `limit`
    (at least 1) bounds the page, `after` (epoch seconds, exclusive) continues behind an
    earlier one. `hours="extended"` includes bars outside regular hours.

    Cost: one statement on PostgreSQL, a short read transaction elsewhere, and one statement
    more when bars have changed since `as_of`; linear in what the page covers, whatever the
    number of revisions. Raises DateNotCovered where the grid does not
    cover what is over of the range, ValueError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit {limit} must be at least 1")
    start = range.start if after is None else max(range.start, after + 1)
    query = BarQuery(
        symbol.pk, interval, start, max(start, range.end), as_of, hours == "extended", limit
    )
    fetched = backend().fetch(query)
    rows, following = _page(fetched.rows, limit)
    covered_to = range.end if following is None else following + 1
    part = TimeRange(start, covered_to) if start < covered_to else None
    expected = symbology.expected_range(symbol, grid, part) if part else None
    o, h, l, c, v = rows.columns  # noqa: E741 (the wire's own column name)
    return BarPage(
        as_of=_position(fetched, as_of),
        changed_at=fetched.changed_at,
        t=rows.ts,
        o=o,
        h=h,
        l=l,
        c=c,
        v=v,
        sources=rows.present_sources(),
        completeness=completeness(
            Expectation(grid, interval),
            expected,
            clock.now_epoch(),
            fetched.regular,
            fetched.no_trade,
        ),
        next=following,
    )


def latest(
    symbol_ids: Sequence[int], interval: Interval = Interval.MINUTE
) -> Mapping[int, LatestBar]:
    """The newest stored bar of each symbol, extended hours included, by symbol id. Symbols
    without a bar are left out. Cost: one statement."""
    return {bar.symbol_id: bar for bar in backend().latest(symbol_ids, interval)}


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """What an answer about the series depends on now, beside the clock and the calendar.
    Reads no bars; one statement."""
    return backend().stamp(symbol_id, interval)


def stream(
    symbol_ids: Sequence[int],
    interval: Interval,
    range: TimeRange,
    *,
    as_of: int | None = None,
    hours: Hours = "extended",
    rows: int = 50_000,
) -> Iterator[BarChunk]:
    """The bars of all `symbol_ids` in `(symbol, ts)` order, in chunks of at most `rows`, each
    of one symbol. All chunks are of one moment: `as_of`, or the watermark at the start.

    Memory is bounded by one chunk and no transaction stays open between two: a slow consumer
    holds nothing up, and bars that change meanwhile do not show.
    """
    for symbol_id in sorted(set(symbol_ids)):
        start: int | None = range.start
        while start is not None:
            query = BarQuery(
                symbol_id, interval, start, range.end, as_of, hours == "extended", rows, DETAILS
            )
            fetched = backend().fetch(query)
            as_of = _position(fetched, as_of)
            if as_of is None:
                return
            page, following = _page(fetched.rows, rows)
            if len(page):
                yield _chunk(symbol_id, as_of, page)
            start = None if following is None else following + 1


_BACKENDS: Mapping[str, BarReader] = {"postgresql": reader_postgres, "sqlite": reader_sqlite}


def backend() -> BarReader:
    """The path that fits the database."""
    return _BACKENDS.get(connection.vendor, reader_portable)


def _page(rows: StoredRows, limit: int | None) -> tuple[StoredRows, int | None]:
    """At most `limit` rows, and the `ts` of the last one if there are more."""
    if limit is None or len(rows) <= limit:
        return rows, None
    return rows.take(slice(limit)), int(rows.ts[limit - 1])


def _position(fetched: Fetched, as_of: int | None) -> int | None:
    if as_of is None or fetched.watermark is None:
        return fetched.watermark
    return min(as_of, fetched.watermark)


def _chunk(symbol_id: int, as_of: int, rows: StoredRows) -> BarChunk:
    o, h, l, c, v, vwap, trades = rows.columns  # noqa: E741 (the wire's own column name)
    return BarChunk(
        symbol_id=symbol_id,
        as_of=as_of,
        t=rows.ts,
        o=o,
        h=h,
        l=l,
        c=c,
        v=v,
        vwap=vwap,
        trades=trades,
        extended=rows.extended,
        source=rows.source,
        sources=rows.sources,
    )
