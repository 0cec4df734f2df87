"""Bars judged by the bars next to them.

A bad print stands alone; a level that the next bars confirm is real, as in a raw series
after a split. So a bar is rejected only when it disagrees with every neighbour it has:
two bars agree when the open of the later is no jump from the close of the earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s
from ingestion.domain.jumps import Jump, classify, describe, kind_of, ratio
from universe.domain.interval import Interval

NEIGHBOUR_DAYS = 10
"""Daily bars further apart (in calendar days) say nothing about each other. The longest
closure of US exchanges since 1914 left seven days between two bars (2001-09-10 and -17)."""

KnownSplits = Mapping[int, Sequence[tuple[int, float]]]
"""owner → its splits: label of the ex-date, new shares for an old one."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bars known beside the ones to judge, that are not judged again. Parallel arrays in any
    order; `owner` means what it means in the batch. Where only the close is known, `open` is
    the close too.

    The word of stored bars counts. Witnesses, bars that were rejected earlier, count only
    where they agree with the bar right beside them: what came in two batches is judged as
    if it had come in one."""

    owner: Int64s
    ts: Int64s
    open: Float64s
    close: Float64s

    @classmethod
    def nothing(cls) -> Stored:
        """No stored bars are known."""
        none, no_price = np.empty(0, np.int64), np.empty(0, np.float64)
        return cls(none, none, no_price, no_price)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a bar was rejected: the row in the judged bars, the kind of jump, and the words."""

    row: int
    kind: Jump
    detail: str


STORED, WITNESS = -1, -2


@dataclass(frozen=True, slots=True)
class Trail:
    """Bars in order of owner and time, cut into runs of neighbours: the minutes of one
    session, or days without a hole. `row` points into the judged bars, or is STORED or
    WITNESS."""

    interval: Interval
    owner: Int64s
    ts: Int64s
    open: Float64s
    close: Float64s
    row: Int64s
    starts_run: Bools
    splits: KnownSplits

    @classmethod
    def of(
        cls,
        bars: Bars,
        rows: Int64s,
        stored: Stored,
        witnesses: Stored,
        run: Int64s,
        interval: Interval,
        splits: KnownSplits,
    ) -> Trail:
        """The `rows` of `bars`, and what is known beside them. `run` names the session of
        each (rows first, then stored, then witnesses) for minutes; days are cut by
        NEIGHBOUR_DAYS."""
        beside = [np.full(len(stored.ts), STORED), np.full(len(witnesses.ts), WITNESS)]
        origin = np.concatenate((rows, *beside)).astype(np.int64)
        owner = np.concatenate((bars.owner[rows], stored.owner, witnesses.owner))
        ts = np.concatenate((bars.ts[rows], stored.ts, witnesses.ts))
        # Another version of a bar that is judged or stored is no neighbour of it: it goes.
        order = np.lexsort((-np.minimum(origin, 0), ts, owner))
        keep = np.ones(len(order), np.bool_)
        same = (owner[order][1:] == owner[order][:-1]) & (ts[order][1:] == ts[order][:-1])
        keep[1:] = ~(same & (origin[order][1:] < 0))
        order = order[keep]
        owner, ts, run = owner[order], ts[order], run[order]
        starts = np.ones(len(order), np.bool_)
        if interval is Interval.MINUTE:
            apart = run[1:] != run[:-1]
        else:
            apart = np.diff(ts) > NEIGHBOUR_DAYS * Interval.DAY.seconds
        starts[1:] = (owner[1:] != owner[:-1]) | apart
        opens = np.concatenate((bars.open[rows], stored.open, witnesses.open))[order]
        closes = np.concatenate((bars.close[rows], stored.close, witnesses.close))[order]
        return cls(interval, owner, ts, opens, closes, origin[order], starts, splits)

    def jump(self, earlier: int, later: int) -> float:
        """How far the later bar's open is from the earlier one's close, splits known of
        taken out."""
        known = 1.0
        for ex_label, factor in self.splits.get(int(self.owner[later]), ()):
            if self.ts[earlier] < ex_label <= self.ts[later]:
                known *= factor
        first, second = float(self.close[earlier]), float(self.open[later]) * known
        return max(first, second) / min(first, second)

    def kind(self, earlier: int | None, later: int | None) -> Jump | None:
        """What the jump between two bars looks like; None when one of them is missing."""
        if earlier is None or later is None:
            return None
        return kind_of(self.jump(earlier, later))


def objections(trail: Trail) -> Iterator[Objection]:
    """The bars of the trail that disagree with every neighbour they have."""
    if len(trail.ts) < 2:
        return
    beside = np.flatnonzero(~trail.starts_run[1:])
    jumps = classify(ratio(trail.close[beside], trail.open[beside + 1]))
    suspicious = np.zeros(len(trail.ts) - 1, np.bool_)
    for at in beside[jumps != Jump.NONE].tolist():
        suspicious[at] = trail.kind(at, at + 1) != Jump.NONE  # unless a known split explains it
    bounds = np.append(np.flatnonzero(trail.starts_run), len(trail.ts))
    runs = np.unique(np.searchsorted(bounds, np.flatnonzero(suspicious), side="right") - 1)
    for run in runs:
        start, end = int(bounds[run]), int(bounds[run + 1])
        yield from _judge_run(trail, range(start, end), ~suspicious[start : end - 1])


def _judge_run(trail: Trail, run: range, agrees: Bools) -> Iterator[Objection]:
    """The objections in one run of neighbours; `agrees[n]`: the run's bars n and n + 1 do."""
    trusted = _trusted(trail, run, agrees)
    if not trusted.any():  # nobody to go by: each is judged by the bars right beside it
        for at in run:
            before = at - 1 if at > run.start else None
            after = at + 1 if at + 1 < run.stop else None
            if trail.row[at] != WITNESS:
                yield from _judge(trail, before, at, after)
        return
    believed = np.flatnonzero(trusted) + run.start
    before = None
    for at in run:
        if not trusted[at - run.start]:
            if trail.row[at] == WITNESS:
                continue
            later = int(np.searchsorted(believed, at))
            after = int(believed[later]) if later < len(believed) else None
            objection = list(_judge(trail, before, at, after))
            yield from objection
            if objection:
                continue
        before = at


def _trusted(trail: Trail, run: range, agrees: Bools) -> Bools:
    """Which bars of a run need no judging: the stored ones, and those that agree with the
    bar right beside them. Without any, the first two that agree over one between them."""
    trusted: Bools = trail.row[run.start : run.stop] == STORED
    trusted[:-1] |= agrees
    trusted[1:] |= agrees
    if not trusted.any():
        for at in run[:-2]:
            if trail.kind(at, at + 2) == Jump.NONE:
                trusted[[at - run.start, at + 2 - run.start]] = True
                break
    return trusted


def _judge(trail: Trail, before: int | None, at: int, after: int | None) -> Iterator[Objection]:
    """The objection to one bar between its neighbours, if there is one."""
    backward, forward = trail.kind(before, at), trail.kind(at, after)
    if Jump.NONE in (backward, forward):
        return
    if before is None and forward == Jump.SPLIT_LIKE and trail.interval is Interval.DAY:
        return  # the last day before a split, with nothing known of the days before it
    if before is not None:
        jump = trail.jump(before, at)
        detail = f"open {trail.open[at]:g}, the bar before closed at {trail.close[before]:g}"
    elif after is not None:
        jump = trail.jump(at, after)
        detail = f"close {trail.close[at]:g}, the bar after opens at {trail.open[after]:g}"
    else:
        return
    yield Objection(int(trail.row[at]), kind_of(jump), f"{detail}: {describe(jump)}")
