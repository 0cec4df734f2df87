"""The front door."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.ingestion.api.conftest import _evening, market  # noqa: F401 (fixtures)

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Page(HTMLParser):
    """What a page links and loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script" or any(name.startswith("on") for name in given)
        if tag == "a":
            self.links.append(given["href"] or "")
        elif address := given.get("src") or given.get("href"):
            self.loads.append(address)


def test_a_browser_gets_a_page_that_says_what_this_is(client, market):
    response = client.get("/", headers=BROWSER)
    html = response.content.decode()
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert response["Vary"].startswith("Accept")
    page = Page(html)
    assert {"/api/docs", "/admin/", "/health", "/metrics"} == set(page.links)
    assert html.count("curl ") == 3
    assert "/stocks/AAPL/intraday" in html
    assert "/stocks/BTC-USD/intraday?format=csv" in html
    assert "22:0" not in html  # the coin's newest minute, 21:59, and nothing later
    assert "21:59" in html
    assert "12 Jun 2014, UTC" in html


def test_the_page_is_the_services_own_and_runs_nothing(client, market):
    response = client.get("/", headers=BROWSER)
    page = Page(response.content.decode())
    assert page.loads
    assert all(address.startswith("/static/") for address in page.loads)
    assert page.scripts == 0
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for address in page.loads:
        loaded = client.get(address)
        assert loaded.status_code == 200
        loaded.close()


@pytest.mark.parametrize(
    ("origin", "said"),
    [("synthetic", "no real prices"), ("replayed", "Recorded sessions"), ("vendor", "vendors")],
)
def test_it_is_said_whether_the_data_is_real(client, db, settings, origin, said):
    settings.DATA_ORIGIN = origin
    html = client.get("/", headers=BROWSER).content.decode()
    assert said in re.sub(r"\s+", " ", html)
    assert client.get("/").json()["origin"] == origin


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
def test_a_program_gets_json(client, market, accept):
    body = client.get("/", headers={"Accept": accept}).json()
    assert body["links"]["docs"] == "http://testserver/api/docs"
    assert body["holds"] == {
        "symbols": {"T0": 4, "T1": 0, "T2": 0},
        "newest_bar": {"1m": "2014-06-12T21:59:00Z", "1d": "2014-06-12T00:00:00Z"},
        "commits": body["holds"]["commits"],
        "newest_commit": "2014-06-12T20:20:00.123456Z",
    }
    assert body["holds"]["commits"] >= 2


def test_counts_need_the_scope_read(client, market, settings, key):
    settings.PUBLIC_READ = False
    assert client.get("/").json()["holds"] is None
    assert client.get("/", headers=key("read")).json()["holds"]
    html = client.get("/", headers=BROWSER).content.decode()
    assert "API key" in html
    assert "21:59" not in html


def test_an_empty_service_has_a_page_too(client, db):
    assert "none stored yet" in client.get("/", headers=BROWSER).content.decode()
    assert client.get("/").json()["holds"]["newest_commit"] is None
