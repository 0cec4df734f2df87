"""Fixtures that every test may use, and which tests belong to which lane."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import caches

from marketdata_site import clock
from tests.sandbox_server import sandbox

__all__ = ["sandbox"]  # a fixture of its own module

STRICT = os.environ.get("TEST_STRICT") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this lane does not run, rather than skip it: a skip is a loss. What may
    take longest starts first, so that no worker is left alone with it at the end."""
    items.sort(key=_time_allowed, reverse=True)
    absent: set[str] = set()
    absent.add("sqlite" if settings.ENVIRONMENT.production else "postgresql")
    if not settings.ENVIRONMENT.redis_url:
        absent.add("redis")
    elsewhere = [item for item in items if any(item.get_closest_marker(m) for m in absent)]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in set(elsewhere)]


def _time_allowed(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


@pytest.fixture(scope="session")
def market_data_dir() -> Path:
    """The folder of real sessions and recorded vendor answers; a test skips without it."""
    folder = os.environ.get("MARKETDATA_TEST_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    reason = (
        f"MARKETDATA_TEST_DATA names no folder: {folder}"
        if folder
        else "MARKETDATA_TEST_DATA is not set: no recorded data to test against"
    )
    if STRICT:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _clock_put_back() -> Iterator[None]:
    """A test may install another clock; the next test starts with the service's own."""
    before = clock.install(clock.system)
    clock.install(before)
    yield
    clock.install(before)


@pytest.fixture(autouse=True)
def _caches_emptied() -> Iterator[None]:
    """What one test put into a cache, throttle counts too, no other test finds."""
    yield
    for cache in caches.all(initialized_only=True):
        cache.clear()


@pytest.fixture(autouse=True)
def _grids_forgotten() -> Iterator[None]:
    """Processes keep the grids of calendars; the next test's tables hold other sessions."""
    from ingestion.store import symbol_grids
    from universe.services import sessions

    yield
    sessions.forget()
    symbol_grids.forget()
