"""Fixtures of the providers' tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from marketdata_site import clock, runtime_config
from tests.ingestion.providers.asking import NotingGate
from tests.ingestion.providers.fake_vendor import FakeVendor


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    """A vendor that answers as the test says."""
    with FakeVendor().running() as running:
        yield running


@pytest.fixture
def gate(vendor: FakeVendor) -> NotingGate:
    """A gate that fails the test when a call is made outside a slot."""
    noting = NotingGate()

    def inside() -> None:
        assert noting.inside > 0, "a request was made outside a slot"

    vendor.on_call = inside
    return noting


@pytest.fixture
def at() -> Callable[[str], None]:
    """Stop the clock at a moment, UTC."""

    def stop(text: str) -> None:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        clock.install(lambda: moment)

    return stop


@pytest.fixture
def timeout_s() -> Iterator[Callable[[float], None]]:
    """Set the vendors' timeout."""
    before = runtime_config.current()
    put_back: list[Any] = []

    def change(seconds: float) -> None:
        changed = before.model_copy(update={"vendor_timeout_s": seconds})
        put_back.append(runtime_config.install(lambda: changed))

    yield change
    if put_back:
        runtime_config.install(put_back[0])


@pytest.fixture
def opened() -> Iterator[Callable[[Any], Any]]:
    """Close adapters and clients at the end."""
    all_opened: list[Any] = []

    def keep(thing: Any) -> Any:
        all_opened.append(thing)
        return thing

    yield keep
    for thing in all_opened:
        thing.close()
