"""What every market that the sandbox can serve has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import Hours
from ingestion.sandbox.listings import Listing
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]


class Market(Protocol):
    """The truth, whatever the clock says. Safe to use from many threads.

    Bars are raw, ascending by owner (an index into the tickers asked) and time. Tickers that
    are not listed have no bars.
    """

    origin: Literal["synthetic", "replayed"]
    listings: Mapping[str, Listing]
    """ticker → listing."""
    splits: Mapping[str, Sequence[Split]]
    """ticker → its splits, where it has any."""

    def hours(self, ticker: str) -> Hours:
        """The exchange hours of a listed ticker."""
        ...

    def minutes(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The minute bars whose open lies in `span`, extended hours included."""
        ...

    def days(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The daily bars whose label (00:00Z of the session date) lies in `span`."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """From the session labelled `label` on, `shares` stand for each one before."""

    label: int
    shares: float


def whole_days(bars: Bars, labels: Int64s, volume_decimals: int = 6) -> Bars:
    """One daily bar per owner and session from regular minute bars, exactly.

    `bars` ascend by owner and time, and `labels` names each one's session. vwap is the
    volume-weighted mean of the minutes' (NaN when one has none), trades their sum.
    """
    if not len(bars):
        return bars
    starts = np.flatnonzero(
        np.concatenate(([True], (np.diff(bars.owner) != 0) | (np.diff(labels) != 0)))
    )
    ends = np.concatenate((starts[1:], [len(bars)])) - 1
    high, low = np.maximum.reduceat(bars.high, starts), np.minimum.reduceat(bars.low, starts)
    volume = np.add.reduceat(bars.volume, starts)
    paid = np.add.reduceat(bars.vwap * bars.volume, starts)
    vwap = np.clip(np.round(paid / np.where(volume > 0, volume, np.nan), 6), low, high)
    trades = np.add.reduceat(bars.trades, starts)
    trades = np.where(np.minimum.reduceat(bars.trades, starts) < 0, -1, trades)
    return Bars(
        owner=bars.owner[starts],
        ts=labels[starts],
        open=bars.open[starts],
        high=high,
        low=low,
        close=bars.close[ends],
        volume=np.asarray(np.round(volume, volume_decimals), np.float64),
        vwap=vwap,
        trades=trades,
    )
