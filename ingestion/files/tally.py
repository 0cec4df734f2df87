"""What is in some files, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ingestion.collection.intake import Intake
from ingestion.collection.roster import Roster
from universe.domain.interval import Interval

_EXAMPLES = 3


@dataclass(slots=True)
class Tally:
    """Rows read, bars accepted, and what became of the other rows."""

    rows: int = 0
    bars: int = 0
    extended: int = 0
    stored: int = 0
    """Of `bars`: already in the store, with these or other values (counted on request)."""
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    """Reason → the first few that were rejected for it, in words."""
    dropped: Counter[str] = field(default_factory=Counter)
    symbols: set[int] = field(default_factory=set)
    sessions: set[tuple[str, int]] = field(default_factory=set)
    """(calendar, label) of every session with an accepted bar."""
    sample: tuple[Interval, Intake] | None = None
    """The first that was accepted."""

    def add(self, interval: Interval, intake: Intake, roster: Roster) -> None:
        """Count what was taken in of symbols in `roster`."""
        bars = intake.bars
        self.bars += len(bars)
        self.extended += int(np.count_nonzero(intake.extended))
        for reason, detail in zip(intake.rejected.reasons, intake.rejected.details, strict=True):
            self.rejected[str(reason)] += 1
            shown = self.examples.setdefault(str(reason), [])
            if len(shown) < _EXAMPLES:
                shown.append(detail)
        self.dropped.update(intake.dropped)
        self.symbols.update(np.unique(bars.owner).tolist())
        calendar = roster.calendar[roster.find(bars.owner)]
        for number, grid in enumerate(roster.grids):
            mine = bars.ts[calendar == number]
            labels = grid.labels_at(mine) if interval is Interval.MINUTE else mine
            self.sessions.update((grid.calendar, label) for label in np.unique(labels).tolist())
        if self.sample is None and len(bars):
            self.sample = interval, intake
