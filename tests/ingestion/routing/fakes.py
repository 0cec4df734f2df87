"""Providers that answer as a test tells them to, and write down what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from ingestion.domain.bar_batch import Bars
from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import Adapter, BarAnswer, BarRequest, Coverage, Instrument
from ingestion.providers.errors import ProviderError
from marketdata_site.call_limits import CallLimits
from marketdata_site.runtime_config import RuntimeConfig
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

RANGE = TimeRange(1_763_388_000, 1_763_388_600)
RAW = {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW}
SPLIT = {Interval.MINUTE: Basis.SPLIT, Interval.DAY: Basis.SPLIT}

Script = Callable[[BarRequest], BarAnswer | ProviderError | None]
"""What a source does with a request: None means that it answers about everything."""


def source(
    name: str,
    basis: Mapping[Interval, Basis] = RAW,
    scope: Scope = Scope.CONSOLIDATED,
    asset_classes: Iterable[str] = ("equity", "etf", "crypto"),
) -> Source:
    return Source(
        name=name,
        provider=name.partition(":")[0],
        scope=scope,
        basis=basis,
        confirms_no_trade=True,
        settle_lag_s=60,
        asset_classes=frozenset(asset_classes),
    )


def instrument(ticker: str, asset_class: str = "equity") -> Instrument:
    return Instrument(ticker, asset_class, "UTC" if asset_class == "crypto" else "America/New_York")


def request(*instruments: Instrument | str, interval: Interval = Interval.MINUTE) -> BarRequest:
    return BarRequest(
        tuple(instrument(item) if isinstance(item, str) else item for item in instruments),
        interval,
        RANGE,
    )


def config(*policy: str, enabled: Iterable[str] | None = None, at_once: int = 4) -> RuntimeConfig:
    providers = {name.partition(":")[0] for name in policy} if enabled is None else enabled
    return RuntimeConfig(
        version="test",
        policies={"bars_1m": policy, "bars_1d": tuple(reversed(policy))},
        providers_enabled=frozenset(providers),
        limits={provider: CallLimits() for provider in providers},
        cadence_s={"T0": 60, "T1": 60, "T2": 300},
        live_lookback_minutes=10,
        live_concurrency=at_once,
        vendor_timeout_s=10.0,
    )


def answer(
    source: Source,
    request: BarRequest,
    *,
    failures: Mapping[str, ProviderError] | None = None,
    uncovered: Iterable[str] = (),
    unmentioned: Iterable[str] = (),
    calls: int = 1,
) -> BarAnswer:
    """One bar an instrument, priced by the length of the source's name; by ticker, who failed,
    who is not covered, and who is in neither list."""
    tickers = [item.ticker for item in request.instruments]
    failed = {tickers.index(ticker): error for ticker, error in (failures or {}).items()}
    coverage = {
        place: Coverage(None if ticker in set(uncovered) else request.range, complete=True)
        for place, ticker in enumerate(tickers)
        if place not in failed and ticker not in set(unmentioned)
    }
    owners = [place for place, said in coverage.items() if said.range is not None]
    price = [float(len(source.name))] * len(owners)
    opens = [request.range.start + 60 * owner for owner in owners]
    return BarAnswer(
        request=request,
        source=source,
        basis=source.basis[request.interval],
        origin="synthetic",
        observed_at=1_763_388_700.5,
        bars=Bars.of(owners, opens, price, price, price, price, [1.0] * len(owners)),
        coverage=coverage,
        failures=failed,
        dropped={"null_row": 1},
        calls=calls,
    )


@dataclass
class FakeAdapter:
    """One provider. `scripts` are by source name; `asked` is in the order of the calls."""

    name: str
    offers: list[Source]
    size: int = 100
    scripts: dict[str, Script] = field(default_factory=dict)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def sources(self) -> tuple[Source, ...]:
        return tuple(self.offers)

    def batch_size(self, source: Source, interval: Interval, range: TimeRange) -> int:
        assert source in self.offers
        assert (interval.seconds, range) in ((60, RANGE), (86_400, RANGE))
        return self.size

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        with self.lock:
            self.asked.append((source.name, tuple(item.ticker for item in request.instruments)))
        script = self.scripts.get(source.name)
        outcome = script(request) if script else None
        if isinstance(outcome, ProviderError):
            raise outcome
        return outcome or answer(source, request)


class FakeCatalogue:
    """All the providers of a test; without a key are those in `keyless`."""

    def __init__(self, *sources: Source, keyless: Iterable[str] = ()) -> None:
        self.adapters: dict[str, FakeAdapter] = {}
        self.keyless = frozenset(keyless)
        for offered in sources:
            adapter = self.adapters.setdefault(offered.provider, FakeAdapter(offered.provider, []))
            adapter.offers.append(offered)

    def sources(self) -> list[Source]:
        return [offered for adapter in self.adapters.values() for offered in adapter.offers]

    def adapter(self, provider: str) -> Adapter:
        return self.adapters[provider]

    def entitled(self, provider: str) -> bool:
        return provider not in self.keyless

    def on(self, source_name: str, script: Script) -> None:
        """Let a source do what `script` says."""
        self.adapters[source_name.partition(":")[0]].scripts[source_name] = script

    @property
    def asked(self) -> list[tuple[str, tuple[str, ...]]]:
        """Source and tickers of every call, provider by provider."""
        return [call for adapter in self.adapters.values() for call in adapter.asked]
