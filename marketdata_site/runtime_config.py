"""What an operator may change while the service runs: the typed accessor.

`current()` answers the configuration in force. Until somebody plugs in another source with
`install()`, it is the one the environment seeds. Callers ask each time they act and never
keep an answer, so that a change reaches them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from pydantic import BaseModel, ConfigDict

from marketdata_site.call_limits import CallLimits
from marketdata_site.environment import Environment

__all__ = ["CallLimits", "RuntimeConfig", "current", "from_environment", "install"]


class RuntimeConfig(BaseModel):
    """The operator's configuration."""

    model_config = ConfigDict(frozen=True)

    version: str
    policies: Mapping[str, tuple[str, ...]]
    """capability (`bars_1m`, `bars_1d`) → allowed sources, best first."""
    providers_enabled: frozenset[str]
    limits: Mapping[str, CallLimits]
    """provider → limits; a provider that is not named here has none."""
    cadence_s: Mapping[str, int]
    """tier → seconds between two 1-minute polls."""
    live_lookback_minutes: int
    """A series that lags by more expected minutes than this jumps ahead and leaves a gap."""
    live_concurrency: int
    """Vendor calls that one worker makes at once."""
    vendor_timeout_s: float


# Free-plan limits as the vendors document them; `LIMIT_<PROVIDER>` replaces a line.
_DOCUMENTED_LIMITS = {
    "polygon": "5/minute",
    "alpaca": "200/minute",
    "finnhub": "60/minute 30/second",
    "yahoo": "60/minute concurrency=2",
    "iex": "100/second",
}
_SANDBOX_LIMITS = "concurrency=64"


def from_environment(environment: Environment) -> RuntimeConfig:
    """The configuration that the environment seeds."""
    documented = (
        dict.fromkeys(_DOCUMENTED_LIMITS, _SANDBOX_LIMITS)
        if environment.sandbox_url
        else _DOCUMENTED_LIMITS
    )
    limits = {
        provider: getattr(environment, f"limit_{provider}") or CallLimits.parse(text)
        for provider, text in documented.items()
    }
    return RuntimeConfig(
        version="environment",
        policies={
            "bars_1m": environment.policy_bars_1m,
            "bars_1d": environment.policy_bars_1d,
        },
        providers_enabled=frozenset(environment.providers_enabled),
        limits=limits,
        cadence_s={
            "T0": environment.cadence_1m_t0_s,
            "T1": environment.cadence_1m_t1_s,
            "T2": environment.cadence_1m_t2_s,
        },
        live_lookback_minutes=environment.live_lookback_minutes,
        live_concurrency=environment.live_concurrency,
        vendor_timeout_s=environment.vendor_timeout_s,
    )


@cache
def _seed() -> RuntimeConfig:
    from django.conf import settings

    return from_environment(settings.ENVIRONMENT)


_source: Callable[[], RuntimeConfig] = _seed


def install(source: Callable[[], RuntimeConfig]) -> Callable[[], RuntimeConfig]:
    """Make `source` answer `current()` and return the source before it."""
    global _source
    before, _source = _source, source
    return before


def current() -> RuntimeConfig:
    """The configuration in force now."""
    return _source()
