"""One venue's share of the market: what IEX alone saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.view import chance

_VOLUME_SHARE = 0.025
_BUSY_MINUTE = 4_000.0  # consolidated shares from which the venue has nearly always a trade


def venue_only(bars: Bars, tickers: Sequence[str]) -> Bars:
    """The bars of the minutes in which the venue traded: less volume, a narrower range.

    Days keep all their rows.
    """
    likely = np.clip(bars.volume / _BUSY_MINUTE, 0.05, 0.97)
    bars = bars.take(chance(tickers, bars, "venue trades") < likely)
    high, low = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    return replace(
        bars,
        high=high,
        low=low,
        volume=np.maximum(np.floor(bars.volume * _VOLUME_SHARE), 1.0),
        vwap=np.clip(bars.vwap, low, high),
        trades=np.where(bars.trades > 0, np.maximum(bars.trades // 40, 1), bars.trades),
    )
