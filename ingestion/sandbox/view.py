"""The market as one vendor shows it at one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import FIRST, LAST, Hours
from ingestion.sandbox.listings import Listing
from ingestion.sandbox.market import Market, whole_days
from ingestion.sandbox.noise import key, keys, uniform
from ingestion.sandbox.quirks import Quirks
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_DAY = 86_400
_WINDOW_S = 64 * _DAY
_EARLIEST, _LATEST = label_of(FIRST), label_of(LAST)
_REVISED_FOR_S = 30
_REVISED_SHARE = 0.2
_BEFORE_REVISION = 0.97

Tampering = Callable[[Bars, Sequence[str], float], Bars]
"""Spoils bars: (bars, tickers that `owner` indexes, now) → what the vendor says instead."""


@dataclass(frozen=True, slots=True)
class View:
    """What can be seen of a market at `now` (epoch seconds), `delay` seconds late.

    A minute shows once it has ended and the delay has passed.
    """

    market: Market
    now: float
    delay: float = 0.0
    quirks: Quirks = field(default_factory=Quirks)
    tampering: tuple[Tampering, ...] = ()
    page_cap: int | None = None
    """At most this many bars a page, whatever was asked."""
    sloppy: bool = False
    """Whether numbers may go out that JSON does not have."""

    def listing(self, ticker: str) -> Listing | None:
        """The listing of a ticker, or None when the vendor does not know it."""
        return self.market.listings.get(ticker)

    def hours(self, ticker: str) -> Hours:
        """The exchange hours of a listed ticker."""
        return self.market.hours(ticker)

    def later(self, seconds: float) -> View:
        """The same view with `seconds` more delay."""
        return replace(self, delay=self.delay + seconds)

    def minutes(self, tickers: Sequence[str], span: TimeRange, forming: bool = False) -> Bars:
        """The minute bars in `span` that can be seen; `forming` adds the one not ended yet."""
        seen = self.now - self.delay
        last_ended = int((seen - 60) // 60) * 60
        end = min(span.end, last_ended + (120 if forming else 60))
        if end <= span.start:
            return self._spoilt(Bars.empty(), tickers)
        bars = self.market.minutes(tickers, TimeRange(span.start, end))
        if forming:
            bars = _forming(bars, seen)
        return self._spoilt(bars, tickers)

    def some_minutes(
        self,
        tickers: Sequence[str],
        span: TimeRange,
        enough: int,
        descending: bool = False,
        forming: bool = False,
    ) -> Bars:
        """`minutes` from one end of `span`, which may stop once there are more than `enough`:
        so a huge range costs no more than its first page."""
        windows = [
            TimeRange(start, min(start + _WINDOW_S, span.end))
            for start in range(max(span.start, _EARLIEST), min(span.end, _LATEST), _WINDOW_S)
        ]
        parts: list[Bars] = []
        for window in reversed(windows) if descending else windows:
            parts.append(self.minutes(tickers, window, forming))
            if sum(len(part) for part in parts) > enough:
                break
        if len(parts) == 1:
            return parts[0]
        bars = Bars.join(parts)
        return bars.take(np.lexsort((bars.ts, bars.owner)))

    def days(self, tickers: Sequence[str], span: TimeRange, forming: bool = True) -> Bars:
        """The daily bars whose label is in `span`: ended sessions whole, and (`forming`) the
        current one as far as it got."""
        parts = []
        for owners, hours in self._by_hours(tickers):
            chosen = [tickers[owner] for owner in owners]
            found = self._days_of(chosen, hours, span, forming)
            parts += [bars.owned_by(owners[bars.owner]) for bars in found]
        bars = Bars.join(parts)
        return self._spoilt(bars.take(np.lexsort((bars.ts, bars.owner))), tickers)

    def split_adjusted(self, bars: Bars, tickers: Sequence[str]) -> Bars:
        """The bars with prices and volumes adjusted for the splits that have happened."""
        divisor = np.ones(len(bars))
        for owner, ticker in enumerate(tickers):
            for split in self.market.splits.get(ticker, ()):
                if split.label <= self.hours(ticker).local_label(self.now):
                    before = (bars.owner == owner) & (bars.ts < split.label)
                    divisor[before] *= split.shares
        if (divisor == 1.0).all():
            return bars
        return replace(scaled(bars, divisor), volume=np.round(bars.volume * divisor))

    def _days_of(
        self, tickers: Sequence[str], hours: Hours, span: TimeRange, forming: bool
    ) -> list[Bars]:
        sessions = hours.sessions_labelled(span)
        ended = [one for one in sessions if one.close + self.delay <= self.now]
        parts = []
        if ended:
            labels = TimeRange(ended[0].label, ended[-1].label + _DAY)
            parts.append(self.market.days(tickers, labels))
        current = [one for one in sessions if one.open + self.delay + 60 <= self.now < one.close]
        if forming and current:
            so_far = int((self.now - self.delay) // 60) * 60
            minutes = TimeRange(current[0].open, so_far)
            bars = self.market.minutes(tickers, minutes)
            bars = bars.take(hours.is_regular(bars.ts))
            parts.append(whole_days(bars, hours.labels(bars.ts)))
        return parts

    def _by_hours(self, tickers: Sequence[str]) -> list[tuple[Int64s, Hours]]:
        groups: dict[int, tuple[list[int], Hours]] = {}
        for owner, ticker in enumerate(tickers):
            if ticker in self.market.listings:
                hours = self.market.hours(ticker)
                groups.setdefault(id(hours), ([], hours))[0].append(owner)
        return [(np.array(owners, np.int64), hours) for owners, hours in groups.values()]

    def _spoilt(self, bars: Bars, tickers: Sequence[str]) -> Bars:
        for tamper in self.tampering:
            bars = tamper(bars, tickers, self.now)
        return bars


def scaled(bars: Bars, divisor: Float64s) -> Bars:
    """The bars with prices divided."""
    return replace(
        bars,
        open=np.round(bars.open / divisor, 6),
        high=np.round(bars.high / divisor, 6),
        low=np.round(bars.low / divisor, 6),
        close=np.round(bars.close / divisor, 6),
        vwap=np.round(bars.vwap / divisor, 6),
    )


def part_of(volume: Float64s, share: Float64s) -> Float64s:
    """A share of each volume: whole where the volume is (at least one), else in millionths."""
    part = volume * share
    whole = np.maximum(np.floor(part), 1.0)
    return np.where(volume == np.floor(volume), whole, np.round(part, 6))


def _forming(bars: Bars, seen: float) -> Bars:
    """The last minute cut at `seen`: price part of the way, volume so far."""
    share = np.clip((seen - bars.ts) / 60.0, 0.0, 1.0)
    partly = (share > 0.0) & (share < 1.0)
    if not partly.any():
        return bars.take(share > 0.0)
    close = np.where(partly, bars.open, bars.close)
    known = partly & ~np.isnan(bars.vwap)
    cut = replace(
        bars,
        close=close,
        volume=np.where(partly, part_of(bars.volume, share), bars.volume),
        vwap=np.where(known, bars.open, bars.vwap),
        high=np.where(partly, bars.open, bars.high),
        low=np.where(partly, bars.open, bars.low),
        trades=np.where(partly & (bars.trades > 0), 1, bars.trades),
    )
    return cut.take(share > 0.0)


def chance(tickers: Sequence[str], bars: Bars, purpose: str) -> Float64s:
    """A number in [0, 1) per bar, the same for the same ticker, minute and purpose."""
    if not len(bars):
        return np.empty(0)
    seeds = keys(purpose, list(tickers))[bars.owner]
    # One row per bar and one column: each bar has its own minute.
    mixed = seeds[:, 0] ^ (bars.ts.astype(np.uint64) * np.uint64(key(purpose) | 1))
    return uniform(mixed.reshape(-1, 1), 0, np.zeros(1, np.int64))[:, 0]


def before_late_trades(bars: Bars, tickers: Sequence[str], now: float) -> Bars:
    """Bars as they stand before late trades arrive: in the half minute after a minute's end,
    one in five lacks some of its volume."""
    young = bars.ts + 60 + _REVISED_FOR_S > now
    lacking = young & (chance(tickers, bars, "late trades") < _REVISED_SHARE)
    share = np.full(len(bars), _BEFORE_REVISION)
    return replace(bars, volume=np.where(lacking, part_of(bars.volume, share), bars.volume))
