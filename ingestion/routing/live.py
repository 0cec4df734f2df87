"""The router over the real providers and the shared limits: what workers use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ingestion.domain.source import Source
from ingestion.providers import registry
from ingestion.providers.base import Adapter
from ingestion.routing.call_gate import call_gate
from ingestion.routing.router import Router


class RegisteredProviders:
    """The registry as the router's catalogue; every call goes through the shared gate."""

    def sources(self) -> Iterable[Source]:
        """Every source of every provider."""
        return registry.sources()

    def adapter(self, provider: str) -> Adapter:
        """The provider's adapter."""
        return registry.adapter(provider, call_gate())

    def entitled(self, provider: str) -> bool:
        """Whether the provider's key is there."""
        return registry.has_key(provider)


@cache
def live_router() -> Router:
    """This process's router."""
    return Router(RegisteredProviders())
