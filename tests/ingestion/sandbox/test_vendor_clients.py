"""The vendors' own clients read the sandbox through a socket and get the true bars."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import finnhub
import polygon
import pytest
import requests

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    FRIDAY_LABEL,
    NEW_YORK_MIDNIGHT,
    OPEN,
    THURSDAY_LABEL,
    epoch,
)

with warnings.catch_warnings():
    # It imports a part of websockets that is going away; the bars don't need it.
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="websockets")
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest
    from alpaca.data.timeframe import TimeFrame
    from massive import RESTClient as MassiveClient
    from massive.exceptions import AuthError, BadResponse

WEEK = (THURSDAY_LABEL - 3 * 86_400, FRIDAY_LABEL + 86_400)


@pytest.fixture
def evening(stand: Stand) -> Stand:
    """The sandbox after the day's session."""
    stand.now = EVENING
    stand.sandbox.quirk(finnhub_loses_trades=False)
    return stand


def alpaca_columns(bars: Any) -> dict[str, list[Any]]:
    """The client's Bar objects as the truth's columns."""
    return {
        "t": [epoch(bar.timestamp) for bar in bars],
        "o": [bar.open for bar in bars],
        "h": [bar.high for bar in bars],
        "l": [bar.low for bar in bars],
        "c": [bar.close for bar in bars],
        "v": [bar.volume for bar in bars],
        "vw": [bar.vwap for bar in bars],
        "n": [bar.trade_count for bar in bars],
    }


def test_alpaca_py_reads_minutes_over_many_pages(evening: Stand) -> None:
    client = StockHistoricalDataClient(
        "sandbox", "sandbox", url_override=evening.sandbox.vendor("alpaca")
    )
    evening.sandbox.fault(provider="alpaca", kind="short_pages", size=100)
    request = StockBarsRequest(
        symbol_or_symbols=["AAPL", "THIN"],
        timeframe=TimeFrame.Minute,
        start=OPEN,
        end=CLOSE - timedelta(seconds=1),
    )
    found = client.get_stock_bars(request)
    total = 0
    for symbol in ("AAPL", "THIN"):
        true = evening.sandbox.truth(symbol, OPEN, CLOSE)
        columns = alpaca_columns(found[symbol])
        assert columns == {name: true[name] for name in columns}
        total += len(true["t"])
    assert evening.sandbox.stats("alpaca")["calls"] == -(-total // 100)


def test_alpaca_py_reads_days_and_crypto(evening: Stand) -> None:
    base = evening.sandbox.vendor("alpaca")
    stocks = StockHistoricalDataClient("sandbox", "sandbox", url_override=base)
    days = stocks.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="SPY",
            timeframe=TimeFrame.Day,
            start=OPEN - timedelta(days=5),
            end=OPEN,
        )
    )
    columns = alpaca_columns(days["SPY"])
    true = evening.sandbox.truth("SPY", *WEEK, "1d")
    assert [at - NEW_YORK_MIDNIGHT for at in columns["t"]] == true["t"]
    assert columns["v"] == true["v"]
    coins = CryptoHistoricalDataClient("sandbox", "sandbox", url_override=base).get_crypto_bars(
        CryptoBarsRequest(
            symbol_or_symbols="BTC/USD", timeframe=TimeFrame.Minute, start=OPEN, end=CLOSE
        )
    )
    true = evening.sandbox.truth("BTC-USD", OPEN, CLOSE + timedelta(minutes=1))
    columns = alpaca_columns(coins["BTC/USD"])
    assert columns == {name: true[name] for name in columns}


def test_alpaca_py_understands_refusals(evening: Stand) -> None:
    client = StockHistoricalDataClient(
        "guess", "guess", url_override=evening.sandbox.vendor("alpaca")
    )
    with pytest.raises(APIError) as refused:
        client.get_stock_bars(
            StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=OPEN)
        )
    assert (refused.value.status_code, refused.value.code) == (401, 40110000)


def test_finnhub_python_reads_candles(evening: Stand) -> None:
    client = finnhub.Client(api_key="sandbox")
    client.API_URL = evening.sandbox.vendor("finnhub")
    with client:
        stock = client.stock_candles("AAPL", "1", epoch(OPEN), epoch(CLOSE) - 1)
        coin = client.crypto_candles("BINANCE:ETHUSDT", "1", epoch(OPEN), epoch(CLOSE) - 1)
        days = client.stock_candles("AAPL", "D", *WEEK)
        nothing = client.stock_candles("NOPE", "D", *WEEK)
    for document, symbol in ((stock, "AAPL"), (coin, "ETH-USD")):
        true = evening.sandbox.truth(symbol, OPEN, CLOSE)
        assert {name: document[name] for name in "tohlcv"} == {
            name: true[name] for name in "tohlcv"
        }
    assert days["t"] == evening.sandbox.truth("AAPL", *WEEK, "1d")["t"]
    assert nothing == {"s": "no_data"}


