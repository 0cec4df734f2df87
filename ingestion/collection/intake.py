"""From what a source said to what may be stored: align to sessions, validate, sort out.

Every row that comes in goes out once: accepted, rejected with its reason, or counted as
dropped. No value is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial

import numpy as np

from ingestion.collection.roster import Roster
from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.domain.neighbours import KnownSplits, Stored
from ingestion.domain.polling import DAILY_SETTLE_LAG_S
from ingestion.domain.quality import (
    Fault,
    Faults,
    Known,
    Surroundings,
    judge_alone,
    judge_beside,
)
from ingestion.models.quarantine import QuarantineReason
from ingestion.providers.base import BarAnswer
from ingestion.providers.errors import Malformed
from ingestion.store.changes import Rejected
from universe.domain.interval import Interval
from universe.domain.session_grid import Placement

Witnesses = Callable[[Interval, Int64s], Stored]
"""Answers with the bars of some symbols that were rejected for a jump not long ago."""

CLOCK_TOLERANCE_S = {Interval.MINUTE: 60, Interval.DAY: 86_400}
"""How far ahead of us a source's clock may be: a bar that begins later is impossible. Days
are labelled by date, and dates begin early east of Greenwich."""


class BarsFromTheFuture(ValueError):
    """A batch holds a bar that cannot exist yet, so none of it is believed."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch. `bars` by ascending (owner, ts), each once; `extended`
    (outside regular hours; never for days) is parallel to it.

    dropped   rows left out, by reason: `unfinished` (a minute or session still under way
              or not yet settled), `duplicate` (said again, the same), `superseded` (said
              again later in the batch, differently: the last word counts)
    """

    bars: Bars
    extended: Bools
    rejected: Rejected
    dropped: Mapping[str, int]


def take_in(
    bars: Bars,
    interval: Interval,
    roster: Roster,
    *,
    now: float,
    stored: Stored | None = None,
    witnesses: Witnesses | None = None,
    splits: KnownSplits | None = None,
) -> Intake:
    """Sort out `bars`, whose owners are ids of symbols in `roster`.

    `now` is the epoch second at which the source had answered. `stored` are stored bars
    next to the batch (same owners), such as each symbol's newest: without them the first
    and last bars of a batch are judged by one side only. `witnesses` is asked for bars
    rejected earlier, but only where a bar of this batch would be rejected for a jump.

    Raises BarsFromTheFuture, DateNotCovered (a bar outside what its calendar's sessions
    cover) and LookupError (an owner that is not in the roster).
    """
    _refuse_future(bars, interval, now)
    finished = _finished(bars, interval, roster, now)
    unfinished = len(bars) - int(np.count_nonzero(finished))
    if unfinished:
        bars = bars.take(finished)
    around, extended = _surroundings(bars.owner, bars.ts, interval, roster)
    alone = judge_alone(bars, interval, around)
    sound, dropped = _last_words(bars, alone.faults)
    known = partial(_known, stored or Stored.nothing(), interval, roster)
    judge = partial(judge_beside, bars, sound, interval, around)
    beside = judge(known(Stored.nothing()), splits or {})
    doubted = np.unique(bars.owner[beside.faults != Fault.NONE])
    if witnesses is not None and len(doubted):
        beside = judge(known(witnesses(interval, doubted)), splits or {})
    faults = np.maximum(alone.faults, beside.faults)
    accepted = sound[beside.faults[sound] == Fault.NONE]
    if unfinished:
        dropped["unfinished"] = unfinished
    details = {**alone.details, **beside.details}
    rejected = _rejected(bars, faults, details, dropped)
    return Intake(bars.take(accepted), extended[accepted], rejected, dropped)


def take_in_answer(
    answer: BarAnswer,
    symbol_ids: Int64s,
    roster: Roster,
    *,
    now: float,
    stored: Stored | None = None,
    witnesses: Witnesses | None = None,
    splits: KnownSplits | None = None,
) -> Intake:
    """`take_in` for a provider's answer; `symbol_ids` is parallel to its request's
    instruments, and `stored` is owned by symbol ids.

    Raises Malformed for bars from the future, and what else `take_in` raises.
    """
    bars = answer.bars.owned_by(symbol_ids[answer.bars.owner])
    interval = answer.request.interval
    try:
        return take_in(
            bars, interval, roster, now=now, stored=stored, witnesses=witnesses, splits=splits
        )
    except BarsFromTheFuture as error:
        raise Malformed(answer.source.provider, f"bars_{interval}", str(error)) from error


def _refuse_future(bars: Bars, interval: Interval, now: float) -> None:
    if not len(bars):
        return
    newest = int(bars.ts.max())
    if newest > now + CLOCK_TOLERANCE_S[interval]:
        raise BarsFromTheFuture(f"a bar of {_iso(newest)} cannot exist at {_iso(now)}")


def _finished(bars: Bars, interval: Interval, roster: Roster, now: float) -> Bools:
    """Which bars can no longer be in the making. A day that is no session counts as
    finished: that it should not exist is for the quality rules to say."""
    if interval is Interval.MINUTE:
        return bars.ts + interval.seconds <= now
    finished = np.ones(len(bars), np.bool_)
    calendar = roster.calendar[roster.find(bars.owner)]
    for number, grid in enumerate(roster.grids):
        rows = np.flatnonzero(calendar == number)
        finished[rows] = grid.closes_of(bars.ts[rows]) + DAILY_SETTLE_LAG_S <= now
    return finished


def _known(stored: Stored, interval: Interval, roster: Roster, witnesses: Stored) -> Known:
    session = [
        _surroundings(beside.owner, beside.ts, interval, roster)[0].session
        for beside in (stored, witnesses)
    ]
    return Known(stored, witnesses, np.concatenate(session))


def _surroundings(
    owner: Int64s, ts: Int64s, interval: Interval, roster: Roster
) -> tuple[Surroundings, Bools]:
    """What calendar and universe say of each bar, and whether it is outside regular hours."""
    member = roster.find(owner)
    calendar = roster.calendar[member]
    placed = np.empty(len(ts), np.uint8)
    session = np.empty(len(ts), np.int64)
    for number, grid in enumerate(roster.grids):
        rows = slice(None) if len(roster.grids) == 1 else np.flatnonzero(calendar == number)
        if interval is Interval.MINUTE:
            placed[rows] = grid.place(ts[rows])
            session[rows] = grid.labels_at(ts[rows])
        else:
            open_day = grid.closes_of(ts[rows]) >= 0
            placed[rows] = np.where(open_day, Placement.REGULAR, Placement.CLOSED)
            session[rows] = ts[rows]
    unlisted = (session < roster.listed[member]) | (session > roster.delisted[member])
    around = Surroundings(placed == Placement.CLOSED, unlisted, session)
    return around, placed == Placement.EXTENDED


def _last_words(bars: Bars, faults: Faults) -> tuple[Int64s, Counter[str]]:
    """The rows without a fault by ascending (owner, ts), the last of each, and how many
    went because the same bar came again."""
    sound = np.flatnonzero(faults == Fault.NONE)
    owner, ts = bars.owner[sound], bars.ts[sound]
    ascending = (owner[1:] > owner[:-1]) | ((owner[1:] == owner[:-1]) & (ts[1:] > ts[:-1]))
    if ascending.all():
        return sound, Counter()
    order = sound[np.lexsort((ts, owner))]  # stable: later rows stay behind earlier ones
    again = _same(bars, order[:-1], order[1:], "owner", "ts")
    last = np.append(~again, True)
    rows = np.flatnonzero(again)
    values = [column.name for column in fields(Bars)][2:]
    same = int(np.count_nonzero(_same(bars, order[rows], order[rows + 1], *values)))
    counts = {"duplicate": same, "superseded": len(rows) - same}
    return order[last], Counter({reason: count for reason, count in counts.items() if count})


def _same(bars: Bars, these: Int64s, those: Int64s, *columns: str) -> Bools:
    """Where rows `these` and `those` have equal values (NaN equals NaN) in the columns."""
    same = np.ones(len(these), np.bool_)
    for name in columns:
        column = getattr(bars, name)
        left, right = column[these], column[those]
        same &= (left == right) | ((left != left) & (right != right))
    return same


def _rejected(
    bars: Bars, faults: Faults, details: Mapping[int, str], dropped: Counter[str]
) -> Rejected:
    """The rows with a fault, each (owner, ts, fault) once: the last word counts here too."""
    last: dict[tuple[int, int, int], int] = {}
    for row in np.flatnonzero(faults).tolist():
        key = (int(bars.owner[row]), int(bars.ts[row]), int(faults[row]))
        earlier = last.pop(key, None)
        if earlier is not None:
            pair = np.array([earlier]), np.array([row])
            same = _same(bars, *pair, *(column.name for column in fields(Bars)))[0]
            dropped["duplicate" if same else "superseded"] += 1
        last[key] = row
    rows = list(last.values())
    reasons = [QuarantineReason(Fault(int(faults[row])).reason) for row in rows]
    return Rejected(bars.take(np.array(rows, np.int64)), reasons, [details[row] for row in rows])


def _iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
