"""Reading: bars to JSON as multiples of fetching the same rows and dumping them.

The yardstick is the least that any service could do: a binary cursor's rows (SQLite: its own
driver's) through orjson, on the same connection, with nothing said about their moment, their
sources or their completeness. Both PostgreSQL and SQLite, each in a process of its own.

    python -m benchmarks.bench_read [--on postgresql|sqlite] [--rows 2000000] [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks import read_market, scratch
from benchmarks.measure import compare

if TYPE_CHECKING:
    from benchmarks.read_market import Market
    from universe.domain.time_range import TimeRange

YARDSTICK = "fetch and orjson"
VERSIONS = (1, 5, 10, 1000)
_SQL = {
    "postgresql": (
        "SELECT extract(epoch FROM ts)::bigint, open, high, low, close, volume"
        " FROM candles_intraday WHERE symbol_id = %s AND ts >= %s AND ts < %s ORDER BY ts"
    ),
    "sqlite": (
        "SELECT CAST(strftime('%s', ts) AS integer), open, high, low, close, volume"
        " FROM candles_intraday WHERE symbol_id = ? AND ts >= ? AND ts < ? ORDER BY ts"
    ),
}


def main() -> None:
    """Measure on each database that is there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--on", choices=["postgresql", "sqlite"])
    parser.add_argument("--rows", type=int, default=2_000_000, help="minutes in PostgreSQL")
    parser.add_argument("--rows-sqlite", type=int, default=500_000, help="minutes in SQLite")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if options.on == "postgresql":
        with scratch.postgres("read"):
            measure(read_market.build(options.rows, 4, VERSIONS), options.rounds)
    elif options.on == "sqlite":
        with scratch.sqlite():
            measure(read_market.build(options.rows_sqlite, 1, VERSIONS[:3]), options.rounds)
    else:
        for database in [*(["postgresql"] if scratch.server() else []), "sqlite"]:
            again = [sys.executable, "-u", "-m", "benchmarks.bench_read", "--on", database]
            again += [f"--rows={options.rows}", f"--rows-sqlite={options.rows_sqlite}"]
            subprocess.run([*again, f"--rounds={options.rounds}"], check=True)


def measure(market: Market, rounds: int) -> None:
    """Print every figure of one database."""
    from django.db import connection

    on = connection.vendor
    print(f"\n{market.rows:,} minutes of {len(market.symbols):,} symbols on {on}")
    bounds = {"session": 1.25, "year": 1.15} if on == "postgresql" else {}
    _bars(f"A session, 390 bars ({on})", market, market.session, rounds, 20, bounds.get("session"))
    _bars(f"A year, 98,280 bars ({on})", market, market.year, rounds, 1, bounds.get("year"))
    _pages(market, rounds)
    _revisions(market, rounds)
    _newest(market, rounds)


def _bars(
    title: str, market: Market, span: TimeRange, rounds: int, calls: int, at_most: float | None
) -> None:
    name = f"read to JSON: {title.partition(',')[0].lower()}"
    candidates = {YARDSTICK: fetcher(1, span)}
    if at_most is not None:
        candidates["the same with a prepared statement"] = fetcher(1, span, prepare=True)
    candidates |= {
        name: reader(market, 1, span),
        "read with extended hours": reader(market, 1, span, hours="extended"),
        "read as of a moment": reader(market, 1, span, as_of=market.stored_at),
    }
    bounds = {} if at_most is None else {name: at_most}
    compare(title, YARDSTICK, candidates, rounds=rounds, calls=calls, at_most=bounds)


def _pages(market: Market, rounds: int) -> None:
    first, last = market.year.start, market.grid.sessions[-10].open
    compare(
        "A page of 1,000 of a year's bars",
        "the first page",
        {
            "the first page": reader(market, 1, market.year, limit=1000, after=first),
            "one of the last": reader(market, 1, market.year, limit=1000, after=last),
        },
        rounds=rounds,
        calls=5,
    )


def _revisions(market: Market, rounds: int) -> None:
    latest = {
        f"latest, {count} version{'s' * (count > 1)} a bar": reader(
            market, one.symbol_id, market.session
        )
        for count, one in market.revised.items()
    }
    one, five, *_ = latest
    compare(
        "A session whose bars were revised",
        one,
        {one: latest[one], five: latest[five]},
        rounds=rounds,
        calls=20,
        at_most={five: 1.3},
    )
    past = {
        f"half-way back, {count} version{'s' * (count > 1)}": reader(
            market, one.symbol_id, market.session, as_of=one.half_way
        )
        for count, one in market.revised.items()
    }
    compare(
        "The same session as it stood when half of the versions were still to come",
        one,
        {one: latest[one], **past},
        rounds=rounds,
        calls=10,
    )


def _newest(market: Market, rounds: int) -> None:
    from ingestion.store import reader as store

    some = {
        count: market.symbols[:count]
        for count in (1, 50, 200, 1000)
        if count <= len(market.symbols)
    }
    candidates = {
        f"newest bars of {count}": lambda ids=ids: store.latest(ids) for count, ids in some.items()
    }
    compare("Newest bars", next(iter(candidates)), candidates, rounds=rounds, calls=5)


def reader(market: Market, symbol_id: int, span: TimeRange, **how: Any) -> Callable[[], bytes]:
    """A read through the store, and its columns as JSON."""
    from ingestion.store import reader as store
    from universe.domain.interval import Interval
    from universe.models import Symbol

    symbol = Symbol(id=symbol_id, ticker="BENCH")

    def read() -> bytes:
        page = store.read(symbol, Interval.MINUTE, market.grid, span, **how)
        assert len(page), "there are bars to read"
        bars = {"t": page.t, "o": page.o, "h": page.h, "l": page.l, "c": page.c, "v": page.v}
        return orjson.dumps(bars, option=orjson.OPT_SERIALIZE_NUMPY)

    return read


def fetcher(symbol_id: int, span: TimeRange, *, prepare: bool = False) -> Callable[[], bytes]:
    """The yardstick: the rows as the driver gives them, through orjson."""
    from django.db import connection

    from ingestion.store import reader as store
    from universe.domain.interval import Interval

    store.stamp(symbol_id, Interval.MINUTE)  # from now on statements may be prepared here
    statement = _SQL[connection.vendor]
    if connection.vendor == "sqlite":
        bounds = [moment.strftime("%Y-%m-%d %H:%M:%S") for moment in (span.start_at, span.end_at)]
        return lambda: orjson.dumps(
            connection.connection.execute(statement, (symbol_id, *bounds)).fetchall()
        )
    import psycopg

    cursor = psycopg.Cursor(connection.connection)
    cursor.format = psycopg.pq.Format.BINARY
    parameters = (symbol_id, span.start_at, span.end_at)
    return lambda: orjson.dumps(cursor.execute(statement, parameters, prepare=prepare).fetchall())


if __name__ == "__main__":
    main()
