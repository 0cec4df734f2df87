"""Writing: a minute of 8,000 symbols into a large table, as shares of a raw text COPY.

Everything runs on a PostgreSQL database made for it. The raw COPY puts the same rows into the
same table, by text, with nothing else in its transaction: what a loader script would do.

    python -m benchmarks.bench_write [--rows 10000000] [--rounds 9]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Timings, interleave, row, verdict
from benchmarks.scratch import postgres, server

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier, Event

    from ingestion.domain.bar_batch import Bars
    from ingestion.store.changes import CandleWrite

SYMBOLS = 8_000
START = datetime(2026, 1, 1, tzinfo=UTC)
_WRITES_EACH = 12


def main() -> None:
    """Build the table, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows before the first write")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if server() is None:
        row("no PostgreSQL server answers", "not measured")
        return
    with postgres("write"):
        _universe()
        filled = _fill(options.rows)
        print(f"\n{SYMBOLS:,} new bars into {filled:,} rows")
        minute = Minutes(filled // SYMBOLS)
        _one_batch(minute, options.rounds)
        _unchanged(minute)
        _portable(minute)
        _four_writers(minute)


class Minutes:
    """The next minute to write, each once."""

    def __init__(self, used: int) -> None:
        self._next = int(START.timestamp()) + 60 * used

    def take(self) -> int:
        """Epoch seconds of a minute that nobody has written."""
        return self.some(1)[0]

    def some(self, count: int) -> list[int]:
        """The next minutes, ascending."""
        first, self._next = self._next, self._next + 60 * count
        return list(range(first, self._next, 60))


def _universe() -> None:
    """SYMBOLS symbols that trade around the clock for two years."""
    from universe.models import ExchangeCalendar, ExchangeSession, Symbol

    day = timedelta(days=1)
    calendar = ExchangeCalendar.objects.create(
        name="24/7",
        timezone="UTC",
        covered_from=START.date(),
        covered_to=START.date() + 730 * day,
        synced_at=START,
    )
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            calendar=calendar,
            date=(START + n * day).date(),
            open=START + n * day,
            close=START + (n + 1) * day,
        )
        for n in range(730)
    )
    Symbol.objects.bulk_create(
        Symbol(id=n, ticker=f"S{n}", calendar=calendar, tier="T1", asset_class="equity")
        for n in range(1, SYMBOLS * 4 + 1)
    )


def _fill(rows: int) -> int:
    """Put minutes of all symbols into the table, in time order as they would have come."""
    from django.db import connection

    from ingestion.store import partitions

    minutes = -(-rows // SYMBOLS)
    begin = int(START.timestamp())
    partitions.ensure(begin, begin + 60 * minutes + 86_400)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO candles_intraday (symbol_id, ts, open, high, low, close, volume, vwap,
                                          trades, source, status, extended, as_of)
            SELECT s, %s + m * interval '1 minute', p, p + 1, p - 1, p + 0.5, 1000 * p, p, 100,
                   'alpaca:sip', 'live', false, %s
            FROM generate_series(0, %s - 1) m, generate_series(1, %s) s,
                 LATERAL (SELECT 50 + (s * 7919 + m) %% 10000 / 100.0 AS p) q
            """,
            [START, START, minutes, SYMBOLS],
        )
        cursor.execute("ANALYZE candles_intraday")
        cursor.execute("CHECKPOINT")
    return minutes * SYMBOLS


def batch(ts: int, *, first: int = 1, symbols: int = SYMBOLS, seed: int = 0) -> Bars:
    """One minute's bars of `symbols` symbols from id `first` on."""
    from ingestion.domain.bar_batch import Bars

    rng = np.random.default_rng(ts + seed)
    price = rng.random(symbols) * 100 + 50
    return Bars.of(
        np.arange(first, first + symbols),
        np.full(symbols, ts),
        price,
        price + 1,
        price - 1,
        price + 0.5,
        rng.integers(1, 9_999, symbols),
        vwap=price,
        trades=rng.integers(1, 99, symbols),
    )


def change(bars: Bars, ts: int) -> CandleWrite:
    """The write of a live poll: bars, series settled up to them, cursors, commit, events."""
    from ingestion.store.changes import CandleWrite, Settlement
    from universe.domain.interval import Interval
    from universe.domain.time_range import TimeRange

    n = len(bars)
    return CandleWrite(
        interval=Interval.MINUTE,
        source="alpaca:sip",
        origin="synthetic",
        status="live",
        chosen_because="first of policy bars_1m",
        observed_at=float(ts + 60),
        range=TimeRange(ts, ts + 60),
        bars=bars,
        extended=np.zeros(n, np.bool_),
        settlement=Settlement(
            bars.owner, np.full(n, ts), np.full(n, ts + 60), np.ones(n, np.bool_)
        ),
    )


def _one_batch(minute: Minutes, rounds: int) -> Timings:
    from django.db import transaction

    from ingestion.store.pg_copy import copy_candles
    from ingestion.store.writer import write

    everything = [change(batch(ts), ts) for ts in minute.some(rounds + 2)]
    bare = [batch(ts) for ts in minute.some(rounds + 2)]
    text = [_as_text(batch(ts), ts) for ts in minute.some(rounds + 2)]
    regular = np.zeros(SYMBOLS, np.bool_)

    def bare_path() -> None:
        with transaction.atomic():
            copy_candles("candles_intraday", bare.pop(), regular, "alpaca:sip", "live", 0)

    candidates = {
        "raw COPY of the same rows, text": lambda: _copy_text(text.pop()),
        "bare bar path": bare_path,
        "everything, in one transaction": lambda: write(everything.pop(0)),
    }
    timings = interleave(candidates, rounds=rounds)
    names = list(candidates)
    for name, at_least in zip(names, (None, 0.33, 0.20), strict=True):
        share = timings.median(names[0]) / timings.median(name)
        rate = SYMBOLS / timings.median(name)
        note = "" if at_least is None else verdict(share, at_least=at_least)
        row(name, f"{rate:>11,.0f} bars/s {share:6.2f}", note)
    return timings


def _as_text(bars: Bars, ts: int) -> bytes:
    moment = datetime.fromtimestamp(ts, UTC).isoformat()
    columns = (bars.owner, bars.open, bars.high, bars.low, bars.close, bars.volume, bars.vwap)
    return "".join(
        f"{owner}\t{moment}\t{o}\t{h}\t{low}\t{c}\t{v}\t{vwap}\t{n}\talpaca:sip\tlive\tf\t{START}\n"
        for (owner, o, h, low, c, v, vwap), n in zip(
            zip(*(column.tolist() for column in columns), strict=True),
            bars.trades.tolist(),
            strict=True,
        )
    ).encode()


def _copy_text(rows: bytes) -> None:
    from django.db import connection, transaction

    statement = (
        "COPY candles_intraday (symbol_id, ts, open, high, low, close, volume, vwap, trades,"
        " source, status, extended, as_of) FROM STDIN"
    )
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)


