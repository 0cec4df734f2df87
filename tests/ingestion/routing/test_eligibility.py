"""Who may serve what: one row of the table for each rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.source import Basis, Scope, Source
from ingestion.routing.eligibility import Circumstances, plan
from tests.ingestion.routing.fakes import RAW, SPLIT, source
from universe.domain.interval import Interval

MINUTE, DAY = Interval.MINUTE, Interval.DAY
MIXED = {MINUTE: Basis.RAW, DAY: Basis.SPLIT}


def why_not(
    candidate: Source,
    interval: Interval = MINUTE,
    asset_class: str = "equity",
    *,
    enabled: bool = True,
    key: bool = True,
) -> str:
    circumstances = Circumstances(
        {candidate.name: candidate},
        frozenset({candidate.provider} if enabled else ()),
        lambda provider: key and provider == candidate.provider,
    )
    (step,) = plan([candidate.name], interval, asset_class, circumstances)
    assert (step.source is None) == bool(step.why_not)
    return step.why_not


@pytest.mark.parametrize(
    ("candidate", "interval", "asset_class", "expected"),
    [
        (source("polygon"), MINUTE, "equity", ""),
        (source("polygon"), DAY, "etf", ""),
        (source("alpaca:iex", scope=Scope.VENUE), MINUTE, "equity", "sees one venue only"),
        (source("yahoo", SPLIT), MINUTE, "equity", "is split-adjusted and splits are not known"),
        (source("yahoo", SPLIT), DAY, "etf", "is split-adjusted and splits are not known"),
        (source("yahoo", SPLIT), MINUTE, "crypto", ""),
        (source("yahoo", SPLIT), DAY, "crypto", ""),
        (source("finnhub", MIXED), MINUTE, "equity", ""),
        (source("finnhub", MIXED), DAY, "equity", "is split-adjusted and splits are not known"),
        (source("iex", {DAY: Basis.RAW}), MINUTE, "equity", "has no 1m bars of equity"),
        (source("iex", asset_classes=["equity"]), DAY, "crypto", "has no 1d bars of crypto"),
    ],
)
def test_what_a_source_is_decides_for_whom_it_may_speak(
    candidate: Source, interval: Interval, asset_class: str, expected: str
) -> None:
    assert why_not(candidate, interval, asset_class) == expected


def test_the_operator_and_the_keys_decide_whom_we_may_ask() -> None:
    assert why_not(source("polygon"), enabled=False) == "is not enabled"
    assert why_not(source("polygon"), key=False) == "has no key"


def test_a_name_that_no_provider_offers_is_passed_over() -> None:
    (step,) = plan(["nobody"], MINUTE, "equity", Circumstances({}, frozenset(), bool))
    assert (step.source, step.why_not) == (None, "is unknown")


NAMES = ["polygon", "alpaca:sip", "alpaca:iex", "finnhub", "yahoo"]


@given(
    st.permutations(NAMES).flatmap(lambda names: st.sampled_from([names[:n] for n in range(6)])),
    st.none() | st.sampled_from(["polygon", "alpaca", "yahoo", "nobody"]),
)
def test_the_policy_gives_the_order_and_a_hint_moves_one_provider_to_the_front(
    policy: list[str], hint: str | None
) -> None:
    sources = {name: source(name, RAW) for name in NAMES}
    circumstances = Circumstances(sources, frozenset(), bool)
    tried = [step.name for step in plan(policy, MINUTE, "equity", circumstances, hint)]
    hinted = [name for name in policy if name.split(":")[0] == hint]
    assert tried == hinted + [name for name in policy if name not in hinted]
