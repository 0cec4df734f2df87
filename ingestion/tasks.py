"""What the django-q2 clusters run. A task is a nudge: all durable state is in our rows."""

from __future__ import annotations

from django_q.brokers import get_broker
from django_q.tasks import async_task

from ingestion.collection import job_queue, worker
from ingestion.routing.live import live_router

LIVE_CLUSTER = "live"
SHIFT_S = 200.0
"""How long one task works before it hands over, well inside the cluster's timeout."""

_NUDGES = 2
"""Tasks waiting at most: as many as the cluster has workers."""


def work_live() -> int:
    """Work off live jobs. How many this task did."""
    done = worker.work(live_router(), seconds=SHIFT_S)
    if job_queue.waiting():
        nudge_live()
    return done


def nudge_live() -> None:
    """Have the live cluster look for jobs, unless it is about to anyway."""
    waiting = get_broker(LIVE_CLUSTER).queue_size()
    for _ in range(_NUDGES - waiting):
        async_task("ingestion.tasks.work_live", cluster=LIVE_CLUSTER)