def _unchanged(minute: Minutes) -> None:
    """WAL bytes of a poll that brings nothing new."""
    from django.db import connection

    from ingestion.store.writer import write

    ts = minute.take()
    again = change(batch(ts), ts)
    write(again)

    def position() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            return int(cursor.fetchone()[0])

    def spent() -> int:
        before = position()
        assert write(again).as_of is None
        return position() - before

    # The log is the whole server's: other databases' writes are in it, so the least counts.
    least = min(spent() for _ in range(15))
    row("the same poll again: WAL", f"{least / SYMBOLS:.2f} bytes/row", verdict(least, at_most=0))


def _portable(minute: Minutes) -> None:
    """The same write through the ORM, which is how other databases do it."""
    from ingestion.store.portable import PortableTables
    from ingestion.store.postgres import PostgresTables
    from ingestion.store.writer import write

    def timed(tables: PortableTables) -> float:
        ts = minute.take()
        ready = change(batch(ts), ts)
        began = time.perf_counter()
        write(ready, tables)
        return time.perf_counter() - began

    fast, slow = timed(PostgresTables()), timed(PortableTables())
    row("the portable path takes", f"{slow / fast:.1f} × as long")


def _four_writers(minute: Minutes) -> None:
    """Bars a second of four processes together, and of one alone, on symbols of their own."""
    rates: dict[int, list[float]] = {}
    for writers in (1, 4, 1, 4):
        begin = minute.some(_WRITES_EACH)[0]
        rates.setdefault(writers, []).append(_rate(writers, begin))
    one, four = max(rates[1]), max(rates[4])
    row("one writer", f"{one:,.0f} bars/s")
    row("four writers together", f"{four:,.0f} bars/s", verdict(four / one, at_least=0.95))


def _rate(writers: int, begin: int) -> float:
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(writers + 1), context.Event()
    arguments = [(number, begin, ready, go) for number in range(writers)]
    processes = [context.Process(target=_writer, args=one) for one in arguments]
    for process in processes:
        process.start()
    ready.wait(60)
    began = time.perf_counter()
    go.set()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - began
    assert all(process.exitcode == 0 for process in processes)
    return writers * _WRITES_EACH * SYMBOLS / seconds


def _writer(number: int, begin: int, ready: Barrier, go: Event) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketdata_site.settings")
    import django

    django.setup()
    from ingestion.store.writer import write

    first = 1 + number * SYMBOLS
    changes = [
        change(batch(ts, first=first, seed=number), ts)
        for ts in range(begin, begin + 60 * _WRITES_EACH, 60)
    ]
    ready.wait(60)
    go.wait()
    for one in changes:
        write(one)


if __name__ == "__main__":
    main()
