"""What the exchange's hours tell about times that a file does not explain."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.files.layout import Label
from ingestion.files.times import to_utc
from universe.domain.session_grid import Placement, Session, SessionGrid

_IN_HOURS = 0.9
"""Share of a stock's minutes that lie in its trading hours when the zone is right; the others
may be mistakes of the file."""
_CLEARLY = 1.5
"""A right zone puts so many times more of them into regular hours than a wrong one."""


def zone_of(local: Int64s, grid: SessionGrid, zones: list[str]) -> str | None:
    """The one of `zones` in which these local clock times are this exchange's minutes; None
    when that is not clear (around the clock it never is)."""
    scores = {}
    for zone in dict.fromkeys(zones):
        ts, unreal = to_utc(local, zone)
        placed = _place(grid, np.delete(ts, list(unreal)))
        if placed is not None and np.mean(placed != Placement.CLOSED) >= _IN_HOURS:
            scores[zone] = int(np.count_nonzero(placed == Placement.REGULAR))
    if len(set(zones)) < 2 or not scores:
        return None
    best, *others = sorted(scores, key=scores.__getitem__, reverse=True)
    clear = not others or scores[best] >= _CLEARLY * max(scores[others[0]], 1)
    return best if scores[best] and clear else None


def label_of(ts: Int64s, grid: SessionGrid, *, whole: bool) -> Label | None:
    """Whether minutes at `ts` are named by their open or their close, from which ends of
    their sessions they touch; None when that is not clear.

    `whole`: the times are all of the file's. Otherwise those at its ends may be cut off.
    """
    sessions = _touched(ts, grid)
    if not whole:
        sessions = sessions[1:-1]
    there = set(ts.tolist())

    def count(*ends: int) -> int:
        return sum(end in there for end in ends)

    regular = [count(*(s.open for s in sessions)), count(*(s.close for s in sessions))]
    outer = [
        count(*(s.extended_open for s in sessions)),
        count(*(s.extended_close for s in sessions)),
    ]
    for at_open, at_close in (regular, outer):
        if at_open and not at_close:
            return Label.OPEN
        if at_close and not at_open:
            return Label.CLOSE
    return None


def _place(grid: SessionGrid, ts: Int64s) -> np.ndarray | None:
    """How the times lie in the sessions; those that the calendar does not know are closed.
    None when it knows none of them."""
    known = _known(ts, grid)
    if not known.any():
        return None
    placed = np.full(len(ts), Placement.CLOSED)
    placed[known] = grid.place(ts[known])
    return placed


def _touched(ts: Int64s, grid: SessionGrid) -> list[Session]:
    """The sessions that the times fall into, in order."""
    labels = set(grid.labels_at(ts[_known(ts, grid)]).tolist())
    return [session for session in grid.sessions if session.label in labels]


def _known(ts: Int64s, grid: SessionGrid) -> Bools:
    """Which times lie in the dates that the calendar covers."""
    return (ts >= grid.covered.start) & (ts < grid.covered.end)
