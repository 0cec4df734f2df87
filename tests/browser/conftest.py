"""The running service, and Chromium to look at it with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from tests.processes import free_port, running, service_environment
from tests.servers import Absent, find_chromium

# Without these Chromium looks for its maker's hosts at every start.
_QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-sandbox",
]


@dataclass(frozen=True)
class Site:
    """A service that `make run` started."""

    address: str
    password: str


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One service for all pages, with its first bars."""
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    with (
        service_environment(folder / "data", PORT=str(port)) as environment,
        running([sys.executable, "-m", "deploy.launch"], environment, folder / "log") as process,
    ):
        process.wait_for_output("Market Data Service is running at", seconds=300)
        password = (Path(environment["DATA_DIR"]) / "admin_password").read_text().strip()
        yield Site(f"http://127.0.0.1:{port}", password)
        process.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless browser; a test skips without one."""
    try:
        path = find_chromium()
    except Absent as why:
        pytest.skip(str(why))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page under observation: what it asked for and complained about."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._request)
        self.page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        host = urlsplit(request.url)
        if host.scheme in ("http", "https") and host.netloc != urlsplit(self.site.address).netloc:
            self.complaints.append(f"asks another host: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def open(self, path: str) -> None:
        """Go to a page of the site and let it settle."""
        self.page.goto(f"{self.site.address}{path}", wait_until="networkidle")

    def log_in(self) -> None:
        """As the admin user that `make run` made."""
        self.open("/admin/")
        self.page.fill("input[name=username]", "admin")
        self.page.fill("input[name=password]", self.site.password)
        self.page.click("button[type=submit], input[type=submit]")
        self.page.wait_for_url(f"{self.site.address}/admin/")

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@pytest.fixture(params=[(1280, "light"), (420, "dark")], ids=["wide-light", "narrow-dark"])
def visit(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Visit]:
    """A fresh visitor, on a wide light and a narrow dark screen."""
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit = Visit(context.new_page(), site)
    yield visit
    context.close()
    assert visit.complaints == []
