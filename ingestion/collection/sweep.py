"""Planning live collection: what is due by cadence and calendar becomes jobs.

Any number of sweepers may run: the same due work has the same key, and only the process
that inserts it hands it on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from ingestion.collection import job_queue
from ingestion.collection.job_queue import DueJob
from ingestion.collection.jobs import BarsFetchJob, TimeWindow
from ingestion.domain import capacity, polling
from ingestion.models import Series
from ingestion.store import partitions
from marketdata_site import clock, runtime_config
from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid
from universe.domain.tier import Tier
from universe.models import Symbol
from universe.services import sessions

CHUNK = 200
"""Symbols of one job: a page of alpaca's holds the newest minutes of so many."""

DAILY_CADENCE_S = 600
"""How often daily bars that are due and did not come are asked for again."""

_LIFETIME_S = 20.0
"""Real seconds that a job has at least, however fast the service's clock runs."""

_AHEAD_S = 40 * 86_400
"""Partitions are made so long before they are needed."""

_HOUSEKEEPING_S = 600


@dataclass(frozen=True, slots=True)
class _Member:
    """A symbol as planning sees it."""

    id: int
    ticker: str
    calendar: str
    settled_to: int | None


@dataclass(slots=True)
class SweepReport:
    """What one tick did. `stretch` says how many times longer than its cadence a tier's
    symbols wait, where the sources cannot serve them all."""

    planned: int = 0
    inserted: int = 0
    expired: int = 0
    stretch: dict[str, float] = field(default_factory=dict)


class Sweeper:
    """One sweeper. `nudge` is called when there are jobs to work on; `per_minute` says how
    many symbols the sources can serve."""

    def __init__(self, nudge: Callable[[], None], per_minute: Callable[[Interval], float]) -> None:
        self._nudge = nudge
        self._per_minute = per_minute
        self._planned: dict[tuple[Interval, Tier], int] = {}
        self._housekept = 0

    def tick(self) -> SweepReport:
        """Plan what is due now and has not been planned by this sweeper; call it about once
        a second."""
        now = clock.now().timestamp()
        report = SweepReport()
        due = [*self._minutes(now, report), *self._days(now)]
        report.planned = len(due)
        if due:
            report.expired = job_queue.expire()
            report.inserted = job_queue.put(due)
        if now - self._housekept >= _HOUSEKEEPING_S:
            self._housekept = int(now)
            partitions.ensure(int(now), int(now) + _AHEAD_S)
            job_queue.prune()
        if job_queue.waiting():
            self._nudge()
        return report

    def _minutes(self, now: float, report: SweepReport) -> Iterator[DueJob]:
        cadences = {Tier(name): s for name, s in runtime_config.current().cadence_s.items()}
        due = {tier: polling.due_at(now, cadence) for tier, cadence in cadences.items()}
        if all(self._planned.get((Interval.MINUTE, tier)) == at for tier, at in due.items()):
            return
        chunks = {tier: list(_chunks(_due_minutes(tier, due[tier]))) for tier in cadences}
        sizes = {tier: (sum(map(len, parts)), cadences[tier]) for tier, parts in chunks.items()}
        shares = capacity.share(sizes, self._per_minute(Interval.MINUTE))
        for tier, cadence in cadences.items():
            if self._planned.get((Interval.MINUTE, tier)) == due[tier]:
                continue
            self._planned[(Interval.MINUTE, tier)] = due[tier]
            if shares[tier] < 1.0:
                report.stretch[tier] = 1 / shares[tier] if shares[tier] else capacity.UNLIMITED
            for chunk in capacity.whose_turn(chunks[tier], shares[tier], due[tier] // cadence):
                yield _job(Interval.MINUTE, tier, chunk, due[tier], cadence)

    def _days(self, now: float) -> Iterator[DueJob]:
        due = polling.due_at(now, DAILY_CADENCE_S)
        for tier in Tier:
            if self._planned.get((Interval.DAY, tier)) == due:
                continue
            self._planned[(Interval.DAY, tier)] = due
            for chunk in _chunks(_due_days(tier, due)):
                yield _job(Interval.DAY, tier, chunk, due, DAILY_CADENCE_S)


def _members(tier: Tier, interval: Interval) -> list[_Member]:
    settled = dict(
        Series.objects.filter(interval=interval, settled_to__isnull=False).values_list(
            "symbol_id", "settled_to"
        )
    )
    rows = Symbol.objects.active().filter(tier=tier).order_by("calendar_id", "id")
    return [
        _Member(id_, ticker, calendar, int(at.timestamp()) if (at := settled.get(id_)) else None)
        for id_, ticker, calendar in rows.values_list("id", "ticker", "calendar_id")
    ]


def _due_minutes(tier: Tier, now: int) -> Iterator[_Member]:
    """The tier's symbols to poll at `now`: all of a trading calendar; of a closed one those
    that were never collected or have not reached the end of its last session."""
    for member, grid in _with_grids(_members(tier, Interval.MINUTE)):
        session = grid.latest_session(now)
        if session is None:
            continue
        behind = member.settled_to is None or member.settled_to < session.close
        if behind or polling.trading(grid, now):
            yield member


def _due_days(tier: Tier, now: int) -> Iterator[_Member]:
    for member, grid in _with_grids(_members(tier, Interval.DAY)):
        newest = polling.newest_daily_label(grid, now)
        if newest is not None and (member.settled_to is None or member.settled_to <= newest):
            yield member


def _with_grids(members: Iterable[_Member]) -> Iterator[tuple[_Member, SessionGrid]]:
    for calendar, group in groupby(members, key=lambda member: member.calendar):
        grid = sessions.grid(calendar)
        yield from ((member, grid) for member in group)


def _chunks(members: Iterable[_Member]) -> Iterator[list[_Member]]:
    """Groups of at most CHUNK symbols of one calendar."""
    for _, group in groupby(members, key=lambda member: member.calendar):
        listed = list(group)
        yield from (listed[at : at + CHUNK] for at in range(0, len(listed), CHUNK))


def _job(interval: Interval, tier: Tier, chunk: list[_Member], due: int, cadence_s: int) -> DueJob:
    begins = min((member.settled_to or due - cadence_s for member in chunk), default=due)
    window = TimeWindow(
        start=datetime.fromtimestamp(min(begins, due - 60), UTC),
        end=datetime.fromtimestamp(due, UTC),
    )
    job = BarsFetchJob(
        job_id=f"{interval}:{tier}:{chunk[0].id}:{due}",
        symbols=tuple(member.ticker for member in chunk),
        interval=interval,
        time_window=window,
        tier=tier,
    )
    lifetime = max(cadence_s, _LIFETIME_S * clock.rate())
    return DueJob(job, window.end, datetime.fromtimestamp(due + lifetime, UTC))
