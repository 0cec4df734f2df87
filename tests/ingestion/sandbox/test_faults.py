"""Faults on request."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
import requests

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import CLOSE, EVENING, MID_MORNING, OPEN, epoch

AAPL = "/v2/aggs/ticker/AAPL/range/1/minute"
PATH = f"{AAPL}/{epoch(OPEN) * 1000}/{epoch(MID_MORNING) * 1000 - 1}"
PROVIDERS = ("polygon", "alpaca", "finnhub", "yahoo", "iex")


def plain(stand: Stand, provider: str) -> requests.Response:
    """Half an hour of one ticker's minutes from any vendor."""
    start, end = epoch(OPEN), epoch(MID_MORNING)
    paths: dict[str, tuple[str, dict[str, Any]]] = {
        "polygon": (PATH, {}),
        "alpaca": (
            "/v2/stocks/bars",
            {
                "symbols": "AAPL",
                "timeframe": "1Min",
                "start": OPEN.isoformat(),
                "end": (MID_MORNING - timedelta(seconds=1)).isoformat(),
            },
        ),
        "finnhub": (
            "/stock/candle",
            {"symbol": "AAPL", "resolution": "1", "from": start, "to": end - 1},
        ),
        "yahoo": (
            "/v8/finance/chart/AAPL",
            {"interval": "1m", "period1": start, "period2": end},
        ),
        "iex": ("/stock/AAPL/chart/date/20251121", {"chartLast": 390}),
    }
    path, params = paths[provider]
    return stand.get(provider, path, **params)


@pytest.fixture
def calm(stand: Stand) -> Stand:
    """A sandbox without habits of its own, in the evening."""
    stand.now = EVENING
    stand.sandbox.quirk(yahoo_crumb=False, finnhub_loses_trades=False)
    return stand


def results(stand: Stand) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stand.json("polygon", PATH).get("results", [])
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
def test_statuses(calm: Stand, provider: str) -> None:
    calm.sandbox.fault(provider=provider, kind="rate_limit", retry_after=2.5, count=1)
    limited = plain(calm, provider)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "2.5")
    calm.sandbox.fault(provider=provider, kind="rate_limit", count=1)
    assert "Retry-After" not in plain(calm, provider).headers
    calm.sandbox.fault(provider=provider, kind="forbidden", count=1)
    assert plain(calm, provider).status_code == 403
    calm.sandbox.fault(provider=provider, kind="status", status=503, count=1)
    assert plain(calm, provider).status_code == 503
    calm.sandbox.fault(provider=provider, kind="html", status=502, count=1)
    page = plain(calm, provider)
    assert (page.status_code, page.text[:9]) == (502, "<!DOCTYPE")
    assert plain(calm, provider).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_broken_deliveries(calm: Stand, provider: str) -> None:
    calm.sandbox.fault(provider=provider, kind="reset", count=1)
    with pytest.raises(requests.ConnectionError):
        plain(calm, provider)
    whole = plain(calm, provider)
    calm.sandbox.fault(provider=provider, kind="truncate", share=0.3, count=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        plain(calm, provider)
    calm.sandbox.fault(provider=provider, kind="huge", size=3_000_000, count=1)
    huge = plain(calm, provider)
    assert len(huge.content) == 3_000_000
    json.loads(huge.content)
    again = plain(calm, provider)
    assert len(again.content) == len(whole.content)
    assert calm.sandbox.stats(provider)["statuses"] == {"200": 4, "reset": 1}


def test_a_mute_connection_says_nothing(calm: Stand) -> None:
    calm.sandbox.fault(provider="iex", kind="mute", count=1)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{calm.sandbox.vendor('iex')}/stock/AAPL/chart/1d", timeout=0.3)
    calm.sandbox.fault(provider="iex", kind="mute", seconds=0.01, count=1)
    with pytest.raises(requests.ConnectionError):
        plain(calm, "iex")


def test_latency(calm: Stand) -> None:
    calm.sandbox.fault(provider="polygon", kind="latency", seconds=0.2, count=1)
    begun = time.monotonic()
    assert plain(calm, "polygon").status_code == 200
    assert time.monotonic() - begun >= 0.2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_short_pages(calm: Stand, provider: str) -> None:
    calm.sandbox.fault(provider=provider, kind="short_pages", size=2)
    document = plain(calm, provider).json()
    counts = {
        "polygon": lambda: len(document["results"]),
        "alpaca": lambda: len(document["bars"]["AAPL"]),
        "finnhub": lambda: len(document["t"]),
        "yahoo": lambda: len(document["chart"]["result"][0]["timestamp"]),
        "iex": lambda: len(document),
    }
    assert counts[provider]() == 2
    assert ("next_url" in document) == (provider == "polygon")


def test_missing_bars(calm: Stand) -> None:
    whole = results(calm)
    calm.sandbox.fault(provider="polygon", kind="partial", share=0.4, seed=5)
    partial = results(calm)
    assert 5 < len(partial) < 25
    assert [row for row in whole if row in partial] == partial
    assert results(calm) == partial  # the same ones each time
    calm.sandbox.lift_faults("polygon")
    assert results(calm) == whole
    calm.sandbox.fault(provider="polygon", kind="empty")
    assert results(calm) == []


def test_faults_may_be_meant_for_some_symbols(calm: Stand) -> None:
    calm.sandbox.fault(provider="*", kind="empty", symbols=["msft"])
    bars = calm.json(
        "alpaca",
        "/v2/stocks/bars",
        symbols="AAPL,MSFT",
        timeframe="1Min",
        start=OPEN.isoformat(),
        end=CLOSE.isoformat(),
    )["bars"]
    assert set(bars) == {"AAPL"}


def test_doubled_bars(calm: Stand) -> None:
    whole = results(calm)
    calm.sandbox.fault(provider="polygon", kind="duplicated")
    assert results(calm) == [row for row in whole for _ in range(2)]


def test_late_and_revised_bars(calm: Stand) -> None:
    calm.sandbox.quirk(polygon_forming_minute=False)
    whole = results(calm)
    calm.now = MID_MORNING
    calm.sandbox.fault(provider="polygon", kind="late", seconds=120)
    assert results(calm) == whole[:-2]
    calm.now = MID_MORNING + timedelta(seconds=120)
    assert results(calm) == whole
    calm.sandbox.lift_faults()
    calm.now = MID_MORNING
    calm.sandbox.fault(provider="polygon", kind="revised", seconds=300)
    first = results(calm)
    assert first[:-5] == whole[:-5]
    assert all(one["v"] < other["v"] for one, other in zip(first[-5:], whole[-5:], strict=True))
    calm.now = MID_MORNING + timedelta(seconds=300)
    assert results(calm) == whole


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("nan", lambda row: row["o"] != row["o"]),
        ("negative_volume", lambda row: row["v"] < 0),
        ("future", lambda row: row["t"] > epoch(EVENING) * 1000),
        ("ohlc_order", lambda row: row["h"] < row["l"]),
        ("jump", lambda row: row["o"] > 1000),
        ("zero_price", lambda row: row["l"] == 0),
        ("off_grid", lambda row: row["t"] % 60_000 == 17_000),
    ],
)
def test_absurd_bars(calm: Stand, what: str, shown: Any) -> None:
    assert not any(shown(row) for row in results(calm))
    calm.sandbox.fault(provider="polygon", kind="absurd", what=what)
    spoilt = results(calm)
    assert len(spoilt) == 30
    assert all(shown(row) for row in spoilt)
    calm.sandbox.lift_faults()
    calm.sandbox.fault(provider="polygon", kind="absurd", what=what, share=0.2, seed=2)
    assert 1 <= sum(shown(row) for row in results(calm)) < 20


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "what", ["nan", "negative_volume", "future", "ohlc_order", "zero_price", "off_grid"]
)
def test_every_vendor_can_be_absurd(calm: Stand, provider: str, what: str) -> None:
    good = plain(calm, provider).text
    calm.sandbox.fault(provider=provider, kind="absurd", what=what)
    answer = plain(calm, provider)
    assert answer.status_code == 200
    assert answer.text != good
    assert ("NaN" in answer.text) == (what == "nan")


