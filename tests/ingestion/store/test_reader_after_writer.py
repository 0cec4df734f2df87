"""The reader on what the writer leaves: answers stay, and the count agrees with the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.domain.bar_series import BarPage, Completeness
from ingestion.models import Gap, Series
from ingestion.store import reader
from ingestion.store.writer import write
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014, june_grid
from tests.ingestion.store.reading import EACH_PATH, Row, reading_by, rows_of
from tests.ingestion.store.writing import candles, marked, minutes, settling
from tests.universe_rows import add_calendar, add_symbols
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange
from universe.models import Symbol

pytestmark = pytest.mark.django_db
MONDAY, TUESDAY = JUNE_2014[2], JUNE_2014[3]
MINUTES = [MONDAY.close - 60 * n for n in (3, 2, 1)] + [TUESDAY.open + 60 * n for n in range(3)]
GRID = june_grid()
SPAN = TimeRange(MONDAY.open, TUESDAY.close)


@pytest.fixture(autouse=True, params=EACH_PATH)
def _path(request: pytest.FixtureRequest) -> Iterator[None]:
    with reading_by(request.param):
        yield


@pytest.fixture
def symbols() -> list[Symbol]:
    clock.install(lambda: datetime(2014, 6, 10, 15, 0, tzinfo=UTC))
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    return add_symbols(calendar, "AAPL", "GOOG")


which = st.tuples(st.integers(0, 1), st.integers(0, len(MINUTES) - 1))
deliveries = st.fixed_dictionaries(
    {
        "bars": st.dictionaries(which, st.integers(1, 30), max_size=6),
        "withdrawn": st.lists(which, max_size=2),
        "settled": st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()),
    }
)


def read(symbol: Symbol, span: TimeRange = SPAN, as_of: int | None = None) -> BarPage:
    return reader.read(symbol, Interval.MINUTE, GRID, span, as_of=as_of)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(deliveries, max_size=6))
def test_what_was_read_after_each_write_stays(symbols: list[Symbol], history: list[dict]) -> None:
    with transaction.atomic():
        told: list[tuple[int, int, list[Row]]] = []
        for observed_at, delivery in enumerate(history):
            _deliver(symbols, delivery, observed_at)
            for number, symbol in enumerate(symbols):
                page = read(symbol)
                closes = dict(zip(page.t.tolist(), page.c.tolist(), strict=True))
                stored = {
                    ts: close for (owner, ts), close in candles().items() if owner == symbol.pk
                }
                assert closes == stored
                _agrees_with_the_ledger(symbol)
                if page.as_of is not None:
                    told.append((number, page.as_of, rows_of(page)))
        for number, as_of, rows in told:
            assert rows_of(read(symbols[number], as_of=as_of)) == rows
        transaction.set_rollback(True)


def _deliver(symbols: list[Symbol], delivery: dict, observed_at: int) -> None:
    settlement = None
    if delivery["settled"] is not None:
        *edges, no_trade = delivery["settled"]
        first, last = sorted(edges)
        ids = [symbol.pk for symbol in symbols]
        settlement = settling(ids, MINUTES[first], MINUTES[last] + 60, no_trade=no_trade)
    write(
        minutes(
            [(symbols[who].pk, MINUTES[n], 1.0 * c) for (who, n), c in delivery["bars"].items()],
            observed_at=float(observed_at),
            settlement=settlement,
            withdrawn=[(symbols[who].pk, MINUTES[n]) for who, n in delivery["withdrawn"]],
        )
    )


def _agrees_with_the_ledger(symbol: Symbol) -> None:
    """Of what is settled, exactly the bars in gaps are missing."""
    series = Series.objects.filter(symbol=symbol).exclude(settled_to=None).first()
    if series is None or series.history_from is None or series.settled_to is None:
        return
    span = TimeRange.between(series.history_from, series.settled_to)
    page = read(symbol, span)
    settled = {ts for ts in MINUTES if span.start <= ts < span.end}
    gaps = Gap.objects.filter(symbol=symbol, state__in=["open", "queued", "unrecoverable"])
    missing = {
        ts for gap in gaps for ts in settled if gap.start.timestamp() <= ts < gap.end.timestamp()
    }
    silent = settled & {ts for owner, ts in marked() if owner == symbol.pk}
    assert page.completeness == Completeness(len(settled), len(page), len(silent), len(missing))
