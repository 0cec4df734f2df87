"""What was taken in, written to the store in batches that an interruption cannot repeat.

A batch is named by its contents: its commit carries that name as its job, so the log of
commits itself remembers what was imported, atomically and without a file to lose.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np

from ingestion.collection.intake import Intake
from ingestion.domain.bar_batch import Bars, Bools
from ingestion.models import CandleStatus, IngestCommit
from ingestion.store import writer
from ingestion.store.changes import CandleWrite, Rejected, WriteResult
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

Write = Callable[[CandleWrite], WriteResult]


@dataclass(slots=True)
class Written:
    """What the writes came to, in bars."""

    counts: Counter[str] = field(default_factory=Counter)
    """inserted, corrected, unchanged, quarantined; and `before`: of batches that an earlier
    run of the same import has committed."""

    def add(self, result: WriteResult) -> None:
        """Count one write's result."""
        for name in ("inserted", "corrected", "unchanged", "quarantined"):
            self.counts[name] += getattr(result, name)


@dataclass(slots=True)
class Batches:
    """Collects what passes and writes whenever a transaction is full; `flush` at the end.

    `again`: write batches that are known from an earlier run too.
    """

    interval: Interval
    source: str
    chosen_because: str
    observed_at: float
    written: Written
    again: bool = False
    write: Write = writer.write
    _bars: list[Bars] = field(default_factory=list)
    _extended: list[Bools] = field(default_factory=list)
    _rejected: list[Rejected] = field(default_factory=list)
    _waiting: int = 0

    def add(self, intake: Intake) -> None:
        """Put what was taken in behind what waits, and write what fills a transaction."""
        self._bars.append(intake.bars)
        self._extended.append(intake.extended)
        self._rejected.append(intake.rejected)
        self._waiting += max(len(intake.bars), len(intake.rejected.bars))
        if self._waiting >= writer.MAX_BARS:
            self._write_all(keep_rest=True)

    def flush(self) -> None:
        """Write what still waits."""
        self._write_all(keep_rest=False)

    def _write_all(self, *, keep_rest: bool) -> None:
        bars, extended = Bars.join(self._bars), np.concatenate([*self._extended, np.empty(0, bool)])
        rejected = _join(self._rejected)
        size, at = writer.MAX_BARS, 0
        while at < len(bars) or at < len(rejected.bars):
            end = at + size
            if keep_rest and max(len(bars), len(rejected.bars)) < end:
                break
            self._write(bars.take(slice(at, end)), extended[at:end], _slice(rejected, at, end))
            at = end
        self._bars, self._extended = [bars.take(slice(at, None))], [extended[at:]]
        self._rejected = [_slice(rejected, at, len(rejected.bars))]
        self._waiting = max(len(self._bars[0]), len(self._rejected[0].bars))

    def _write(self, bars: Bars, extended: Bools, rejected: Rejected) -> None:
        times = np.concatenate((bars.ts, rejected.bars.ts))
        span = TimeRange(int(times.min()), int(times.max()) + self.interval.seconds)
        name = self._name(bars, rejected)
        if not self.again and IngestCommit.objects.filter(job_id=name).exists():
            self.written.counts["before"] += len(bars) + len(rejected.bars)
            return
        change = CandleWrite(
            interval=self.interval,
            source=self.source,
            origin=writer.IMPORT_ORIGIN,
            status=CandleStatus.IMPORT,
            chosen_because=self.chosen_because,
            observed_at=self.observed_at,
            range=span,
            bars=bars,
            extended=extended,
            rejected=rejected,
            job_id=name,
        )
        self.written.add(self.write(change))

    def _name(self, bars: Bars, rejected: Rejected) -> str:
        """A name that only the same contents from the same source have."""
        digest = hashlib.blake2b(f"{self.interval}/{self.source}".encode(), digest_size=20)
        for part in (bars, rejected.bars):
            for column in fields(Bars):
                digest.update(np.ascontiguousarray(getattr(part, column.name)).tobytes())
        digest.update(",".join(rejected.reasons).encode())
        return f"import:{digest.hexdigest()}"


def _join(parts: list[Rejected]) -> Rejected:
    return Rejected(
        Bars.join([part.bars for part in parts]),
        [reason for part in parts for reason in part.reasons],
        [detail for part in parts for detail in part.details],
    )


def _slice(rejected: Rejected, start: int, end: int) -> Rejected:
    rows = slice(start, end)
    return Rejected(rejected.bars.take(rows), rejected.reasons[rows], rejected.details[rows])
