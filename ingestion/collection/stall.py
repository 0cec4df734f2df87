"""Noticing that live jobs wait and nobody takes them.

A cluster's workers share one queue, and an idle one waits for it holding the queue's lock: a
worker killed right then leaves a cluster that looks alive and never works again.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.db.models import Max

from ingestion.collection import job_queue
from ingestion.models import CollectionJob
from ingestion.models.jobs import JobState
from marketdata_site import clock


class StallWatch:
    """Asked again and again, says when no job has been worked on for `patience_s` real
    seconds although all the while there were some to claim."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._newest_end: datetime | None = None
        self._idle_since: float | None = None

    def stalled(self) -> bool:
        """Look once. Any cluster's work counts: what one leaves, another may take."""
        newest_end = _newest_end()
        moved = newest_end != self._newest_end
        self._newest_end = newest_end
        if moved or _someone_works() or not job_queue.waiting():
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = time.monotonic()
        return time.monotonic() - self._idle_since >= self._patience_s


def _newest_end() -> datetime | None:
    ended = CollectionJob.objects.filter(state__in=[JobState.DONE, JobState.FAILED])
    newest: datetime | None = ended.aggregate(newest=Max("finished_at"))["newest"]
    return newest


def _someone_works() -> bool:
    running = CollectionJob.objects.filter(state=JobState.RUNNING)
    return running.filter(lease_until__gte=clock.system()).exists()
