"""Where every minute lies, as one look-up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from universe.domain.session import DAY, Placement, Session

_BLOCK = 1 << 19  # minutes painted at once: 364 days, half a megabyte
_SIXTY = np.uint64(60)
_UNKNOWN = 255


class MinuteTable:
    """The Placement of each minute in `[start, end)`: a byte a minute, from 1970 on.

    The array is as long as the calendar reaches, but only blocks that somebody asked for are
    painted, and the operating system gives memory to painted pages only. A byte holds the
    Placement plus one; zero says that the minute is not painted, or outside the range.
    """

    def __init__(self, sessions: Sequence[Session], start: int, end: int) -> None:
        self._sessions = sessions
        self._opens = [session.open for session in sessions]
        self._first, self._stop = start // 60, end // 60
        self._codes = np.zeros(max(self._stop, 0), np.uint8)

    def look_up(self, ts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8] | None:
        """The Placement of each minute, or None when one of them is not painted.

        Three passes and no branch. Read as unsigned, a moment before 1970 lies far beyond
        the table's end (and unsigned division is twice as fast as signed).
        """
        minutes = (ts.view(np.uint64) // _SIXTY).view(np.int64)
        try:
            placed = self._codes.take(minutes)
        except IndexError:
            return None
        placed -= np.uint8(1)
        return None if np.maximum.reduce(placed, initial=0) == _UNKNOWN else placed

    def paint(self, low: int, high: int) -> None:
        """Paint every block that `[low, high]` (epoch seconds, inside the range) touches."""
        for number in range(low // 60 // _BLOCK, high // 60 // _BLOCK + 1):
            begin = max(number * _BLOCK, self._first)
            stop = min((number + 1) * _BLOCK, self._stop)
            # Copied whole: another thread sees a minute unpainted or right, never in between.
            self._codes[begin:stop] = self._painted(begin, stop)

    def _painted(self, begin: int, stop: int) -> npt.NDArray[np.uint8]:
        block = np.full(stop - begin, Placement.CLOSED + 1, np.uint8)

        def paint(start: int, end: int, placement: Placement) -> None:
            low, high = max(start // 60 - begin, 0), min(end // 60, stop) - begin
            if low < high:
                block[low:high] = placement + 1

        first = bisect_left(self._opens, begin * 60 - 2 * DAY)
        last = bisect_right(self._opens, stop * 60 + 2 * DAY)
        near = self._sessions[first:last]
        for session in near:
            paint(session.extended_open, session.extended_close, Placement.EXTENDED)
        for session in near:
            paint(session.open, session.close, Placement.REGULAR)
            paint(session.break_start, session.break_end, Placement.CLOSED)
        return block
