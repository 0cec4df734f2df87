"""What Prometheus scrapes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import OperationalError
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingestion import lag
from ingestion.models import Series
from marketdata_site import clock
from ops import metrics
from tests.ingestion.market_week import JUNE_2014, around_the_clock, at, june_grid
from tests.universe_rows import add_calendar, add_symbols
from universe.domain.interval import Interval

NOW = at("2014-06-12T15:00:30")


def families(text: str) -> dict:
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(text: str, name: str) -> dict:
    family = families(text)[name]
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@pytest.fixture
def fleet(db):
    clock.install(lambda: datetime.fromtimestamp(NOW, UTC))
    new_york = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    always = add_calendar("24/7", around_the_clock().sessions)
    return [*add_symbols(new_york, "AAPL", "SPY"), *add_symbols(always, "BTC-USD", tier="T1")]


def settle(symbol, interval, settled_to) -> None:
    moment = datetime.fromtimestamp(at(settled_to), UTC)
    Series.objects.create(
        symbol=symbol, interval=interval, history_from=moment, settled_to=moment, as_of=moment
    )


def test_a_scrape_has_counters_and_gauges(client, fleet):
    response = client.get("/metrics")
    assert response["Content-Type"].startswith("text/plain; version=")
    found = families(response.content.decode())
    for name in (
        "provider_selected", "provider_errors", "provider_latency_ms", "jobs_processed",
        "gaps_found", "write_batch_ms", "ingestion_lag_seconds", "active_symbols", "market_open",
    ):  # fmt: skip
        assert name in found, name


def test_known_labels_start_at_zero(client, fleet):
    text = client.get("/metrics").content.decode()
    assert {("1m",), ("1d",)} <= set(samples(text, "gaps_found"))
    assert samples(text, "active_symbols") == {("T0",): 2, ("T1",): 1, ("T2",): 0}
    assert samples(text, "market_open") == {("XNYS",): 1, ("24/7",): 1}


def test_lag_is_that_of_the_symbol_furthest_behind(client, fleet):
    aapl, spy, coin = fleet
    settle(aapl, "1m", "2014-06-12T14:59")  # its minute 14:59 was over at 15:00:00
    settle(spy, "1m", "2014-06-12T14:50")  # its minute 14:50 was over at 14:51:00
    settle(coin, "1m", "2014-06-12T15:00")  # its minute 15:00 is not over yet
    settle(aapl, "1d", "2014-06-12")  # the session of the 12th has not closed yet
    text = client.get("/metrics").content.decode()
    assert samples(text, "ingestion_lag_seconds") == {("1m",): 570, ("1d",): 0}


@pytest.mark.parametrize(
    ("settled_to", "interval", "now", "expected"),
    [
        ("2014-06-12T20:00", Interval.MINUTE, "2014-06-13T13:30", 0),  # the night is no lag
        ("2014-06-12T20:00", Interval.MINUTE, "2014-06-13T13:31", 0),
        ("2014-06-12T20:00", Interval.MINUTE, "2014-06-13T13:31:01", 1),
        ("2014-06-06T20:00", Interval.MINUTE, "2014-06-08T12:00", 0),  # nor is the weekend
        ("2014-06-12T19:59", Interval.MINUTE, "2014-06-12T20:10", 600),
        ("2014-06-12", Interval.DAY, "2014-06-12T20:00", 0),
        ("2014-06-12", Interval.DAY, "2014-06-12T21:00", 3600),
        ("2014-06-13", Interval.DAY, "2014-06-12T21:00", 0),
        ("2014-06-12T16:00", Interval.MINUTE, "2014-06-12T15:00", 0),
    ],
)
def test_lag_counts_from_the_end_of_the_first_bar_that_is_missing(
    settled_to, interval, now, expected
):
    assert lag.lag_of(at(settled_to), interval, june_grid(), at(now)) == expected


def test_inactive_symbols_do_not_lag(fleet):
    aapl, *_ = fleet
    settle(aapl, "1m", "2014-06-12T13:30")
    aapl.active = False
    aapl.save()
    assert lag.lags(NOW) == {Interval.MINUTE: 0, Interval.DAY: 0}


def test_the_fleet_is_asked_once_in_a_while(client, fleet, django_assert_num_queries):
    client.get("/metrics")
    with django_assert_num_queries(0):
        client.get("/metrics")


def test_counters_are_told_even_without_a_database(client, fleet, monkeypatch):
    monkeypatch.setattr(metrics, "generate_latest", _unless_fleet)
    response = client.get("/metrics")
    assert response.status_code == 200
    found = families(response.content.decode())
    assert "gaps_found" in found
    assert "active_symbols" not in found
    assert found["fleet_scrape_errors"].samples[0].value >= 1


def _unless_fleet(registry: CollectorRegistry) -> bytes:
    if registry is REGISTRY:
        return generate_latest(registry)
    raise OperationalError("gone")


def test_processes_are_merged_with_a_multiprocess_directory(tmp_path):
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "DATA_DIR": str(settings.DATA_DIR),
    }
    count = (
        "import django; django.setup();"
        "from ingestion.metrics import gaps_found; gaps_found.labels('1m').inc(3)"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], env=environment, check=True)
    tell = (
        "import django; django.setup();"
        "from ops import metrics; print(metrics.process_text().decode())"
    )
    text = subprocess.run(
        [sys.executable, "-c", tell], env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert samples(text, "gaps_found")["1m",] == 6
