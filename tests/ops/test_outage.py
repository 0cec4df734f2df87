"""While the database is away: 503, and people get a page."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client
from django.urls import path

from marketdata_site import urls as site

REFUSED = "connection to server at 10.0.0.7 failed"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}


def plain(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


urlpatterns = [path("plain", plain), path("admin/plain", plain), *site.urlpatterns]
handler400, handler403 = site.handler400, site.handler403
handler404, handler500 = site.handler404, site.handler500

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def failing(error):
    def execute(*_):
        raise error

    return connection.execute_wrapper(execute)


@pytest.fixture
def browser(settings):
    settings.PUBLIC_READ = True
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    "address",
    ["/stocks/AWAY/price", "/stocks/AWAY/history", "/stocks/AWAY/intraday", "/plain", "/"],
)
def test_every_address_is_unavailable(browser, address):
    with failing(OperationalError(REFUSED)):
        response = browser.get(address)
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert int(response["Retry-After"]) > 0
    body = response.json()
    assert (body["status"], body["instance"]) == (503, address)
    assert "10.0.0.7" not in response.content.decode()


def test_a_batch_is_unavailable(browser):
    with failing(OperationalError(REFUSED)):
        response = browser.post("/stocks/batch", {"symbols": ["AWAY"]}, "application/json")
    assert response.status_code == 503


@pytest.mark.parametrize("address", ["/", "/admin/plain"])
def test_people_get_a_page(browser, address):
    with failing(OperationalError(REFUSED)):
        response = browser.get(address, headers=BROWSER)
    assert response.status_code == 503
    assert response["Content-Type"].startswith("text/html")
    assert int(response["Retry-After"]) > 0
    assert "database does not answer" in response.content.decode()
    assert "10.0.0.7" not in response.content.decode()


@pytest.mark.parametrize("address", ["/stocks/AWAY/price", "/plain"])
def test_a_wrong_statement_is_a_bug(browser, address):
    with failing(ProgrammingError("no such column")):
        assert browser.get(address).status_code == 500


def test_the_sweeper_waits_for_the_database(caplog):
    with failing(OperationalError(REFUSED)):
        call_command("sweep", "--once")
    (record,) = [record for record in caplog.records if record.name.endswith("commands.sweep")]
    assert REFUSED in record.getMessage()
    assert not record.exc_info