def test_finnhub_python_understands_refusals(evening: Stand) -> None:
    client = finnhub.Client(api_key="guess")
    client.API_URL = evening.sandbox.vendor("finnhub")
    with client, pytest.raises(finnhub.FinnhubAPIException) as refused:
        client.stock_candles("AAPL", "1", epoch(OPEN), epoch(CLOSE))
    assert refused.value.status_code == 401


def polygon_client(stand: Stand, key: str = "sandbox") -> polygon.RESTClient:
    """The vendor's client, pointed at the sandbox (it has no option for that)."""
    client = polygon.RESTClient(key, timeout=20)
    client.url = stand.sandbox.vendor("polygon")
    return client


def polygon_columns(results: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Rows as the client leaves them, as the truth's columns."""
    columns = {name: [row[name] for row in results] for name in ("o", "h", "l", "c", "v")}
    return {"t": [row["t"] // 1000 for row in results], **columns}


def test_polygon_api_client_reads_minutes_and_days(evening: Stand) -> None:
    bounds = (str(epoch(OPEN) * 1000), str(epoch(CLOSE) * 1000 - 1))
    with polygon_client(evening) as client:
        found = client.stocks_equities_aggregates("THIN", 1, "minute", *bounds, adjusted="false")
        days = client.stocks_equities_aggregates("AAPL", 1, "day", "2025-11-17", "2025-11-21")
        coins = client.crypto_aggregates("X:BTCUSD", 1, "minute", *bounds)
    for answer, symbol in ((found, "THIN"), (coins, "BTC-USD")):
        true = evening.sandbox.truth(symbol, OPEN, CLOSE)
        columns = polygon_columns(answer.results)
        assert columns == {name: true[name] for name in columns}
    assert found.status == "OK"
    true = evening.sandbox.truth("AAPL", *WEEK, "1d")
    columns = polygon_columns(days.results)
    assert [at - NEW_YORK_MIDNIGHT for at in columns.pop("t")] == true["t"]
    assert columns == {name: true[name] for name in columns}


def test_polygon_api_client_reads_a_grouped_day(evening: Stand) -> None:
    with polygon_client(evening) as client:
        day = client.stocks_equities_grouped_daily("us", "stocks", "2025-11-21")
    true = evening.sandbox.truth("SPY", FRIDAY_LABEL, FRIDAY_LABEL + 86_400, "1d")
    (spy,) = [row for row in day.results if row["T"] == "SPY"]
    assert [spy[name] for name in "ohlcv"] == [true[name][0] for name in "ohlcv"]


def test_polygon_api_client_understands_refusals(evening: Stand) -> None:
    with polygon_client(evening, "guess") as client, pytest.raises(requests.HTTPError) as refused:
        client.stocks_equities_aggregates("SPY", 1, "day", "2025-11-17", "2025-11-21")
    assert refused.value.response.status_code == 401


def massive_client(stand: Stand, key: str = "sandbox") -> MassiveClient:
    """The vendor's client of today: polygon under its new name."""
    return MassiveClient(key, base=stand.sandbox.vendor("polygon"), retries=0)


def test_massive_follows_the_pages_of_minutes(evening: Stand) -> None:
    bounds = (epoch(OPEN) * 1000, epoch(CLOSE) * 1000 - 1)
    found = list(
        massive_client(evening).list_aggs("AAPL", 1, "minute", *bounds, adjusted=False, limit=100)
    )
    true = evening.sandbox.truth("AAPL", OPEN, CLOSE)
    columns = {
        "t": [bar.timestamp // 1000 for bar in found],
        "o": [bar.open for bar in found],
        "h": [bar.high for bar in found],
        "l": [bar.low for bar in found],
        "c": [bar.close for bar in found],
        "v": [bar.volume for bar in found],
        "vw": [bar.vwap for bar in found],
        "n": [bar.transactions for bar in found],
    }
    assert columns == {name: true[name] for name in columns}
    assert evening.sandbox.stats("polygon")["calls"] > 1


def test_massive_reads_a_grouped_day(evening: Stand) -> None:
    day = massive_client(evening).get_grouped_daily_aggs("2025-11-21")
    true = evening.sandbox.truth("SPY", FRIDAY_LABEL, FRIDAY_LABEL + 86_400, "1d")
    (spy,) = [bar for bar in day if bar.ticker == "SPY"]
    assert [spy.open, spy.high, spy.low, spy.close] == [true[name][0] for name in "ohlc"]


def test_massive_understands_refusals(evening: Stand) -> None:
    with pytest.raises((AuthError, BadResponse), match="Unknown API Key"):
        massive_client(evening, "guess").get_grouped_daily_aggs("2025-11-21")
