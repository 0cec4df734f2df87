"""Every rule of routing, against providers that do as they are told."""

from __future__ import annotations

import logging
import sqlite3
from threading import Barrier, Lock

import pytest
from django.db import connection, transaction
from prometheus_client import REGISTRY

from ingestion.domain.source import Scope, Source
from ingestion.models import ProviderLimit
from ingestion.providers.base import BarAnswer, BarRequest
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
from ingestion.routing import router as routing
from ingestion.routing.answers import RoutedAnswer
from ingestion.routing.call_gate import CallInsideTransaction
from ingestion.routing.journey import NoSource
from ingestion.routing.router import Router
from marketdata_site.runtime_config import RuntimeConfig
from tests.ingestion.routing.fakes import (
    SPLIT,
    FakeCatalogue,
    Script,
    answer,
    config,
    instrument,
    request,
    source,
)
from universe.domain.interval import Interval

SIP, POLYGON, YAHOO = source("alpaca:sip"), source("polygon"), source("yahoo", SPLIT)
VENUE = source("alpaca:iex", scope=Scope.VENUE)
POLICY = ("alpaca:sip", "polygon", "yahoo")


def catalogue_of(*sources: Source, keyless: tuple[str, ...] = ()) -> FakeCatalogue:
    return FakeCatalogue(*(sources or (SIP, POLYGON, YAHOO)), keyless=keyless)


def routed(
    catalogue: FakeCatalogue,
    wanted: BarRequest,
    settings: RuntimeConfig | None = None,
    hint: str | None = None,
) -> RoutedAnswer:
    """The answer, checked for what always holds."""
    result = Router(catalogue, lambda: settings or config(*POLICY)).route(wanted, hint)
    everyone = [index for part in result.parts for index in part.instruments]
    assert sorted([*everyone, *result.failures]) == list(range(len(wanted.instruments)))
    for part in result.parts:
        asked = part.answer.request.instruments
        assert asked == tuple(wanted.instruments[index] for index in part.instruments)
        assert set(part.answer.coverage) == set(range(len(asked)))
        assert part.answer.failures == {}
        assert part.answer.bars.owner.tolist() == list(range(len(asked)))  # one bar each
        assert len(part.reason) <= 200
    assert sorted(result.choices) == sorted(everyone)
    return result


def chosen(result: RoutedAnswer) -> dict[str, tuple[str, str]]:
    """ticker → source and reason."""
    instruments = result.request.instruments
    return {
        instruments[index].ticker: (choice.source.name, choice.reason)
        for index, choice in sorted(result.choices.items())
    }


def error(kind: type[ProviderError], provider: str = "alpaca") -> ProviderError:
    return kind(provider, "bars", "as told")


def always(outcome: ProviderError) -> Script:
    return lambda _: outcome


def partly(of: Source, **failures: ProviderError) -> Script:
    """Fails for some tickers and answers for the others."""

    def script(wanted: BarRequest) -> BarAnswer:
        present = {item.ticker for item in wanted.instruments}
        return answer(of, wanted, failures={t: e for t, e in failures.items() if t in present})

    return script


# ---- choosing ----------------------------------------------------------------------------


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
    before = _count("provider_errors_total", labels)
    result = routed(catalogue, request("AAPL", "MSFT"))
    assert list(chosen(result)) == ["AAPL"]
    assert isinstance(result.failures[1], Incomplete)
    assert "MSFT" in str(result.failures[1])
    assert _count("provider_errors_total", labels) == before + 1


def test_a_vendor_that_was_not_asked_because_it_was_too_early_has_made_no_error() -> None:
    catalogue = catalogue_of(SIP)
    catalogue.on("alpaca:sip", lambda wanted: answer(SIP, wanted, uncovered=["AAPL"], calls=0))
    labels = {"provider": "alpaca", "endpoint": "bars_1m", "code": "incomplete"}
    before = _count("provider_errors_total", labels)
    assert isinstance(routed(catalogue, request("AAPL")).failures[0], Incomplete)
    assert _count("provider_errors_total", labels) == before


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


