"""Reproducible noise: the same number for the same key, on any machine, in any slicing.

Everything is integer mixing and the four basic operations, which IEEE 754 rounds the same
way everywhere; `exp`, `log` and `sin` are avoided, as their last bit depends on the processor.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

_STRIDE = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


@lru_cache(maxsize=1 << 16)
def key(*parts: str | int) -> int:
    """A 64-bit key from anything that has a stable text."""
    digest = blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def keys(prefix: str | int, names: list[str]) -> UInt64s:
    """One key per name, as a column vector ready to broadcast over minutes."""
    return np.array([key(prefix, name) for name in names], np.uint64).reshape(-1, 1)


def _mix(bits: UInt64s) -> UInt64s:
    # The finaliser of splitmix64: every output bit depends on every input bit.
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


def uniform(seeds: UInt64s, channel: int, index: Int64s) -> Float64s:
    """Numbers in [0, 1), one per seed (rows) and index (columns), independent by channel."""
    position = _mix(index.astype(np.uint64) * _STRIDE + np.uint64(key("channel", channel)))
    return np.asarray((_mix(seeds ^ position) >> np.uint64(11)) * _TO_UNIT, np.float64)


def smooth(seeds: UInt64s, channel: int, minutes: Int64s, period: int) -> Float64s:
    """Value noise in [-1, 1): random at every multiple of `period`, straight in between."""
    lattice, inside = minutes // period, (minutes % period) / period
    low, high = (int(lattice.min()), int(lattice.max())) if len(lattice) else (0, 0)
    if high - low + 2 < 2 * len(lattice):
        table = uniform(seeds, channel, np.arange(low, high + 2, dtype=np.int64))
        left, right = table[:, lattice - low], table[:, lattice - low + 1]
    else:
        left, right = uniform(seeds, channel, lattice), uniform(seeds, channel, lattice + 1)
    return np.asarray(2.0 * (left + (right - left) * inside) - 1.0, np.float64)


def growth(change: Float64s) -> Float64s:
    """Close to exp(change) for |change| < 2, and positive for every change."""
    return ((change + 3.0) ** 2 + 3.0) / ((change - 3.0) ** 2 + 3.0)
