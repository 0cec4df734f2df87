"""Intake of a stream: a file's rows come in pieces, and every bar is still judged with the
bars on both sides of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ingestion.collection.intake import Intake, Witnesses, take_in
from ingestion.collection.roster import Roster
from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.domain.neighbours import Stored
from ingestion.models.quarantine import QuarantineReason
from ingestion.store.changes import Rejected
from universe.domain.interval import Interval

HELD = 3
"""Bars of each symbol that are held back at either end until more have come. One would do
for a bad print that stands alone; three also let a bad print stand beside a new level."""

_JUMPS = (QuarantineReason.SPLIT_LIKE, QuarantineReason.ABSURD_JUMP)


class Windows:
    """Feed it rows whose owners are symbol ids; it gives back what became of them, holding
    back each symbol's first and last bars until their neighbours have come, or `finish`."""

    def __init__(
        self,
        interval: Interval,
        roster: Callable[[Int64s], Roster],
        stored: Callable[[Bars], Stored],
        witnesses: Witnesses | None = None,
    ) -> None:
        """`roster` answers for symbol ids; `stored` for bars of symbols that were not fed
        before: what the store has next to them; `witnesses` as for `take_in`."""
        self._witnesses = witnesses
        self._interval, self._roster, self._stored = interval, roster, stored
        self._held = Bars.empty()
        self._context = Stored.nothing()
        self._known: set[int] = set()

    def feed(self, bars: Bars, now: float) -> Intake:
        """Take in more rows."""
        owners = set(np.unique(bars.owner).tolist())
        if new := owners - self._known:
            fresh = bars.take(np.isin(bars.owner, list(new)))
            self._context = _joined(self._context, self._stored(fresh))
            self._known |= new
        intake = self._take_in(Bars.join([self._held, bars]), now)
        return self._hold_back(intake)

    def finish(self, now: float) -> Intake:
        """No more rows come: what was held back is judged by what there is."""
        intake = self._take_in(self._held, now)
        self._held, self._context = Bars.empty(), Stored.nothing()
        self._known = set()
        return intake

    def _take_in(self, bars: Bars, now: float) -> Intake:
        roster = self._roster(np.unique(np.concatenate((bars.owner, self._context.owner))))
        return take_in(
            bars, self._interval, roster, now=now, stored=self._context, witnesses=self._witnesses
        )

    def _hold_back(self, intake: Intake) -> Intake:
        jumped = np.array([reason in _JUMPS for reason in intake.rejected.reasons], np.bool_)
        in_doubt = Bars.join([intake.rejected.bars.take(jumped), intake.bars])
        ends = _ends(in_doubt.owner, in_doubt.ts, HELD)
        count = int(np.count_nonzero(jumped))
        stays = np.zeros(len(jumped), np.bool_)
        stays[jumped] = ends[:count]
        accepted = ~ends[count:]
        self._held = in_doubt.take(ends)
        passed = intake.bars.take(accepted)
        self._remember(passed)
        return Intake(
            passed,
            intake.extended[accepted],
            _without(intake.rejected, stays),
            intake.dropped,
        )

    def _remember(self, passed: Bars) -> None:
        """Keep, of each symbol, the outermost bars known: those stored, and those that have gone
        through, which are the neighbours of the ones held back."""
        mine = Stored(passed.owner, passed.ts, passed.open, passed.close)
        both = _joined(self._context, mine)
        self._context = _taken(both, _ends(both.owner, both.ts, 2))


def _ends(owner: Int64s, ts: Int64s, count: int) -> Bools:
    """Which rows are among the `count` earliest or latest of their owner."""
    ends = np.zeros(len(owner), np.bool_)
    if not len(owner):
        return ends
    order = np.lexsort((ts, owner))
    starts = np.flatnonzero(np.diff(owner[order], prepend=owner[order[0]] - 1))
    sizes = np.diff(starts, append=len(order))
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    ends[order] = (rank < count) | (rank >= np.repeat(sizes, sizes) - count)
    return ends


def _without(rejected: Rejected, rows: Bools) -> Rejected:
    keep = np.flatnonzero(~rows).tolist()
    reasons = [rejected.reasons[row] for row in keep]
    return Rejected(rejected.bars.take(~rows), reasons, [rejected.details[row] for row in keep])


def _joined(first: Stored, second: Stored) -> Stored:
    return Stored(
        np.concatenate((first.owner, second.owner)),
        np.concatenate((first.ts, second.ts)),
        np.concatenate((first.open, second.open)),
        np.concatenate((first.close, second.close)),
    )


def _taken(stored: Stored, rows: Bools) -> Stored:
    return Stored(stored.owner[rows], stored.ts[rows], stored.open[rows], stored.close[rows])
