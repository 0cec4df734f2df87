"""A series told as its commits, in plain Python: what a read must answer, and the rows that a
writer would have left. The two are worked out apart: answers by replaying the commits, rows
by cutting each bar's versions at the commit that ended them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.models import (
    CandleDaily,
    CandleIntraday,
    IngestCommit,
    NoTrade,
    RevisionDaily,
    RevisionIntraday,
    Series,
)
from ingestion.store import partitions
from universe.domain.interval import Interval

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MODELS: dict[Interval, tuple[Any, Any]] = {
    Interval.MINUTE: (CandleIntraday, RevisionIntraday),
    Interval.DAY: (CandleDaily, RevisionDaily),
}


@dataclass(frozen=True)
class Version:
    """One version of a bar; its prices follow from `value`, all of them different."""

    value: float
    source: str = "polygon"
    extended: bool = False
    vwap: float | None = None
    trades: int | None = None

    @property
    def prices(self) -> tuple[float, float, float, float, float]:
        """Open, high, low, close, volume."""
        v = self.value
        return (v + 0.1, v + 0.7, v - 0.3, v + 1 / 3, v * 1000.5)


@dataclass(frozen=True)
class Commit:
    """What one commit stored and withdrew, by `ts`."""

    as_of: int
    put: Mapping[int, Version] = field(default_factory=dict)
    withdrawn: frozenset[int] = frozenset()


@dataclass
class History:
    """All commits of one series, oldest first."""

    commits: list[Commit] = field(default_factory=list)
    marks: set[int] = field(default_factory=set)
    """The `ts` marked as without a trade."""

    @property
    def watermark(self) -> int | None:
        return self.commits[-1].as_of if self.commits else None

    def at(self, as_of: int | None) -> dict[int, Version]:
        """What was stored at `as_of`; None: now."""
        stored: dict[int, Version] = {}
        for commit in self.commits:
            if as_of is None or commit.as_of <= as_of:
                stored |= commit.put
                for ts in commit.withdrawn:
                    stored.pop(ts, None)
        return dict(sorted(stored.items()))

    def save(self, symbol_id: int, interval: Interval = Interval.MINUTE) -> None:
        """Write the rows that the store's contracts want for this history."""
        candle, revision = MODELS[interval]
        times = [ts for commit in self.commits for ts in commit.put]
        if times and interval is Interval.MINUTE:
            partitions.ensure(min(times), max(times) + 1)
        current, former = [], []
        for ts in sorted(set(times)):
            for version, began, ended, gone in self._lives(ts):
                row = _columns(symbol_id, ts, version, began)
                if ended is None:
                    current.append(candle(**row))
                else:
                    former.append(revision(**row, superseded_at=moment(ended), withdrawn=gone))
        candle.objects.bulk_create(current)
        revision.objects.bulk_create(former)
        save_commits(commit.as_of for commit in self.commits)
        save_marks(symbol_id, interval, self.marks)
        if self.commits:
            newest = max(self.at(None), default=None)
            Series.objects.create(
                symbol_id=symbol_id,
                interval=interval,
                as_of=moment(self.commits[-1].as_of),
                newest_ts=None if newest is None else at(newest),
            )

    def _lives(self, ts: int) -> list[tuple[Version, int, int | None, bool]]:
        """Each version of a bar: from which commit, to which one, and whether withdrawn."""
        lives: list[tuple[Version, int, int | None, bool]] = []
        for commit in self.commits:
            alive = bool(lives) and lives[-1][2] is None
            if ts in commit.withdrawn and alive:
                lives[-1] = (*lives[-1][:2], commit.as_of, True)
            elif ts in commit.put:
                if alive:
                    lives[-1] = (*lives[-1][:2], commit.as_of, False)
                lives.append((commit.put[ts], commit.as_of, None, False))
        return lives


def at(ts: int) -> datetime:
    """Epoch seconds as a datetime."""
    return EPOCH + timedelta(seconds=ts)


def moment(us: int) -> datetime:
    """Epoch microseconds as a datetime."""
    return EPOCH + timedelta(microseconds=us)


def epoch(text: str) -> int:
    """An ISO time without a zone, taken as UTC, in epoch seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def save_commits(positions: Iterable[int]) -> None:
    """Write the commit rows that are not there yet."""
    rows = [
        IngestCommit(
            as_of=moment(as_of),
            dataset="candles_intraday",
            source="polygon",
            origin="synthetic",
            status="live",
            chosen_because="first in the policy",
            observed_at=moment(as_of),
            range_start=EPOCH,
            range_end=moment(as_of),
            symbols=1,
            inserted=0,
            corrected=0,
            withdrawn=0,
            no_trade=0,
            gap_minutes=0,
            quarantined=0,
        )
        for as_of in positions
    ]
    IngestCommit.objects.bulk_create(rows, ignore_conflicts=True)


def save_marks(symbol_id: int, interval: Interval, marks: Iterable[int]) -> None:
    """Write the bitmaps: bit n of a UTC day, most significant first, is its minute n."""
    days: dict[int, bytearray] = {}
    for ts in marks:
        day, second = divmod(ts, 86_400)
        minute = second // 60
        days.setdefault(day, bytearray(180))[minute // 8] |= 0x80 >> minute % 8
    NoTrade.objects.bulk_create(
        NoTrade(
            symbol_id=symbol_id,
            interval=interval,
            day=at(day * 86_400).date(),
            bitmap=bytes(bitmap),
            as_of=EPOCH,
        )
        for day, bitmap in days.items()
    )


def _columns(symbol_id: int, ts: int, version: Version, as_of: int) -> dict[str, Any]:
    names = ("open", "high", "low", "close", "volume")
    return {
        "symbol_id": symbol_id,
        "ts": at(ts),
        **dict(zip(names, version.prices, strict=True)),
        "vwap": version.vwap,
        "trades": version.trades,
        "source": version.source,
        "status": "live",
        "extended": version.extended,
        "as_of": moment(as_of),
    }
