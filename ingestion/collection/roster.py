"""What intake must know of the symbols whose bars it takes in, in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Int64s
from universe.domain.session_grid import SessionGrid, label_of
from universe.models import Symbol

_NEVER_BEFORE, _NEVER_AFTER = -(1 << 62), 1 << 62


@dataclass(frozen=True, slots=True)
class Roster:
    """Symbols by ascending id, with their calendars and listings. Make a new one for each
    batch: grids know what an operator changed a second ago.

    calendar   index into `grids`
    listed     label of the first session that the symbol is listed for
    delisted   label of the last one, inclusive
    """

    symbol_id: Int64s
    calendar: Int64s
    listed: Int64s
    delisted: Int64s
    grids: tuple[SessionGrid, ...]

    @classmethod
    def of(cls, symbols: Iterable[Symbol], grid: Callable[[str], SessionGrid]) -> Roster:
        """The roster of `symbols`, with `grid` to ask for a calendar's sessions."""
        rows = sorted(symbols, key=lambda symbol: symbol.id)
        names = sorted({symbol.calendar_id for symbol in rows})
        number = {name: index for index, name in enumerate(names)}
        listed = [label_of(s.listed_on) if s.listed_on else _NEVER_BEFORE for s in rows]
        delisted = [label_of(s.delisted_on) if s.delisted_on else _NEVER_AFTER for s in rows]
        return cls(
            np.array([symbol.id for symbol in rows], np.int64),
            np.array([number[symbol.calendar_id] for symbol in rows], np.int64),
            np.array(listed, np.int64),
            np.array(delisted, np.int64),
            tuple(grid(name) for name in names),
        )

    def find(self, symbol_ids: Int64s) -> Int64s:
        """The row of each symbol. Raises LookupError naming the first that is not here."""
        if not len(self.symbol_id):
            if len(symbol_ids):
                raise LookupError(f"symbol id {int(symbol_ids[0])} is not in the (empty) roster")
            return np.empty(0, np.int64)
        rows = np.searchsorted(self.symbol_id, symbol_ids)
        rows = np.minimum(rows, len(self.symbol_id) - 1)
        strange = np.flatnonzero(self.symbol_id[rows] != symbol_ids)
        if len(strange):
            raise LookupError(f"symbol id {int(symbol_ids[strange[0]])} is not in the roster")
        return rows
