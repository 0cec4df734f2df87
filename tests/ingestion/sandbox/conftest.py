"""What the sandbox's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import requests

from ingestion.sandbox.synthetic import SyntheticMarket
from tests.ingestion.sandbox.market_time import MID_MORNING
from tests.sandbox_server import SMALL_UNIVERSE, RunningSandbox, serve_sandbox

_MARKET = SyntheticMarket(SMALL_UNIVERSE)
_KEYS: dict[str, dict[str, dict[str, str]]] = {
    "polygon": {"headers": {"Authorization": "Bearer sandbox"}},
    "alpaca": {"headers": {"APCA-API-KEY-ID": "sandbox", "APCA-API-SECRET-KEY": "sandbox"}},
    "finnhub": {"headers": {"X-Finnhub-Token": "sandbox"}},
    "iex": {"params": {"token": "sandbox"}},
    "yahoo": {},
}


@dataclass
class Stand:
    """A sandbox whose clock stands where `now` says."""

    sandbox: RunningSandbox
    now: datetime

    def get(self, provider: str, path: str, keyed: bool = True, **params: Any) -> requests.Response:
        """GET a vendor's path, with the right key unless `keyed` is false."""
        key = _KEYS[provider] if keyed else {}
        return requests.get(
            f"{self.sandbox.vendor(provider)}{path}",
            params={
                **key.get("params", {}),
                **{name: str(value) for name, value in params.items()},
            },
            headers=key.get("headers"),
            timeout=20,
        )

    def json(self, provider: str, path: str, **params: Any) -> Any:
        """The document that a vendor's path answers with 200."""
        answer = self.get(provider, path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def stand() -> Iterator[Stand]:
    """A synthetic sandbox at half past ten in New York."""
    here = Stand(RunningSandbox(""), MID_MORNING)
    with serve_sandbox(_MARKET, now=lambda: here.now) as running:
        here.sandbox = running
        yield here
