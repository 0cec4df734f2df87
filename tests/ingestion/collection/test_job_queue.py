"""The live queue: put in once, claimed by one, ended by its holder only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from ingestion.collection import job_queue
from ingestion.collection.job_fixtures import (
    fixture_backfill_job,
    fixture_bars_job,
    fixture_quotes_job,
)
from ingestion.collection.job_queue import DueJob
from ingestion.collection.jobs import BarsFetchJob
from ingestion.models import CollectionJob
from marketdata_site import clock
from universe.domain.tier import Tier

pytestmark = pytest.mark.django_db

NOW = datetime(2014, 6, 9, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock() -> None:
    clock.install(lambda: NOW)


def due(job_id: str, tier: str = "T0", *, at: datetime = NOW, lasts: int = 60) -> DueJob:
    job = fixture_bars_job().model_copy(update={"job_id": job_id, "tier": Tier(tier)})
    return DueJob(job, at, at + timedelta(seconds=lasts))


def test_the_fixtures_are_the_documented_ones_and_survive_json() -> None:
    for made, job_id in (
        (fixture_bars_job(), "ci-bars-123"),
        (fixture_quotes_job(), "ci-quotes-456"),
        (fixture_backfill_job(), "ci-backfill-789"),
    ):
        assert made.job_id == job_id
        assert type(made).model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("symbols", [], "at least 1 item"),
        ("symbols", ["A"] * 1001, "at most 1000 items"),
        ("interval", "5m", "'1m' or '1d'"),
        ("tier", "T9", "'T0', 'T1' or 'T2'"),
        (
            "time_window",
            {"start": "2024-01-02T00:00Z", "end": "2024-01-01T00:00Z"},
            "must be after",
        ),
        ("time_window", {"start": "2024-01-02T00:00", "end": "2024-01-03T00:00"}, "timezone"),
        ("surprise", 1, "not permitted"),
    ],
)
def test_a_job_that_does_not_fit_its_schema_says_why(
    field: str, value: object, complaint: str
) -> None:
    payload = fixture_bars_job().model_dump(mode="json") | {field: value}
    with pytest.raises(ValidationError, match=complaint):
        BarsFetchJob.model_validate(payload)


def test_the_same_work_is_put_in_once() -> None:
    assert job_queue.put([due("a"), due("b")]) == 2
    assert job_queue.put([due("b"), due("c")]) == 1
    assert CollectionJob.objects.count() == 3


def test_jobs_are_claimed_in_tier_order_and_once() -> None:
    job_queue.put([due("late", "T2"), due("first", "T0"), due("second", "T1")])
    claims = [job_queue.claim(f"worker {n}") for n in range(4)]
    keys = [CollectionJob.objects.get(pk=one.id).key for one in claims if one]
    assert keys == ["first", "second", "late"]
    assert claims[3] is None


def test_only_the_holder_of_the_lease_may_end_a_job() -> None:
    job_queue.put([due("a")])
    first = job_queue.claim("one")
    assert first is not None
    lapsed = clock.system() - timedelta(seconds=1)
    CollectionJob.objects.update(lease_until=lapsed)  # its worker died
    second = job_queue.claim("two")
    assert second is not None
    assert second.attempt == 2
    assert not job_queue.finish(first, {"inserted": 1})
    assert job_queue.finish(second, {"inserted": 2})
    done = CollectionJob.objects.get()
    assert (done.state, done.result) == ("done", {"inserted": 2})


def test_a_failed_job_comes_back_later_while_its_time_lasts() -> None:
    job_queue.put([due("a")])
    claimed = job_queue.claim("one")
    assert claimed is not None
    assert job_queue.fail(claimed, "timeout", "no answer", {})
    assert job_queue.claim("one") is None, "not at once"
    clock.install(lambda: NOW + timedelta(seconds=3))
    again = job_queue.claim("one")
    assert again is not None
    clock.install(lambda: NOW + timedelta(seconds=58))
    job_queue.fail(again, "timeout", "no answer", {})
    row = CollectionJob.objects.get()
    assert (row.state, row.error_code, row.attempt) == ("failed", "timeout", 2)


def test_a_job_whose_workers_keep_dying_is_given_up() -> None:
    job_queue.put([due("a", lasts=3600)])
    for _ in range(job_queue.MAX_ATTEMPTS):
        assert job_queue.claim("doomed") is not None
        CollectionJob.objects.update(lease_until=clock.system() - timedelta(seconds=1))
    assert job_queue.claim("doomed") is None
    row = CollectionJob.objects.get()
    assert row.state == "failed"
    assert row.error


def test_a_job_is_overtaken_by_its_successor() -> None:
    job_queue.put([due("a"), due("b", lasts=600)])
    clock.install(lambda: NOW + timedelta(seconds=60))
    assert job_queue.expire() == 1
    assert CollectionJob.objects.get(key="a").state == "cancelled"
    assert job_queue.waiting()


def test_finished_jobs_are_deleted_after_a_day() -> None:
    job_queue.put([due("a"), due("b", lasts=600)])
    claimed = job_queue.claim("one")
    assert claimed is not None
    job_queue.finish(claimed, {})
    clock.install(lambda: NOW + timedelta(days=1, seconds=1))
    assert job_queue.prune() == 1
    assert list(CollectionJob.objects.values_list("key", flat=True)) == ["b"]
