"""What `/metrics` says: counters of the processes, gauges of the fleet.

Counters and histograms are the process's own, or with `PROMETHEUS_MULTIPROC_DIR` those of
all processes of the host together. Gauges about the fleet are computed from the database at
the scrape, at most once in FRESH_FOR_S a process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import cast

from django.core.cache import caches
from django.db import Error as DatabaseError
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ingestion.lag import LagCollector
from universe.metrics import UniverseCollector

logger = logging.getLogger(__name__)

disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here

CONTENT_TYPE = CONTENT_TYPE_LATEST
FRESH_FOR_S = 5.0
FLEET: tuple[Callable[[], Collector], ...] = (UniverseCollector, LagCollector)

fleet_scrape_errors = Counter(
    "fleet_scrape_errors", "Scrapes without the fleet's gauges, as the database did not answer"
)


def fleet_text() -> bytes:
    """The fleet's gauges as Prometheus text, at most FRESH_FOR_S old; empty when the database
    does not answer."""
    return cast(bytes, caches["local"].get_or_set("fleet-gauges", _compute_fleet, FRESH_FOR_S))


def _compute_fleet() -> bytes:
    registry = CollectorRegistry()
    for collector in FLEET:
        registry.register(collector())
    try:
        return generate_latest(registry)
    except DatabaseError as error:
        fleet_scrape_errors.inc()
        logger.warning("The fleet's gauges are left out of this scrape: %s", error)
        return b""


def process_text() -> bytes:
    """The counters and histograms as Prometheus text."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    merged = CollectorRegistry()
    MultiProcessCollector(merged)  # type: ignore[no-untyped-call]  # the library has no types here
    return generate_latest(merged)
