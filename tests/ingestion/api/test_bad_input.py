"""What is refused: with the field, what was given, and what would be accepted."""

from __future__ import annotations

import json

import pytest

BAD_QUERIES = [
    # (path, query, field, part of the bound)
    (
        "intraday",
        {"start": "2014-06-12", "end": "2014-06-11"},
        "start",
        "before the end, 2014-06-11",
    ),
    (
        "history",
        {"start": "2014-06-12T15:00:00Z", "end": "2014-06-12T14:00:00Z", "interval": "1m"},
        "start",
        "before the end, 2014-06-12T14:00",
    ),
    (
        "intraday",
        {"start": "2014-06-12T14:00:00Z", "end": "2014-06-12T14:00:00Z"},
        "start",
        "before",
    ),
    ("intraday", {"start": "2014-06-12T14:00:00"}, "start", "names no zone"),
    ("intraday", {"end": "2014-06-12T14:00:00"}, "end", "names no zone"),
    ("intraday", {"as_of": "2014-06-12T14:00:00"}, "as_of", "names no zone"),
    ("intraday", {"as_of": "2014-06-12"}, "as_of", "with a zone"),
    ("intraday", {"start": "yesterday"}, "start", "session date"),
    ("intraday", {"start": "20140612"}, "start", "session date"),
    ("intraday", {"start": "2014-02-30"}, "start", "no such day"),
    ("intraday", {"start": "2014-06-12T25:00:00Z"}, "start", "no such moment"),
    ("intraday", {"start": "1402579800"}, "start", "session date"),
    ("intraday", {"start": ""}, "start", "session date"),
    ("history", {"start": "0001-01-01T00:00:00Z"}, "start", "1970-01-01T00:00:00Z or later"),
    ("history", {"start": "0001-01-01"}, "start", "within 2014-06-05 to 2014-06-15"),
    ("history", {"end": "9999-12-31T23:59:59Z"}, "end", "within 2014-06-05 to 2014-06-15"),
    ("history", {"end": "9999-12-31"}, "end", "within 2014-06-05 to 2014-06-15"),
    ("intraday", {"start": "1999-01-01", "end": "2014-06-12"}, "start", "within 2014-06-05"),
    ("intraday", {"as_of": "1999-01-01T00:00:00Z"}, "as_of", "within 2014-06-05"),
    ("history", {"interval": "5m"}, "interval", "one of 1m, 1d"),
    ("history", {"interval": "1M"}, "interval", "one of 1m, 1d"),
    ("history", {"interval": ""}, "interval", "one of 1m, 1d"),
    ("intraday", {"interval": "1d"}, "interval", "only 1m"),
    ("intraday", {"layout": "table"}, "layout", "one of columns, rows"),
    ("intraday", {"format": "xml"}, "format", "one of json, csv, arrow"),
    ("intraday", {"hours": "all"}, "hours", "one of regular, extended"),
    ("intraday", {"fill": "previous"}, "fill", "only none"),
    ("intraday", {"adjustment": "split"}, "adjustment", "until splits are known"),
    ("intraday", {"adjustment": "all"}, "adjustment", "until splits are known"),
    ("intraday", {"limit": "0"}, "limit", "from 1 to 100000"),
    ("intraday", {"limit": "100001"}, "limit", "from 1 to 100000"),
    ("intraday", {"limit": "-1"}, "limit", "from 1 to 100000"),
    ("intraday", {"limit": "ten"}, "limit", "from 1 to 100000"),
    ("intraday", {"limit": "1e3"}, "limit", "from 1 to 100000"),
    ("intraday", {"limit": "٣"}, "limit", "from 1 to 100000"),
    ("intraday", {"page": ""}, "page", "`next`"),
    ("intraday", {"page": "AAAA"}, "page", "`next`"),
    ("intraday", {"page": "ö"}, "page", "`next`"),
    ("intraday", {"from": "2014-06-12"}, "from", "start, end, as_of"),
    ("intraday", {"Start": "2014-06-12"}, "Start", "start, end, as_of"),
    ("intraday", {"start": ["2014-06-11", "2014-06-12"]}, "start", "given once"),
]


