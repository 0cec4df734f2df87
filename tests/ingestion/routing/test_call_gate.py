"""The gate waits as long as there is hope, says why it gives up, and always gives back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction
from prometheus_client import REGISTRY

from ingestion.providers.errors import Banned, ProviderError, RateLimited
from ingestion.routing.call_gate import (
    CallInsideTransaction,
    LimiterUnavailable,
    LimitStore,
    SharedGate,
    StoreUnavailable,
    call_gate,
)
from ingestion.routing.limits import Admitted, Refused, Verdict
from marketdata_site.call_limits import CallLimits


class ScriptedStore:
    """Answers `ask` from a list and writes down what it was told."""

    name = "database"

    def __init__(self, *answers: Verdict | StoreUnavailable) -> None:
        self.answers = list(answers)
        self.told: list[tuple[object, ...]] = []
        self.token = ""
        self.broken = False

    def ask(self, provider: str, limits: CallLimits, token: str, lease_ms: int) -> Verdict:
        self.told.append(("ask", provider, limits, lease_ms))
        self.token = token
        answer = self.answers.pop(0)
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    def finish(self, provider: str, token: str) -> bool:
        if self.broken:
            raise StoreUnavailable("gone")
        self.told.append(("finish", provider))
        return token == self.token

    def block(self, provider: str, code: str, duration_ms: int) -> None:
        if self.broken:
            raise StoreUnavailable("gone")
        self.told.append(("block", provider, code, duration_ms))


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def monotonic(self) -> float:
        return 1000.0 + sum(self.slept)


GateOver = Callable[..., SharedGate]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def gate_over(time: Time) -> GateOver:
    def make(store: ScriptedStore, patience_s: float = 5.0) -> SharedGate:
        return SharedGate(
            store,
            patience_s=patience_s,
            limits={"polygon": CallLimits(per_minute=7)}.__getitem__,
            lease_s=lambda: 40.0,
            sleep=time.sleep,
            monotonic=time.monotonic,
        )

    return make


def test_a_call_is_made_between_asking_and_giving_back(gate_over: GateOver) -> None:
    store = ScriptedStore(Admitted())
    with gate_over(store).slot("polygon"):
        store.told.append(("call",))
    asked = ("ask", "polygon", CallLimits(per_minute=7), 40_000)
    assert store.told == [asked, ("call",), ("finish", "polygon")]


def test_a_call_that_raises_gives_its_place_back(gate_over: GateOver) -> None:
    store = ScriptedStore(Admitted())
    with pytest.raises(ZeroDivisionError), gate_over(store).slot("polygon"):
        _ = 1 / 0
    assert store.told[-1] == ("finish", "polygon")


def test_it_sleeps_until_there_may_be_room(gate_over: GateOver, time: Time) -> None:
    store = ScriptedStore(Refused(1_500, "per_second"), Refused(250, "burst"), Admitted())
    with gate_over(store).slot("polygon"):
        pass
    assert time.slept == [1.5, 0.25]


def test_it_looks_often_when_only_calls_under_way_are_in_the_way(
    gate_over: GateOver, time: Time
) -> None:
    store = ScriptedStore(*[Refused(0, "concurrency")] * 3, Admitted())
    with gate_over(store).slot("polygon"):
        pass
    assert len(time.slept) == 3
    assert 0 < max(time.slept) <= 0.05


@pytest.mark.parametrize(
    ("cause", "error"),
    [("per_minute", RateLimited), ("rate_limited", RateLimited), ("ban", Banned)],
)
def test_a_wait_beyond_its_patience_is_refused_at_once(
    gate_over: GateOver, time: Time, cause: str, error: type[ProviderError]
) -> None:
    store = ScriptedStore(Refused(5_001, cause))
    with (
        pytest.raises(error, match=r"polygon .* 5\.00 s") as refused,
        gate_over(store).slot("polygon"),
    ):
        pytest.fail("no call may be made")
    assert refused.value.retry_after == pytest.approx(5.001)
    assert (time.slept, store.told[1:]) == ([], [])


def test_a_short_block_is_waited_out(gate_over: GateOver, time: Time) -> None:
    store = ScriptedStore(Refused(4_999, "rate_limited"), Admitted())
    with gate_over(store).slot("polygon"):
        pass
    assert time.slept == [4.999]


def test_patience_ends_even_if_each_wait_is_short(gate_over: GateOver, time: Time) -> None:
    store = ScriptedStore(*[Refused(900, "per_second")] * 9)
    with pytest.raises(RateLimited), gate_over(store).slot("polygon"):
        pytest.fail("no call may be made")
    assert sum(time.slept) == pytest.approx(4.5)


def test_without_the_store_no_call_is_made_and_the_next_try_asks_again(gate_over: GateOver) -> None:
    store = ScriptedStore(StoreUnavailable("connection refused"), Admitted())
    gate, before = gate_over(store), _errors()
    with pytest.raises(LimiterUnavailable, match="connection refused"), gate.slot("polygon"):
        pytest.fail("no call may be made")
    assert _errors() == before + 1
    with gate.slot("polygon"):
        pass


def test_an_answer_is_not_lost_because_its_place_cannot_be_given_back(gate_over: GateOver) -> None:
    store, before = ScriptedStore(Admitted()), _errors()
    with gate_over(store).slot("polygon"):
        store.broken = True
    assert _errors() == before + 1


def test_a_block_is_for_everybody(gate_over: GateOver) -> None:
    store = ScriptedStore()
    gate_over(store).block("yahoo", 90.0, "ban")
    assert store.told == [("block", "yahoo", "ban", 90_000)]


def test_a_block_that_cannot_be_recorded_does_not_hide_the_vendors_error(
    gate_over: GateOver,
) -> None:
    store, before = ScriptedStore(), _errors()
    store.broken = True
    gate_over(store).block("yahoo", 90.0, "rate_limited")
    assert _errors() == before + 1


def test_only_rate_limits_and_bans_block(gate_over: GateOver) -> None:
    with pytest.raises(ValueError, match="rate_limited, ban"):
        gate_over(ScriptedStore()).block("yahoo", 1.0, "timeout")


@pytest.mark.django_db(transaction=True)
def test_no_call_is_made_inside_a_transaction(gate_over: GateOver) -> None:
    store = ScriptedStore(Admitted())
    with transaction.atomic(), pytest.raises(CallInsideTransaction), gate_over(store).slot("x"):
        pytest.fail("no call may be made")
    assert store.told == []


def test_the_service_has_one_gate_with_the_configured_limits(store: LimitStore) -> None:
    with call_gate().slot("polygon"):
        pass
    assert call_gate() is call_gate()


def _errors() -> float:
    return REGISTRY.get_sample_value("limiter_errors_total", {"store": "database"}) or 0.0
