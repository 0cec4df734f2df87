"""Carrying out one live job."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ingestion.collection.asks import Ask, live_asks
from ingestion.collection.deliver import deliver
from ingestion.collection.jobs import BarsFetchJob
from ingestion.collection.roster import Roster
from ingestion.models import CandleStatus
from ingestion.providers.base import BarRequest
from ingestion.providers.errors import ProviderError
from ingestion.routing.answers import RoutedAnswer
from ingestion.store.rows import SeriesRows
from ingestion.store.writer import tables_of_connection
from marketdata_site import clock, runtime_config
from universe.models import Symbol
from universe.services import sessions

log = logging.getLogger(__name__)

_NAMED = 20
"""How many failed symbols a job's result names."""


class BarRouter(Protocol):
    """See `ingestion.routing.router.Router`."""

    def route(self, request: BarRequest, provider_hint: str | None = None) -> RoutedAnswer:
        """Ask source after source."""
        ...


@dataclass(slots=True)
class Collected:
    """What a job brought. `failed` maps tickers to the last error; `asked` counts symbols
    for which anything was due."""

    asked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failed: dict[str, ProviderError] = field(default_factory=dict)

    @property
    def nothing_came(self) -> bool:
        """True when every symbol that was asked for failed."""
        return bool(self.failed) and len(self.failed) >= self.asked

    def summary(self) -> dict[str, object]:
        """The same for the job's row, JSON-ready."""
        named = {ticker: str(error)[:200] for ticker, error in list(self.failed.items())[:_NAMED]}
        return {"asked": self.asked, **self.counts, "failures": len(self.failed), "failed": named}


def collect(job: BarsFetchJob, router: BarRouter) -> Collected:
    """Fetch what is due for the job's symbols now, and store it.

    A symbol whose fetch failed keeps its series where it is, so that the next job asks
    again. Provider errors are in the result. Raises the database's errors and
    OriginMismatch; what was written before stays, and doing the job again is harmless.
    """
    found = Symbol.objects.active().filter(ticker__in=job.symbols)
    symbols = list(found.select_related("calendar").prefetch_related("tickers").order_by("id"))
    collected = Collected()
    if not symbols:
        return collected
    ids = np.array([symbol.id for symbol in symbols], np.int64)
    series = tables_of_connection().series(job.interval, ids, "")
    roster = Roster.of(symbols, sessions.grid)
    lookback = runtime_config.current().live_lookback_minutes
    asks = live_asks(symbols, series, job.interval, sessions.grid, clock.now_epoch(), lookback)
    collected.asked = len(np.unique(np.concatenate([ask.symbol_ids for ask in asks] or [ids[:0]])))
    for ask in asks:
        _carry_out(ask, job, router, roster, series, collected)
    return collected


def _carry_out(
    ask: Ask,
    job: BarsFetchJob,
    router: BarRouter,
    roster: Roster,
    series: SeriesRows,
    collected: Collected,
) -> None:
    routed = router.route(ask.request, job.provider_hint)
    instruments = ask.request.instruments
    for index, error in routed.failures.items():
        collected.failed[instruments[index].ticker] = error
    failed = {int(ask.symbol_ids[index]) for index in routed.failures}
    for part in routed.parts:
        symbol_ids = ask.symbol_ids[list(part.instruments)]
        settles = np.array([symbol_id not in failed for symbol_id in symbol_ids.tolist()])
        try:
            delivered = deliver(
                part,
                symbol_ids,
                roster,
                series,
                status=CandleStatus.LIVE,
                job_id=job.job_id,
                settles=settles,
            )
        except ProviderError as error:
            log.warning("%s: nothing of the answer is stored: %s", job.job_id, error)
            collected.failed |= {instruments[index].ticker: error for index in part.instruments}
        else:
            collected.counts += delivered.counts
