"""What the environment seeds, and the accessor that callers ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from marketdata_site import runtime_config
from marketdata_site.call_limits import CallLimits
from marketdata_site.environment import load


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("5/minute", CallLimits(per_minute=5)),
        ("30/second, 60/minute", CallLimits(per_second=30, per_minute=60)),
        ("10000/day burst=5 concurrency=8", CallLimits(per_day=10_000, burst=5, concurrency=8)),
        ("", CallLimits()),
    ],
)
def test_limits_are_read_as_people_write_them(text: str, limits: CallLimits) -> None:
    assert CallLimits.parse(text) == limits


@pytest.mark.parametrize("text", ["5", "5/hour", "-5/minute", "5/minute!", "burst", "burst=x"])
def test_what_is_no_limit_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no limit: write 5/second"):
        CallLimits.parse(text)


@pytest.mark.parametrize("text", ["0/minute", "burst=0"])
def test_a_limit_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        CallLimits.parse(text)


def test_without_a_word_the_vendors_documented_limits_hold() -> None:
    """The free plans: polygon 5 a minute, alpaca 200, finnhub 60 and 30 a second."""
    limits = runtime_config.from_environment(load({})).limits
    assert limits["polygon"] == CallLimits(per_minute=5)
    assert limits["alpaca"] == CallLimits(per_minute=200)
    assert limits["finnhub"] == CallLimits(per_minute=60, per_second=30)


def test_the_environment_replaces_one_providers_limits() -> None:
    limits = runtime_config.from_environment(load({"LIMIT_POLYGON": "100/second"})).limits
    assert limits["polygon"] == CallLimits(per_second=100)
    assert limits["alpaca"] == CallLimits(per_minute=200)


def test_the_sandbox_has_no_rate_limit_unless_one_is_given() -> None:
    environ = {"SANDBOX_URL": "http://127.0.0.1:9", "LIMIT_YAHOO": "1/second"}
    limits = runtime_config.from_environment(load(environ)).limits
    assert limits["polygon"].per_minute is None
    assert limits["yahoo"] == CallLimits(per_second=1)


def test_policies_and_cadences_come_from_the_environment() -> None:
    config = runtime_config.from_environment(
        load({"POLICY_BARS_1M": "yahoo", "CADENCE_1M_T2_S": "600", "PROVIDERS_ENABLED": "yahoo"})
    )
    assert config.policies["bars_1m"] == ("yahoo",)
    assert config.policies["bars_1d"][0] == "polygon"
    assert config.cadence_s == {"T0": 60, "T1": 60, "T2": 600}
    assert config.providers_enabled == {"yahoo"}


@pytest.fixture
def source_put_back() -> Iterator[None]:
    before = runtime_config.install(runtime_config.current)
    runtime_config.install(before)
    yield
    runtime_config.install(before)


@pytest.mark.usefixtures("source_put_back")
def test_another_source_answers_once_it_is_plugged_in() -> None:
    seeded = runtime_config.current()
    changed = seeded.model_copy(update={"version": "7"})
    before = runtime_config.install(lambda: changed)
    assert runtime_config.current().version == "7"
    assert before() == seeded


def test_the_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        runtime_config.current().version = "8"  # type: ignore[misc]  # what is being tested