@pytest.mark.parametrize(("address", "query", "field", "bound"), BAD_QUERIES)
def test_a_bad_parameter_is_400_naming_it(client, market, address, query, field, bound):
    path = f"/stocks/AAPL/{address}"
    response = client.get(path, query)

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["field"] == field
    assert bound in problem["bound"]
    assert problem["type"] == "urn:marketdata:problem:invalid-input"
    assert (problem["title"], problem["status"]) == ("Bad Request", 400)
    assert problem["instance"] == path
    given = query[field]
    given = given if isinstance(given, list) else [given]
    assert all(text in problem["value"] for text in given)
    assert problem["detail"]


def test_a_huge_range_names_both_ends(client, market, monkeypatch):
    from ingestion.api import spans
    from universe.domain.interval import Interval

    monkeypatch.setitem(spans.MAX_DAYS, Interval.MINUTE, 3)
    query = {"start": "2014-06-09", "end": "2014-06-12"}
    problem = client.get("/stocks/AAPL/intraday", query).json()
    assert (problem["field"], problem["value"]) == ("start", "2014-06-09")
    assert problem["bound"] == "at most 3 days before the end, 2014-06-12, for interval 1m"
    query["start"] = "2014-06-10"
    assert client.get("/stocks/AAPL/intraday", query).status_code == 200


def test_a_long_value_is_shown_shortened(client, market):
    problem = client.get("/stocks/AAPL/intraday", {"start": "9" * 5000}).json()
    assert len(problem["value"]) < 120


@pytest.mark.parametrize(
    "ticker", ["NOPE", "A" * 33, "AAPL;", "%00", "..", "%F0%9F%92%B8", "AAPL%20", "a%0Ab"]
)
@pytest.mark.parametrize("address", ["price", "history", "intraday"])
def test_an_unknown_symbol_is_404(client, market, ticker, address):
    response = client.get(f"/stocks/{ticker}/{address}")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "urn:marketdata:problem:unknown-symbol"


def test_a_plus_that_was_not_encoded_is_understood(client, market):
    address = "/stocks/AAPL/intraday?start=2014-06-12T15:30:00+02:00&end=2014-06-12T13:32:00Z"
    assert len(client.get(address).json()["bars"]["t"]) == 2


def test_a_calendar_that_ends_before_today_is_the_operators_affair(client, market):
    from datetime import UTC, datetime

    from marketdata_site import clock

    clock.install(lambda: datetime(2014, 7, 1, tzinfo=UTC))
    for address in ("intraday", "history?interval=1m"):
        response = client.get(f"/stocks/AAPL/{address}")
        assert response.status_code == 503
        problem = response.json()
        assert problem["type"] == "urn:marketdata:problem:calendar-ended"
        assert "sync_sessions" in problem["detail"]
    assert client.get("/stocks/AAPL/intraday?start=2014-06-12&end=2014-06-12").status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_bars_are_only_read(client, market, method):
    response = getattr(client, method)("/stocks/AAPL/intraday")
    assert response.status_code == 405
    assert response.json()["title"] == "Method Not Allowed"
    assert "GET" in response["Allow"]


# ---- batches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "symbols"),
        ({"symbols": []}, "symbols"),
        ({"symbols": None}, "symbols"),
        ({"symbols": "AAPL"}, "symbols"),
        ({"symbols": ["AAPL"] * 1001}, "symbols"),
        ({"symbols": ["AAPL", 7]}, "symbols[1]"),
        ({"symbols": [["AAPL"]]}, "symbols[0]"),
        ({"symbols": ["AAPL"], "as_of": "now"}, "as_of"),
        (["AAPL"], "body"),
        ("AAPL", "body"),
    ],
)
def test_a_bad_batch_is_400_naming_the_field(client, market, body, field):
    response = client.post("/stocks/batch", json.dumps(body), content_type="application/json")
    assert response.status_code == 400
    assert response.json()["field"] == field


@pytest.mark.parametrize("body", ["", "{", "{'a': 1}", '{"symbols": [NaN]}', "\xff"])
def test_a_body_that_is_not_json_is_400(client, market, body):
    response = client.post("/stocks/batch", body, content_type="application/json")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"


def test_another_kind_of_body_is_415(client, market):
    assert client.post("/stocks/batch", {"symbols": "AAPL"}).status_code == 415


def test_a_body_over_the_bound_is_413(client, market, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = client.post("/stocks/batch", {"symbols": ["A" * 200]}, "application/json")
    assert response.status_code == 413
    assert response.json()["bound"] == "100 bytes"
