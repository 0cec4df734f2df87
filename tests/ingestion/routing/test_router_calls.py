"""How the calls of a routed request are made: closed sources, batches, threads, counts."""

from __future__ import annotations

import logging
import sqlite3
from threading import Barrier, Lock

import pytest
from django.db import connection, transaction

from ingestion.models import ProviderLimit
from ingestion.providers.base import BarAnswer, BarRequest
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    NotEntitled,
    ProviderError,
    ServerError,
    Timeout,
)
from ingestion.routing.call_gate import CallInsideTransaction
from ingestion.routing.journey import NoSource
from ingestion.routing.live import live_router
from tests.ingestion.routing.fakes import answer, config, instrument, request, source
from tests.ingestion.routing.routed import (
    POLICY,
    POLYGON,
    SIP,
    always,
    catalogue_of,
    chosen,
    counted,
    error,
    partly,
    routed,
)

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
    before = counted("provider_selected_total", labels)
    catalogue = catalogue_of()
    catalogue.on("alpaca:sip", always(error(Timeout)))
    routed(catalogue, request("AAPL", "MSFT"))
    assert counted("provider_selected_total", labels) == before + 1


@pytest.mark.django_db(transaction=True)
def test_the_service_routes_over_its_registered_providers() -> None:
    # The tests' environment has no keys, and yahoo, which needs none, is split-adjusted.
    result = live_router().route(request("AAPL"))
    assert isinstance(result.failures[0], NoSource)
    assert "alpaca:sip has no key" in str(result.failures[0])
    assert live_router() is live_router()


def _is_closed(used: object) -> bool:
    if connection.vendor == "postgresql":
        return bool(used.closed)  # type: ignore[attr-defined]  # a psycopg connection
    try:
        used.total_changes  # type: ignore[attr-defined]  # noqa: B018 - a sqlite3 connection
    except sqlite3.ProgrammingError:
        return True
    return False
