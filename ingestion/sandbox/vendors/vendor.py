"""What a vendor's module offers the server."""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from ingestion.sandbox.exchange import Answer, Request
from ingestion.sandbox.view import View

Float64s = npt.NDArray[np.float64]

KEY = "sandbox"
"""The key that every vendor here takes."""


class Vendor(Protocol):
    """One vendor's format. Holds no state but what its sessions need; thread-safe."""

    name: ClassVar[str]
    delay: ClassVar[float]
    """Seconds after a minute's end until its bar shows."""
    too_many: ClassVar[Answer]
    """To a call beyond the limit."""
    forbidden: ClassVar[Answer]
    """To a call that the plan does not include."""
    shows_limits: ClassVar[bool]
    """Whether every answer says how many calls are left."""

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        ...


def whole_if_shares(volume: Float64s) -> list[float | int]:
    """Volumes as JSON numbers: whole ones without a decimal point."""
    return [int(v) if v == v // 1 else v for v in volume.tolist()]
