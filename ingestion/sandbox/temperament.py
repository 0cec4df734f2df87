"""What each synthetic symbol is like: level, restlessness, liquidity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ingestion.sandbox.hours import OpenMinutes, hours_of
from ingestion.sandbox.listings import Listing
from ingestion.sandbox.noise import UInt64s, keys, uniform
from universe.domain.session_grid import label_of
from universe.domain.tier import Tier

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DAY = 86_400
_MINUTES_A_YEAR = 525_600
_FAMILIAR = {
    "AAPL": 230.0, "AMZN": 205.0, "GOOG": 175.0, "META": 590.0, "MSFT": 430.0, "NVDA": 140.0,
    "QQQ": 500.0, "SPY": 580.0, "TSLA": 320.0, "BTC-USD": 95_000.0, "ETH-USD": 3_300.0,
    "SOL-USD": 190.0, "XRP-USD": 2.2, "DOGE-USD": 0.35, "ADA-USD": 0.9,
}  # fmt: skip
# Shares a regular minute, and the chance that a regular minute has a trade: (least, most).
_BUSY = {Tier.T0: (8_000, 60_000), Tier.T1: (800, 6_000), Tier.T2: (60, 700)}
_CHANCE = {Tier.T0: (1.0, 1.0), Tier.T1: (0.985, 1.0), Tier.T2: (0.35, 0.95)}
_EXTENDED_CHANCE = {Tier.T0: (0.35, 0.8), Tier.T1: (0.04, 0.15), Tier.T2: (0.002, 0.02)}
_ROUND_LOT_TRADES = 90.0


@dataclass(frozen=True, slots=True)
class Temperaments:
    """One row a symbol (column vectors), constant in time."""

    seeds: UInt64s
    level: Float64s
    """The price around which it moves."""
    volatility: Float64s
    """Typical relative move in a minute."""
    ticks: Float64s
    """Prices are whole multiples of 1 / ticks."""
    busy: Float64s
    """Mean volume of a regular minute."""
    regular_chance: Float64s
    extended_chance: Float64s
    """The chance that a minute has a trade."""
    fractional: Bools
    """Whether volume has decimals."""
    begins: Int64s
    ends: Int64s
    """Nothing trades outside `[begins, ends)`, epoch seconds."""

    def take(self, rows: slice | Int64s) -> Temperaments:
        """The symbols in `rows`."""
        return Temperaments(*(getattr(self, field.name)[rows] for field in fields(self)))

    def to_tick(self, price: Float64s) -> Float64s:
        """The nearest price that can be quoted, at least one tick."""
        return np.maximum(np.rint(price * self.ticks), 1.0) / self.ticks

    def volume(self, minutes: OpenMinutes, chance: Float64s) -> Float64s:
        """U-shaped over a session, thin outside it; whole shares, or millionths of a coin."""
        edge = 2.0 * minutes.progress - 1.0
        shape = np.where(self.fractional, 1.0, 0.6 + 2.0 * edge**2 * edge**2)
        shape = np.where(minutes.regular, shape, 0.03)
        amount = self.busy * shape * (0.3 + 2.8 * chance * chance * chance)
        whole = np.floor(amount) + 1.0
        return np.where(self.fractional, (np.rint(amount * 1e6) + 1.0) / 1e6, whole)

    def trades(self, volume: Float64s, chance: Float64s) -> Int64s:
        """How many trades made that volume: at least one, at most one a share."""
        size = np.where(self.fractional, self.busy / 400.0, _ROUND_LOT_TRADES)
        count = np.maximum(np.floor(volume / size * (0.5 + chance)), 1.0)
        most = np.where(self.fractional, count, volume)
        return np.minimum(count, most).astype(np.int64)


def temperaments(listings: Sequence[Listing], seed: int) -> Temperaments:
    """What these symbols are like on the market that `seed` names."""
    tickers = [listing.company or listing.ticker for listing in listings]
    seeds = keys(seed, tickers)
    crypto = np.array([listing.crypto for listing in listings], np.bool_).reshape(-1, 1)

    def draw(channel: int) -> Float64s:
        return uniform(seeds, channel, np.zeros(1, np.int64))

    def tiered(ranges: dict[Tier, tuple[float, float]], channel: int) -> Float64s:
        bounds = np.array([ranges[listing.tier] for listing in listings], np.float64)
        return bounds[:, :1] + (bounds[:, 1:] - bounds[:, :1]) * draw(channel)

    level = 8.0 + 240.0 * draw(1) ** 2
    known = np.array([_FAMILIAR.get(ticker, 0.0) for ticker in tickers]).reshape(-1, 1)
    level = np.where(known > 0, known, level)
    yearly = np.where(crypto, 0.35 + 0.25 * draw(2), 0.15 + 0.3 * draw(2))
    shares = tiered({tier: (float(a), float(b)) for tier, (a, b) in _BUSY.items()}, 3)
    return Temperaments(
        seeds=seeds,
        level=level,
        volatility=yearly / _MINUTES_A_YEAR**0.5,
        ticks=np.where(crypto, np.where(level >= 10.0, 1e4, 1e8), 100.0),
        busy=np.where(crypto, shares * 40.0 / level, shares),
        regular_chance=tiered(_CHANCE, 4),
        extended_chance=tiered(_EXTENDED_CHANCE, 5),
        fractional=crypto,
        begins=_column(_begin(listing) for listing in listings),
        ends=_column(_end(listing) for listing in listings),
    )


def _column(values: Iterable[int]) -> Int64s:
    return np.array(list(values), np.int64).reshape(-1, 1)


def _begin(listing: Listing) -> int:
    hours = hours_of(listing.calendar)
    return hours.midnight(label_of(listing.listed_on)) if listing.listed_on else 0


def _end(listing: Listing) -> int:
    hours = hours_of(listing.calendar)
    return hours.midnight(label_of(listing.delisted_on) + _DAY) if listing.delisted_on else 1 << 62