def test_chances_follow_the_seed(calm: Stand) -> None:
    def outcomes() -> list[int]:
        calm.sandbox.lift_faults()
        calm.sandbox.fault(provider="polygon", kind="status", probability=0.5, seed=3)
        return [plain(calm, "polygon").status_code for _ in range(20)]

    first = outcomes()
    assert set(first) == {200, 500}
    assert outcomes() == first


def test_faults_are_counted_listed_and_lifted(calm: Stand) -> None:
    calm.sandbox.fault(provider="polygon", kind="status", status=500, count=2)
    number = calm.sandbox.fault(provider="alpaca", kind="latency", seconds=0, path="crypto")
    plain(calm, "polygon")
    plain(calm, "alpaca")
    faults = requests.get(f"{calm.sandbox.url}/_sandbox/faults", timeout=10).json()["faults"]
    assert [(one["kind"], one["fired"]) for one in faults] == [("status", 1), ("latency", 0)]
    gone = requests.delete(f"{calm.sandbox.url}/_sandbox/faults?id={number}", timeout=10)
    assert gone.json() == {"removed": 1}
    plain(calm, "polygon")
    faults = requests.get(f"{calm.sandbox.url}/_sandbox/faults", timeout=10).json()["faults"]
    assert faults == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"kind": "earthquake"}', "earthquake"),
        (b'{"kind": "reset", "seconds": 3}', "seconds means nothing"),
        (b'{"kind": "reset", "probability": 2}', "probability"),
        (b'{"kind": "reset", "often": true}', "often"),
        (b'{"kind": "absurd", "what": "pink"}', "what"),
        (b"[]", "object"),
        (b"{", "not JSON"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(calm: Stand, body: bytes, said: str) -> None:
    answer = requests.post(f"{calm.sandbox.url}/_sandbox/faults", data=body, timeout=10)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
