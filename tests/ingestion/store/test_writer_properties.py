"""What holds of the store whatever arrives, in whatever order, from however many writers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.models import CandleIntraday, Gap, IngestCommit, RevisionIntraday, Series
from ingestion.store.portable import PortableTables
from ingestion.store.postgres import PostgresTables
from ingestion.store.tables import Tables
from ingestion.store.writer import write
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014
from tests.ingestion.store.writing import candles, dump, marked, minutes, settling
from tests.universe_rows import add_calendar, add_symbols
from universe.models import Symbol

pytestmark = pytest.mark.django_db

MONDAY, TUESDAY = JUNE_2014[2], JUNE_2014[3]
# The last minutes of one session and the first of the next: the night lies in between.
MINUTES = [MONDAY.close - 60 * n for n in (4, 3, 2, 1)] + [TUESDAY.open + 60 * n for n in range(4)]
AFTER_EACH = [ts + 60 for ts in MINUTES]
SOURCES = ("alpaca:sip", "polygon")

relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def symbols() -> list[int]:
    clock.install(lambda: datetime(2014, 6, 10, 15, 0, tzinfo=UTC))
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    made: list[Symbol] = add_symbols(calendar, "AAPL", "GOOG")
    return [symbol.id for symbol in made]


bars = st.dictionaries(
    st.tuples(st.integers(0, 1), st.integers(0, len(MINUTES) - 1)),
    st.integers(1, 30).map(float),
    max_size=8,
)
writes = st.fixed_dictionaries(
    {
        "bars": bars,
        "source": st.sampled_from(SOURCES),
        "observed_at": st.integers(1, 20).map(float),
        "settle": st.none() | st.tuples(st.integers(0, 7), st.integers(0, 7), st.booleans()),
        "withdraw": st.lists(st.tuples(st.integers(0, 1), st.integers(0, 7)), max_size=2),
    }
)
Write = dict[str, object]


def carry_out(one: Write, ids: list[int], tables: Tables | None = None) -> int | None:
    """Turn a drawn write into a real one. Its `as_of`."""
    drawn: dict[tuple[int, int], float] = one["bars"]  # type: ignore[assignment]  # as drawn
    settle: tuple[int, int, bool] | None = one["settle"]  # type: ignore[assignment]  # as drawn
    gone: list[tuple[int, int]] = one["withdraw"]  # type: ignore[assignment]  # as drawn
    settlement = None
    if settle is not None:
        first, last = sorted(settle[:2])
        settlement = settling(ids, MINUTES[first], AFTER_EACH[last], no_trade=settle[2])
    change = minutes(
        [(ids[who], MINUTES[n], close) for (who, n), close in drawn.items()],
        source=str(one["source"]),
        observed_at=float(one["observed_at"]),  # type: ignore[arg-type]  # as drawn
        settlement=settlement,
        withdrawn=[(ids[who], MINUTES[n]) for who, n in gone],
    )
    return write(change, tables).as_of


def missing() -> dict[tuple[int, int], int]:
    """(symbol id, expected ts) → in how many gaps that still miss bars it lies."""
    found: dict[tuple[int, int], int] = defaultdict(int)
    for gap in Gap.objects.filter(state__in=["open", "queued", "unrecoverable"]):
        inside = [ts for ts in MINUTES if gap.start.timestamp() <= ts < gap.end.timestamp()]
        assert len(inside) == gap.bars, "a gap knows how many bars it misses"
        assert inside[0] == gap.start.timestamp()
        assert inside[-1] + 60 == gap.end.timestamp()
        for ts in inside:
            found[(gap.symbol_id, ts)] += 1
    return found


def each_example_alone(body: Callable[[], None]) -> None:
    """Run in a transaction that is rolled back: hypothesis reuses the test's database."""
    with transaction.atomic():
        body()
        transaction.set_rollback(True)


@relaxed
@given(history=st.lists(writes, max_size=8))
def test_every_settled_minute_is_stored_marked_or_missing_and_only_one(
    symbols: list[int], history: list[Write]
) -> None:
    def body() -> None:
        for one in history:
            carry_out(one, symbols)
            stored, silent, gaps = candles(), marked(), missing()
            assert set(gaps.values()) <= {1}, "a minute is missing once"
            for series in Series.objects.exclude(settled_to=None):
                begin, end = series.history_from, series.settled_to
                assert begin is not None
                assert end is not None
                for ts in MINUTES:
                    key = (series.symbol_id, ts)
                    said = (key in stored) + (key in silent) + (key in gaps)
                    settled = begin.timestamp() <= ts < end.timestamp()
                    assert said == 1 if settled else said <= 1

    each_example_alone(body)


