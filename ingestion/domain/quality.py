"""The rules that a bar must pass to be stored. What breaks one is kept in quarantine.

The order is that of Fault's members, and the first rule that a bar breaks is the reason.
Where two sources disagree about a bar the rules know nothing of it: they ask whether one
batch is possible, not whether it is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s
from ingestion.domain.jumps import (
    ABSURD_DAY_RANGE,
    ABSURD_JUMP,
    Jump,
    classify,
    describe,
    ratio,
)
from ingestion.domain.neighbours import KnownSplits, Stored, Trail, objections
from universe.domain.interval import Interval

Faults = npt.NDArray[np.uint8]


class Fault(IntEnum):
    """The rules in the order in which they are asked."""

    NONE = 0
    NON_FINITE = 1
    NON_POSITIVE = 2
    OHLC_ORDER = 3
    OFF_GRID = 4
    OUTSIDE_HOURS = 5
    UNLISTED = 6
    SPLIT_LIKE = 7
    ABSURD_JUMP = 8

    @property
    def reason(self) -> str:
        """The quarantine reason it is filed under."""
        return "outside_hours" if self is Fault.UNLISTED else self.name.lower()


_OF_JUMP = np.array([Fault.NONE, Fault.SPLIT_LIKE, Fault.ABSURD_JUMP], np.uint8)  # by Jump


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the calendar and the universe say about each bar of a batch. Parallel to it.

    closed    the market is closed then (for days: no session has this date)
    unlisted  before the symbol's first session or after its last
    session   the label of the session that a minute lies in
    """

    closed: Bools
    unlisted: Bools
    session: Int64s


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the rules say: a Fault for each bar, and words for each that has one."""

    faults: Faults
    details: Mapping[int, str] = field(default_factory=dict)


def judge_alone(bars: Bars, interval: Interval, around: Surroundings) -> Verdicts:
    """Apply every rule that needs no other bar, jumps inside a bar included."""
    faults = np.zeros(len(bars), np.uint8)

    def mark(fault: Fault, broken: Bools) -> None:
        faults[broken & (faults == Fault.NONE)] = fault

    prices = (bars.open, bars.high, bars.low, bars.close)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # A sum is finite when its terms are; one that overflows is looked at again.
        total = bars.open + bars.high + bars.low + bars.close + bars.volume
        if not np.isfinite(total).all() or np.isinf(bars.vwap).any():
            finite = np.isfinite(np.stack((*prices, bars.volume))).all(axis=0)
            mark(Fault.NON_FINITE, ~finite | np.isinf(bars.vwap))
        lowest = np.minimum(np.minimum(bars.open, bars.close), np.minimum(bars.high, bars.low))
        mark(Fault.NON_POSITIVE, (lowest <= 0) | (bars.volume < 0))
        mark(
            Fault.OHLC_ORDER, (bars.low > lowest) | (bars.high < np.maximum(bars.open, bars.close))
        )
    mark(Fault.OFF_GRID, bars.ts % interval.seconds != 0)
    mark(Fault.OUTSIDE_HOURS, around.closed)
    mark(Fault.UNLISTED, around.unlisted)
    sound = np.flatnonzero(faults == Fault.NONE)
    faults[sound] = _OF_JUMP[_range_kinds(ratio(bars.high[sound], bars.low[sound]), interval)]
    details = {
        int(row): _describe(bars, int(row), Fault(faults[row]), interval)
        for row in np.flatnonzero(faults)
    }
    return Verdicts(faults, details)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the bars to judge. `session` is to `stored`, and behind them
    `witnesses`, what `Surroundings.session` is to the bars."""

    stored: Stored
    witnesses: Stored
    session: Int64s


def judge_beside(
    bars: Bars,
    rows: Int64s,
    interval: Interval,
    around: Surroundings,
    known: Known,
    splits: KnownSplits,
) -> Verdicts:
    """Judge the `rows`, each (owner, ts) once, by the bars beside them. The verdicts are
    parallel to `bars`."""
    faults = np.zeros(len(bars), np.uint8)
    details = {}
    session = np.concatenate((around.session[rows], known.session))
    trail = Trail.of(bars, rows, known.stored, known.witnesses, session, interval, splits)
    for objection in objections(trail):
        faults[objection.row] = _OF_JUMP[objection.kind]
        details[objection.row] = objection.detail
    return Verdicts(faults, details)


def _range_kinds(jumps: Float64s, interval: Interval) -> npt.NDArray[np.uint8]:
    """What a bar's high over its low looks like. A day comes upon 3:2 by honest trading, so
    its range is let be below ABSURD_DAY_RANGE, whatever split it resembles."""
    if interval is Interval.MINUTE:
        return classify(jumps)
    return np.where(jumps < ABSURD_DAY_RANGE, Jump.NONE, classify(jumps)).astype(np.uint8)


def _describe(bars: Bars, row: int, fault: Fault, interval: Interval) -> str:
    """The value and the bound that it broke."""
    prices = {name: float(getattr(bars, name)[row]) for name in ("open", "high", "low", "close")}
    values = {**prices, "volume": float(bars.volume[row])}
    at = datetime.fromtimestamp(int(bars.ts[row]), UTC)
    when = f"{at:%Y-%m-%d}" if interval is Interval.DAY else f"{at:%Y-%m-%dT%H:%M:%SZ}"
    match fault:
        case Fault.NON_FINITE:
            values["vwap"] = float(bars.vwap[row])
            bad = [
                f"{name} is {value}"
                for name, value in values.items()
                if np.isinf(value) or (np.isnan(value) and name != "vwap")
            ]
            return ", ".join(bad)
        case Fault.NON_POSITIVE:
            bad = [
                f"{name} {value:g} is not above 0" for name, value in prices.items() if value <= 0
            ]
            if values["volume"] < 0:
                bad.append(f"volume {values['volume']:g} is below 0")
            return ", ".join(bad)
        case Fault.OHLC_ORDER:
            return _describe_order(prices)
        case Fault.OFF_GRID:
            return f"{at:%Y-%m-%dT%H:%M:%SZ} is no multiple of {interval.seconds} seconds"
        case Fault.OUTSIDE_HOURS:
            what = (
                "no session of the calendar"
                if interval is Interval.DAY
                else "outside trading hours"
            )
            return f"{when} is {what}"
        case Fault.UNLISTED:
            return f"{when} is outside the symbol's listing"
        case _:
            jump = prices["high"] / prices["low"]
            bound = describe(jump, ABSURD_JUMP if interval is Interval.MINUTE else ABSURD_DAY_RANGE)
            return f"high {prices['high']:g} over low {prices['low']:g}: {bound}"


def _describe_order(prices: Mapping[str, float]) -> str:
    high, low = prices["high"], prices["low"]
    bad = [
        f"high {high:g} is below {name} {prices[name]:g}"
        for name in ("open", "close", "low")
        if prices[name] > high
    ]
    bad += [
        f"low {low:g} is above {name} {prices[name]:g}"
        for name in ("open", "close")
        if prices[name] < low
    ]
    return ", ".join(bad)
