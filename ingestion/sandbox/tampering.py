"""Faults inside an answer: bars that are missing, doubled, changed or impossible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.faults import Absurdity, Fault
from ingestion.sandbox.view import Tampering, View, chance, part_of, scaled

Bools = npt.NDArray[np.bool_]

_SPOILING = ("empty", "partial", "duplicated", "late", "revised", "absurd")
_A_YEAR = 365 * 86_400


def spoil(view: View, faults: Sequence[Fault]) -> View:
    """The view with these faults in its bars and pages; other kinds change nothing."""
    tampering = list(view.tampering)
    for fault in faults:
        if fault.kind in _SPOILING:
            tampering.append(_tampering(fault))
        elif fault.kind == "short_pages":
            view = replace(view, page_cap=max(fault.size, 1))
        if fault.kind == "absurd" and fault.what == "nan":
            view = replace(view, sloppy=True)
    return replace(view, tampering=tuple(tampering))


def _tampering(fault: Fault) -> Tampering:
    def tamper(bars: Bars, tickers: Sequence[str], now: float) -> Bars:
        struck = chance(tickers, bars, f"fault {fault.seed}") < fault.share
        if fault.symbols:
            meant = np.array([ticker in fault.symbols for ticker in tickers], np.bool_)
            struck &= meant[bars.owner]
        match fault.kind:
            case "empty" | "partial":
                return bars.take(~struck)
            case "duplicated":
                return bars.take(np.repeat(np.arange(len(bars)), np.where(struck, 2, 1)))
            case "late":
                return bars.take(~(struck & (bars.ts + 60 + fault.seconds > now)))
            case "revised":
                return _revised(bars, struck & (bars.ts + 60 + fault.seconds > now))
        return _absurd(bars, struck, fault.what, now)

    return tamper


def _revised(bars: Bars, young: Bools) -> Bars:
    """What was said before the revision: less volume and a close at the open."""
    less = part_of(bars.volume, np.full(len(bars), 0.9))
    return replace(
        bars,
        close=np.where(young, bars.open, bars.close),
        volume=np.where(young, less, bars.volume),
    )


def _absurd(bars: Bars, struck: Bools, what: Absurdity, now: float) -> Bars:
    def where(absurd: object, column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(struck, np.asarray(absurd, np.float64), column)

    match what:
        case "nan":
            return replace(bars, open=where(np.nan, bars.open), close=where(np.nan, bars.close))
        case "negative_volume":
            return replace(bars, volume=where(-bars.volume, bars.volume))
        case "future":
            # A year ahead and beyond now, in order, on the minute grid.
            ahead = _A_YEAR + np.maximum(int(now) // 60 * 60 - bars.ts, 0)
            return replace(bars, ts=np.where(struck, bars.ts + ahead, bars.ts))
        case "ohlc_order":
            return replace(bars, high=where(bars.low, bars.high), low=where(bars.high, bars.low))
        case "jump":
            return scaled(bars, np.where(struck, 1.0 / 7.0, 1.0))
        case "zero_price":
            return replace(bars, low=where(0.0, bars.low), open=where(0.0, bars.open))
        case "off_grid":
            return replace(bars, ts=np.where(struck, bars.ts + 17, bars.ts))
