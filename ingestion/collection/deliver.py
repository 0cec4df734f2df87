"""From a routed answer to stored bars: the one way in, for live jobs and for repairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ingestion import metrics
from ingestion.collection.intake import Intake, take_in_answer
from ingestion.collection.roster import Roster
from ingestion.collection.witnesses import rejected_lately
from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.domain.neighbours import Stored
from ingestion.domain.source import Capability, Scope, Source
from ingestion.providers.base import BarAnswer
from ingestion.routing.answers import RoutedPart
from ingestion.store import writer
from ingestion.store.changes import CandleWrite, Rejected, Settlement, WriteResult
from ingestion.store.rows import NONE, SeriesRows
from marketdata_site import clock
from universe.domain.interval import Interval

LIQUID_SHARE = 0.9
"""From this trailing traded share on, a minute without a bar is suspicious: it is a gap."""


@dataclass(slots=True)
class Delivered:
    """Counts of what was done with answers."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, result: WriteResult) -> None:
        """Count one write."""
        for name in ("inserted", "corrected", "unchanged", "no_trade", "gap_bars", "quarantined"):
            self.counts[name] += getattr(result, name)


def deliver(
    part: RoutedPart,
    symbol_ids: Int64s,
    roster: Roster,
    series: SeriesRows,
    *,
    status: str,
    job_id: str,
    settles: Bools,
) -> Delivered:
    """Take in and write one source's answer, in as few transactions as its size allows.

    `symbol_ids` is parallel to the answer's instruments; `series` (for their trailing share
    and newest bar) was read before the source was asked. `settles`, parallel to
    `symbol_ids`, is False for symbols whose series must not move. Raises Malformed for bars
    from the future, and what `writer.write` raises; batches written before stay.
    """
    answer = part.answer
    taken = take_in_answer(
        answer,
        symbol_ids,
        roster,
        now=clock.now().timestamp(),
        stored=_newest(series),
        witnesses=rejected_lately,
    )
    delivered = Delivered()
    for reason, count in {**answer.dropped, **taken.dropped}.items():
        metrics.bars_dropped.labels(answer.source.provider, reason).inc(count)
        delivered.counts[f"dropped_{reason}"] += count
    settlement = _settlement(answer, symbol_ids, series, settles)
    for members in _transactions(np.unique(symbol_ids), taken):
        delivered.add(
            writer.write(_write(part, taken, settlement, members, status=status, job_id=job_id))
        )
    capability = Capability.of(answer.request.interval)
    metrics.jobs_processed.labels(capability, answer.source.provider).inc()
    return delivered


def _newest(series: SeriesRows) -> Stored:
    """Each series' newest bar: what the next one is judged against."""
    some = series.newest_ts != NONE
    close = series.newest_close[some]
    return Stored(series.symbol_id[some], series.newest_ts[some], close, close)


def _settlement(
    answer: BarAnswer, symbol_ids: Int64s, series: SeriesRows, settles: Bools
) -> Settlement:
    """How far the answer explains each symbol's series."""
    interval = answer.request.interval
    rows = []
    for place, coverage in answer.coverage.items():
        if not (coverage.complete and coverage.range is not None and settles[place]):
            continue
        end = coverage.range.end
        if interval is Interval.MINUTE:
            end = min(end, int(answer.observed_at - answer.source.settle_lag_s) // 60 * 60)
        if end > coverage.range.start:
            rows.append((int(symbol_ids[place]), coverage.range.start, end))
    table = np.array(sorted(rows), np.int64).reshape(-1, 3)
    return Settlement(
        table[:, 0], table[:, 1], table[:, 2], _proves_no_trade(answer.source, table[:, 0], series)
    )


def _proves_no_trade(source: Source, symbol_ids: Int64s, series: SeriesRows) -> Bools:
    """Whether one complete answer without a bar proves that there was no trade: the source
    sees the whole market, and the symbol usually has such minutes."""
    share = series.traded_share[np.searchsorted(series.symbol_id, symbol_ids)]
    trusted = source.scope is Scope.CONSOLIDATED and source.confirms_no_trade
    return np.asarray((share < LIQUID_SHARE) & trusted)  # an unknown share is NaN: liquid


def _transactions(symbol_ids: Int64s, taken: Intake) -> Iterator[Int64s]:
    """The symbols, in groups whose bars fit one transaction."""
    counts = np.bincount(np.searchsorted(symbol_ids, taken.bars.owner), minlength=len(symbol_ids))
    first, total = 0, 0
    for at, count in enumerate(counts.tolist()):
        if total + count > writer.MAX_BARS and at > first:
            yield symbol_ids[first:at]
            first, total = at, 0
        total += count
    yield symbol_ids[first:]


def _write(
    part: RoutedPart,
    taken: Intake,
    settlement: Settlement,
    members: Int64s,
    *,
    status: str,
    job_id: str,
) -> CandleWrite:
    answer = part.answer
    mine = np.isin(taken.bars.owner, members)
    settled = np.isin(settlement.symbol_id, members)
    rejected = np.flatnonzero(np.isin(taken.rejected.bars.owner, members))
    return CandleWrite(
        interval=answer.request.interval,
        source=answer.source.name,
        origin=answer.origin,
        status=status,
        chosen_because=part.reason,
        observed_at=answer.observed_at,
        range=answer.request.range,
        bars=taken.bars.take(mine),
        extended=taken.extended[mine],
        settlement=Settlement(
            settlement.symbol_id[settled],
            settlement.start[settled],
            settlement.end[settled],
            settlement.absent_is_no_trade[settled],
        ),
        rejected=Rejected(
            taken.rejected.bars.take(rejected),
            [taken.rejected.reasons[row] for row in rejected.tolist()],
            [taken.rejected.details[row] for row in rejected.tolist()],
        ),
        job_id=job_id,
    )
