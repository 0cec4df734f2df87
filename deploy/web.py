"""How gunicorn serves the REST API and the admin."""

from __future__ import annotations

import os
from typing import Protocol

from prometheus_client import multiprocess

from marketdata_site.environment import load_or_exit


class _Worker(Protocol):
    pid: int


_environment = load_or_exit()

bind = f"{_environment.bind_address}:{_environment.port}"
# Embedded: one process, as its throttle counts in memory. The views wait for the database,
# so threads serve several requests at once.
workers = _environment.web_workers or (2 * (os.cpu_count() or 1) if _environment.production else 1)
worker_class = "gthread"
threads = 8
timeout = 60
graceful_timeout = 5
control_socket_disable = True
errorlog = "-"
loglevel = "warning"


def child_exit(_server: object, worker: _Worker) -> None:
    """Take a dead process's gauges out of the metrics that all processes share."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # no types
