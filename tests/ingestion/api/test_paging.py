"""Pages: every stored bar exactly once, all of one moment, whatever is written in between."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.models import CandleIntraday
from tests.ingestion.api.conftest import Market
from tests.ingestion.api.rows import OPENED, add_commit, add_minutes

EXTENDED_OPEN = OPENED - 330 * 60
MINUTES_OF_DAY = st.integers(0, 959)


def walk(client: Client, address: str, query: dict[str, str]):
    """Every page in turn, following `Link` and checking it against `next`."""
    while True:
        response = client.get(address, query)
        assert response.status_code == 200, response.content
        body = response.json()
        yield body
        if body["next"] is None:
            assert "Link" not in response
            return
        link, _, relation = response["Link"].partition("; ")
        assert relation == 'rel="next"'
        parts = urlsplit(link.strip("<>"))
        address, query = parts.path, dict(parse_qsl(parts.query))
        assert query["page"] == body["next"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    stored=st.sets(MINUTES_OF_DAY, max_size=60),
    late=st.sets(MINUTES_OF_DAY, max_size=10),
    limit=st.integers(1, 25),
    hours=st.sampled_from(["regular", "extended"]),
)
def test_pages_hold_every_bar_exactly_once(client, market: Market, stored, late, limit, hours):
    with transaction.atomic():
        seen: list[int] = []
        expected = stored if hours == "extended" else {n for n in stored if 330 <= n < 720}
        add_minutes(market.bare, [EXTENDED_OPEN + 60 * n for n in stored], as_of="2014-06-12T20:20")
        moments = set()
        counts = dict.fromkeys(("expected", "stored", "no_trade", "missing"), 0)
        pages = walk(client, "/stocks/BARE/intraday", {"limit": str(limit), "hours": hours})
        for number, page in enumerate(pages):
            assert len(page["bars"]["t"]) <= limit
            seen += page["bars"]["t"]
            moments.add(page["as_of"])
            counts = {name: counts[name] + page["completeness"][name] for name in counts}
            if number == 0:  # what is written now is of a later moment than these pages
                add_commit("2014-06-12T21:00")
                new = [EXTENDED_OPEN + 60 * n for n in late - stored]
                add_minutes(market.bare, new, as_of="2014-06-12T21:00")
        assert seen == [EXTENDED_OPEN + 60 * n for n in sorted(expected)]
        assert len(moments) == 1
        assert counts["expected"] == 390
        assert counts["expected"] == counts["stored"] + counts["no_trade"] + counts["missing"]
        transaction.set_rollback(True)


def test_pages_may_change_layout_format_and_limit(client, market):
    first = client.get("/stocks/AAPL/intraday", {"limit": "100"}).json()
    query = {"page": first["next"], "limit": "5", "layout": "rows"}
    second = client.get("/stocks/AAPL/intraday", query).json()
    assert second["bars"][0]["t"] == "2014-06-12T15:10:00Z"
    assert len(second["bars"]) == 5


@pytest.mark.parametrize(
    "other", [{"hours": "extended"}, {"start": "2014-06-12"}, {"as_of": "2014-06-12T20:15:00Z"}]
)
def test_a_token_fits_its_own_query_only(client, market, other):
    first = client.get("/stocks/AAPL/intraday", {"limit": "100"}).json()
    response = client.get("/stocks/AAPL/intraday", {"page": first["next"], **other})
    assert (response.status_code, response.json()["field"]) == (400, "page")
    elsewhere = client.get("/stocks/THIN/intraday", {"page": first["next"]})
    assert elsewhere.status_code == 400


@given(position=st.integers(0, 59), letter=st.sampled_from("ABCxyz019-_"))
def test_a_token_cannot_be_forged(position, letter):
    from ingestion.api import page_token
    from ingestion.api.errors import InputInvalid
    from universe.domain.time_range import TimeRange

    held = page_token.Position(TimeRange(0, 86_400), 7, 60)
    token = page_token.write(held, ("1", "1m"))
    assert page_token.read(token, ("1", "1m")) == held
    forged = token[:position] + letter + token[position + 1 :]
    if forged != token:
        with pytest.raises(InputInvalid):
            page_token.read(forged, ("1", "1m"))


def test_a_withdrawn_bar_stays_in_pages_of_its_moment(client, market: Market):
    from ingestion.models import RevisionIntraday
    from tests.ingestion.api.rows import moment, values

    first = client.get("/stocks/AAPL/intraday", {"limit": "389"}).json()
    last = OPENED + 389 * 60
    add_commit("2014-06-12T21:00")
    CandleIntraday.objects.filter(symbol=market.aapl, ts=moment(last)).delete()
    RevisionIntraday.objects.create(
        symbol=market.aapl,
        ts=moment(last),
        **values(last),
        source="polygon",
        status="live",
        extended=False,
        as_of=moment("2014-06-12T20:10"),
        superseded_at=moment("2014-06-12T21:00"),
        withdrawn=True,
    )
    second = client.get("/stocks/AAPL/intraday", {"page": first["next"]}).json()
    assert second["bars"]["t"] == [last]
    assert len(client.get("/stocks/AAPL/intraday").json()["bars"]["t"]) == 389
