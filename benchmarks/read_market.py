"""The market that `bench_read` reads.

A few symbols have a year of minutes; many more have the twenty sessions of one month, so that
a session's bars lie among those of others, as they came in. The bars of some symbols were
corrected again and again, all of one session, by the store's own writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from universe.domain.session_grid import Session, SessionGrid
    from universe.domain.time_range import TimeRange

SESSIONS, MINUTES = 252, 390
BUSY = slice(100, 120)
"""The sessions of the month in which all symbols trade."""
_STORED_AT = datetime(2025, 1, 1, tzinfo=UTC)

_MINUTES_OF_A_SESSION = """
    INSERT INTO candles_intraday (symbol_id, ts, open, high, low, close, volume, vwap, trades,
                                  source, status, extended, as_of)
    WITH RECURSIVE minute (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM minute WHERE n < 389),
    owner (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM owner WHERE id < %s)
    SELECT id, {moment}, p, p + 0.37, p - 0.21, p + 0.11, 1000 + n, p + 0.0125, 12,
           'alpaca:sip', 'live', {false}, %s
    FROM (SELECT id, n, 50 + (id * 7919 + n * 31) %% 10000 / 100.0 AS p FROM minute, owner) bar
    ORDER BY n, id"""
_DIALECT = {
    "postgresql": {"moment": "to_timestamp(%s + 60 * n)", "false": "false"},
    "sqlite": {"moment": "datetime(%s + 60 * n, 'unixepoch')", "false": "0"},
}


@dataclass(frozen=True)
class Market:
    """What was built."""

    grid: SessionGrid
    rows: int
    symbols: list[int]
    year: TimeRange
    session: TimeRange
    stored_at: int
    """The moment (epoch µs) at which all but the revised bars came in."""
    revised: dict[int, Revised]
    """Versions per bar → whose bars have so many in that session."""


@dataclass(frozen=True)
class Revised:
    """A symbol whose bars were written again and again."""

    symbol_id: int
    half_way: int
    """A moment (epoch µs) after which half of its versions came."""


def grid() -> SessionGrid:
    """So many weekdays with 390 minutes each."""
    from universe.domain.session_grid import SessionGrid

    days = [date(2025, 1, 2) + timedelta(days=n) for n in range(400)]
    weekdays = [day for day in days if day.weekday() < 5][:SESSIONS]
    return SessionGrid("bench", [_session(day) for day in weekdays], weekdays[0], days[-1])


def _session(day: date) -> Session:
    from universe.domain.session_grid import Session

    opens = int(datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC).timestamp())
    closes = opens + MINUTES * 60
    return Session(day, opens, closes, 0, 0, opens, closes)


def build(rows: int, yearlings: int, versions: tuple[int, ...]) -> Market:
    """Fill the tables with about `rows` minutes: the year of some symbols, the busy month of
    as many as fit; and symbols with so many versions of each bar."""
    from ingestion.store import partitions
    from universe.domain.time_range import TimeRange

    calendar = grid()
    busy = calendar.sessions[BUSY]
    year = TimeRange(calendar.sessions[0].open, calendar.sessions[-1].close)
    busy_month = TimeRange(busy[0].open, busy[-1].close)
    session = TimeRange(busy[10].open, busy[10].close)
    others = max(1, (rows - yearlings * SESSIONS * MINUTES) // (len(busy) * MINUTES))
    symbols = list(range(1, yearlings + others + 1))
    _universe(calendar, symbols[-1] + len(versions))
    partitions.ensure(year.start, year.end)
    for one in calendar.sessions:
        _fill(one.open, symbols[-1] if one in busy else yearlings)
    newest = [(year if n <= yearlings else busy_month).end - 60 for n in symbols]
    _account(symbols, newest, year)
    revised = {
        count: _revise(symbols[-1] + 1 + n, count, session) for n, count in enumerate(versions)
    }
    stored_at = int(_STORED_AT.timestamp()) * 1_000_000
    return Market(calendar, _settle(), symbols, year, session, stored_at, revised)


def _universe(calendar: SessionGrid, symbols: int) -> None:
    from universe.models import ExchangeCalendar, ExchangeSession, Symbol

    exchange = ExchangeCalendar.objects.create(
        name="bench",
        timezone="UTC",
        covered_from=calendar.first,
        covered_to=calendar.last,
        synced_at=_STORED_AT,
    )
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            calendar=exchange,
            date=one.date,
            open=datetime.fromtimestamp(one.open, UTC),
            close=datetime.fromtimestamp(one.close, UTC),
        )
        for one in calendar.sessions
    )
    Symbol.objects.bulk_create(
        Symbol(id=n, ticker=f"S{n}", calendar=exchange, tier="T1", asset_class="equity")
        for n in range(1, symbols + 1)
    )


def _fill(opens: int, last: int) -> None:
    from django.db import connection

    statement = _MINUTES_OF_A_SESSION.format(**_DIALECT[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(statement, [last, opens, f"{_STORED_AT:%Y-%m-%d %H:%M:%S}"])


def _account(symbols: list[int], newest: list[int], year: TimeRange) -> None:
    """The commit that stored all of it, and where each series stands."""
    from ingestion.models import IngestCommit, Series

    counts = dict.fromkeys(("inserted", "corrected", "withdrawn", "no_trade"), 0)
    IngestCommit.objects.create(
        as_of=_STORED_AT,
        dataset="candles_intraday",
        source="alpaca:sip",
        origin="synthetic",
        status="import",
        chosen_because="benchmark",
        observed_at=_STORED_AT,
        range_start=year.start_at,
        range_end=year.end_at,
        symbols=len(symbols),
        gap_minutes=0,
        quarantined=0,
        **counts,
    )
    Series.objects.bulk_create(
        Series(
            symbol_id=number,
            interval="1m",
            as_of=_STORED_AT,
            newest_ts=datetime.fromtimestamp(ts, UTC),
        )
        for number, ts in zip(symbols, newest, strict=True)
    )


def _revise(symbol_id: int, versions: int, session: TimeRange) -> Revised:
    from ingestion.domain.bar_batch import Bars
    from ingestion.store.changes import CandleWrite
    from ingestion.store.writer import write
    from universe.domain.interval import Interval

    ts = np.arange(session.start, session.end, 60)
    positions = []
    for version in range(versions):
        price = 50.0 + version / 100 + np.arange(len(ts)) / 100
        bars = Bars.of(np.full(len(ts), symbol_id), ts, price, price + 1, price - 1, price, price)
        change = CandleWrite(
            interval=Interval.MINUTE,
            source="alpaca:sip",
            origin="synthetic",
            status="live",
            chosen_because="benchmark",
            observed_at=float(session.end + version),
            range=session,
            bars=bars,
            extended=np.zeros(len(ts), np.bool_),
        )
        positions.append(write(change).as_of or 0)
    return Revised(symbol_id, positions[(versions - 1) // 2])


def _settle() -> int:
    """Let the database tidy up, as it would with time; how many rows there are."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
        cursor.execute("SELECT count(*) FROM candles_intraday")
        return int(cursor.fetchone()[0])
