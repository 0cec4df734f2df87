"""Which providers there are, and an adapter for each, as the environment says.

With `SANDBOX_URL` every provider is the sandbox, whatever other addresses and keys are set.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings
from pydantic import SecretStr

from ingestion.domain.source import Source
from ingestion.providers.alpaca import client as alpaca
from ingestion.providers.base import Adapter, CallGate
from ingestion.providers.finnhub import client as finnhub
from ingestion.providers.iex import client as iex
from ingestion.providers.polygon import client as polygon
from ingestion.providers.yahoo import client as yahoo
from marketdata_site import runtime_config
from marketdata_site.environment import Environment

_SANDBOX_KEY = "sandbox"

_SOURCES = {
    source.name: source
    for source in (polygon.SOURCE, alpaca.SIP, alpaca.IEX, finnhub.SOURCE, yahoo.SOURCE, iex.SOURCE)
}
_KEYS: Mapping[str, tuple[str, ...]] = {
    "polygon": ("polygon_api_key",),
    "alpaca": ("alpaca_api_key_id", "alpaca_api_secret_key"),
    "finnhub": ("finnhub_api_key",),
    "yahoo": (),
    "iex": ("iex_token",),
}
"""Provider → the fields of Environment that hold its credentials, in its adapter's order."""
_ADAPTERS: Mapping[str, Callable[..., Adapter]] = {
    "polygon": polygon.PolygonAdapter,
    "alpaca": alpaca.AlpacaAdapter,
    "finnhub": finnhub.FinnhubAdapter,
    "yahoo": yahoo.YahooAdapter,
    "iex": iex.IexAdapter,
}

_MOST_BUILT = 64
_built: dict[tuple[str, int], tuple[CallGate, Environment, Adapter]] = {}
_built_lock = threading.Lock()


class UnknownProvider(LookupError):
    """No provider has this name."""


class UnknownSource(LookupError):
    """No source has this name."""


class OpenGate:
    """A gate that lets every call pass: for tests and benchmarks. It protects nobody."""

    @contextmanager
    def slot(self, provider: str) -> Iterator[None]:  # noqa: ARG002 - as CallGate says
        """Never waits."""
        yield

    def block(self, provider: str, seconds: float, code: str) -> None:
        """Forgets it at once."""


def providers() -> tuple[str, ...]:
    """All provider names."""
    return tuple(_ADAPTERS)


def sources() -> tuple[Source, ...]:
    """All sources of all providers, usable or not."""
    return tuple(_SOURCES.values())


def source(name: str) -> Source:
    """The source called `name`, such as `alpaca:sip`. Raises UnknownSource listing all."""
    try:
        return _SOURCES[name]
    except KeyError:
        known = ", ".join(_SOURCES)
        raise UnknownSource(f"there is no source {name!r}; there are {known}") from None


def adapter(name: str, gate: CallGate) -> Adapter:
    """The adapter of provider `name`; all its calls go through `gate`.

    The same one (with its open connections) for the same gate. Raises UnknownProvider. An
    adapter without its key can be had, but its calls will raise AuthFailed.
    """
    if name not in _ADAPTERS:
        known = ", ".join(_ADAPTERS)
        raise UnknownProvider(f"there is no provider {name!r}; there are {known}")
    environment: Environment = settings.ENVIRONMENT
    with _built_lock:
        entry = _built.get((name, id(gate)))
        # An id may be that of a gate long gone; the environment changes in tests.
        if entry is None or entry[0] is not gate or entry[1] is not environment:
            if len(_built) >= _MOST_BUILT:
                _built.clear()
            entry = (gate, environment, _build(name, gate, environment))
            _built[name, id(gate)] = entry
        return entry[2]


def has_key(provider: str) -> bool:
    """Whether the environment has what `provider` asks of its callers."""
    environment: Environment = settings.ENVIRONMENT
    return bool(environment.sandbox_url) or all(_credentials(provider, environment))


def key_variables(provider: str) -> tuple[str, ...]:
    """The environment variables that hold `provider`'s credentials."""
    return tuple(name.upper() for name in _KEYS[provider])


def enabled(provider: str) -> bool:
    """Whether the operator lets us call `provider` (`PROVIDERS_ENABLED`)."""
    return provider in runtime_config.current().providers_enabled


def usable(provider: str) -> bool:
    """Whether `provider` is enabled and its key is there."""
    return provider in _ADAPTERS and enabled(provider) and has_key(provider)


def _build(name: str, gate: CallGate, environment: Environment) -> Adapter:
    if environment.sandbox_url:
        base_url = f"{environment.sandbox_url.rstrip('/')}/{name}"
        credentials = [_SANDBOX_KEY for _ in _KEYS[name]]
    else:
        base_url = getattr(environment, f"{name}_base_url")
        credentials = _credentials(name, environment)
    return _ADAPTERS[name](gate, base_url, *credentials)


def _credentials(provider: str, environment: Environment) -> list[str]:
    held: list[SecretStr | None] = [getattr(environment, name) for name in _KEYS[provider]]
    return [key.get_secret_value() if key else "" for key in held]
