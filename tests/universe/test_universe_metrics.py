"""The universe's gauges at the moment of a scrape."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from prometheus_client import CollectorRegistry

from marketdata_site import clock
from universe.metrics import UniverseCollector
from universe.models import ExchangeCalendar, Symbol
from universe.services.sessions import sync


@pytest.fixture
def registry(db: None) -> CollectorRegistry:
    sync(["XNYS", "24/7", "XTKS"], date(2024, 3, 1), date(2024, 3, 31))
    tiers = (("AAPL", "T0", True), ("SPY", "T0", True), ("IBM", "T2", True), ("OLD", "T1", False))
    for ticker, tier, active in tiers:
        Symbol.objects.create(
            ticker=ticker, tier=tier, active=active, calendar_id="XNYS", asset_class="equity"
        )
    made = CollectorRegistry()
    made.register(UniverseCollector())
    return made


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def set_clock(moment: str) -> None:
    clock.install(lambda: datetime.fromisoformat(moment).replace(tzinfo=UTC))


def test_active_symbols_by_tier(registry: CollectorRegistry) -> None:
    set_clock("2024-03-12T15:00")
    counts = [value(registry, "active_symbols", tier=tier) for tier in ("T0", "T1", "T2")]
    assert counts == [2, 0, 1]


@pytest.mark.parametrize(
    ("moment", "xnys", "xtks"),
    [
        ("2024-03-12T13:29:59", 0, 0),  # extended hours are not open
        ("2024-03-12T13:30:00", 1, 0),
        ("2024-03-12T20:00:00", 0, 0),
        ("2024-03-12T00:00:30", 0, 1),
        ("2024-03-12T02:45:00", 0, 0),  # Tokyo's break
        ("2024-03-10T15:00:00", 0, 0),  # a Sunday
    ],
)
def test_market_open(registry: CollectorRegistry, moment: str, xnys: int, xtks: int) -> None:
    set_clock(moment)
    assert value(registry, "market_open", calendar="XNYS") == xnys
    assert value(registry, "market_open", calendar="XTKS") == xtks
    assert value(registry, "market_open", calendar="24/7") == 1


def test_beyond_the_coverage_nothing_is_claimed(registry: CollectorRegistry) -> None:
    set_clock("2030-01-02T15:00")
    assert value(registry, "market_open", calendar="XNYS") is None


def test_scrapes_share_an_answer_for_five_seconds(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    now = 1000.0
    monkeypatch.setattr("universe.metrics.monotonic", lambda: now)
    set_clock("2024-03-12T15:00")
    assert value(registry, "active_symbols", tier="T0") == 2
    Symbol.objects.update(active=False)
    now += 4.9
    with django_assert_num_queries(0):
        assert value(registry, "active_symbols", tier="T0") == 2
    now += 0.1
    assert value(registry, "active_symbols", tier="T0") == 0


def test_registering_asks_no_database() -> None:
    CollectorRegistry().register(UniverseCollector())


def test_an_empty_service_has_counts_of_zero(db: None) -> None:
    made = CollectorRegistry()
    made.register(UniverseCollector())
    assert not ExchangeCalendar.objects.exists()
    assert value(made, "active_symbols", tier="T0") == 0