@relaxed
@given(history=st.lists(writes, max_size=8))
def test_no_answer_as_of_a_position_ever_changes(symbols: list[int], history: list[Write]) -> None:
    def body() -> None:
        told: dict[int, dict[tuple[int, int], float]] = {}
        for one in history:
            as_of = carry_out(one, symbols)
            if as_of is not None:
                told[as_of] = candles()
        assert list(told) == sorted(told)
        for as_of, answer in told.items():
            assert _as_of(as_of) == answer

    each_example_alone(body)


def _as_of(position: int) -> dict[tuple[int, int], float]:
    """Every version that held at `position`, by the plain meaning of the columns."""
    found = {}
    for row in CandleIntraday.objects.all():
        if _us(row.as_of) <= position:
            found[(row.symbol_id, int(row.ts.timestamp()))] = row.close
    for old in RevisionIntraday.objects.all():
        if _us(old.as_of) <= position < _us(old.superseded_at):
            assert (old.symbol_id, int(old.ts.timestamp())) not in found
            found[(old.symbol_id, int(old.ts.timestamp()))] = old.close
    return found


def _us(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000 + 0.5)


versions = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 7), st.integers(1, 12)), min_size=1, max_size=14
)


@relaxed
@given(said=versions, data=st.data())
def test_any_order_and_any_duplicates_leave_the_same_candles(
    symbols: list[int], said: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    """A source revises a bar: version v was observed at time v and says 100·v + minute. What
    stays is the version observed last, in whatever order and packing they arrive."""
    delivered = data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said)))))

    def body() -> None:
        for version, together in groupby(delivered, key=lambda one: one[2]):
            rows = [(symbols[who], MINUTES[n], 100.0 * version + n) for who, n, _ in together]
            write(minutes(rows, observed_at=float(version)))
        last: dict[tuple[int, int], int] = {}
        for who, n, version in said:
            last[(who, n)] = max(version, last.get((who, n), 0))
        assert candles() == {
            (symbols[who], MINUTES[n]): 100.0 * version + n for (who, n), version in last.items()
        }

    each_example_alone(body)


@relaxed
@given(end=st.integers(1, 7), cuts=st.sets(st.integers(1, 7)), present=st.sets(st.integers(0, 7)))
def test_the_ledger_does_not_depend_on_how_the_polls_fell(
    symbols: list[int], end: int, cuts: set[int], present: set[int]
) -> None:
    """The same minutes settled at once, or in any number of polls: the same rows."""

    def settle_in(parts: list[int]) -> dict[str, list[tuple[object, ...]]]:
        dumps: list[dict[str, list[tuple[object, ...]]]] = []

        def body() -> None:
            first = 0
            for last in parts:
                rows = [(symbols[0], MINUTES[n], 5.0 + n) for n in present if first <= n < last]
                span = settling(symbols, MINUTES[first], AFTER_EACH[last - 1])
                write(minutes(rows, settlement=span))
                first = last
            dumps.append(dump())

        each_example_alone(body)
        return dumps[0]

    assert settle_in([end]) == settle_in(sorted({cut for cut in cuts if cut < end} | {end}))


@pytest.mark.postgresql
@relaxed
@given(history=st.lists(writes, min_size=1, max_size=8))
def test_both_database_paths_leave_the_same_rows(symbols: list[int], history: list[Write]) -> None:
    def leave(tables: Tables) -> dict[str, list[tuple[object, ...]]]:
        dumps: list[dict[str, list[tuple[object, ...]]]] = []

        def body() -> None:
            # Positions are part of the rows: both runs begin at the same empty log.
            IngestCommit.objects.all().delete()
            for one in history:
                carry_out(one, symbols, tables)
            dumps.append(dump(positions=True))

        each_example_alone(body)
        return dumps[0]

    assert connection.vendor == "postgresql"
    assert leave(PortableTables()) == leave(PostgresTables())
