"""What becomes of jobs when things break: nothing half-written, and another attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from ingestion.collection import job_queue, worker
from ingestion.collection.job_queue import Claim, DueJob
from ingestion.collection.jobs import BarsFetchJob, TimeWindow
from ingestion.models import CandleIntraday, CollectionJob, IngestCommit, Series
from ingestion.providers.base import BarRequest
from ingestion.providers.errors import Timeout
from ingestion.routing.answers import RoutedAnswer
from ingestion.store.postgres import PostgresTables
from marketdata_site import clock
from tests.ingestion.collection.test_collect import Vendor, every_minute
from tests.ingestion.market_week import JUNE_2014
from tests.universe_rows import add_calendar, add_symbols
from universe.domain.interval import Interval
from universe.domain.tier import Tier

NOW = datetime(2014, 6, 9, 13, 40, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _job(db: None) -> None:
    """AAPL on Monday at 09:40, and one job for it."""
    clock.install(lambda: NOW)
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    add_symbols(calendar, "AAPL")
    job = BarsFetchJob(
        job_id="1m:T0:1:x",
        symbols=("AAPL",),
        interval=Interval.MINUTE,
        time_window=TimeWindow(start=NOW - timedelta(minutes=10), end=NOW),
        tier=Tier.T0,
    )
    job_queue.put([DueJob(job, NOW, NOW + timedelta(minutes=5))])


def vendor() -> Vendor:
    return Vendor({"AAPL": every_minute(0, 10)})


def later(seconds: int) -> None:
    clock.install(lambda: NOW + timedelta(seconds=seconds))


def claim() -> Claim:
    claimed = job_queue.claim("worker")
    assert claimed is not None
    return claimed


def test_a_job_is_worked_off() -> None:
    assert worker.work(vendor(), seconds=30) == 1
    row = CollectionJob.objects.get()
    assert (row.state, row.result["inserted"], row.result["failures"]) == ("done", 10, 0)
    assert worker.work(vendor(), seconds=30) == 0


def test_a_vendor_that_fails_costs_a_later_attempt() -> None:
    failing = vendor()
    failing.failing = {"AAPL": Timeout("alpaca", "bars", "no answer in 10 s")}
    worker.work(failing, seconds=30)
    row = CollectionJob.objects.get()
    assert (row.state, row.error_code) == ("queued", "timeout")
    assert "no answer in 10 s" in row.error
    later(3)
    assert worker.work(vendor(), seconds=30) == 1
    assert CandleIntraday.objects.count() == 10


def test_a_job_edited_into_nonsense_fails_and_says_why() -> None:
    CollectionJob.objects.update(payload={"job_id": "x", "symbols": []})
    for attempt in range(job_queue.MAX_ATTEMPTS):
        later(60 * attempt)
        worker.work(vendor(), seconds=30)
    row = CollectionJob.objects.get()
    assert (row.state, row.error_code) == ("failed", "invalid")
    assert "at least 1 item" in row.error


def test_a_mistake_of_ours_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Vendor):
        def route(self, request: BarRequest, provider_hint: str | None = None) -> RoutedAnswer:
            raise ZeroDivisionError("division by zero")

    worker.work(Broken({}), seconds=30)
    row = CollectionJob.objects.get()
    assert (row.state, row.error_code) == ("queued", "ZeroDivisionErro")
    assert "division by zero" in caplog.text


@pytest.mark.sqlite  # it can be told how large it may get
@pytest.mark.django_db(transaction=True)
def test_a_full_disk_leaves_nothing_half_written(caplog: pytest.LogCaptureFixture) -> None:
    claimed = claim()
    later(6 * 3600)  # the whole session is due: more than fits the pages in use
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        try:
            worker.carry_out(claimed, Vendor({"AAPL": every_minute(0, 390)}))
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert "disk is full" in caplog.text
    assert nothing_is_stored()
    CollectionJob.objects.update(state="queued", not_before=NOW)
    clock.install(lambda: NOW)
    assert worker.work(vendor(), seconds=30) == 1
    assert CandleIntraday.objects.count() == 10


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["insert", "put_series", "put_commit"])
def test_a_lost_database_leaves_nothing_half_written(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_on = getattr(PostgresTables, step)

    def lose(self: PostgresTables, *arguments: object) -> None:
        carry_on(self, *arguments)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    claimed = claim()
    monkeypatch.setattr(PostgresTables, step, lose)
    worker.carry_out(claimed, vendor())
    monkeypatch.undo()
    assert nothing_is_stored()
    assert CollectionJob.objects.get().state == "queued"
    later(3)
    assert worker.work(vendor(), seconds=30) == 1
    assert CandleIntraday.objects.count() == 10


@pytest.mark.parametrize("lapsed", [True, False])
def test_a_worker_that_died_is_followed_by_another_when_its_lease_ends(lapsed: bool) -> None:
    claim()
    if lapsed:
        CollectionJob.objects.update(lease_until=clock.system() - timedelta(seconds=1))
    assert worker.work(vendor(), seconds=30) == int(lapsed)


def nothing_is_stored() -> bool:
    tables = (CandleIntraday, Series, IngestCommit)
    return not any(table.objects.exists() for table in tables)


def test_sweep_plans_once_and_ends() -> None:
    CollectionJob.objects.all().delete()
    call_command("sweep", "--once")
    assert CollectionJob.objects.filter(interval="1m").count() == 1
