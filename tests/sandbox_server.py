"""Sandboxes for tests: in a thread of this process, or a real `manage.py sandbox`.

    def test_something(sandbox):                     # synthetic, this process's clock
        sandbox.fault(provider="polygon", kind="rate_limit", retry_after=2, count=1)
        requests.get(f"{sandbox.url}/polygon/v2/aggs/…")
        assert sandbox.stats("polygon")["calls"] == 1

`sandbox.truth(...)` gives the bars that any vendor should lead to.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from ingestion.sandbox.listings import Listing, read_universe
from ingestion.sandbox.market import Market
from ingestion.sandbox.quirks import Quirks
from ingestion.sandbox.server import SandboxServer
from ingestion.sandbox.simulation import Simulation
from ingestion.sandbox.synthetic import SyntheticMarket
from marketdata_site import clock
from marketdata_site.call_limits import CallLimits
from tests.processes import manage, running
from universe.domain.tier import Tier

SMALL_UNIVERSE = {
    listing.ticker: listing
    for listing in (
        Listing("AAPL"),
        Listing("MSFT"),
        Listing("SPY", asset_class="etf"),
        Listing("IBM", tier=Tier.T1),
        Listing("THIN", tier=Tier.T2),  # has regular minutes without a trade
        Listing("BTC-USD", "24/7", Tier.T0, "crypto"),
        Listing("ETH-USD", "24/7", Tier.T0, "crypto"),
    )
}
"""What the `sandbox` fixture lists."""


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers at `url`; each vendor is at `{url}/{provider}`."""

    url: str

    def vendor(self, provider: str) -> str:
        """The base URL of one vendor."""
        return f"{self.url}/{provider}"

    def fault(self, **fault: Any) -> int:
        """Put a fault in force (see ingestion.sandbox.faults.Fault); returns its number."""
        return int(self._call("POST", "faults", fault)["id"])

    def lift_faults(self, provider: str | None = None) -> None:
        """Lift all faults, or one provider's."""
        self._call("DELETE", f"faults?provider={provider}" if provider else "faults")

    def limit(self, provider: str, limits: str) -> None:
        """Answer 429 beyond `limits`, such as `5/minute` or `10/second burst=3`."""
        self._call("POST", "limits", {provider: limits})

    def quirk(self, **states: bool) -> None:
        """Switch vendors' habits (see ingestion.sandbox.quirks.Quirks)."""
        self._call("POST", "quirks", states)

    def stats(self, provider: str) -> dict[str, Any]:
        """One provider's counts: calls, limited, peak by window, statuses, paths."""
        found: dict[str, Any] = self._call("GET", "stats").get(provider, {"calls": 0})
        return found

    def forget_stats(self) -> None:
        """Start counting anew."""
        self._call("DELETE", "stats")

    def truth(
        self, symbol: str, start: datetime | int, end: datetime | int, interval: str = "1m"
    ) -> dict[str, Any]:
        """The true bars in [start, end) as columns t, o, h, l, c, v, vw, n, extended."""
        bounds = [
            value.isoformat() if isinstance(value, datetime) else str(value)
            for value in (start, end)
        ]
        query = {"symbol": symbol, "start": bounds[0], "end": bounds[1], "interval": interval}
        answer = requests.get(f"{self.url}/_sandbox/truth", params=query, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _call(self, method: str, what: str, document: object = None) -> dict[str, Any]:
        answer = requests.request(method, f"{self.url}/_sandbox/{what}", json=document, timeout=30)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def serve_sandbox(
    market: Market | Mapping[str, Listing] | None = None,
    *,
    seed: int = 0,
    limits: Mapping[str, str] | None = None,
    quirks: Quirks | None = None,
    now: Callable[[], datetime] = clock.now,
) -> Iterator[RunningSandbox]:
    """A sandbox in a thread of this process, over a market or some listings."""
    if market is None or isinstance(market, Mapping):
        market = SyntheticMarket(SMALL_UNIVERSE if market is None else market, seed)
    parsed = {name: CallLimits.parse(text) for name, text in (limits or {}).items()}
    server = SandboxServer(Simulation(market, parsed, quirks, now)).start()
    try:
        yield RunningSandbox(server.url)
    finally:
        server.stop()


@contextmanager
def start_sandbox(
    *options: str, universe: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[RunningSandbox]:
    """A real `manage.py sandbox` on a free port, with `options` and `env` on top of this
    process's environment (CLOCK_START, CLOCK_FILE, …); ready when this returns."""
    command = manage("sandbox", "--port", "0", *options)
    if universe is not None:
        command += ["--universe", str(universe)]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",  # without the tests' own
        "PYTHONUNBUFFERED": "1",
        **(env or {}),
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        running(command, environment, Path(folder) / "sandbox.log") as process,
    ):
        process.wait_for_output("sandbox ready at ")
        process.wait_until(lambda: process.output.endswith("\n"), "a whole line")
        yield RunningSandbox(process.output.split("ready at ")[1].split()[0])
        process.stop()


def write_universe(file: Path, listings: Sequence[Listing]) -> Path:
    """Write a universe CSV that `--universe` reads, and return its path."""
    lines = ["ticker,calendar,tier,asset_class"]
    lines += [f"{one.ticker},{one.calendar},{one.tier},{one.asset_class}" for one in listings]
    file.write_text("\n".join(lines) + "\n")
    assert set(read_universe(file)) == {one.ticker for one in listings}
    return file


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A synthetic sandbox over SMALL_UNIVERSE at this process's clock."""
    with serve_sandbox() as served:
        yield served
