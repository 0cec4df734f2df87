"""How many symbols the configured sources can serve: what planning may count on."""

from __future__ import annotations

from ingestion.domain.capacity import UNLIMITED, symbols_per_minute
from ingestion.domain.source import Capability
from ingestion.providers import registry
from ingestion.routing.live import RegisteredProviders
from marketdata_site import runtime_config
from marketdata_site.runtime_config import CallLimits
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

_TRADING_MINUTES = 960
"""A day's allowance is spread over 04:00 to 20:00."""


def per_minute(interval: Interval) -> float:
    """Symbols a minute that all usable sources of the policy can serve together. Providers
    with one allowance are counted once."""
    config = runtime_config.current()
    catalogue = RegisteredProviders()
    offers: dict[str, tuple[int, float]] = {}
    for name in config.policies.get(Capability.of(interval), ()):
        source = registry.source(name)
        if not registry.usable(source.provider):
            continue
        minute = TimeRange(0, interval.seconds)
        batch = catalogue.adapter(source.provider).batch_size(source, interval, minute)
        calls = calls_per_minute(config.limits.get(source.provider))
        offers.setdefault(source.provider, (batch, calls))
    return symbols_per_minute(list(offers.values()))


def calls_per_minute(limits: CallLimits | None) -> float:
    """The calls a minute that `limits` allow in the long run."""
    if limits is None:
        return UNLIMITED
    bounds = (
        (limits.per_second, 60.0),
        (limits.per_minute, 1.0),
        (limits.per_day, 1 / _TRADING_MINUTES),
    )
    return min((n * factor for n, factor in bounds if n is not None), default=UNLIMITED)
