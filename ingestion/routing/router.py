"""Which source answers a request for bars, and which one next when it fails.

    routed = live_router().route(BarRequest(instruments, Interval.MINUTE, range))
    for part in routed.parts: ...                      # a source's answer, why it was chosen
    for index, error in routed.failures.items(): ...   # who got nothing anywhere

For every instrument the sources of the policy are tried in order: the first that is enabled,
entitled and eligible (see `eligibility`), then the next one, for just the instruments that
failed. Whatever can be asked at the same time is, in the worker's vendor threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from django.db import connection

from ingestion import metrics
from ingestion.domain.source import Capability, Source
from ingestion.providers.base import Adapter, BarAnswer, BarRequest
from ingestion.providers.errors import Malformed, ProviderError
from ingestion.routing.answers import RoutedAnswer
from ingestion.routing.call_gate import CallInsideTransaction
from ingestion.routing.call_threads import CallThreads
from ingestion.routing.eligibility import Circumstances, plan
from ingestion.routing.journey import Batch, Journey
from marketdata_site import runtime_config
from marketdata_site.runtime_config import RuntimeConfig

logger = logging.getLogger(__name__)

# What an answer that nobody foresaw makes of a parser; anything else is no vendor's doing.
_ADAPTER_BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Catalogue(Protocol):
    """The providers there are."""

    def sources(self) -> Iterable[Source]:
        """Every source of every provider."""
        ...

    def adapter(self, provider: str) -> Adapter:
        """The provider's adapter."""
        ...

    def entitled(self, provider: str) -> bool:
        """Whether the provider can be called: it needs no key, or its key is set."""
        ...


class Router:
    """Routes over one catalogue; safe to use from many threads.

    `config` is asked at every request.
    """

    def __init__(
        self, catalogue: Catalogue, config: Callable[[], RuntimeConfig] = runtime_config.current
    ) -> None:
        self._catalogue = catalogue
        self._config = config
        self._threads = CallThreads()

    def route(self, request: BarRequest, provider_hint: str | None = None) -> RoutedAnswer:
        """Ask for the bars, source by source, until every instrument has an answer or has
        failed everywhere. The same request, configuration and answers give the same choices.

        `provider_hint` puts one provider's sources first; it adds none to the policy. An
        answer that covers nothing of an instrument is a failure (Incomplete). A source that
        says NotEntitled, and a provider that says AuthFailed or Banned, is not asked again
        for this request. Provider errors are in the answer, never raised.

        Raises CallInsideTransaction within an atomic block.
        """
        if connection.in_atomic_block:
            raise CallInsideTransaction("bars were to be fetched inside a transaction")
        config = self._config()
        journey = self._start(request, provider_hint, config)
        while batches := journey.next_batches(self._catalogue.adapter):
            calls = [partial(self._call, journey, batch) for batch in batches]
            outcomes = self._threads.run(calls, config.live_concurrency)
            for batch, outcome in zip(batches, outcomes, strict=True):
                journey.settle(batch, outcome)
        return journey.finish()

    def _start(
        self, request: BarRequest, provider_hint: str | None, config: RuntimeConfig
    ) -> Journey:
        policy = config.policies.get(Capability.of(request.interval), ())
        sources = {source.name: source for source in self._catalogue.sources()}
        circumstances = Circumstances(sources, config.providers_enabled, self._catalogue.entitled)
        plans = {
            asset_class: plan(policy, request.interval, asset_class, circumstances, provider_hint)
            for asset_class in {instrument.asset_class for instrument in request.instruments}
        }
        return Journey(request, plans, provider_hint)

    def _call(self, journey: Journey, batch: Batch) -> BarAnswer | ProviderError:
        closed = journey.closed(batch.source, batch.market)
        if closed is not None:  # by another call of the same round
            return closed
        provider, endpoint = batch.source.provider, Capability.of(batch.request.interval)
        try:
            return self._catalogue.adapter(provider).fetch_bars(batch.source, batch.request)
        except ProviderError as error:
            journey.close_on(batch.source, batch.market, error)
            return error
        except _ADAPTER_BUGS as error:
            # What one vendor's answer does to its adapter must not cost the others' bars.
            logger.exception("%s: the adapter failed on an answer", provider)
            metrics.provider_errors.labels(provider, endpoint, Malformed.code).inc()
            detail = f"the adapter failed: {type(error).__name__}: {error}"
            return Malformed(provider, endpoint, detail)
