"""Alpaca's format."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    MID_MORNING,
    OPEN,
    epoch,
)
from tests.ingestion.sandbox.shapes import shape

STOCKS = "/v2/stocks/bars"
CRYPTO = "/v1beta3/crypto/us/bars"


def minutes(symbols: str, **more: Any) -> dict[str, Any]:
    return {
        "symbols": symbols,
        "timeframe": "1Min",
        "start": "2025-11-21T14:30:00Z",
        "end": "2025-11-21T14:59:00Z",
        **more,
    }


def test_shapes_are_the_recorded_ones(stand: Stand, market_data_dir: Path) -> None:
    folder = market_data_dir / "recorded/alpaca"
    files = {
        name: json.loads((folder / f"historical_stock_data__{name}__1.json").read_text())
        for name in ("multisymbol_get_bars", "get_bars", "get_bars_multi_empty_response")
    }
    days = {"timeframe": "1Day", "start": "2025-11-18", "end": "2025-11-20"}
    whole = stand.json("alpaca", STOCKS, symbols="AAPL,SPY", **days)
    paged = stand.json("alpaca", STOCKS, symbols="AAPL", **days, limit=2)
    empty = stand.json("alpaca", STOCKS, symbols="NOPE", **days)
    renamed = json.loads(json.dumps(files["multisymbol_get_bars"]).replace("TSLA", "SPY"))
    assert shape(whole) == shape(renamed)
    assert shape(paged) == shape(files["get_bars"])
    assert empty == files["get_bars_multi_empty_response"]
    row = whole["bars"]["AAPL"][0]
    assert set(row) == set(renamed["bars"]["AAPL"][0])
    assert row["t"] == "2025-11-18T05:00:00Z"  # midnight in New York


def test_a_page_token_reads_as_the_recorded_one(stand: Stand, market_data_dir: Path) -> None:
    file = market_data_dir / "recorded/alpaca/historical_stock_data__get_bars__1.json"
    recorded = base64.b64decode(json.loads(file.read_text())["next_page_token"]).decode()
    days = {"timeframe": "1Day", "start": "2025-11-18", "end": "2025-11-20", "limit": 2}
    token = stand.json("alpaca", STOCKS, symbols="AAPL", **days)["next_page_token"]
    ours = base64.b64decode(token).decode()
    assert ours.replace("2025-11-19", "2022-02-02") == recorded


def test_minutes_are_the_true_ones(stand: Stand) -> None:
    stand.now = MID_MORNING + timedelta(seconds=31)
    document = stand.json("alpaca", STOCKS, **minutes("THIN,AAPL,THIN"))
    assert list(document["bars"]) == ["AAPL", "THIN"]
    for symbol, rows in document["bars"].items():
        true = stand.sandbox.truth(symbol, OPEN, MID_MORNING)
        for name in ("o", "h", "l", "c", "v", "vw", "n"):
            assert [row[name] for row in rows] == true[name]
    assert document["bars"]["AAPL"][-1]["t"] == "2025-11-21T14:59:00Z"  # `end` is inclusive


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_join_to_the_whole(stand: Stand, sort: str) -> None:
    asked = minutes("SPY,AAPL,THIN", sort=sort)
    whole = stand.json("alpaca", STOCKS, **asked, limit=10_000)
    joined: dict[str, list[Any]] = {}
    token: dict[str, str] = {}
    pages = 0
    while True:
        page = stand.json("alpaca", STOCKS, **asked, **token, limit=7)
        pages += 1
        rows = [row for rows in page["bars"].values() for row in rows]
        assert len(rows) <= 7
        for symbol, found in page["bars"].items():
            joined.setdefault(symbol, []).extend(found)
        if page["next_page_token"] is None:
            break
        token = {"page_token": page["next_page_token"]}
    assert joined == whole["bars"]
    total = sum(len(rows) for rows in joined.values())
    assert pages == -(-total // 7)
    assert (joined["AAPL"][0]["t"] < joined["AAPL"][1]["t"]) == (sort == "asc")


def test_the_limit_counts_over_all_symbols(stand: Stand) -> None:
    page = stand.json("alpaca", STOCKS, **minutes("AAPL,SPY"), limit=10)
    assert {symbol: len(rows) for symbol, rows in page["bars"].items()} == {"AAPL": 10}


def test_a_bar_shows_a_second_after_its_minute_and_settles_half_a_minute_later(
    stand: Stand,
) -> None:
    every = "AAPL,MSFT,SPY"
    last = minutes(every, start="2025-11-21T15:00:00Z", end="2025-11-21T15:09:00Z")
    true = {
        symbol: stand.sandbox.truth(symbol, MID_MORNING, MID_MORNING + timedelta(minutes=10))
        for symbol in every.split(",")
    }
    lacking = 0
    for minute in range(10):
        ended = MID_MORNING + timedelta(minutes=minute + 1)
        for after in (0, 1, 29, 30):
            stand.now = ended + timedelta(seconds=after)
            bars = stand.json("alpaca", STOCKS, **last)["bars"]
            for symbol, columns in true.items():
                shown = [row["v"] for row in bars.get(symbol, [])]
                assert len(shown) == minute + (1 if after else 0)
                if after == 30:
                    assert shown == columns["v"][: minute + 1]
                elif after:
                    lacking += shown[-1] < columns["v"][minute]
                    assert shown[-1] <= columns["v"][minute]
    assert 0 < lacking < 40  # some of the 60 were revised, not all
    stand.sandbox.quirk(alpaca_revises=False)
    stand.now = MID_MORNING + timedelta(minutes=10, seconds=1)
    assert [row["v"] for row in stand.json("alpaca", STOCKS, **last)["bars"]["AAPL"]] == (
        true["AAPL"]["v"]
    )


def test_the_single_path_gives_an_array(stand: Stand) -> None:
    asked = minutes("", limit=3)
    del asked["symbols"]
    document = stand.json("alpaca", "/v2/stocks/aapl/bars", **asked)
    assert document["symbol"] == "AAPL"
    assert len(document["bars"]) == 3
    assert document["next_page_token"]
    assert stand.json("alpaca", "/v2/stocks/NOPE/bars", **asked)["bars"] == []


def test_crypto_is_asked_in_pairs_and_needs_no_key(stand: Stand) -> None:
    stand.now = MID_MORNING + timedelta(seconds=31)
    asked = minutes("BTC/USD,ETH/USD")
    document = stand.get("alpaca", CRYPTO, keyed=False, **asked).json()
    assert [row["v"] for row in document["bars"]["BTC/USD"]] == stand.sandbox.truth(
        "BTC-USD", OPEN, MID_MORNING
    )["v"]
    days = {"timeframe": "1Day", "start": "2025-11-19", "end": "2025-11-20T12:00:00Z"}
    daily = stand.json("alpaca", CRYPTO, symbols="BTC/USD", **days)
    assert [row["t"] for row in daily["bars"]["BTC/USD"]] == ["2025-11-20T00:00:00Z"]
    assert stand.json("alpaca", CRYPTO, **minutes("AAPL"))["bars"] == {}
    assert stand.json("alpaca", STOCKS, **minutes("BTC-USD"))["bars"] == {}


def test_the_iex_feed_sees_less(stand: Stand) -> None:
    stand.now = EVENING
    session = {"start": "2025-11-21T14:30:00Z", "end": "2025-11-21T20:59:00Z"}
    venue = stand.json("alpaca", STOCKS, **minutes("AAPL,IBM,THIN", **session), feed="iex")["bars"]
    for symbol, rows in venue.items():
        true = stand.sandbox.truth(symbol, OPEN, CLOSE)
        by_time = dict(
            zip(true["t"], zip(true["h"], true["l"], true["v"], strict=True), strict=True)
        )
        assert len(rows) <= len(true["t"])
        for row in rows:
            high, low, volume = by_time[_seconds(row["t"])]
            assert low <= row["l"] <= row["h"] <= high
            assert row["v"] <= volume
    assert len(venue["IBM"]) < 390


def _seconds(text: str) -> int:
    return epoch(OPEN) + (int(text[11:13]) - 14) * 3600 + (int(text[14:16]) - 30) * 60


def test_keys(stand: Stand) -> None:
    missing = stand.get("alpaca", STOCKS, keyed=False, **minutes("AAPL"))
    assert missing.status_code == 401
    assert missing.json()["code"] == 40110000


def test_the_free_plan_lacks_recent_bars(stand: Stand, market_data_dir: Path) -> None:
    recorded = market_data_dir / "recorded/alpaca/error-bodies-quoted/sip_403.json"
    stand.sandbox.quirk(alpaca_free_plan=True)
    refused = stand.get("alpaca", STOCKS, **minutes("AAPL"))
    assert refused.status_code == 403
    assert refused.json() == json.loads(recorded.read_text())
    assert stand.get("alpaca", STOCKS, **minutes("AAPL"), feed="iex").status_code == 200
    older = minutes("AAPL", end="2025-11-21T14:40:00Z")
    assert stand.get("alpaca", STOCKS, **older).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"symbols": ""},
        {"symbols": "AAPL,!!"},
        {"timeframe": "1Fortnight"},
        {"start": "noon"},
        {"start": "2025-11-21T14:30:00"},
        {"start": "2025-11-22T14:30:00Z"},
        {"limit": 0},
        {"limit": 10_001},
        {"limit": "many"},
        {"adjustment": "none"},
        {"feed": "cables"},
        {"sort": "up"},
        {"page_token": "?"},
    ],
)
def test_bad_parameters_are_400(stand: Stand, change: dict[str, object]) -> None:
    answer = stand.get("alpaca", STOCKS, **{**minutes("AAPL"), **change})
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_limits_show_in_headers(stand: Stand) -> None:
    stand.sandbox.limit("alpaca", "2/minute")
    answers = [stand.get("alpaca", STOCKS, **minutes("AAPL")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"2"}
    reset = int(answers[-1].headers["X-RateLimit-Reset"])
    assert epoch(MID_MORNING) < reset <= epoch(MID_MORNING) + 61
    assert "Retry-After" not in answers[-1].headers


def test_a_huge_range_costs_a_page(stand: Stand) -> None:
    asked = minutes("AAPL,SPY", start="1980-01-01T00:00:00Z", end="2030-01-01T00:00:00Z")
    page = stand.json("alpaca", STOCKS, **asked, limit=5)
    assert len(page["bars"]["AAPL"]) == 5
