"""A bit for each minute of a UTC day: bit n, most significant first, is minute n."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Int64s

SIZE = 180
"""Bytes of a bitmap: 1,440 bits."""

EMPTY = bytes(SIZE)


def of(minutes: Int64s) -> bytes:
    """The bitmap with these minutes of the day (0 to 1439) set."""
    bits = np.zeros(SIZE * 8, np.uint8)
    bits[minutes] = 1
    return np.packbits(bits).tobytes()


def minutes(bitmap: bytes) -> Int64s:
    """The minutes of the day that are set, ascending."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8))).astype(np.int64)


def union(one: bytes, other: bytes) -> bytes:
    """Set where either is set."""
    return (np.frombuffer(one, np.uint8) | np.frombuffer(other, np.uint8)).tobytes()


def difference(one: bytes, other: bytes) -> bytes:
    """Set where `one` is and `other` is not."""
    return (np.frombuffer(one, np.uint8) & ~np.frombuffer(other, np.uint8)).tobytes()
