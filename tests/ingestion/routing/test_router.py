"""Which source is chosen, and which one next: every rule, against providers that do as told."""

from __future__ import annotations

import pytest

from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    Incomplete,
    Malformed,
    NotEntitled,
    ProviderError,
    RateLimited,
    ServerError,
    Timeout,
    UnknownSymbol,
)
from ingestion.routing.journey import NoSource
from tests.ingestion.routing.fakes import answer, config, instrument, request, source
from tests.ingestion.routing.routed import (
    POLICY,
    POLYGON,
    SIP,
    VENUE,
    YAHOO,
    always,
    catalogue_of,
    chosen,
    counted,
    error,
    partly,
    routed,
)
from universe.domain.interval import Interval


def test_the_first_of_the_policy_answers_for_everybody() -> None:
    catalogue = catalogue_of()
    result = routed(catalogue, request("AAPL", "MSFT"))
    expected = ("alpaca:sip", "first of policy bars_1m")
    assert chosen(result) == {"AAPL": expected, "MSFT": expected}
    assert catalogue.asked == [("alpaca:sip", ("AAPL", "MSFT"))]
    assert result.failures == {}


def test_each_interval_has_a_policy_of_its_own() -> None:
    daily = request("AAPL", interval=Interval.DAY)
    result = routed(catalogue_of(), daily, config("alpaca:sip", "polygon"))
    assert chosen(result) == {"AAPL": ("polygon", "first of policy bars_1d")}


@pytest.mark.parametrize(
    ("enabled", "keyless", "note"),
    [
        (["polygon"], (), "alpaca:sip is not enabled"),
        (["alpaca", "polygon"], ("alpaca",), "alpaca:sip has no key"),
    ],
)
def test_who_may_not_be_asked_is_passed_over_with_the_reason(
    enabled: list[str], keyless: tuple[str, ...], note: str
) -> None:
    catalogue = catalogue_of(keyless=keyless)
    result = routed(catalogue, request("AAPL"), config(*POLICY, enabled=enabled))
    assert chosen(result) == {"AAPL": ("polygon", f"policy bars_1m: {note}")}
    assert catalogue.asked == [("polygon", ("AAPL",))]


def test_a_venue_never_fills_a_consolidated_series_even_when_nobody_else_can() -> None:
    catalogue = catalogue_of(VENUE)
    result = routed(catalogue, request("AAPL"), config("alpaca:iex"))
    assert isinstance(result.failures[0], NoSource)
    assert "alpaca:iex sees one venue only" in str(result.failures[0])
    assert catalogue.asked == []


def test_a_split_adjusted_source_serves_crypto_but_no_stocks() -> None:
    catalogue = catalogue_of(YAHOO)
    wanted = request("AAPL", instrument("BTC-USD", "crypto"), instrument("SPY", "etf"))
    result = routed(catalogue, wanted, config("yahoo"))
    assert chosen(result) == {"BTC-USD": ("yahoo", "first of policy bars_1m")}
    assert catalogue.asked == [("yahoo", ("BTC-USD",))]
    assert {type(failure) for failure in result.failures.values()} == {NoSource}
    assert "yahoo is split-adjusted and splits are not known" in str(result.failures[0])


def test_a_hint_puts_a_provider_first_and_keeps_the_rest() -> None:
    catalogue = catalogue_of()
    catalogue.on("polygon", partly(POLYGON, MSFT=error(Timeout, "polygon")))
    result = routed(catalogue, request("AAPL", "MSFT"), hint="polygon")
    policy = "policy bars_1m with polygon put first"
    assert chosen(result) == {
        "AAPL": ("polygon", f"first of {policy}"),
        "MSFT": ("alpaca:sip", f"{policy}: polygon failed: timeout"),
    }


def test_a_hint_does_not_let_in_a_provider_that_the_policy_leaves_out() -> None:
    catalogue = catalogue_of()
    result = routed(catalogue, request("AAPL"), config("alpaca:sip"), hint="polygon")
    assert chosen(result)["AAPL"][0] == "alpaca:sip"


def test_the_same_state_gives_the_same_choices() -> None:
    def once() -> tuple[object, ...]:
        catalogue = catalogue_of()
        catalogue.adapters["alpaca"].size = 1
        catalogue.on("alpaca:sip", partly(SIP, C=error(Timeout), E=error(ServerError)))
        result = routed(catalogue, request(*"ABCDEF"))
        parts = [(part.answer.source.name, part.instruments, part.reason) for part in result.parts]
        return parts, chosen(result)

    assert once() == once() == once()


# ---- failing over ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [Timeout, ServerError, RateLimited, Malformed, UnknownSymbol, NotEntitled, AuthFailed, Banned],
)
def test_whatever_went_wrong_the_next_source_is_asked(kind: type[ProviderError]) -> None:
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", always(error(kind)))
    result = routed(catalogue, request("AAPL"))
    reason = f"policy bars_1m: alpaca:sip failed: {kind.code}"
    assert chosen(result) == {"AAPL": ("polygon", reason)}


