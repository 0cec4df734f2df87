"""Latest prices, one and many."""

from __future__ import annotations

import pytest

from tests.ingestion.api.conftest import NOW, Market
from tests.ingestion.api.rows import CLOSED, add_days, price
from tests.ingestion.market_week import at


def test_a_price_is_the_close_of_the_newest_bar(client, market):
    response = client.get("/stocks/AAPL/price")
    assert response.json() == {
        "symbol": "AAPL",
        "price": price(CLOSED),
        "ts": CLOSED,
        "age_s": NOW - CLOSED,
        "interval": "1m",
        "source": "polygon",
        "session": "2014-06-12",
        "hours": "extended",
        "quote": None,
        "origin": "synthetic",
    }
    assert response["Cache-Control"] == "no-store"


def test_a_price_may_come_from_a_daily_bar(client, market: Market):
    add_days(market.bare, ["2014-06-11"])
    body = client.get("/stocks/BARE/price").json()
    assert (body["price"], body["interval"], body["session"]) == (100.0, "1d", "2014-06-11")
    assert body["ts"] == at("2014-06-11")


def test_a_later_session_beats_an_older_minute(client, market: Market):
    add_days(market.aapl, ["2014-06-13"])
    assert client.get("/stocks/AAPL/price").json()["session"] == "2014-06-13"


def test_a_symbol_without_bars_has_no_price(client, market):
    body = client.get("/stocks/BARE/price").json()
    assert body["symbol"] == "BARE"
    assert {body[name] for name in ("price", "ts", "age_s", "source", "session", "quote")} == {None}


@pytest.mark.parametrize("ticker", ["AAPL", "BARE"])
def test_a_price_tells_the_origin_that_the_bars_tell(client, market, ticker):
    price_, bars = (client.get(f"/stocks/{ticker}/{kind}").json() for kind in ("price", "intraday"))
    assert price_["origin"] == bars["origin"] == "synthetic"


def test_the_schema_tells_the_origin_of_every_price(client, market):
    schemas = client.get("/api/schema?format=json").json()["components"]["schemas"]
    for name in ("SymbolPrice", "Batch"):
        assert "origin" in schemas[name]["required"]


def test_price_takes_no_parameters(client, market):
    problem = client.get("/stocks/AAPL/price?as_of=2014-06-12T00:00:00Z").json()
    assert (problem["status"], problem["field"]) == (400, "as_of")


def test_a_batch_answers_in_order_and_names_the_unknown(client, market):
    body = {"symbols": ["btc-usd", "NOPE", "AAPL", "BARE", "AAPL", "not a ticker"]}
    answer = client.post("/stocks/batch", body, "application/json").json()
    assert [one["symbol"] for one in answer["prices"]] == ["BTC-USD", "AAPL", "BARE"]
    assert answer["unknown"] == ["NOPE", "NOT A TICKER"]
    assert answer["origin"] == "synthetic"
    alone = client.get("/stocks/AAPL/price").json()
    assert {**answer["prices"][1], "origin": answer["origin"]} == alone
    assert answer["prices"][0]["session"] == "2014-06-12"


def test_a_batch_of_strangers_is_no_error(client, market):
    answer = client.post("/stocks/batch", {"symbols": ["NOPE"]}, "application/json").json()
    assert (answer["prices"], answer["unknown"]) == ([], ["NOPE"])


def test_a_batch_costs_the_same_queries_for_one_and_for_many(
    client, market, django_assert_max_num_queries
):
    symbols = ["AAPL", "THIN", "BARE", "BTC-USD", *(f"NOPE{n}" for n in range(296))]
    client.post("/stocks/batch", {"symbols": symbols[:1]}, "application/json")
    with django_assert_max_num_queries(12):
        client.post("/stocks/batch", {"symbols": symbols}, "application/json")
