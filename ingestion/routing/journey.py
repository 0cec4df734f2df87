"""One request on its way from source to source. No calls are made here."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingestion import metrics
from ingestion.domain.source import Capability, Source
from ingestion.providers.base import Adapter, BarAnswer, BarRequest
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    Incomplete,
    NotEntitled,
    ProviderError,
)
from ingestion.routing.answers import RoutedAnswer, Served, gather
from ingestion.routing.eligibility import Step, market

logger = logging.getLogger(__name__)

REASON_CHARS = 200


class NoSource(NotEntitled):
    """No source of the policy is eligible; the detail says of each one why not."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One call of an adapter, about instruments of one market. `indexes`, parallel to
    `request.instruments`, are their places in the routed request."""

    source: Source
    market: str
    request: BarRequest
    indexes: tuple[int, ...]


@dataclass(slots=True)
class _Way:
    """How one instrument has fared: what is left to try, and what came before."""

    steps: Sequence[Step]
    notes: list[str] = field(default_factory=list)
    error: ProviderError | None = None

    def leave(self, step: Step, note: str) -> None:
        self.notes.append(f"{step.name} {note}")
        self.steps = self.steps[1:]


class Journey:
    """The instruments of `request`, each on its own way through the steps of its asset class.

    Ask `next_batches`, make those calls, `settle` each one, until there are no more; then
    `finish`. `closed` and `close_on` may be called from many threads.
    """

    def __init__(
        self,
        request: BarRequest,
        plans: Mapping[str, Sequence[Step]],
        provider_hint: str | None = None,
    ) -> None:
        self._request = request
        self._capability = Capability.of(request.interval)
        self._hint = provider_hint
        self._ways = {
            index: _Way(plans[instrument.asset_class])
            for index, instrument in enumerate(request.instruments)
        }
        self._served: list[Served] = []
        self._failures: dict[int, ProviderError] = {}
        self._failed: Counter[tuple[str, str]] = Counter()
        self._closed_sources: dict[tuple[str, str], ProviderError] = {}
        self._closed_providers: dict[str, ProviderError] = {}

    def next_batches(self, adapter: Callable[[str], Adapter]) -> list[Batch]:
        """The calls to make now, in the order of policy and request; none when all is done.

        `adapter` gives a provider's adapter, which says how much one call may hold.
        """
        self._report_failed()
        groups: dict[tuple[str, str], tuple[Source, list[int]]] = {}
        for index in list(self._ways):
            source = self._next_source(index)
            if source is not None:
                key = (source.name, self._market(index))
                groups.setdefault(key, (source, []))[1].append(index)
        return [
            batch
            for (_, of_market), (source, indexes) in groups.items()
            for batch in self._split(source, of_market, indexes, adapter(source.provider))
        ]

    def closed(self, source: Source, of_market: str) -> ProviderError | None:
        """Why this request does not ask `source` about this market again, if it does not."""
        by_provider = self._closed_providers.get(source.provider)
        return by_provider or self._closed_sources.get((source.name, of_market))

    def close_on(self, source: Source, of_market: str, error: ProviderError) -> None:
        """Ask no more of a provider that refuses the key, of a feed that is not in the plan."""
        if isinstance(error, AuthFailed | Banned):
            self._closed_providers.setdefault(source.provider, error)
        elif isinstance(error, NotEntitled):
            self._closed_sources.setdefault((source.name, of_market), error)

    def settle(self, batch: Batch, outcome: BarAnswer | ProviderError) -> None:
        """Take a call's outcome: who is served has arrived, who is not goes on."""
        if isinstance(outcome, ProviderError):
            errors = dict.fromkeys(range(len(batch.indexes)), outcome)
        else:
            errors = dict(self._errors_in(batch, outcome))
            self._serve(batch, outcome, errors)
        for place, error in errors.items():
            way = self._ways[batch.indexes[place]]
            way.error = error
            way.leave(way.steps[0], f"failed: {error.code}")
        self._failed.update((batch.source.name, error.code) for error in errors.values())

    def finish(self) -> RoutedAnswer:
        """What came of it."""
        return RoutedAnswer(
            self._request, gather(self._served), dict(sorted(self._failures.items()))
        )

    def _report_failed(self) -> None:
        for (source, code), instruments in self._failed.items():
            logger.info("%s failed for %d instruments: %s", source, instruments, code)
        self._failed.clear()

    def _next_source(self, index: int) -> Source | None:
        way = self._ways[index]
        while way.steps:
            step = way.steps[0]
            if step.source is None:
                way.leave(step, step.why_not)
            elif (error := self.closed(step.source, self._market(index))) is not None:
                way.error = error
                way.leave(step, f"failed: {error.code}")
            else:
                return step.source
        self._failures[index] = way.error or self._no_source(way)
        del self._ways[index]
        return None

    def _market(self, index: int) -> str:
        return market(self._request.instruments[index].asset_class)

    def _split(
        self, source: Source, of_market: str, indexes: Sequence[int], adapter: Adapter
    ) -> Iterator[Batch]:
        request = self._request
        size = max(1, adapter.batch_size(source, request.interval, request.range))
        for start in range(0, len(indexes), size):
            chunk = tuple(indexes[start : start + size])
            instruments = tuple(request.instruments[index] for index in chunk)
            yield Batch(source, of_market, replace(request, instruments=instruments), chunk)

    def _errors_in(self, batch: Batch, answer: BarAnswer) -> Iterator[tuple[int, ProviderError]]:
        provider, uncovered = batch.source.provider, 0
        for place, instrument in enumerate(batch.request.instruments):
            error = answer.failures.get(place)
            coverage = answer.coverage.get(place)
            if error is not None:
                # Not being entitled to one instrument says nothing of the others.
                if not isinstance(error, NotEntitled):
                    self.close_on(batch.source, batch.market, error)
                yield place, error
            elif coverage is None or coverage.range is None:
                uncovered += 1
                detail = f"the answer covers nothing of {instrument.ticker}"
                yield place, Incomplete(provider, self._capability, detail)
        if uncovered and answer.calls:  # without a call it was too early to ask
            metrics.provider_errors.labels(provider, self._capability, Incomplete.code).inc()

    def _serve(self, batch: Batch, answer: BarAnswer, errors: Mapping[int, ProviderError]) -> None:
        by_reason: dict[str, list[int]] = {}
        for place, index in enumerate(batch.indexes):
            if place not in errors:
                by_reason.setdefault(self._reason(self._ways.pop(index)), []).append(place)
        for reason, places in by_reason.items():
            indexes = tuple(batch.indexes[place] for place in places)
            self._served.append(Served(answer, tuple(places), indexes, reason))
        if by_reason:
            metrics.provider_selected.labels(self._capability, batch.source.provider).inc()

    def _reason(self, way: _Way) -> str:
        policy = f"policy {self._capability}"
        if self._hint:
            policy += f" with {self._hint} put first"
        text = f"{policy}: {'; '.join(way.notes)}" if way.notes else f"first of {policy}"
        return _shorten(text)

    def _no_source(self, way: _Way) -> NoSource:
        detail = "; ".join(way.notes) or "the policy names no source"
        return NoSource("router", self._capability, f"no eligible source: {detail}")


def _shorten(text: str) -> str:
    return text if len(text) <= REASON_CHARS else f"{text[: REASON_CHARS - 1]}…"
