"""Database and Redis keep the book that the rules alone would keep."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from ingestion.models import ProviderLimit
from ingestion.routing.call_gate import LimitStore, StoreUnavailable
from ingestion.routing.limits import Admitted, CallBook, Refused
from ingestion.routing.limits_database import DatabaseLimits
from ingestion.routing.limits_redis import RedisLimits
from marketdata_site.call_limits import CallLimits

Acts = list[tuple[int, tuple[Any, ...]]]

MONDAY = 1_763_337_600_000
counts = st.none() | st.integers(1, 4)
limits = st.builds(
    CallLimits,
    per_second=counts,
    per_minute=counts,
    per_day=counts,
    burst=counts,
    concurrency=counts,
)
tokens = st.sampled_from("abcdef")
acts = st.lists(
    st.tuples(
        st.integers(-50, 1_500) | st.sampled_from([0, 0, 60_000, 86_400_000, -7_200_000]),
        st.tuples(st.just("ask"), limits, tokens, st.sampled_from([40, 5_000]))
        | st.tuples(st.just("finish"), tokens)
        | st.tuples(st.just("block"), st.sampled_from(["rate_limited", "ban"]), st.just(900)),
    ),
    max_size=25,
)
# One database for all examples: each uses a provider of its own.
few = effort(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.django_db(transaction=True)
@few
@given(acts)
def test_the_database_keeps_the_book_of_the_rules(acts: Acts) -> None:
    _same_as_the_rules(DatabaseLimits, acts)


@pytest.mark.redis
@few
@given(acts)
def test_redis_keeps_the_book_of_the_rules(acts: Acts) -> None:
    def make(now_ms: Callable[[], int]) -> LimitStore:
        return RedisLimits(settings.ENVIRONMENT.redis_url or "", "test:limits:", now_ms)

    _same_as_the_rules(make, acts)


def test_places_are_counted_by_the_clock_of_the_store(store: LimitStore) -> None:
    one_a_day = CallLimits(per_day=1)
    assert store.ask("polygon", one_a_day, "a", 60_000) == Admitted()
    assert store.finish("polygon", "a")
    refused = store.ask("polygon", one_a_day, "b", 60_000)
    assert isinstance(refused, Refused)
    assert 86_340_000 < refused.wait_ms <= 87_264_000
    assert store.ask("alpaca", one_a_day, "c", 60_000) == Admitted()


def test_a_call_that_was_never_admitted_has_no_place_to_give_back(store: LimitStore) -> None:
    assert not store.finish("polygon", "nobody")


def test_who_waits_changes_no_row(
    store: LimitStore, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    store.ask("polygon", CallLimits(per_day=1), "a", 60_000)
    if not isinstance(store, DatabaseLimits):
        return
    before = ProviderLimit.objects.get().state
    with django_assert_max_num_queries(2):
        store.ask("polygon", CallLimits(per_day=1), "b", 60_000)
    assert ProviderLimit.objects.get().state == before


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_to_count_inside_a_transaction_of_the_caller() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        DatabaseLimits().finish("polygon", "a")


@pytest.mark.django_db(transaction=True)
def test_a_database_connection_that_broke_is_reported_and_replaced() -> None:
    store = DatabaseLimits()
    store.block("polygon", "ban", 60_000)
    connection.connection.close()
    with pytest.raises(StoreUnavailable):
        store.ask("polygon", CallLimits(), "a", 60_000)
    assert isinstance(store.ask("polygon", CallLimits(), "a", 60_000), Refused)


def test_a_redis_that_is_not_there_is_reported() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        store = RedisLimits(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(StoreUnavailable, match="ConnectionError"):
            store.ask("polygon", CallLimits(), "a", 60_000)


def _same_as_the_rules(make: Callable[..., LimitStore], acts: Acts) -> None:
    now = MONDAY
    book, store, provider = CallBook(), make(now_ms=lambda: now), uuid4().hex[:16]
    for pause, (verb, *arguments) in acts:
        now += pause
        found = getattr(store, verb)(provider, *arguments)
        after = CallBook.from_json(book.to_json())
        assert found == getattr(after, verb)(*arguments, now), (verb, arguments)
        if not isinstance(found, Refused):  # who is refused changes nothing
            book = after