def test_only_the_instruments_that_failed_are_asked_for_again() -> None:
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", partly(SIP, MSFT=error(UnknownSymbol), TSLA=error(Timeout)))
    result = routed(catalogue, request("AAPL", "MSFT", "SPY", "TSLA"))
    assert catalogue.asked == [
        ("alpaca:sip", ("AAPL", "MSFT", "SPY", "TSLA")),
        ("polygon", ("MSFT", "TSLA")),
    ]
    assert chosen(result) == {
        "AAPL": ("alpaca:sip", "first of policy bars_1m"),
        "MSFT": ("polygon", "policy bars_1m: alpaca:sip failed: unknown_symbol"),
        "SPY": ("alpaca:sip", "first of policy bars_1m"),
        "TSLA": ("polygon", "policy bars_1m: alpaca:sip failed: timeout"),
    }
    # One part for each source and reason, and every bar is its own instrument's.
    found = [(part.answer.source.name, part.instruments) for part in result.parts]
    assert found == [("alpaca:sip", (0, 2)), ("polygon", (1,)), ("polygon", (3,))]
    starts = [part.answer.bars.ts.tolist() for part in result.parts]
    first = result.request.range.start
    assert starts == [[first, first + 120], [first], [first + 60]]


@pytest.mark.parametrize("how", ["uncovered", "unmentioned"])
def test_an_answer_that_covers_nothing_of_an_instrument_has_failed_for_it(how: str) -> None:
    catalogue = catalogue_of(SIP)
    silent = {how: ["MSFT"]}
    catalogue.on("alpaca:sip", lambda wanted: answer(SIP, wanted, **silent))  # type: ignore[arg-type]  # either keyword
    labels = {"provider": "alpaca", "endpoint": "bars_1m", "code": "incomplete"}
    before = counted("provider_errors_total", labels)
    result = routed(catalogue, request("AAPL", "MSFT"))
    assert list(chosen(result)) == ["AAPL"]
    assert isinstance(result.failures[1], Incomplete)
    assert "MSFT" in str(result.failures[1])
    assert counted("provider_errors_total", labels) == before + 1


def test_a_vendor_that_was_not_asked_because_it_was_too_early_has_made_no_error() -> None:
    catalogue = catalogue_of(SIP)
    catalogue.on("alpaca:sip", lambda wanted: answer(SIP, wanted, uncovered=["AAPL"], calls=0))
    labels = {"provider": "alpaca", "endpoint": "bars_1m", "code": "incomplete"}
    before = counted("provider_errors_total", labels)
    assert isinstance(routed(catalogue, request("AAPL")).failures[0], Incomplete)
    assert counted("provider_errors_total", labels) == before


def test_who_fails_everywhere_is_given_back_with_the_last_error() -> None:
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", always(error(Timeout)))
    last = error(ServerError, "polygon")
    catalogue.on("polygon", partly(POLYGON, MSFT=last))
    result = routed(catalogue, request("AAPL", "MSFT"))
    assert list(chosen(result)) == ["AAPL"]
    assert result.failures == {1: last}


def test_when_everything_fails_nothing_is_raised() -> None:
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", always(error(Timeout)))
    catalogue.on("polygon", always(error(ServerError, "polygon")))
    result = routed(catalogue, request("AAPL", "MSFT"))
    assert result.parts == ()
    assert [failure.code for failure in result.failures.values()] == ["http_5xx", "http_5xx"]


def test_without_an_eligible_source_the_error_says_of_each_why_not() -> None:
    catalogue = catalogue_of(keyless=("alpaca",))
    settings = config(*POLICY, "nobody", enabled=["alpaca", "yahoo"])
    failure = routed(catalogue, request("AAPL"), settings).failures[0]
    assert isinstance(failure, NoSource)
    assert failure.permanent
    for note in (
        "alpaca:sip has no key",
        "polygon is not enabled",
        "yahoo is split-adjusted and splits are not known",
        "nobody is unknown",
    ):
        assert note in failure.detail


def test_an_empty_policy_and_an_empty_request_are_answered_too() -> None:
    result = routed(catalogue_of(), request("AAPL"), config())
    assert "the policy names no source" in str(result.failures[0])
    assert routed(catalogue_of(), request()).parts == ()


def test_a_long_story_is_cut_to_two_hundred_characters() -> None:
    names = [f"provider{number}:with_a_long_feed_name" for number in range(8)]
    catalogue = catalogue_of(*map(source, names))
    for name in names[:-1]:
        catalogue.on(name, always(error(UnknownSymbol)))
    ((of, reason),) = chosen(routed(catalogue, request("AAPL"), config(*names))).values()
    assert (of, len(reason), reason[-1]) == (names[-1], 200, "…")
