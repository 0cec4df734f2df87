"""One valid job of each kind, for tests and for trying an intake by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from ingestion.collection.jobs import BackfillJob, BarsFetchJob, QuotesFetchJob, TimeWindow
from universe.domain.interval import Interval
from universe.domain.tier import Tier

_WINDOW = TimeWindow(
    start=datetime(2024, 1, 2, 14, 30, tzinfo=UTC), end=datetime(2024, 1, 2, 14, 40, tzinfo=UTC)
)


def fixture_bars_job() -> BarsFetchJob:
    """Ten minutes of two symbols."""
    return BarsFetchJob(
        job_id="ci-bars-123",
        symbols=("AAPL", "MSFT"),
        interval=Interval.MINUTE,
        time_window=_WINDOW,
        tier=Tier.T0,
    )


def fixture_quotes_job() -> QuotesFetchJob:
    """The quotes of two symbols."""
    return QuotesFetchJob(job_id="ci-quotes-456", symbols=("AAPL", "MSFT"), tier=Tier.T0)


def fixture_backfill_job() -> BackfillJob:
    """Ten minutes of one symbol."""
    return BackfillJob(
        job_id="ci-backfill-789",
        symbol="AAPL",
        interval=Interval.MINUTE,
        time_window=_WINDOW,
        priority=Tier.T1,
    )
