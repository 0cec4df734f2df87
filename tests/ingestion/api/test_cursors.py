"""`/ops/cursor/…`."""

from __future__ import annotations

import pytest

from ingestion.models import Cursor
from ops import keys
from tests.ingestion.api.conftest import Market
from tests.ingestion.api.rows import CLOSED, moment


@pytest.fixture
def ops_key(market: Market) -> dict[str, str]:
    Cursor.objects.create(
        symbol=market.aapl,
        interval="1m",
        source="alpaca:sip",
        newest_ts=moment(CLOSED - 60),
        as_of=moment("2014-06-12T20:20:00.123456"),
    )
    return {"X-API-Key": keys.create("operator", ["ops"])}


def test_a_cursor_says_how_far_a_source_came(client, ops_key):
    response = client.get("/ops/cursor/aapl/1m/alpaca:sip", headers=ops_key)
    assert response.json() == {
        "symbol": "AAPL",
        "interval": "1m",
        "source": "alpaca:sip",
        "newest_ts": CLOSED - 60,
        "as_of": "2014-06-12T20:20:00.123456Z",
    }


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("AAPL/1m/polygon", 404),
        ("AAPL/1d/alpaca:sip", 404),
        ("NOPE/1m/alpaca:sip", 404),
        ("AAPL/2m/alpaca:sip", 400),
    ],
)
def test_what_is_not_there_is_said(client, ops_key, address, status):
    response = client.get(f"/ops/cursor/{address}", headers=ops_key)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


def test_cursors_are_for_operators(client, ops_key):
    assert client.get("/ops/cursor/AAPL/1m/alpaca:sip").status_code == 401
