"""The synthetic market: any symbol's bar at any minute, computed when asked.

Log-prices are a sum of value noise with periods from one minute to two years, so that close
looks like a random walk and years stay in bounds. Nothing is stored and nothing depends on
what was asked before: the same minute is the same bar in any slicing, in every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import Hours, OpenMinutes, hours_of
from ingestion.sandbox.listings import Listing
from ingestion.sandbox.market import Split, whole_days
from ingestion.sandbox.noise import growth, smooth, uniform
from ingestion.sandbox.temperament import Temperaments, temperaments
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CELLS = 1 << 19  # symbol × minute cells computed at once: bounds memory, not results
_PERIODS = tuple(4**octave for octave in range(11))  # minutes; the longest is two years
_STEP = 0.7  # an octave's share, so that all of them together move like a walk

# Channels of the noise: one per use, so that uses are independent.
_OPEN, _CLOSE, _HIGH, _LOW, _VOLUME, _TRADES, _VWAP, _TRADED = range(100, 108)


@dataclass(frozen=True, slots=True)
class _Group:
    """Symbols of one calendar among those asked: where they stand, and what they are like."""

    owner: Int64s
    nature: Temperaments
    hours: Hours


class SyntheticMarket:
    """A market made of numbers; see the module. `seed` chooses which one.

    Raises UnknownCalendar.
    """

    origin: Literal["synthetic", "replayed"] = "synthetic"

    def __init__(self, listings: Mapping[str, Listing], seed: int = 0) -> None:
        self.listings = listings
        self.splits: Mapping[str, Sequence[Split]] = {}  # nothing splits here
        self._nature = temperaments(list(listings.values()), seed)
        self._row = {ticker: row for row, ticker in enumerate(listings)}
        self._days = lru_cache(maxsize=128)(self._compute_days)

    def hours(self, ticker: str) -> Hours:
        """The exchange hours of a listed ticker."""
        return hours_of(self.listings[ticker].calendar)

    def minutes(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The minute bars whose open lies in `span`, extended hours included."""
        groups = self._groups(tickers)
        return _in_order([_bars(group, group.hours.open_minutes(span)) for group in groups])

    def days(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The daily bars whose label lies in `span`: exactly the regular minutes' aggregate."""
        return self._days(tuple(tickers), span)

    def _compute_days(self, tickers: tuple[str, ...], span: TimeRange) -> Bars:
        parts = []
        for group in self._groups(tickers):
            minutes = group.hours.regular_minutes(group.hours.sessions_labelled(span))
            bars = _bars(group, minutes)
            parts.append(whole_days(bars, group.hours.labels(bars.ts)))
        return _in_order(parts)

    def _groups(self, tickers: Sequence[str]) -> list[_Group]:
        owners: dict[str, list[int]] = {}
        for owner, ticker in enumerate(tickers):
            if ticker in self.listings:
                owners.setdefault(self.listings[ticker].calendar, []).append(owner)
        return [
            _Group(
                np.array(chosen, np.int64),
                self._nature.take(np.array([self._row[tickers[one]] for one in chosen], np.int64)),
                hours_of(calendar),
            )
            for calendar, chosen in owners.items()
        ]


def _bars(group: _Group, minutes: OpenMinutes) -> Bars:
    """Every bar of the group in these minutes, computed in pieces of bounded size."""
    width = max(len(minutes.ts), 1)
    tall = max(_CELLS // width, 1)
    parts = []
    for first in range(0, len(group.owner), tall):
        rows = slice(first, first + tall)
        for start in range(0, len(minutes.ts), _CELLS):
            columns = slice(start, start + _CELLS)
            piece = OpenMinutes(
                minutes.ts[columns], minutes.regular[columns], minutes.progress[columns]
            )
            parts.append(_piece(group, rows, piece))
    return _in_order(parts)


def _piece(group: _Group, rows: slice, minutes: OpenMinutes) -> Bars:
    nature, owner = group.nature.take(rows), group.owner[rows]
    traded = _traded(nature, minutes)
    at = minutes.ts // 60
    begin, finish = _walk(nature, at)
    wiggle = nature.volatility

    def noise(channel: int) -> Float64s:
        return uniform(nature.seeds, channel, at)

    opened = nature.level * growth(begin + wiggle * 0.3 * (noise(_OPEN) - 0.5))
    closed = nature.level * growth(finish + wiggle * 0.3 * (noise(_CLOSE) - 0.5))
    high = np.maximum(opened, closed) * (1.0 + wiggle * noise(_HIGH))
    low = np.minimum(opened, closed) * (1.0 - wiggle * noise(_LOW))
    opened, high, low, closed = (nature.to_tick(price) for price in (opened, high, low, closed))
    vwap = low + (high - low) * (0.25 + 0.5 * noise(_VWAP))
    vwap = np.clip(np.rint(vwap * 1e6) / 1e6, low, high)
    volume = nature.volume(minutes, noise(_VOLUME))
    trades = nature.trades(volume, noise(_TRADES))
    row, column = np.nonzero(traded)
    return Bars(
        owner=owner[row],
        ts=minutes.ts[column],
        open=opened[traded],
        high=high[traded],
        low=low[traded],
        close=closed[traded],
        volume=volume[traded],
        vwap=vwap[traded],
        trades=trades[traded],
    )


def _walk(nature: Temperaments, at: Int64s) -> tuple[Float64s, Float64s]:
    """The log-price (relative to the level) at each minute's begin and end."""
    moments = np.union1d(at, at + 1)
    path = np.zeros((len(nature.seeds), len(moments)))
    for octave, period in enumerate(_PERIODS):
        reach = _STEP * nature.volatility * period**0.5
        path += reach * smooth(nature.seeds, octave, moments, period)
    return path[:, np.searchsorted(moments, at)], path[:, np.searchsorted(moments, at + 1)]


def _traded(nature: Temperaments, minutes: OpenMinutes) -> Bools:
    chance = np.where(minutes.regular, nature.regular_chance, nature.extended_chance)
    listed = (minutes.ts >= nature.begins) & (minutes.ts < nature.ends)
    return listed & (uniform(nature.seeds, _TRADED, minutes.ts // 60) < chance)


def _in_order(parts: list[Bars]) -> Bars:
    bars = Bars.join(parts)
    if len(parts) < 2:
        return bars
    return bars.take(np.lexsort((bars.ts, bars.owner)))
