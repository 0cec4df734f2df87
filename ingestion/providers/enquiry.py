"""One `fetch_bars` under way: what was asked of the vendor so far, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from django.conf import settings

from ingestion.domain.bar_batch import Bars
from ingestion.domain.source import Source
from ingestion.providers.base import BarAnswer, BarRequest, Coverage, Instrument
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    ConnectionFailed,
    Incomplete,
    Malformed,
    ProviderError,
    RateLimited,
    Timeout,
)
from ingestion.providers.http import HttpClient, Params
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Parsed, Window, finished_part
from marketdata_site import clock
from universe.domain.time_range import TimeRange

T = TypeVar("T")

_CONCERNS_ALL = (AuthFailed, Banned, RateLimited, Timeout, ConnectionFailed)
_PATIENCE = 3


class Enquiry:
    """Gathers the answer to one request, call by call. For one thread.

    `range` is the part of the request that can be answered already: its minutes have ended.
    With `too_early` there is none, and nobody should be asked. `hopeless` is the first error
    that will meet the next call too (the key, a ban, a limit, the network), or None.
    """

    def __init__(self, http: HttpClient, source: Source, request: BarRequest) -> None:
        self.http, self.source, self.request = http, source, request
        self.began = clock.now().timestamp()
        answerable = finished_part(request.range, request.interval, self.began)
        self.too_early = answerable is None
        self.range = answerable or request.range
        self.calls = 0
        self.hopeless: ProviderError | None = None
        self._observed_at: float | None = None
        self._origin: str | None = None
        self._parts: list[Bars] = []
        self._dropped: Counter[str] = Counter()
        self._coverage: dict[int, Coverage] = {}
        self._failures: dict[int, ProviderError] = {}

    # ---- asking ---------------------------------------------------------------------

    def ask(
        self,
        endpoint: str,
        path: str,
        read: Callable[[Reply, Window], T],
        params: Params = (),
        zone: str = "UTC",
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """One call; `read` gets the answer and the window to judge it by. ProviderError."""

        def judged(reply: Reply) -> T:
            if self._origin not in (None, reply.origin):
                raise reply.malformed(f"the origin changed from {self._origin} to {reply.origin}")
            window = Window(
                provider=reply.provider,
                endpoint=endpoint,
                interval=self.request.interval,
                range=self.request.range,
                asked_at=self.began,
                received_at=reply.received_at,
                zone=zone,
            )
            answer = read(reply, window)
            self._origin = reply.origin
            if self._observed_at is None:
                self._observed_at = reply.asked_at
            return answer

        return self.http.get(endpoint, path, judged, params, headers, on_request=self.count_call)

    def count_call(self) -> None:
        """One more request was made."""
        self.calls += 1

    def each(self, indices: Iterable[int], ask: Callable[[int, Instrument], None]) -> None:
        """`ask` about one instrument after the other, noting failures.

        An instrument that `ask` has covered in part before it failed stays covered in part.
        Once it is `hopeless`, or after three passing errors of any kind in a row, the rest
        have failed of the same.
        """
        in_a_row = 0
        ended_by: ProviderError | None = None
        for index in indices:
            ended_by = ended_by or self.hopeless
            if ended_by is not None:
                self.fail([index], ended_by)
                continue
            try:
                ask(index, self.request.instruments[index])
                in_a_row = 0
            except ProviderError as error:
                self.fail([index] if index not in self._coverage else [], error)
                in_a_row = 0 if error.permanent else in_a_row + 1
                ended_by = error if in_a_row >= _PATIENCE else None

    def malformed(self, endpoint: str, detail: str) -> Malformed:
        """The error that says the answers make no sense together; counted, like all."""
        return self.http.noted(Malformed(self.http.provider, endpoint, detail))

    # ---- noting ---------------------------------------------------------------------

    def keep(self, parsed: Parsed, owner: int | None = None) -> None:
        """Take an answer's bars; `owner` is the instrument they are of, None: they say."""
        bars = parsed.bars
        if len(bars):
            own = owner is not None
            self._parts.append(bars.owned_by(np.full(len(bars), owner, np.int64)) if own else bars)
        self._dropped.update(parsed.dropped)

    def cover(self, indices: Iterable[int], covered: TimeRange | None, *, complete: bool) -> None:
        """Note how far the answer speaks for these instruments."""
        for index in indices:
            self._coverage[index] = Coverage(covered, complete)

    def fail(self, indices: Iterable[int], error: ProviderError) -> None:
        """Note an error, and the instruments for which nothing usable came."""
        for index in indices:
            self._failures[index] = error
        if self.hopeless is None and isinstance(error, _CONCERNS_ALL):
            self.hopeless = error

    # ---- answering ------------------------------------------------------------------

    def nothing_yet(self) -> BarAnswer:
        """The answer to a request none of whose bars can have ended: nothing is covered."""
        self.cover(range(len(self.request.instruments)), None, complete=False)
        return self.answer()

    def answer(self) -> BarAnswer:
        """What came of it. Raises the first failure when no instrument was answered."""
        everyone = range(len(self.request.instruments))
        for index in everyone:
            if index not in self._coverage and index not in self._failures:
                detail = "the vendor said nothing about it"
                self._failures[index] = Incomplete(self.http.provider, "bars", detail)
        if self._failures and len(self._failures) == len(everyone):
            raise self._failures[min(self._failures)]
        return BarAnswer(
            request=self.request,
            source=self.source,
            basis=self.source.basis[self.request.interval],
            origin=self._origin or settings.DATA_ORIGIN,
            observed_at=self._observed_at or self.began,
            bars=self._believed(),
            coverage={i: c for i, c in self._coverage.items() if i not in self._failures},
            failures=dict(self._failures),
            dropped=dict(self._dropped),
            calls=self.calls,
        )

    def _believed(self) -> Bars:
        """All bars but those of instruments that failed in the end."""
        bars = Bars.join(self._parts)
        if not self._failures or not len(bars):
            return bars
        failed = np.fromiter(self._failures, np.int64, len(self._failures))
        return bars.take(~np.isin(bars.owner, failed))
