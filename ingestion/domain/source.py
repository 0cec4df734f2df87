"""Sources: who says what, and how far their word goes. A source is a provider and a feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from universe.domain.interval import Interval


class Scope(StrEnum):
    """Whose trades a source sees."""

    CONSOLIDATED = "consolidated"
    VENUE = "venue"  # never fills a consolidated series


class Basis(StrEnum):
    """How prices are adjusted. Stored series are raw."""

    RAW = "raw"
    SPLIT = "split"


class Capability(StrEnum):
    """What a source can be asked for."""

    BARS_1M = "bars_1m"
    BARS_1D = "bars_1d"

    @classmethod
    def of(cls, interval: Interval) -> Capability:
        """The capability that delivers bars of `interval`."""
        return cls.BARS_1M if interval is Interval.MINUTE else cls.BARS_1D


@dataclass(frozen=True, slots=True)
class Source:
    """One provider's feed, e.g. `alpaca:sip`."""

    name: str
    provider: str
    scope: Scope
    basis: Mapping[Interval, Basis] = field(hash=False)
    """The adjustment of what it delivers (when asked for raw, where it can be asked)."""
    confirms_no_trade: bool
    """Whether its complete answer without a minute proves that the minute had no trade."""
    settle_lag_s: int
    """How long after a minute's end its bar is taken as settled."""
    asset_classes: frozenset[str] = frozenset({"equity", "etf", "crypto"})
