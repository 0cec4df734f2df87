"""The queue of live jobs in the database: put in once, claimed under a lease, ended fenced.

Leases run on real time: a worker dies in real time, whatever the service's clock does.
Everything else about a job is on the service's clock.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from ingestion.collection.jobs import BarsFetchJob
from ingestion.models import CollectionJob, JobState
from marketdata_site import clock

LEASE_S = 120
MAX_ATTEMPTS = 5
KEEP = timedelta(days=1)
"""How long finished jobs stay, to look at."""


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job to be put in, and when it was due and is overtaken by its successor."""

    job: BarsFetchJob
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased job. Only the holder of this very attempt may end it."""

    id: int
    owner: str
    attempt: int
    payload: object
    expires_at: datetime


def owner_name() -> str:
    """Names this process as a holder of leases."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"


def put(due: Sequence[DueJob]) -> int:
    """Insert jobs whose key (`job_id`) is not there yet. How many were inserted."""
    keys = [one.job.job_id for one in due]
    there = set(CollectionJob.objects.filter(key__in=keys).values_list("key", flat=True))
    rows = [
        CollectionJob(
            key=one.job.job_id,
            payload=one.job.model_dump(mode="json"),
            tier=one.job.tier,
            interval=one.job.interval,
            due_at=one.due_at,
            not_before=one.due_at,
            expires_at=one.expires_at,
        )
        for one in due
        if one.job.job_id not in there
    ]
    # Another sweeper may insert the same keys right now: theirs or ours stays, never both.
    CollectionJob.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def claim(owner: str) -> Claim | None:
    """Lease the most urgent job that may run now, or None.

    A job is taken by an update that names the state it was seen in, so that of two workers
    exactly one gets it, on every database.
    """
    while (job := _claimable().order_by("tier", "due_at").first()) is not None:
        if job.attempt >= MAX_ATTEMPTS:
            _seen(job).update(
                state=JobState.FAILED,
                finished_at=clock.now(),
                error=f"given up: its worker died in each of {MAX_ATTEMPTS} attempts",
            )
            continue
        taken = _seen(job).update(
            state=JobState.RUNNING,
            owner=owner,
            attempt=job.attempt + 1,
            lease_until=clock.system() + timedelta(seconds=LEASE_S),
        )
        if taken:
            return Claim(job.pk, owner, job.attempt + 1, job.payload, job.expires_at)
    return None


def waiting() -> bool:
    """Whether any job could be claimed now."""
    return _claimable().exists()


def _claimable() -> QuerySet[CollectionJob]:
    now = clock.now()
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=clock.system())
    return CollectionJob.objects.filter(free, not_before__lte=now, expires_at__gt=now)


def _seen(job: CollectionJob) -> QuerySet[CollectionJob]:
    return CollectionJob.objects.filter(pk=job.pk, state=job.state, attempt=job.attempt)


def finish(claimed: Claim, result: dict[str, object]) -> bool:
    """Mark the job done. False: the lease was lost and another attempt has the job."""
    return _end(claimed, state=JobState.DONE, result=result, error_code="", error="")


def fail(claimed: Claim, code: str, error: str, result: dict[str, object]) -> bool:
    """Put the job back for another attempt a little later, or mark it failed when it has
    none left or its successor is due before that. False: the lease was lost."""
    retry_at = clock.now() + timedelta(seconds=2**claimed.attempt)
    again = claimed.attempt < MAX_ATTEMPTS and retry_at < claimed.expires_at
    fields = {"error_code": code, "error": error[:2000], "result": result}
    if again:
        return _end(claimed, state=JobState.QUEUED, not_before=retry_at, **fields)
    return _end(claimed, state=JobState.FAILED, **fields)


def _end(claimed: Claim, state: JobState, **fields: object) -> bool:
    ours = CollectionJob.objects.filter(
        pk=claimed.id, owner=claimed.owner, attempt=claimed.attempt, state=JobState.RUNNING
    )
    finished_at = None if state is JobState.QUEUED else clock.now()
    return bool(ours.update(state=state, lease_until=None, finished_at=finished_at, **fields))


def expire() -> int:
    """Cancel jobs whose successor is due and that nobody works on. How many."""
    now = clock.now()
    idle = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_until__lt=clock.system())
    overtaken = CollectionJob.objects.filter(idle, expires_at__lte=now)
    return overtaken.update(
        state=JobState.CANCELLED, finished_at=now, error="overtaken: its successor is due"
    )


def prune() -> int:
    """Delete jobs that ended more than KEEP ago. How many."""
    deleted, _ = CollectionJob.objects.filter(finished_at__lt=clock.now() - KEEP).delete()
    return deleted
