"""Counting calls: exact, so that a test can trust it about a limiter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sandbox import meter
from ingestion.sandbox.meter import Meter
from marketdata_site.call_limits import CallLimits
from tests.sandbox_server import RunningSandbox

arrivals = st.lists(st.integers(0, 400), min_size=1, max_size=60).map(sorted)


def fullest(times: list[float], window: float) -> int:
    """The most calls in any window, by looking at every one."""
    return max(sum(start - window < at <= start for at in times) for start in times)


class Clockwork:
    """Stands for time.monotonic."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(arrivals)
@settings(max_examples=60, deadline=None)
def test_peaks_are_the_fullest_windows(ticks: list[int]) -> None:
    times = [1000.0 + tick / 64 for tick in ticks]  # binary fractions: exact differences
    counted, clockwork = Meter(), Clockwork()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter, "monotonic", clockwork)
        for at in times:
            clockwork.now = at
            with counted.call("polygon", "/a/b/c/d"):
                pass
    figures = counted.figures()["polygon"]
    assert figures["calls"] == len(times)
    assert figures["peak"] == {
        "100ms": fullest(times, 0.1),
        "second": fullest(times, 1.0),
        "minute": fullest(times, 60.0),
        "day": len(times),
        "concurrent": 1,
    }


@given(arrivals, st.integers(1, 5), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_accepted_calls_never_exceed_the_limits(
    ticks: list[int], per_second: int, per_minute: int
) -> None:
    limits = CallLimits.parse(f"{per_second}/second {per_minute}/minute")
    counted, clockwork = Meter({"iex": limits}), Clockwork()
    accepted: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter, "monotonic", clockwork)
        for tick in ticks:
            clockwork.now = 1000.0 + tick / 8
            full = [
                sum(clockwork.now - window < at for at in accepted) >= bound
                for window, bound in ((1.0, per_second), (60.0, per_minute))
            ]
            with counted.call("iex", "/") as standing:
                assert standing.refused == any(full)
            if not standing.refused:
                accepted.append(clockwork.now)
    assert counted.figures()["iex"]["limited"] == len(ticks) - len(accepted)


def test_calls_under_way_are_counted() -> None:
    counted = Meter({"yahoo": CallLimits.parse("concurrency=2")})
    with counted.call("yahoo", "/"), counted.call("yahoo", "/") as second:
        with counted.call("yahoo", "/") as third:
            assert (second.refused, third.refused) == (False, True)
        assert counted.figures()["yahoo"]["under_way"] == 2
    assert counted.figures()["yahoo"]["under_way"] == 0


def test_real_calls_are_counted_by_status_and_path(sandbox: RunningSandbox) -> None:
    sandbox.limit("polygon", "5/minute")
    url = f"{sandbox.vendor('polygon')}/v2/aggs/grouped/locale/us/market/stocks/2025-11-20"

    def ask(_: int) -> int:
        return requests.get(url, params={"apiKey": "sandbox"}, timeout=20).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask, range(20)))
    assert sorted(statuses) == [200] * 5 + [429] * 15
    stats = sandbox.stats("polygon")
    assert (stats["calls"], stats["limited"]) == (20, 15)
    assert stats["statuses"] == {"200": 5, "429": 15}
    assert stats["paths"] == {"/v2/aggs/grouped": 20}
    assert stats["limits"] == {"per_minute": 5}
    assert 1 <= stats["peak"]["concurrent"] <= 8
    assert stats["peak"]["minute"] == 20
    sandbox.forget_stats()
    assert sandbox.stats("polygon") == {"calls": 0}
    assert requests.get(url, params={"apiKey": "sandbox"}, timeout=20).status_code == 200


def test_a_limit_that_cannot_be_read_is_refused(sandbox: RunningSandbox) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/limits", json={"polygon": "often"}, timeout=10)
    assert answer.status_code == 400
    assert "often" in answer.json()["error"]
