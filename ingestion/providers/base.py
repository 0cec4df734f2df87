"""What every provider's adapter takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from ingestion.domain.bar_batch import Bars
from ingestion.domain.source import Basis, Source
from ingestion.providers.errors import ProviderError
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange


@dataclass(frozen=True, slots=True)
class Instrument:
    """What an adapter needs to know of a symbol."""

    ticker: str
    asset_class: str
    timezone: str
    """The exchange's IANA zone, e.g. America/New_York; UTC for 24/7 symbols."""


@dataclass(frozen=True, slots=True)
class BarRequest:
    """Bars of some instruments over one range.

    For minutes, `range` bounds the bars' opens. For days it bounds the labels: 00:00Z of
    the session dates, so one session is `[label, label + 86400)`.
    """

    instruments: tuple[Instrument, ...]
    interval: Interval
    range: TimeRange


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far an answer speaks for one instrument.

    `range` is the part of the request it speaks for, None for none of it; `complete` is
    False when bars inside `range` may have been left out.
    """

    range: TimeRange | None
    complete: bool


@dataclass(frozen=True, slots=True)
class BarAnswer:
    """One normalised batch: what a source said about a request.

    `bars.owner` indexes `request.instruments`. Rows lie inside the request's range and have
    ended; what else the vendor sent is counted in `dropped` by reason: `outside_range`,
    `unfinished`, `null_row` (no trade, or not known), `no_trade_row` (quotes only),
    `off_grid` (known artefacts, days that begin at no known hour), `unasked_symbol`. An
    answer cut short covers less than was asked. `coverage` and `failures` together have every
    instrument index: an instrument that failed is not covered. `observed_at` is the epoch
    second (with fraction) at which the first call was made. `origin` is `vendor`, `synthetic`
    or `replayed`, from the header by which a sandbox gives itself away. `calls` counts HTTP
    requests.
    """

    request: BarRequest
    source: Source
    basis: Basis
    origin: str
    observed_at: float
    bars: Bars
    coverage: Mapping[int, Coverage]
    failures: Mapping[int, ProviderError] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    calls: int = 1


class CallGate(Protocol):
    """The limiter as an adapter sees it: every HTTP request is made inside a slot."""

    def slot(self, provider: str) -> AbstractContextManager[None]:
        """Wait for room, then hold it until the call has finished.

        Raises RateLimited at once when the wait would be longer than the caller's patience.
        """
        ...

    def block(self, provider: str, seconds: float, code: str) -> None:
        """No process calls `provider` for `seconds` (a 429's Retry-After, a ban)."""
        ...


class Adapter(Protocol):
    """One provider. Safe to use from many threads."""

    name: str

    def sources(self) -> tuple[Source, ...]:
        """The sources it offers."""
        ...

    def batch_size(self, source: Source, interval: Interval, range: TimeRange) -> int:
        """How many instruments one BarRequest to `source` may hold."""
        ...

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        """Ask the vendor, follow its pages, and normalise. Raises ProviderError when nothing
        usable came; failures of single instruments are in the answer."""
        ...
