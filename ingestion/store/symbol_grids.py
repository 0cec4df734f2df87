"""Which calendar each symbol follows, for whole arrays of symbols."""

from __future__ import annotations

import time
from threading import Lock

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.domain.expectation import Expectation
from universe.domain.interval import Interval
from universe.models import Symbol
from universe.services import sessions

_KEEP_S = 30.0


class UnknownSymbolId(LookupError):
    """A symbol id that is not in the universe."""


class _Universe:
    """Symbol id → calendar, as an array; read again every 30 s and for ids it lacks."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._names: list[str] = []
        self._calendar_of = np.empty(0, np.int64)  # index into _names, -1: no such symbol
        self._loaded = float("-inf")

    def calendars(self, symbol_ids: Int64s) -> tuple[list[str], Int64s]:
        with self._lock:
            old = time.monotonic() - self._loaded > _KEEP_S
            if old or not self._knows(symbol_ids).all():
                self._load()
            known = self._knows(symbol_ids)
            if not known.all():
                raise UnknownSymbolId(f"no symbol has id {symbol_ids[~known][0]}")
            return self._names, self._calendar_of[symbol_ids]

    def _knows(self, symbol_ids: Int64s) -> Bools:
        known = symbol_ids < len(self._calendar_of)
        known[known] = self._calendar_of[symbol_ids[known]] >= 0
        return known

    def _load(self) -> None:
        rows = list(Symbol.objects.values_list("id", "calendar_id"))
        self._names = sorted({name for _, name in rows})
        numbers = {name: number for number, name in enumerate(self._names)}
        self._calendar_of = np.full(max((id_ for id_, _ in rows), default=-1) + 1, -1, np.int64)
        for id_, name in rows:
            self._calendar_of[id_] = numbers[name]
        self._loaded = time.monotonic()

    def forget(self) -> None:
        self._loaded = float("-inf")


_universe = _Universe()


def expectations(interval: Interval, symbol_ids: Int64s) -> tuple[Int64s, list[Expectation]]:
    """For each symbol the index of its Expectation, and those Expectations.

    Raises UnknownSymbolId. Costs one query every 30 s and process.
    """
    if not len(symbol_ids):
        return np.empty(0, np.int64), []
    names, which = _universe.calendars(symbol_ids)
    used, index = np.unique(which, return_inverse=True)
    found = [Expectation(sessions.grid(names[number]), interval) for number in used.tolist()]
    return index.astype(np.int64), found


def forget() -> None:
    """Read the universe again at the next question."""
    _universe.forget()