# ---- errors that close a source ----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "calls", "other_feed_asked"),
    [(Timeout, 3, True), (NotEntitled, 1, True), (AuthFailed, 1, False), (Banned, 1, False)],
)
def test_a_refused_feed_or_key_is_not_tried_again(
    kind: type[ProviderError], calls: int, other_feed_asked: bool
) -> None:
    other = source("alpaca:otc")
    catalogue = catalogue_of(SIP, other, POLYGON)
    catalogue.adapters["alpaca"].size = 1
    catalogue.on("alpaca:sip", always(error(kind)))
    settings = config("alpaca:sip", "alpaca:otc", "polygon", at_once=1)
    result = routed(catalogue, request("A", "B", "C"), settings)
    asked = [name for name, _ in catalogue.asked]
    assert asked.count("alpaca:sip") == calls
    assert ("alpaca:otc" in asked) == other_feed_asked
    next_one = "alpaca:otc" if other_feed_asked else "polygon"
    assert {of for of, _ in chosen(result).values()} == {next_one}
    assert all(f"alpaca:sip failed: {kind.code}" in why for _, why in chosen(result).values())


def test_a_plan_without_stocks_may_have_crypto() -> None:
    catalogue = catalogue_of(SIP, POLYGON)

    def stocks_are_extra(wanted: BarRequest) -> BarAnswer | ProviderError:
        stocks = any(item.asset_class != "crypto" for item in wanted.instruments)
        return error(NotEntitled) if stocks else answer(SIP, wanted)

    catalogue.on("alpaca:sip", stocks_are_extra)
    wanted = request("AAPL", instrument("BTC-USD", "crypto"), instrument("SPY", "etf"))
    result = routed(catalogue, wanted, config("alpaca:sip", "polygon", at_once=1))
    assert [of for of, _ in chosen(result).values()] == ["polygon", "alpaca:sip", "polygon"]
    assert catalogue.asked[:2] == [("alpaca:sip", ("AAPL", "SPY")), ("alpaca:sip", ("BTC-USD",))]


def test_one_instrument_that_the_plan_leaves_out_closes_nothing() -> None:
    etfs_only = source("finnhub", asset_classes=["etf"])
    catalogue = catalogue_of(etfs_only, SIP, POLYGON)
    catalogue.on("alpaca:sip", partly(SIP, A=error(NotEntitled)))
    catalogue.on("finnhub", always(error(Timeout, "finnhub")))
    wanted = request("A", "B", instrument("SPY", "etf"))
    result = routed(catalogue, wanted, config("finnhub", "alpaca:sip", "polygon"))
    # SPY comes to alpaca only after A was refused there.
    served_by = {ticker: of for ticker, (of, _) in chosen(result).items()}
    assert served_by == {"A": "polygon", "B": "alpaca:sip", "SPY": "alpaca:sip"}


def test_a_ban_in_the_midst_of_an_answer_closes_the_provider() -> None:
    catalogue = catalogue_of()
    catalogue.adapters["alpaca"].size = 2
    catalogue.on("alpaca:sip", partly(SIP, B=error(Banned)))
    settings = config("alpaca:sip", "polygon", "alpaca:sip", at_once=1)
    catalogue.on("polygon", always(error(Timeout, "polygon")))
    result = routed(catalogue, request("A", "B"), settings)
    assert [name for name, _ in catalogue.asked].count("alpaca:sip") == 1
    assert result.failures[1].code == "ban"


# ---- batches, threads, metrics -----------------------------------------------------------


def test_a_request_is_split_as_the_adapter_wants_it_and_put_together_again() -> None:
    catalogue = catalogue_of()
    catalogue.adapters["alpaca"].size = 2
    result = routed(catalogue, request(*"ABCDE"))
    assert sorted(catalogue.asked) == [
        ("alpaca:sip", ("A", "B")),
        ("alpaca:sip", ("C", "D")),
        ("alpaca:sip", ("E",)),
    ]
    (part,) = result.parts
    assert part.instruments == (0, 1, 2, 3, 4)
    assert (part.answer.calls, part.answer.dropped) == (3, {"null_row": 3})
    assert part.answer.observed_at == 1_763_388_700.5


