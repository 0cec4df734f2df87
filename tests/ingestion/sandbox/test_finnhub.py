"""Finnhub's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    MID_MORNING,
    OPEN,
    THURSDAY_LABEL,
    epoch,
)
from tests.ingestion.sandbox.shapes import shape

CANDLES = "/stock/candle"


def minutes(symbol: Any = "AAPL", **more: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "resolution": "1",
        "from": epoch(OPEN),
        "to": epoch(MID_MORNING) - 60,
        **more,
    }


def examples(folder: Path) -> dict[str, Any]:
    files = (folder / "recorded/finnhub/doc-examples").glob("*.json")
    return {file.stem: json.loads(file.read_text()) for file in files}


def test_the_shape_is_the_documented_one(stand: Stand, market_data_dir: Path) -> None:
    documented = examples(market_data_dir)
    document = stand.json("finnhub", CANDLES, **minutes())
    assert shape(document) == shape(documented["forex_candle_D_OANDA"])
    assert all(type(volume) is int for volume in document["v"])
    nothing = stand.json("finnhub", CANDLES, **minutes("NOPE"))
    assert nothing == documented["stock_candle_no_data_200"]


def test_minutes_are_the_true_ones_but_for_some_that_are_lost(stand: Stand) -> None:
    stand.now = EVENING
    asked = minutes(to=epoch(CLOSE) - 1)
    true = stand.sandbox.truth("AAPL", OPEN, CLOSE)
    with_losses = stand.json("finnhub", CANDLES, **asked)
    assert 370 <= len(with_losses["t"]) < 390
    assert set(with_losses["t"]) < set(true["t"])
    stand.sandbox.quirk(finnhub_loses_trades=False)
    document = stand.json("finnhub", CANDLES, **asked)
    assert {name: document[name] for name in "tohlcv"} == {name: true[name] for name in "tohlcv"}


def test_extended_hours_are_included(stand: Stand) -> None:
    document = stand.json("finnhub", CANDLES, **minutes(**{"from": epoch(OPEN) - 5 * 3600}))
    assert document["t"][0] < epoch(OPEN)


def test_days_are_labelled_with_utc_midnight(stand: Stand) -> None:
    asked = {"resolution": "D", "from": THURSDAY_LABEL - 2 * 86_400, "to": THURSDAY_LABEL}
    document = stand.json("finnhub", CANDLES, **minutes(**asked))
    assert document["t"] == [THURSDAY_LABEL - 2 * 86_400, THURSDAY_LABEL - 86_400, THURSDAY_LABEL]


def test_a_call_gives_a_month_of_minutes_at_most(stand: Stand) -> None:
    document = stand.json("finnhub", CANDLES, **minutes(**{"from": epoch(OPEN) - 90 * 86_400}))
    month = epoch(MID_MORNING) - 31 * 86_400
    assert month - 60 <= document["t"][0] < month + 4 * 86_400


def test_crypto_is_asked_by_exchange_and_pair(stand: Stand) -> None:
    stand.sandbox.quirk(finnhub_loses_trades=False)
    document = stand.json("finnhub", "/crypto/candle", **minutes("BINANCE:BTCUSDT"))
    stop = epoch(MID_MORNING) - 60  # two seconds after its end the last minute is not here yet
    assert document["v"] == stand.sandbox.truth("BTC-USD", OPEN, stop)["v"]
    assert stand.json("finnhub", "/crypto/candle", **minutes("AAPL")) == {"s": "no_data"}
    assert stand.json("finnhub", CANDLES, **minutes("BTC-USD")) == {"s": "no_data"}


def test_keys(stand: Stand) -> None:
    wrong = stand.get("finnhub", CANDLES, keyed=False, **minutes(token="guess"))
    assert (wrong.status_code, wrong.json()) == (401, {"error": "Invalid API key"})
    assert stand.get("finnhub", CANDLES, keyed=False, **minutes()).status_code == 401
    empty = stand.get("finnhub", CANDLES, keyed=False, **minutes(token=""))
    assert empty.status_code == 429
    assert "Please sign up" in empty.json()["error"]
    right = stand.get("finnhub", CANDLES, keyed=False, **minutes(token="sandbox"))
    assert right.status_code == 200


def test_limits_and_plans(stand: Stand, market_data_dir: Path) -> None:
    documented = examples(market_data_dir)
    stand.sandbox.limit("finnhub", "1/minute")
    stand.sandbox.quirk(finnhub_free_plan=True)
    free = stand.get("finnhub", CANDLES, **minutes())
    assert (free.status_code, free.json()) == (403, documented["stock_candle_free_plan_403"])
    limited = stand.get("finnhub", CANDLES, **minutes())
    assert (limited.status_code, limited.json()) == (429, documented["rate_limited_429"])


@pytest.mark.parametrize(
    "change",
    [{"resolution": "2"}, {"resolution": ""}, {"from": "today"}, {"to": "-1"}, {"to": "9" * 12}],
)
def test_bad_parameters_are_422(stand: Stand, change: dict[str, str]) -> None:
    answer = stand.get("finnhub", CANDLES, **minutes(**change))
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_a_reversed_range_has_no_data(stand: Stand) -> None:
    assert stand.json("finnhub", CANDLES, **minutes(to=epoch(OPEN) - 1)) == {"s": "no_data"}
