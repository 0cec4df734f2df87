"""Yahoo's format."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    FRIDAY_LABEL,
    MID_MORNING,
    OPEN,
    THURSDAY_LABEL,
    epoch,
)
from tests.ingestion.sandbox.shapes import shape, strangers

CHART = "/v8/finance/chart"
EXCHANGE_OPENS = 14 * 3600 + 30 * 60  # UTC, in winter


def recorded(folder: Path, name: str) -> Any:
    return json.loads((folder / "recorded/yahoo" / name).read_text())["response"]["bodyJson"]


def quoted(folder: Path, name: str) -> str:
    return (folder / "recorded/yahoo/error-bodies-quoted" / name).read_text()


@pytest.fixture
def open_stand(stand: Stand) -> Stand:
    """A sandbox that asks nobody for a crumb."""
    stand.sandbox.quirk(yahoo_crumb=False)
    return stand


def result(stand: Stand, symbol: str, **params: Any) -> dict[str, Any]:
    document = stand.json("yahoo", f"{CHART}/{symbol}", **params)
    assert document["chart"]["error"] is None
    (only,) = document["chart"]["result"]
    found: dict[str, Any] = only
    return found


def minutes(**more: Any) -> dict[str, Any]:
    return {"interval": "1m", "period1": epoch(OPEN), "period2": epoch(MID_MORNING), **more}


def test_shapes_are_the_recorded_ones(open_stand: Stand, market_data_dir: Path) -> None:
    stand = open_stand
    stand.now = EVENING
    days = {"interval": "1d", "period1": epoch(OPEN) - 7 * 86_400, "period2": epoch(OPEN)}
    stock = stand.json("yahoo", f"{CHART}/AAPL", **days)
    coin = stand.json("yahoo", f"{CHART}/BTC-USD", **days)
    weekend = {"interval": "1m", "period1": FRIDAY_LABEL + 86_400, "period2": FRIDAY_LABEL + 90_000}
    empty = stand.json("yahoo", f"{CHART}/AAPL", **weekend)
    one_minute = "chart-AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m.json"
    for document, name in (
        (stock, "chart-AAPL-2020-01-01-to-2020-01-03.json"),
        (coin, "chart-BTC-USD-2020-01-01-to-2020-01-03.json"),
        (empty, one_minute),
    ):
        assert strangers(document, recorded(market_data_dir, name)) == {}
    outside_meta = {
        place
        for place in shape(recorded(market_data_dir, one_minute))
        if not place.startswith(".chart.result[].meta.")
    }
    assert outside_meta <= set(shape(empty))
    assert empty["chart"]["result"][0]["indicators"] == {"quote": [{}]}


def test_regular_minutes_with_nulls_where_nobody_traded(open_stand: Stand) -> None:
    stand = open_stand
    stand.now = EVENING
    chart = result(stand, "THIN", **minutes(period2=epoch(CLOSE)))
    true = stand.sandbox.truth("THIN", OPEN, CLOSE)
    (quote,) = chart["indicators"]["quote"]
    assert chart["timestamp"] == sorted(set(chart["timestamp"]))
    traded = [row for row, volume in enumerate(quote["volume"]) if volume is not None]
    assert [chart["timestamp"][row] for row in traded] == true["t"]
    for name in ("open", "high", "low", "close", "volume"):
        assert [quote[name][row] for row in traded] == true[name[0]]
        nulls = [value for value in quote[name] if value is None]
        assert len(nulls) == len(chart["timestamp"]) - len(traded)
    quiet = 390 - len(true["t"])
    assert 0 < len(chart["timestamp"]) - len(traded) < quiet  # some rows are missing altogether
    stand.sandbox.quirk(yahoo_absent_rows=False)
    chart = result(stand, "THIN", **minutes(period2=epoch(CLOSE)))
    assert chart["timestamp"] == list(range(epoch(OPEN), epoch(CLOSE), 60))


def test_extended_hours_come_when_asked_for(open_stand: Stand) -> None:
    stand = open_stand
    stand.now = EVENING
    early = {"period1": epoch(OPEN) - 3600, "period2": epoch(OPEN) + 60}
    assert result(stand, "AAPL", **minutes(**early))["timestamp"] == [epoch(OPEN)]
    asked = result(stand, "AAPL", **minutes(**early), includePrePost="true")
    assert len(asked["timestamp"]) > 5
    stand.sandbox.quirk(yahoo_extended_unasked=True)
    unasked = result(stand, "AAPL", **minutes(**early))
    assert unasked["timestamp"] == asked["timestamp"]


def test_a_live_row_is_appended_even_past_period2(open_stand: Stand) -> None:
    stand = open_stand
    stand.now = MID_MORNING + timedelta(seconds=25)
    chart = result(stand, "AAPL", **minutes(period2=epoch(OPEN) + 600))
    assert chart["timestamp"][:-1] == list(range(epoch(OPEN), epoch(OPEN) + 600, 60))
    assert chart["timestamp"][-1] == epoch(MID_MORNING) + 23  # two seconds old, off the grid
    (quote,) = chart["indicators"]["quote"]
    assert quote["volume"][-1] == 0
    yesterday = minutes(period1=epoch(OPEN) - 86_400, period2=epoch(OPEN) - 86_400 + 600)
    assert len(result(stand, "AAPL", **yesterday)["timestamp"]) == 10
    stand.sandbox.quirk(yahoo_live_row=False)
    chart = result(stand, "AAPL", **minutes(period2=epoch(OPEN) + 600))
    assert len(chart["timestamp"]) == 10


def test_days_are_stamped_with_the_open_and_today_with_its_last_trade(open_stand: Stand) -> None:
    stand = open_stand
    days = {"interval": "1d", "period1": THURSDAY_LABEL - 86_400, "period2": FRIDAY_LABEL + 86_400}
    chart = result(stand, "AAPL", **days)
    two_seconds_ago = epoch(MID_MORNING) - 2
    assert chart["timestamp"] == [
        THURSDAY_LABEL - 86_400 + EXCHANGE_OPENS,
        THURSDAY_LABEL + EXCHANGE_OPENS,
        two_seconds_ago,
    ]
    assert chart["meta"]["regularMarketTime"] == two_seconds_ago
    true = stand.sandbox.truth("AAPL", THURSDAY_LABEL, THURSDAY_LABEL + 86_400, "1d")
    assert chart["indicators"]["quote"][0]["close"][1] == true["c"][0]
    assert chart["indicators"]["adjclose"][0]["adjclose"][1] == true["c"][0]
    stand.now = EVENING  # still Friday in New York
    assert result(stand, "AAPL", **days)["timestamp"][-1] == epoch(CLOSE) + 1
    stand.now = EVENING + timedelta(days=1)
    assert result(stand, "AAPL", **days)["timestamp"][-1] == epoch(OPEN)


def test_crypto_days_are_utc(open_stand: Stand) -> None:
    days = {"interval": "1d", "period1": THURSDAY_LABEL - 86_400, "period2": FRIDAY_LABEL}
    chart = result(open_stand, "BTC-USD", **days)
    assert chart["timestamp"] == [THURSDAY_LABEL - 86_400, THURSDAY_LABEL]


def test_a_crumb_belongs_to_its_cookie(stand: Stand, market_data_dir: Path) -> None:
    base = stand.sandbox.vendor("yahoo")
    chart = f"{base}{CHART}/AAPL"
    with requests.Session() as session:
        assert session.get(f"{base}/v1/test/getcrumb", timeout=10).status_code == 401
        assert session.get(base, timeout=10).status_code == 404  # and yet it sets the cookie
        crumb = session.get(f"{base}/v1/test/getcrumb", timeout=10).text
        good = session.get(chart, params={**minutes(), "crumb": crumb}, timeout=10)
        bad = session.get(chart, params={**minutes(), "crumb": crumb + "x"}, timeout=10)
    bare = requests.get(chart, params={**minutes(), "crumb": crumb}, timeout=10)
    assert good.status_code == 200
    assert bad.status_code == bare.status_code == 401
    assert bad.json() == json.loads(quoted(market_data_dir, "invalid_crumb_401.json"))


def test_too_many_requests_is_plain_text(stand: Stand, market_data_dir: Path) -> None:
    stand.sandbox.limit("yahoo", "1/minute")
    stand.get("yahoo", "/v1/test/getcrumb")
    answer = stand.get("yahoo", "/v1/test/getcrumb")
    assert answer.status_code == 429
    assert answer.text.strip() == quoted(market_data_dir, "getcrumb_429.txt").strip()
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_minutes_reach_eight_days_and_thirty_days_back(
    open_stand: Stand, market_data_dir: Path
) -> None:
    stand = open_stand
    day = 86_400
    wide = stand.get("yahoo", f"{CHART}/AAPL", **minutes(period1=epoch(MID_MORNING) - 8 * day - 1))
    old = minutes(period1=epoch(MID_MORNING) - 31 * day, period2=epoch(MID_MORNING) - 30 * day)
    far = stand.get("yahoo", f"{CHART}/AAPL", **old)
    template = quoted(market_data_dir, "one_minute_range_422.json")
    expected = template.replace("1734843600", str(epoch(MID_MORNING) - 8 * day - 1)).replace(
        "1737435600", str(epoch(MID_MORNING))
    )
    assert wide.status_code == far.status_code == 422
    assert wide.json() == json.loads(expected)
    assert "within the last 30 days" in far.json()["chart"]["error"]["description"]
    enough = minutes(period1=epoch(MID_MORNING) - 8 * day)
    assert stand.get("yahoo", f"{CHART}/AAPL", **enough).status_code == 200


def test_prices_may_come_as_32_bit_floats(open_stand: Stand, market_data_dir: Path) -> None:
    def digits(document: Any) -> list[float]:
        found: list[float] = document["chart"]["result"][0]["indicators"]["quote"][0]["close"]
        return found

    def single(price: float) -> bool:
        return float(np.float32(price)) == price

    assert all(
        map(single, digits(recorded(market_data_dir, "chart-AAPL-2020-08-31-to-2020-11-07.json")))
    )
    days = {"interval": "1d", "period1": epoch(OPEN) - 7 * 86_400, "period2": epoch(OPEN)}
    assert not any(map(single, digits(open_stand.json("yahoo", f"{CHART}/IBM", **days))))
    open_stand.sandbox.quirk(yahoo_single_precision=True)
    assert all(map(single, digits(open_stand.json("yahoo", f"{CHART}/IBM", **days))))


def test_an_unknown_symbol_is_404(open_stand: Stand) -> None:
    answer = open_stand.get("yahoo", f"{CHART}/NOPE", **minutes())
    assert answer.status_code == 404
    assert answer.json()["chart"]["error"]["code"] == "Not Found"


@pytest.mark.parametrize(
    "change", [{"interval": "7m"}, {"period1": "noon"}, {"period2": epoch(OPEN) - 60}]
)
def test_bad_parameters_are_400(open_stand: Stand, change: dict[str, Any]) -> None:
    answer = open_stand.get("yahoo", f"{CHART}/AAPL", **minutes(**change))
    assert answer.status_code == 400
    assert answer.json()["chart"]["result"] is None
