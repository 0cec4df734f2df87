"""How far the collected series lag behind their exchanges: a gauge for the whole fleet."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Min
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingestion.domain.expectation import Expectation
from ingestion.models.series import Series
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session_grid import DateNotCovered, SessionGrid
from universe.services import sessions

_HORIZON_S = 14 * 86_400  # no exchange is closed for longer


def lag_of(settled_to: int, interval: Interval, grid: SessionGrid, now: int) -> int:
    """How many seconds ago the first expected bar that is not settled was over; 0 when none
    is, a closed market included. Epoch seconds. Raises DateNotCovered."""
    until = min(now, settled_to + _HORIZON_S)
    expected = Expectation(grid, interval).between(settled_to, until)
    if not len(expected):
        return 0
    first = expected[:1]
    over = int(grid.closes_of(first)[0]) if interval is Interval.DAY else int(first[0]) + 60
    return max(now - over, 0)


def lags(now: int) -> dict[Interval, int]:
    """The lag of the active symbol that is furthest behind, per interval, over all that have
    been collected: exact, in one query and one question per calendar."""
    worst = dict.fromkeys(Interval, 0)
    furthest = (
        Series.objects.filter(symbol__active=True)
        .values_list("interval", "symbol__calendar_id")
        .annotate(Min("settled_to"))
        .order_by()
    )
    for name, calendar, settled_to in furthest:
        interval = Interval(name)
        try:
            lag = lag_of(int(settled_to.timestamp()), interval, sessions.grid(calendar), now)
        except DateNotCovered:  # the calendar ends here, which has a health check of its own
            continue
        worst[interval] = max(worst[interval], lag)
    return worst


class LagCollector(Collector):
    """`ingestion_lag_seconds{interval}`, computed when it is scraped."""

    def describe(self) -> Iterator[Metric]:
        """The family without samples, so that registering asks no database."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """One sample an interval."""
        family = self._family()
        for interval, lag in lags(clock.now_epoch()).items():
            family.add_metric([interval], lag)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "ingestion_lag_seconds",
            "Seconds since the oldest expected bar that is not settled was over, worst symbol",
            labels=["interval"],
        )