def test_what_an_answer_dropped_is_counted_once_though_it_is_in_two_parts() -> None:
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", partly(SIP, A=error(Timeout), B=error(ServerError)))
    result = routed(catalogue, request("A", "B"))
    assert [part.answer.source.name for part in result.parts] == ["polygon", "polygon"]
    assert [part.answer.calls for part in result.parts] == [1, 0]


def test_calls_are_made_at_once_but_never_more_than_a_worker_may() -> None:
    catalogue = catalogue_of()
    catalogue.adapters["alpaca"].size = 1
    three_together, lock = Barrier(3, timeout=20), Lock()
    present, most = 0, 0

    def wait_for_two_others(wanted: BarRequest) -> BarAnswer:
        nonlocal present, most
        with lock:
            present += 1
            most = max(most, present)
        three_together.wait()  # breaks if there are never three
        with lock:
            present -= 1
        return answer(SIP, wanted)

    catalogue.on("alpaca:sip", wait_for_two_others)
    routed(catalogue, request(*"ABCDEFGHI"), config(*POLICY, at_once=3))
    assert most == 3


@pytest.mark.django_db(transaction=True)
def test_threads_leave_no_database_connection_behind() -> None:
    catalogue = catalogue_of()
    catalogue.adapters["alpaca"].size = 1
    used = []

    def look_into_the_database(wanted: BarRequest) -> BarAnswer:
        ProviderLimit.objects.count()
        used.append(connection.connection)
        three_together.wait()
        return answer(SIP, wanted)

    three_together = Barrier(3, timeout=20)
    catalogue.on("alpaca:sip", look_into_the_database)
    routed(catalogue, request("A", "B", "C"))
    assert len({id(each) for each in used}) == 3
    assert all(_is_closed(each) for each in used)


def test_an_answer_that_breaks_the_adapter_costs_only_that_source(
    caplog: pytest.LogCaptureFixture,
) -> None:
    catalogue = catalogue_of()

    def parse_the_unforeseen(wanted: BarRequest) -> BarAnswer:
        return answer(SIP, wanted, failures={"nobody": error(Timeout)})  # no such ticker

    catalogue.on("alpaca:sip", parse_the_unforeseen)
    with caplog.at_level(logging.ERROR):
        result = routed(catalogue, request("AAPL"))
    assert chosen(result) == {"AAPL": ("polygon", "policy bars_1m: alpaca:sip failed: malformed")}
    assert "ValueError" in caplog.text


def test_a_mistake_of_our_own_is_not_blamed_on_a_vendor() -> None:
    catalogue = catalogue_of()
    catalogue.adapters["alpaca"].size = 1

    def misuse_the_gate(wanted: BarRequest) -> BarAnswer:
        raise CallInsideTransaction("as told")

    catalogue.on("alpaca:sip", misuse_the_gate)
    with pytest.raises(CallInsideTransaction):
        routed(catalogue, request("A", "B", "C"))


@pytest.mark.django_db(transaction=True)
def test_nothing_is_fetched_inside_a_transaction() -> None:
    catalogue = catalogue_of()
    with transaction.atomic(), pytest.raises(CallInsideTransaction):
        routed(catalogue, request("AAPL"))
    assert catalogue.asked == []


def test_each_answer_used_counts_for_its_provider() -> None:
    labels = {"capability": "bars_1m", "provider": "polygon"}
    before = _count("provider_selected_total", labels)
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", always(error(Timeout)))
    routed(catalogue, request("AAPL", "MSFT"))
    assert _count("provider_selected_total", labels) == before + 1


@pytest.mark.django_db(transaction=True)
def test_the_service_routes_over_its_registered_providers() -> None:
    # The tests' environment has no keys, and yahoo, which needs none, is split-adjusted.
    result = routing.route(request("AAPL"))
    assert isinstance(result.failures[0], NoSource)
    assert "alpaca:sip has no key" in str(result.failures[0])
    assert routing.router() is routing.router()


def _count(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def _is_closed(used: object) -> bool:
    if connection.vendor == "postgresql":
        return bool(used.closed)  # type: ignore[attr-defined]  # a psycopg connection
    try:
        used.total_changes  # type: ignore[attr-defined]  # noqa: B018 - a sqlite3 connection
    except sqlite3.ProgrammingError:
        return True
    return False
