"""Polygon's format."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    MID_MORNING,
    NEW_YORK_MIDNIGHT,
    OPEN,
    THURSDAY_LABEL,
    epoch,
)
from tests.ingestion.sandbox.shapes import shape

AAPL = "/v2/aggs/ticker/AAPL/range/1/minute"


def ms(seconds: int) -> int:
    return seconds * 1000


def columns(results: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Result rows as the truth's columns."""
    names = {"t": "t", "o": "o", "h": "h", "l": "l", "c": "c", "v": "v", "vw": "vw", "n": "n"}
    return {
        name: [row[key] // 1000 if name == "t" else row[key] for row in results]
        for name, key in names.items()
    }


def test_the_shape_is_the_recorded_one(stand: Stand, market_data_dir: Path) -> None:
    folder = market_data_dir / "recorded/polygon/v2/aggs/ticker/AAPL/range/1/day/2005-04-01"
    recorded = json.loads((folder / "2005-04-04.json").read_text())
    document = stand.json("polygon", "/v2/aggs/ticker/AAPL/range/1/day/2025-11-18/2025-11-20")
    assert shape(document) == shape(recorded)
    assert list(document["results"][0]) == list(recorded["results"][0])


def test_minutes_are_the_true_ones_and_end_with_the_minute_under_way(stand: Stand) -> None:
    stand.now = MID_MORNING + timedelta(seconds=30)
    document = stand.json("polygon", f"{AAPL}/{ms(epoch(OPEN))}/{ms(epoch(CLOSE))}")
    true = stand.sandbox.truth("AAPL", OPEN, MID_MORNING)
    served = columns(document["results"])
    assert {name: values[:-1] for name, values in served.items()} == {
        name: true[name] for name in served
    }
    assert served["t"][-1] == epoch(MID_MORNING)
    whole = stand.sandbox.truth("AAPL", MID_MORNING, MID_MORNING + timedelta(minutes=1))
    assert served["v"][-1] < whole["v"][0]
    stand.sandbox.quirk(polygon_forming_minute=False)
    document = stand.json("polygon", f"{AAPL}/{ms(epoch(OPEN))}/{ms(epoch(CLOSE))}")
    assert columns(document["results"])["t"] == true["t"]


def test_a_coins_minute_under_way_has_part_of_its_volume(stand: Stand) -> None:
    stand.now = MID_MORNING + timedelta(seconds=30)
    at = ms(epoch(MID_MORNING))
    (row,) = stand.json("polygon", f"/v2/aggs/ticker/X:BTCUSD/range/1/minute/{at}/{at}")["results"]
    whole = stand.sandbox.truth("BTC-USD", MID_MORNING, MID_MORNING + timedelta(minutes=1))
    assert abs(row["v"] - whole["v"][0] / 2) < 1e-6


def test_bounds_snap_to_their_minutes_and_to_is_inclusive(stand: Stand) -> None:
    first, last = epoch(OPEN), epoch(OPEN) + 120
    document = stand.json("polygon", f"{AAPL}/{ms(first) + 59_999}/{ms(last)}")
    assert columns(document["results"])["t"] == [first, first + 60, last]


def test_a_date_is_a_whole_new_york_day(stand: Stand) -> None:
    document = stand.json("polygon", f"{AAPL}/2025-11-20/2025-11-20")
    midnight = THURSDAY_LABEL + NEW_YORK_MIDNIGHT
    assert (
        columns(document["results"])["t"]
        == stand.sandbox.truth("AAPL", midnight, midnight + 86_400)["t"]
    )


def test_days_are_labelled_with_new_york_midnight(stand: Stand) -> None:
    stand.now = EVENING
    path = "/v2/aggs/ticker/AAPL/range/1/day/2025-11-17/2025-11-21"
    served = columns(stand.json("polygon", path)["results"])
    true = stand.sandbox.truth("AAPL", THURSDAY_LABEL - 3 * 86_400, EVENING, "1d")
    assert served["t"] == [label + NEW_YORK_MIDNIGHT for label in true["t"]]
    assert (served["c"], served["v"]) == (true["c"], true["v"])
    by_ms = f"{ms(served['t'][1])}/{ms(served['t'][2])}"
    document = stand.json("polygon", f"/v2/aggs/ticker/AAPL/range/1/day/{by_ms}")
    assert columns(document["results"])["t"] == served["t"][1:3]


def test_the_day_under_way_moves(stand: Stand) -> None:
    path = "/v2/aggs/ticker/AAPL/range/1/day/2025-11-21/2025-11-21"
    early = stand.json("polygon", path)["results"]
    stand.now = CLOSE - timedelta(hours=1)
    late = stand.json("polygon", path)["results"]
    assert [row["t"] for row in early] == [row["t"] for row in late]
    assert early[0]["v"] < late[0]["v"]


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_join_to_the_whole(stand: Stand, sort: str) -> None:
    stand.now = EVENING
    bounds = f"2025-11-20/{ms(epoch(CLOSE) - 60)}"
    whole = stand.json("polygon", f"{AAPL}/{bounds}", limit=50_000, sort=sort)
    assert "next_url" not in whole
    page = stand.json("polygon", f"{AAPL}/{bounds}", limit=300, sort=sort, adjusted="false")
    joined, urls = page["results"], []
    while "next_url" in page:
        url = page["next_url"]
        assert url.startswith(f"{stand.sandbox.vendor('polygon')}/v2/aggs/ticker/AAPL/range/1/")
        assert "sandbox" not in urlsplit(url).query
        urls.append(url)
        answer = requests.get(url, params={"apiKey": "sandbox"}, timeout=20)
        page = answer.json()
        assert page["adjusted"] is False
        assert page["count"] == len(page["results"]) <= 300
        joined += page["results"]
    assert joined == whole["results"]
    assert len(urls) == -(-len(joined) // 300) - 1
    if sort == "asc":  # the page's `from` has become milliseconds
        assert urlsplit(urls[0]).path.split("/")[-2].isdigit()
    assert [name for name, _ in parse_qsl(urlsplit(urls[0]).query)] == ["cursor"]


def test_a_next_path_may_follow_the_base_again(stand: Stand) -> None:
    """As polygon-api-client 1.x does it: base + path of next_url, both with the prefix."""
    document = stand.json("polygon", f"{AAPL}/{ms(epoch(OPEN))}/{ms(epoch(CLOSE))}", limit=5)
    url = urlsplit(document["next_url"])
    again = stand.json("polygon", f"{url.path}?{url.query}")
    assert again["results"][0]["t"] == ms(epoch(OPEN) + 300)


def test_a_huge_range_costs_a_page(stand: Stand) -> None:
    document = stand.json("polygon", f"{AAPL}/1970-01-02/2040-01-01", limit=10)
    assert document["count"] == 10
    assert "next_url" in document


def test_nothing_there_leaves_results_out(stand: Stand) -> None:
    empty = stand.json("polygon", f"{AAPL}/2025-11-22/2025-11-23")
    unknown = stand.json("polygon", "/v2/aggs/ticker/NOPE/range/1/day/2025-11-18/2025-11-21")
    for document in (empty, unknown):
        assert document["status"] == "OK"
        assert document["resultsCount"] == document["queryCount"] == 0
        assert "results" not in document


def test_nothing_there_may_be_null(stand: Stand) -> None:
    stand.sandbox.quirk(polygon_null_results=True)
    assert stand.json("polygon", f"{AAPL}/2025-11-22/2025-11-23")["results"] is None


def test_crypto_has_its_own_symbols_and_utc_days(stand: Stand) -> None:
    path = "/v2/aggs/ticker/X:BTCUSD/range/1/day/2025-11-19/2025-11-20"
    document = stand.json("polygon", path)
    assert [row["t"] for row in document["results"]] == [
        ms(THURSDAY_LABEL - 86_400),
        ms(THURSDAY_LABEL),
    ]
    assert "results" not in stand.json("polygon", path.replace("X:BTCUSD", "BTC-USD"))


def test_grouped_has_every_ticker_of_an_ended_day(stand: Stand) -> None:
    path = "/v2/aggs/grouped/locale/us/market/stocks"
    document = stand.json("polygon", f"{path}/2025-11-20", adjusted="false")
    by_ticker = {row["T"]: row for row in document["results"]}
    assert set(by_ticker) == {"AAPL", "MSFT", "SPY", "IBM", "THIN"}
    true = stand.sandbox.truth("THIN", THURSDAY_LABEL, THURSDAY_LABEL + 86_400, "1d")
    assert [by_ticker["THIN"][name] for name in "ohlcv"] == [true[name][0] for name in "ohlcv"]
    assert document["resultsCount"] == 5
    assert "results" not in stand.json("polygon", f"{path}/2025-11-21")  # still under way
    assert "results" not in stand.json("polygon", f"{path}/2025-11-22")  # a Saturday
    coins = stand.json("polygon", "/v2/aggs/grouped/locale/global/market/crypto/2025-11-20")
    assert {row["T"] for row in coins["results"]} == {"X:BTCUSD", "X:ETHUSD"}


def test_a_delayed_plan_says_so(stand: Stand) -> None:
    stand.sandbox.quirk(polygon_delayed=True)
    document = stand.json("polygon", f"{AAPL}/{ms(epoch(OPEN))}/{ms(epoch(CLOSE))}")
    assert document["status"] == "DELAYED"
    assert document["results"][-1]["t"] <= ms(epoch(MID_MORNING) - 15 * 60)


def test_keys(stand: Stand, market_data_dir: Path) -> None:
    bodies = market_data_dir / "recorded/polygon/error-bodies-quoted"
    path = f"{AAPL}/2025-11-20/2025-11-20"
    missing = stand.get("polygon", path, keyed=False)
    wrong = stand.get("polygon", path, keyed=False, apiKey="guess")
    for answer, name in ((missing, "no_key"), (wrong, "bad_key_401")):
        recorded = json.loads((bodies / f"{name}.json").read_text())
        assert answer.status_code == 401
        assert {**answer.json(), "request_id": ""} == {**recorded, "request_id": ""}
    assert stand.get("polygon", path, keyed=False, apiKey="sandbox").status_code == 200


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-11-21/2025-11-20", {}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/yesterday/2025-11-20", {}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-13-01/2025-11-20", {}),
        ("/v2/aggs/ticker/AAPL/range/1/fortnight/2025-11-20/2025-11-20", {}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-11-20/2025-11-20", {"limit": 50_001}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-11-20/2025-11-20", {"limit": "all"}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-11-20/2025-11-20", {"sort": "up"}),
        ("/v2/aggs/ticker/AAPL/range/1/minute/2025-11-20/2025-11-20", {"cursor": "?"}),
        ("/v2/aggs/ticker/AAPL/range/1/day/2025-11-20/99999999999999999999", {}),
        ("/v2/aggs/grouped/locale/us/market/stocks/today", {}),
    ],
)
def test_bad_questions_are_errors(stand: Stand, path: str, params: dict[str, Any]) -> None:
    answer = stand.get("polygon", path, **params)
    assert answer.status_code == 400
    assert answer.json()["status"] == "ERROR"


def test_other_paths_are_not_found(stand: Stand) -> None:
    answer = stand.get("polygon", "/v9/everything")
    assert answer.status_code == 404
    assert answer.json()["status"] == "NOT_FOUND"
