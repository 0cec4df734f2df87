"""The pages as people see them: nothing broken, nothing from elsewhere, nothing cut off."""

from __future__ import annotations

from collections import deque
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import Visit
from tests.processes import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MUST_BE_REACHED = {
    "/admin/universe/symbol/",
    "/admin/universe/universeversion/",
    "/admin/ingestion/quarantinedbar/",
    "/admin/ingestion/ingestcommit/",
    "/admin/ingestion/gap/",
}


def test_the_front_page_says_what_it_is_and_that_the_data_is_made_up(visit: Visit) -> None:
    visit.open("/")
    text = visit.page.inner_text("body")
    assert "Market Data Service" in text
    assert "synthetic" in text.lower()
    assert visit.overflow() <= 0


def test_the_interface_can_be_read_and_tried(visit: Visit) -> None:
    visit.open("/api/docs")
    visit.page.wait_for_selector(".opblock")
    said = visit.page.inner_text("body").replace("\u200b", "")
    assert "/stocks/{symbol}/intraday" in said
    assert "/stocks/batch" in said


def test_every_page_of_the_console_opens(visit: Visit) -> None:
    """Follows the links of the admin's own pages, each list and one row of it."""
    visit.log_in()
    assert "synthetic" in visit.page.inner_text("body").lower()
    seen: set[str] = set()
    waiting = deque(["/admin/"])
    while waiting:
        path = waiting.popleft()
        visit.open(path)
        assert visit.page.locator("h1, h2, [role=main], main").count(), path
        assert visit.overflow() <= 0, f"{path} is wider than the window"
        seen.add(path)
        for link in _links(visit):
            if link not in seen and link not in waiting and len(link.split("/")) <= 5:
                waiting.append(link)
    assert seen >= MUST_BE_REACHED


def _links(visit: Visit) -> list[str]:
    """Lists of the admin that the page leads to."""
    hrefs = visit.page.eval_on_selector_all("a[href]", "links => links.map(one => one.href)")
    paths = [urlsplit(href).path for href in hrefs]
    return [
        path
        for path in dict.fromkeys(paths)
        if path.startswith("/admin/")
        and path.endswith("/")
        and "logout" not in path
        and not path.endswith(("/password_change/", "/add/"))
    ]


def test_a_symbol_and_a_commit_can_be_looked_at(visit: Visit) -> None:
    visit.log_in()
    for path in ("/admin/universe/symbol/", "/admin/ingestion/ingestcommit/"):
        visit.open(path)
        row = visit.page.locator("#result_list a[href*='/change/']").first
        row.click()
        eventually(lambda: "change" in visit.page.url, "the row opens")
        visit.page.wait_for_load_state("networkidle")
        assert visit.overflow() <= 0


def test_a_wrong_password_does_not_let_in(visit: Visit) -> None:
    visit.open("/admin/")
    visit.page.fill("input[name=username]", "admin")
    visit.page.fill("input[name=password]", "wrong")
    visit.page.click("button[type=submit], input[type=submit]")
    visit.page.wait_for_load_state("networkidle")
    assert "/admin/login" in visit.page.url
    assert "correct" in visit.page.inner_text("body")
