"""Faults on request: what may go wrong, how often, and for whom."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Absurdity = Literal[
    "nan", "negative_volume", "future", "ohlc_order", "jump", "zero_price", "off_grid"
]

PARAMETERS: dict[str, dict[str, object]] = {
    # The call as a whole
    "latency": {"seconds": 1.0},
    "rate_limit": {"retry_after": None},
    "forbidden": {},
    "status": {"status": 500},
    "html": {"status": 200},
    "huge": {"size": 50_000_000},
    "truncate": {"share": 0.5},
    "reset": {},
    "mute": {"seconds": 3600.0},
    # The bars inside
    "empty": {},
    "short_pages": {"size": 1},
    "partial": {"share": 0.5},
    "duplicated": {"share": 1.0},
    "late": {"seconds": 60.0},
    "revised": {"seconds": 300.0, "share": 1.0},
    "absurd": {"what": "nan", "share": 1.0},
}
"""kind → its own parameters and their defaults."""


class Fault(BaseModel):
    """One thing to do wrong.

    `probability` is per call and drawn from `seed`; `count` ends it after so many calls.
    `path` (a part of the path) and `symbols` narrow it down; symbols count for faults in
    bars only. `seconds` is real time for latency and mute, the clock's for late and revised.
    `share` is the part of the bars (or of the body) that is concerned.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str = "*"
    kind: str
    probability: float = Field(1.0, ge=0, le=1)
    count: int | None = Field(None, ge=1)
    seed: int = 0
    path: str = ""
    symbols: tuple[str, ...] = ()
    seconds: float = Field(0.0, ge=0)
    retry_after: float | None = Field(None, ge=0)
    status: int = Field(0, ge=0, le=599)
    size: int = Field(0, ge=0, le=1_000_000_000)
    share: float = Field(1.0, ge=0, le=1)
    what: Absurdity = "nan"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: object) -> object:
        if not isinstance(values, dict) or values.get("kind") not in PARAMETERS:
            kind = values.get("kind") if isinstance(values, dict) else values
            raise ValueError(f"kind {kind!r} is none of {', '.join(PARAMETERS)}")
        own = PARAMETERS[values["kind"]]
        every = {name for parameters in PARAMETERS.values() for name in parameters}
        for name in values:
            if name in every and name not in own:
                raise ValueError(f"{name} means nothing to a fault of kind {values['kind']}")
        return {**own, **values}

    @field_validator("symbols")
    @classmethod
    def _upper(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(symbol.upper() for symbol in symbols)


@dataclass
class _Active:
    fault: Fault
    random: Random
    fired: int = 0


@dataclass
class FaultBook:
    """The faults in force. Thread-safe."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _active: dict[int, _Active] = field(default_factory=dict)
    _last: int = 0

    def add(self, fault: Fault) -> int:
        """Put a fault in force and return its number."""
        with self._lock:
            self._last += 1
            self._active[self._last] = _Active(fault, Random(fault.seed))  # noqa: S311 - no secret
            return self._last

    def remove(self, number: int | None = None, provider: str | None = None) -> int:
        """Lift one fault, one provider's, or all; returns how many."""
        with self._lock:
            gone = [
                one
                for one, active in self._active.items()
                if number in (None, one) and provider in (None, active.fault.provider)
            ]
            for one in gone:
                del self._active[one]
            return len(gone)

    def listed(self) -> list[dict[str, object]]:
        """The faults in force, with how often each has fired."""
        with self._lock:
            return [
                {
                    "id": number,
                    **active.fault.model_dump(include=_shown(active.fault)),
                    "fired": active.fired,
                }
                for number, active in self._active.items()
            ]

    def draw(self, provider: str, path: str) -> list[Fault]:
        """The faults that strike this call; spent ones are lifted."""
        struck = []
        with self._lock:
            for number, active in list(self._active.items()):
                fault = active.fault
                if fault.provider not in ("*", provider) or fault.path not in path:
                    continue
                if active.random.random() >= fault.probability:
                    continue
                struck.append(fault)
                active.fired += 1
                if active.fired == fault.count:
                    del self._active[number]
        return struck


def _shown(fault: Fault) -> set[str]:
    common = {"provider", "kind", "probability", "count", "seed", "path", "symbols"}
    return common | set(PARAMETERS[fault.kind])
