"""How long to leave a vendor alone when it says "too many requests" but not until when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Cooldown:
    """Doubles with each refusal in a row, up to a cap; an answer starts it over.

    Refusals that arrive while a pause still runs (calls that were already under way) count
    as one with the refusal that began it.
    """

    def __init__(
        self, first_s: float, longest_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._first, self._longest, self._monotonic = first_s, longest_s, monotonic
        self._lock = threading.Lock()
        self._pause = 0.0
        self._until = 0.0

    def next(self) -> float:
        """Seconds to pause after a refusal now."""
        with self._lock:
            now = self._monotonic()
            if now >= self._until:
                self._pause = min(self._pause * 2 or self._first, self._longest)
                self._until = now + self._pause
            return self._pause

    def over(self) -> None:
        """The vendor has answered again."""
        if self._pause:
            with self._lock:
                if self._monotonic() >= self._until:
                    self._pause = 0.0
