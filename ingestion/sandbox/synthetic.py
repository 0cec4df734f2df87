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
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_DAY = 86_400
_CELLS = 1 << 19  # symbol × minute cells computed at once: bounds memory, not results
_PERIODS = tuple(4**octave for octave in range(11))  # minutes; the longest is two years
_STEP = 0.7  # an octave's share, so that all of them together move like a walk

# Channels of the noise: one per use, so that uses are independent.
_OPEN, _CLOSE, _HIGH, _LOW, _VOLUME, _TRADES, _VWAP, _TRADED = range(100, 108)


@dataclass(frozen=True, slots=True)
class _Group:
    """Symbols of one calendar among those asked: where they stand, and what they are like."""

    owner: Int64s
    listings: tuple[Listing, ...]
    nature: Temperaments
    hours: Hours


class SyntheticMarket:
    """A market made of numbers; see the module. `seed` chooses which one."""

    origin: Literal["synthetic", "replayed"] = "synthetic"

    def __init__(self, listings: Mapping[str, Listing], seed: int = 0) -> None:
        self.listings = listings
        self.splits: Mapping[str, Sequence[Split]] = {}  # nothing splits here
        self.seed = seed
        for listing in listings.values():
            hours_of(listing.calendar)  # now, so that no answer waits for a calendar
        self._group = lru_cache(maxsize=4096)(self._make_groups)
        self._cached_days = lru_cache(maxsize=512)(self._compute_days)

    def hours(self, ticker: str) -> Hours:
        """The exchange hours of a listed ticker."""
        return hours_of(self.listings[ticker].calendar)

    def minutes(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The minute bars whose open lies in `span`, extended hours included."""
        parts = [
            _bars(group, group.hours.open_minutes(span)) for group in self._group(tuple(tickers))
        ]
        return _in_order(parts)

    def days(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The daily bars whose label lies in `span`: exactly the regular minutes' aggregate."""
        return self._cached_days(tuple(tickers), span)

    def _compute_days(self, tickers: tuple[str, ...], span: TimeRange) -> Bars:
        parts = []
        for group in self._group(tickers):
            minutes = group.hours.regular_minutes(group.hours.sessions_labelled(span))
            bars = _bars(group, minutes)
            parts.append(whole_days(bars, group.hours.labels(bars.ts)))
        return _in_order(parts)

    def _make_groups(self, tickers: tuple[str, ...]) -> list[_Group]:
        by_calendar: dict[str, list[int]] = {}
        for index, ticker in enumerate(tickers):
            if ticker in self.listings:
                by_calendar.setdefault(self.listings[ticker].calendar, []).append(index)
        groups = []
        for calendar, owners in by_calendar.items():
            listings = tuple(self.listings[tickers[owner]] for owner in owners)
            nature = temperaments(listings, self.seed)
            groups.append(_Group(np.array(owners, np.int64), listings, nature, hours_of(calendar)))
        return groups


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
    traded = _traded(nature, minutes) & _listed(group.listings[rows], group.hours, minutes.ts)
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
    return uniform(nature.seeds, _TRADED, minutes.ts // 60) < chance


def _listed(listings: Sequence[Listing], hours: Hours, ts: Int64s) -> Bools:
    first = [hours.midnight(label_of(one.listed_on)) if one.listed_on else 0 for one in listings]
    last = [
        hours.midnight(label_of(one.delisted_on)) + _DAY if one.delisted_on else 1 << 62
        for one in listings
    ]
    begins = np.array(first, np.int64).reshape(-1, 1)
    ends = np.array(last, np.int64).reshape(-1, 1)
    return np.asarray((ts >= begins) & (ts < ends))


def _in_order(parts: list[Bars]) -> Bars:
    bars = Bars.join(parts)
    if len(parts) < 2:
        return bars
    return bars.take(np.lexsort((bars.ts, bars.owner)))
