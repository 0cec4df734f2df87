"""The one way into the store: a batch becomes rows in one transaction, or changes nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np
from django.db import IntegrityError, connection, transaction

from ingestion import metrics
from ingestion.models import CandleStatus
from ingestion.models.candles import CandleDaily, CandleIntraday
from ingestion.store import events, partitions
from ingestion.store.changes import CandleWrite, WriteResult
from ingestion.store.moments import at_seconds, at_us
from ingestion.store.portable import PortableTables
from ingestion.store.postgres import PostgresTables
from ingestion.store.rows import WritePlan
from ingestion.store.tables import Tables
from ingestion.store.write_plan import plan_write
from marketdata_site import clock
from universe.domain.interval import Interval

MAX_BARS = 8_000
"""Most bars of one transaction."""

IMPORT_ORIGIN = "import"
"""The origin of bars from files; every other origin may not mix with another."""

log = logging.getLogger(__name__)


class BatchTooLarge(ValueError):
    """More bars than one transaction may hold."""


class OriginMismatch(Exception):
    """The database holds vendor data of another origin, e.g. synthetic where real arrives."""


def write(change: CandleWrite, tables: Tables | None = None) -> WriteResult:
    """Store a batch: candles, revisions, marks, gaps, quarantine, series, cursors and the
    commit row, all or nothing.

    A batch that changes nothing takes no lock and writes nothing; its result has no
    `as_of`. Safe to call from any number of processes at once, and again with the same
    batch. Must be called outside any transaction that should survive it. Raises
    BatchTooLarge, OriginMismatch, DateNotCovered, and the database's own errors, after
    which nothing of the batch is stored.
    """
    if len(change.bars) > MAX_BARS:
        raise BatchTooLarge(f"{len(change.bars)} bars in one write; at most {MAX_BARS}")
    tables = tables or tables_of_connection()
    started = time.perf_counter()
    if change.interval is Interval.MINUTE and len(change.bars):
        partitions.ensure(int(change.bars.ts.min()), int(change.bars.ts.max()) + 1)
    try:
        result = _write_once(change, tables)
    except IntegrityError:
        # The planner believed a row to be new that was there: a row put in by hand, or a
        # bug. Counted, said, and planned once more from what is there now.
        metrics.write_conflicts.inc()
        log.exception("a bar that was planned as new is stored already", extra=_about(change))
        result = _write_once(change, tables, trust_newest=False)
    _count(change, result, (time.perf_counter() - started) * 1000)
    return result


def tables_of_connection() -> Tables:
    """The tables of the default database: the fast path where there is one."""
    return PostgresTables() if connection.vendor == "postgresql" else PortableTables()


def _write_once(change: CandleWrite, tables: Tables, *, trust_newest: bool = True) -> WriteResult:
    seen, _ = tables.newest()
    plan = plan_write(change, tables, trust_newest=trust_newest)
    if plan.empty:
        return WriteResult(None, unchanged=plan.unchanged)
    with transaction.atomic():
        tables.lock()
        newest, origin = tables.newest()
        _check_origin(change, origin)
        if newest > seen and tables.touched_since(change.interval, change.symbol_ids(), seen):
            plan = plan_write(change, tables, trust_newest=trust_newest)
            if plan.empty:
                return WriteResult(None, unchanged=plan.unchanged)
        as_of = max(int(clock.now().timestamp() * 1_000_000), newest + 1)
        _apply(change, plan, tables, as_of)
    return _result(plan, as_of)


def _check_origin(change: CandleWrite, origin: str) -> None:
    if origin and change.origin not in (origin, IMPORT_ORIGIN):
        raise OriginMismatch(
            f"this database holds {origin} data; {change.origin} data from {change.source}"
            " does not go in. Use another DATA_DIR or DATABASE_URL for it."
        )


def _apply(change: CandleWrite, plan: WritePlan, tables: Tables, as_of: int) -> None:
    interval = change.interval
    if len(plan.inserted):
        tables.insert(change, plan.inserted, plan.inserted_extended, as_of)
    if len(plan.corrected):
        statuses = np.where(plan.corrected_final, CandleStatus.CORRECTED.value, change.status)
        tables.correct(change, plan.corrected, plan.corrected_extended, statuses.tolist(), as_of)
    steps: list[tuple[object, Callable[[], None]]] = [
        (len(plan.withdrawn[0]), lambda: tables.withdraw(interval, *plan.withdrawn, as_of)),
        (len(plan.traded[0]), lambda: tables.clear_no_trade(interval, *plan.traded, as_of)),
        (len(plan.no_trade[0]), lambda: tables.mark_no_trade(interval, *plan.no_trade, as_of)),
        (
            plan.new_gaps or plan.changed_gaps or plan.removed_gaps,
            lambda: tables.put_gaps(
                interval, plan.new_gaps, plan.changed_gaps, plan.removed_gaps, as_of
            ),
        ),
        (len(plan.series.symbol_id), lambda: tables.put_series(interval, plan.series, as_of)),
        (
            len(plan.cursors[0]),
            lambda: tables.put_cursors(interval, change.source, *plan.cursors, as_of),
        ),
    ]
    for needed, step in steps:
        if needed:
            step()
    if change.rejected is not None and len(plan.quarantined):
        tables.put_quarantine(change, change.rejected, plan.quarantined, as_of)
    _log_commit(change, plan, tables, as_of)


def _log_commit(change: CandleWrite, plan: WritePlan, tables: Tables, as_of: int) -> None:
    model = CandleIntraday if change.interval is Interval.MINUTE else CandleDaily
    fields = {
        "as_of": at_us(as_of),
        "dataset": model._meta.db_table,
        "source": change.source,
        "origin": change.origin,
        "status": change.status,
        "chosen_because": change.chosen_because,
        "job_id": change.job_id,
        "observed_at": at_us(int(change.observed_at * 1_000_000)),
        "range_start": at_seconds(change.range.start),
        "range_end": at_seconds(change.range.end),
        "symbols": len(change.symbol_ids()),
        "inserted": len(plan.inserted),
        "corrected": len(plan.corrected),
        "withdrawn": len(plan.withdrawn[0]),
        "no_trade": len(plan.no_trade[0]),
        "gap_minutes": plan.gap_bars,
        "quarantined": len(plan.quarantined),
        "events": events.pack(
            [
                events.of_bars(events.INSERTED, plan.inserted, plan.inserted_extended),
                events.of_bars(events.CORRECTED, plan.corrected, plan.corrected_extended),
                events.of_withdrawals(*plan.withdrawn),
            ]
        ),
    }
    tables.put_commit(fields)


def _result(plan: WritePlan, as_of: int) -> WriteResult:
    return WriteResult(
        as_of,
        inserted=len(plan.inserted),
        corrected=len(plan.corrected),
        withdrawn=len(plan.withdrawn[0]),
        unchanged=plan.unchanged,
        no_trade=len(plan.no_trade[0]),
        gap_bars=plan.gap_bars,
        quarantined=len(plan.quarantined),
    )


def _count(change: CandleWrite, result: WriteResult, milliseconds: float) -> None:
    if result.as_of is None:
        return
    metrics.write_batch_ms.observe(milliseconds)
    metrics.gaps_found.labels(change.interval).inc(result.gap_bars)
    for name in ("inserted", "corrected", "withdrawn"):
        metrics.bars_written.labels(change.interval, name).inc(getattr(result, name))
    if change.rejected is not None and result.quarantined:
        for reason in change.rejected.reasons:
            metrics.bars_quarantined.labels(reason).inc()


def _about(change: CandleWrite) -> dict[str, object]:
    return {"source": change.source, "interval": str(change.interval), "job_id": change.job_id}
