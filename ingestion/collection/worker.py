"""The loop that works off live jobs. Any number of processes may run it."""

from __future__ import annotations

import logging
import time

from pydantic import ValidationError

from ingestion.collection import job_queue
from ingestion.collection.collect import BarRouter, collect
from ingestion.collection.job_queue import Claim
from ingestion.collection.jobs import BarsFetchJob

log = logging.getLogger(__name__)


def work(router: BarRouter, *, seconds: float) -> int:
    """Claim and carry out jobs until none is left or `seconds` have passed. How many."""
    until = time.monotonic() + seconds
    owner = job_queue.owner_name()
    done = 0
    while time.monotonic() < until and (claimed := job_queue.claim(owner)) is not None:
        carry_out(claimed, router)
        done += 1
    return done


def carry_out(claimed: Claim, router: BarRouter) -> None:
    """Do one claimed job and say how it ended. Raises nothing but what saying so raises: when
    the database is out of reach the loop ends, and the lease brings the job back."""
    try:
        job = BarsFetchJob.model_validate(claimed.payload)
        collected = collect(job, router)
    except ValidationError as error:
        job_queue.fail(claimed, "invalid", str(error), {})
        return
    except Exception as error:
        log.exception("job %s failed", claimed.id)
        job_queue.fail(claimed, type(error).__name__[:16], str(error), {})
        return
    if collected.nothing_came:
        first = next(iter(collected.failed.values()))
        job_queue.fail(claimed, first.code, str(first), collected.summary())
    else:
        job_queue.finish(claimed, collected.summary())
