"""Ready or not, and why."""

from __future__ import annotations

import threading
import time
from datetime import date, timedelta

import pytest
from django.db import OperationalError
from django.db.migrations.executor import MigrationExecutor

from marketdata_site import clock
from ops import health
from tests.ingestion.market_week import JUNE_2014
from tests.universe_rows import add_calendar, add_symbols
from universe.models import ExchangeCalendar, Symbol

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stocked():
    """A universe whose calendar reaches into the future."""
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    ExchangeCalendar.objects.update(covered_to=clock.now().date() + timedelta(days=100))
    add_symbols(calendar, "AAPL")


@pytest.fixture
def examine(monkeypatch):
    """A report of new probes, taken now."""
    monkeypatch.setattr(health, "FRESH_FOR_S", 0)
    health._migrations.cache_clear()

    def look() -> dict[str, health.Check]:
        return {check.name: check for check in health.Examiner().report().checks}

    return look


def test_a_service_with_all_it_needs_is_ready(client, stocked):
    response = client.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["down"]) == ("ready", [])
    names = {check["name"] for check in body["checks"]}
    assert {"database", "migrations", "sessions", "universe", "disk"} <= names
    assert all(check["ok"] and check["ms"] >= 0 for check in body["checks"])
    assert response["Cache-Control"] == "no-store"


def test_an_empty_service_is_not_and_says_what_to_do(client):
    response = client.get("/health")
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["down"]) == ("down", ["sessions", "universe"])
    told = {check["name"]: check["detail"] for check in body["checks"]}
    assert "sync_sessions" in told["sessions"]
    assert "load_universe" in told["universe"]


def test_a_calendar_that_has_ended_is_named(examine, stocked):
    ExchangeCalendar.objects.update(covered_to=date(2014, 6, 15))
    assert examine()["sessions"].detail.startswith("XNYS end before today")


def test_a_calendar_that_nobody_trades_on_may_end(examine, stocked):
    add_calendar("XLON", list(JUNE_2014))
    assert examine()["sessions"].ok


def test_a_universe_without_active_symbols_is_none(examine, stocked):
    Symbol.objects.update(active=False)
    assert not examine()["universe"].ok


def test_pending_migrations_are_counted(examine, stocked, monkeypatch):
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [1, 2])
    assert examine()["migrations"].detail == "2 pending: run manage.py migrate"


def test_a_lost_database_is_down_with_all_that_needs_it(examine, monkeypatch):
    def lost() -> None:
        raise OperationalError("could not connect to 10.1.2.3 as user md with password x")

    monkeypatch.setattr(health, "_database", lost)
    checks = examine()
    assert checks["database"].detail == "does not answer"
    for name in ("migrations", "sessions", "universe"):
        assert (checks[name].ok, checks[name].detail) == (False, "needs the database")
    assert "10.1.2.3" not in str(checks)


def test_a_check_that_hangs_is_given_up_and_not_started_twice(monkeypatch):
    monkeypatch.setattr(health, "TIMEOUT_S", 0.1)
    let_go = threading.Event()
    tries = []

    def hangs() -> None:
        tries.append(1)
        let_go.wait(30)

    probe = health.Probe("slow", hangs)
    for _ in range(3):
        probe.start()
        assert probe.finish().detail == "no answer within 0.1 s"
    assert len(tries) == 1
    let_go.set()
    deadline = time.monotonic() + 20
    while not probe.finish().ok:
        probe.start()
        assert time.monotonic() < deadline


def test_a_redis_that_is_down_is_said(examine, stocked, settings):
    gone = settings.ENVIRONMENT.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    settings.ENVIRONMENT = gone
    check = examine()["redis"]
    assert (check.ok, check.detail) == (False, "does not answer")


@pytest.mark.redis
def test_a_redis_that_is_there_is_ok(examine, stocked):
    assert examine()["redis"].ok


def test_asking_again_at_once_costs_nothing(client, stocked, monkeypatch):
    first = client.get("/health").json()
    monkeypatch.setattr(health, "_database", lambda: pytest.fail("asked again"))
    assert client.get("/health").json() == first


def test_live_does_no_io(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/health/live", headers={"X-API-Key": "wrong"})
    assert (response.status_code, response.json()) == (200, {"status": "live"})
