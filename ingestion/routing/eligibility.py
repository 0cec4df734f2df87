"""Which sources may serve an instrument, and in which order. Pure.

This is the router's one place of choice: ordering by health belongs here, in front of the
same `plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ingestion.domain.source import Basis, Scope, Source
from universe.domain.interval import Interval

_CRYPTO = "crypto"


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a policy: its source, or why it is passed over."""

    name: str
    source: Source | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides about eligibility besides the sources themselves."""

    sources: Mapping[str, Source]
    enabled: frozenset[str]
    """Providers the operator allows."""
    entitled: Callable[[str], bool]
    """Whether a provider can be called: it needs no key, or its key is set."""


def plan(
    policy: Sequence[str],
    interval: Interval,
    asset_class: str,
    circumstances: Circumstances,
    provider_hint: str | None = None,
) -> tuple[Step, ...]:
    """The policy's sources in the order in which to try them.

    A hint puts one provider's sources first; it adds none that the policy does not name.
    """
    hinted_first = sorted(policy, key=lambda name: _provider(name) != provider_hint)
    return tuple(_step(name, interval, asset_class, circumstances) for name in hinted_first)


def market(asset_class: str) -> str:
    """What vendors sell as one: stocks of every class share an endpoint and a plan, crypto
    has its own."""
    return asset_class if asset_class == _CRYPTO else "stocks"


def _step(name: str, interval: Interval, asset_class: str, circumstances: Circumstances) -> Step:
    source = circumstances.sources.get(name)
    if source is None:
        return Step(name, None, "is unknown")
    why_not = _objection(source, interval, asset_class, circumstances)
    return Step(name, None, why_not) if why_not else Step(name, source)


def _objection(
    source: Source, interval: Interval, asset_class: str, circumstances: Circumstances
) -> str:
    if source.provider not in circumstances.enabled:
        return "is not enabled"
    if not circumstances.entitled(source.provider):
        return "has no key"
    basis = source.basis.get(interval)
    if basis is None or asset_class not in source.asset_classes:
        return f"has no {interval} bars of {asset_class}"
    if source.scope is Scope.VENUE:
        return "sees one venue only"
    # Until splits are known, nobody can tell whether an adjusted price is the raw one. Coins
    # do not split.
    if basis is not Basis.RAW and asset_class != _CRYPTO:
        return "is split-adjusted and splits are not known"
    return ""


def _provider(source_name: str) -> str:
    return source_name.partition(":")[0]
