"""The events of a commit, packed once by its writer.

One record a candle that changed, in the order of `pos` inside the commit: little-endian,
no padding, 53 bytes. `kind` says what happened; `ts` is in epoch seconds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars, Bools, Int64s

INSERTED, CORRECTED, WITHDRAWN = 0, 1, 2
EXTENDED = 0x10
"""Added to the kind of a bar outside regular hours."""

RECORD = np.dtype(
    [
        ("kind", "u1"),
        ("symbol_id", "<i4"),
        ("ts", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
    ]
)


def of_bars(kind: int, bars: Bars, extended: Bools) -> npt.NDArray[np.void]:
    """Records of inserted or corrected bars (`owner` is the symbol id)."""
    records = np.empty(len(bars), RECORD)
    records["kind"] = kind + np.where(extended, EXTENDED, 0)
    records["symbol_id"] = bars.owner
    for name in ("ts", "open", "high", "low", "close", "volume"):
        records[name] = getattr(bars, name)
    return records


def of_withdrawals(symbol_ids: Int64s, ts: Int64s) -> npt.NDArray[np.void]:
    """Records of withdrawn bars; their prices and volume are 0."""
    records = np.zeros(len(symbol_ids), RECORD)
    records["kind"], records["symbol_id"], records["ts"] = WITHDRAWN, symbol_ids, ts
    return records


def pack(parts: list[npt.NDArray[np.void]]) -> bytes | None:
    """The bytes of all records in order; None when there are none."""
    return b"".join(part.tobytes() for part in parts) or None


def unpack(data: bytes) -> npt.NDArray[np.void]:
    """The records in a commit's bytes."""
    return np.frombuffer(data, RECORD)
