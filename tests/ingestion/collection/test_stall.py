"""When a cluster counts as stalled: jobs to claim, and nobody works, for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django_q.conf import Conf

from ingestion.collection.stall import StallWatch
from ingestion.models import CollectionJob
from ingestion.models.jobs import JobState
from marketdata_site import clock

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _at_now() -> None:
    clock.install(lambda: NOW)


def job(key: str, **fields: object) -> CollectionJob:
    return CollectionJob.objects.create(
        **{
            "key": key,
            "payload": {},
            "tier": "T0",
            "interval": "1m",
            "due_at": NOW,
            "not_before": NOW,
            "expires_at": NOW + timedelta(minutes=1),
            **fields,
        }
    )


def test_waiting_jobs_that_nobody_takes_are_a_stall() -> None:
    job("a")
    assert StallWatch(patience_s=0).stalled()


def test_it_takes_a_while() -> None:
    job("a")
    watch = StallWatch(patience_s=3600)
    assert not watch.stalled()
    assert not watch.stalled()


def test_nothing_to_do_is_no_stall() -> None:
    job("over", state=JobState.DONE, finished_at=NOW)
    job("later", not_before=NOW + timedelta(seconds=30))
    job("overtaken", expires_at=NOW - timedelta(seconds=1))
    watch = StallWatch(patience_s=0)
    watch.stalled()
    assert not watch.stalled()


def test_as_long_as_anyone_holds_a_lease_work_goes_on() -> None:
    job("a")
    job("b", state=JobState.RUNNING, lease_until=clock.system() + timedelta(minutes=1))
    assert not StallWatch(patience_s=0).stalled()


def test_the_lease_of_the_dead_is_no_work() -> None:
    job("a")
    job("b", state=JobState.RUNNING, lease_until=clock.system() - timedelta(minutes=1))
    assert StallWatch(patience_s=0).stalled()


def test_a_job_that_ended_since_the_last_look_is_progress() -> None:
    job("a")
    watch = StallWatch(patience_s=0)
    assert watch.stalled()
    job("b", state=JobState.FAILED, finished_at=NOW)
    assert not watch.stalled()
    assert watch.stalled()
    job("c", state=JobState.CANCELLED, finished_at=NOW + timedelta(seconds=5))
    assert watch.stalled()


def test_the_watch_belongs_to_the_live_cluster_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "CLUSTER_NAME", "backfill")
    with pytest.raises(CommandError, match="Q_CLUSTER_NAME=backfill"):
        call_command("live_cluster")
