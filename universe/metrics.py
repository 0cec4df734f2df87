"""The universe's gauges, computed when they are scraped."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import numpy as np
from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from marketdata_site import clock
from universe.domain.session_grid import DateNotCovered, Placement
from universe.domain.tier import Tier
from universe.models import ExchangeCalendar, Symbol
from universe.services import sessions

_KEPT_S = 5.0


class UniverseCollector(Collector):
    """`active_symbols{tier}` and `market_open{calendar}`; the database is asked at most once
    in five seconds. Register it on the registry that the metrics page builds."""

    def __init__(self) -> None:
        self._families: list[GaugeMetricFamily] = []
        self._asked_at = float("-inf")

    def describe(self) -> list[GaugeMetricFamily]:
        """The families without samples: registering asks no database."""
        return [_active_symbols(), _market_open()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Both families, at most five seconds old."""
        if monotonic() - self._asked_at >= _KEPT_S:
            self._families = [_count_symbols(), _look_at_markets()]
            self._asked_at = monotonic()
        yield from self._families


def _active_symbols() -> GaugeMetricFamily:
    return GaugeMetricFamily("active_symbols", "Symbols that are collected", labels=["tier"])


def _market_open() -> GaugeMetricFamily:
    text = "1 in the regular hours of a calendar, else 0; absent where its sessions are unknown"
    return GaugeMetricFamily("market_open", text, labels=["calendar"])


def _count_symbols() -> GaugeMetricFamily:
    rows = Symbol.objects.active().order_by().values_list("tier").annotate(Count("pk"))
    counts = dict(rows)
    family = _active_symbols()
    for tier in Tier:
        family.add_metric([tier.value], counts.get(tier.value, 0))
    return family


def _look_at_markets() -> GaugeMetricFamily:
    family = _market_open()
    now = np.array([clock.now_epoch()], np.int64)
    for name in ExchangeCalendar.objects.values_list("name", flat=True):
        try:
            placed = sessions.grid(name).place(now)
        except DateNotCovered:
            continue
        family.add_metric([name], float(placed[0] == Placement.REGULAR))
    return family
