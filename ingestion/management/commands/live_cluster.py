"""manage.py live_cluster: the django-q2 cluster `live`, and an end to it when it stalls."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django_q.cluster import Cluster
from django_q.conf import Conf

from ingestion.collection.stall import StallWatch
from ingestion.tasks import LIVE_CLUSTER

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 2.0


class Command(BaseCommand):
    """Run the live cluster until SIGTERM or Ctrl-C; end with an error when it stalls."""

    help = (
        "Works off live jobs: the django-q2 cluster 'live'. When jobs wait and the cluster"
        " takes none, it ends with an error, for whatever supervises it to start it again."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        """Start the cluster and watch it."""
        if Conf.CLUSTER_NAME != LIVE_CLUSTER:
            raise CommandError(f"Q_CLUSTER_NAME={Conf.CLUSTER_NAME}: this is for {LIVE_CLUSTER}")
        cluster = Cluster()
        cluster.start()
        watch = StallWatch(settings.ENVIRONMENT.stalled_after_s)
        while cluster.sentinel.is_alive():
            if _stalled(watch):
                log.critical("jobs wait and this cluster takes none: ending it")
                _end_at_once()
            time.sleep(_LOOK_EVERY_S)
        if cluster.start_event is not None:  # nobody asked it to stop
            raise CommandError("the cluster's guard died")


def _stalled(watch: StallWatch) -> bool:
    try:
        close_old_connections()
        return watch.stalled()
    except DatabaseError:
        log.warning("cannot look whether jobs wait: the database does not answer")
        return False


def _end_at_once() -> None:
    """Its processes would wait for the lost lock for ever, so none of them is asked."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
