"""The server: real sockets, real processes."""

from __future__ import annotations

from pathlib import Path

import requests

from ingestion.sandbox.listings import Listing
from tests.sandbox_server import RunningSandbox, start_sandbox, write_universe


def test_the_page_says_what_it_is(sandbox: RunningSandbox) -> None:
    answer = requests.get(sandbox.url, timeout=10)
    assert answer.status_code == 200
    assert "synthetic data" in answer.text
    assert answer.headers["X-Market-Origin"] == "synthetic"


def test_a_process_serves_its_universe_at_its_clock(tmp_path: Path) -> None:
    universe = write_universe(tmp_path / "universe.csv", [Listing("ZED")])
    clock = {"CLOCK_START": "2025-11-21T15:00:00Z"}
    with start_sandbox("--limit", "polygon=1/minute", universe=universe, env=clock) as running:
        path = f"{running.url}/polygon/v2/aggs/ticker/ZED/range/1/minute"
        window = "1763735400000/1763737200000"  # 14:30 to 15:00, inclusive
        first = requests.get(f"{path}/{window}", params={"apiKey": "sandbox"}, timeout=10)
        second = requests.get(f"{path}/{window}", params={"apiKey": "sandbox"}, timeout=10)
    assert first.status_code == 200
    assert [row["t"] for row in first.json()["results"]][:30] == [
        1763735400000 + 60_000 * minute for minute in range(30)
    ]
    assert second.status_code == 429
