"""Several writers at once, on connections of their own, over the same symbols."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connection

from ingestion.models import CandleIntraday, Gap, IngestCommit, Series
from ingestion.store.writer import write
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014
from tests.ingestion.store.writing import candles, marked, minutes, settling
from tests.universe_rows import add_calendar, add_symbols

pytestmark = pytest.mark.django_db(transaction=True)

OPEN = JUNE_2014[2].open
WRITERS, MINUTES, VERSIONS = 4, 12, 3


def test_writers_side_by_side_leave_what_one_would_leave() -> None:
    """Each writer brings every version of every bar in an order of its own, and settles as
    it goes. The last version stays, every commit has its own place, nothing is lost."""
    clock.install(lambda: datetime(2014, 6, 9, 15, 0, tzinfo=UTC))  # it stands still
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    ids = [symbol.id for symbol in add_symbols(calendar, "AAPL", "GOOG", "IBM")]
    work = [
        (version, first) for version in range(1, VERSIONS + 1) for first in range(0, MINUTES, 3)
    ]

    def bring(seed: int) -> None:
        order = random.Random(seed).sample(work, len(work))
        for version, first in order:
            rows = [
                (symbol_id, OPEN + 60 * n, 1000.0 * version + n)
                for symbol_id in ids
                for n in range(first, first + 3)
                if n % 5  # every fifth minute has no bar
            ]
            end = OPEN + 60 * (first + 3)
            write(minutes(rows, observed_at=float(version), settlement=settling(ids, OPEN, end)))
        connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(bring, range(WRITERS)))

    kept = {
        (symbol_id, OPEN + 60 * n): 1000.0 * VERSIONS + n
        for symbol_id in ids
        for n in range(MINUTES)
        if n % 5
    }
    assert candles() == kept
    positions = list(IngestCommit.objects.order_by("id").values_list("as_of", flat=True))
    assert positions == sorted(set(positions)), "the log is in commit order"
    assert set(CandleIntraday.objects.values_list("as_of", flat=True)) <= set(positions)
    missing = sum(Gap.objects.filter(state="open").values_list("bars", flat=True))
    assert missing == len(ids) * len(range(0, MINUTES, 5))
    assert not marked()
    assert set(Series.objects.values_list("settled_to", flat=True)) == {
        datetime.fromtimestamp(OPEN + 60 * MINUTES, UTC)
    }
