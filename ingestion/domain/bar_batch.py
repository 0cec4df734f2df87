"""Bars in flight: one normalised, columnar batch per vendor answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bars:
    """Parallel columns of equal length, one row a bar, in no particular order.

    owner   which symbol a row belongs to. From an adapter: an index into the request's
            instruments; after intake: the symbol's id
    ts      epoch seconds, UTC: a minute's open, or 00:00Z of the session date
    open, high, low, close    prices, symbol's currency
    volume  shares or units; may be fractional
    vwap    NaN where the vendor gives none
    trades  -1 where the vendor gives none
    """

    owner: Int64s
    ts: Int64s
    open: Float64s
    high: Float64s
    low: Float64s
    close: Float64s
    volume: Float64s
    vwap: Float64s
    trades: Int64s

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of unequal length: {lengths}")

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def empty(cls) -> Bars:
        """No bars."""
        return cls.of([], [], [], [], [], [], [])

    @classmethod
    def of(
        cls,
        owner: object,
        ts: object,
        open: object,
        high: object,
        low: object,
        close: object,
        volume: object,
        vwap: object = None,
        trades: object = None,
    ) -> Bars:
        """Bars from any sequences; `vwap` and `trades` may be left out."""
        times = np.asarray(ts, np.int64)
        return cls(
            owner=np.asarray(owner, np.int64),
            ts=times,
            open=np.asarray(open, np.float64),
            high=np.asarray(high, np.float64),
            low=np.asarray(low, np.float64),
            close=np.asarray(close, np.float64),
            volume=np.asarray(volume, np.float64),
            vwap=np.full(len(times), np.nan) if vwap is None else np.asarray(vwap, np.float64),
            trades=np.full(len(times), -1) if trades is None else np.asarray(trades, np.int64),
        )

    def take(self, rows: Int64s | Bools | slice) -> Bars:
        """The rows that an index or mask array or a slice chooses."""
        return Bars(*(getattr(self, field.name)[rows] for field in fields(self)))

    def owned_by(self, owner: Int64s) -> Bars:
        """The same bars with another owner column."""
        return replace(self, owner=owner)

    @classmethod
    def join(cls, parts: Sequence[Bars]) -> Bars:
        """All rows of all parts, in order."""
        if not parts:
            return cls.empty()
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )
