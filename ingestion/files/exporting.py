"""Stored bars into a file, as they stand at one moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from django.db.models import prefetch_related_objects

from ingestion.domain.bar_series import BarChunk
from ingestion.domain.source import Basis
from ingestion.files.bar_sinks import Sink, sink, table_schema
from ingestion.files.layout import Format, Label
from ingestion.files.sidecar import dump, sidecar_of
from ingestion.models import IngestCommit
from ingestion.store import reader
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid, label_of
from universe.domain.time_range import TimeRange, iso
from universe.models import Symbol
from universe.services import sessions, symbology

Bound = date | int
"""A session date, or epoch seconds."""

Progress = Callable[[float], None]
"""Told which further part of the whole (0 to 1) is done."""


class NothingStored(LookupError):
    """There is no bar to export."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which bars: of `symbols`, from `start` (inclusive) to `end`, as of a moment (epoch µs).

    A session date as `end` includes that session; a moment is exclusive. None: everything.
    For days, moments are compared with the labels, 00:00Z of the session date.
    """

    symbols: Sequence[Symbol]
    interval: Interval
    start: Bound | None = None
    end: Bound | None = None
    as_of: int | None = None


@dataclass(slots=True)
class Exported:
    """What was written: rows by ticker of today, and what the file's description says."""

    rows: dict[str, int] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)


def export_bars(
    request: Request, kind: Format, stream: IO[bytes], progress: Progress = lambda _: None
) -> Exported:
    """Write the bars in (symbol, time) order to `stream`, each with the ticker of its day.

    All are of one moment: `as_of`, or the newest commit at the start. Memory does not grow
    with their number. Raises NothingStored (the stream may hold a header by then) and
    DateNotCovered.
    """
    stamp = reader.stamp(request.symbols[0].id, request.interval)
    if stamp.as_of is None:
        raise NothingStored("nothing was ever stored here")
    as_of = min(request.as_of or stamp.as_of, stamp.as_of)
    prefetch_related_objects(list(request.symbols), "tickers", "calendar")
    target = sink(kind, stream, request.interval)
    try:
        exported, sources = _write_all(request, as_of, target, progress)
        exported.about = _about(request, as_of, exported, sources)
        target.close(exported.about)
    except BaseException:
        target.abandon()
        raise
    return exported


def _write_all(
    request: Request, as_of: int, target: Sink, progress: Progress
) -> tuple[Exported, set[str]]:
    """Put every bar into `target`; also answers which sources they are from. Raises
    NothingStored when there is none."""
    exported = Exported()
    sources: set[str] = set()
    for symbol in sorted(request.symbols, key=lambda symbol: symbol.id):
        wanted = time_range(request, sessions.grid(symbol.calendar_id))
        exported.rows[symbol.ticker] = 0
        done = float(wanted.start)
        for chunk in reader.stream([symbol.id], request.interval, wanted, as_of=as_of):
            for table in _tables(chunk, symbol, request.interval):
                target.write(table)
            exported.rows[symbol.ticker] += len(chunk)
            sources.update(chunk.sources)
            progress((int(chunk.t[-1]) - done) / wanted.seconds / len(request.symbols))
            done = float(chunk.t[-1])
        progress((wanted.end - done) / wanted.seconds / len(request.symbols))
    if not sources:
        names = ", ".join(exported.rows)
        raise NothingStored(f"no {request.interval} bar of {names} is stored in that range")
    return exported, sources


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose contents become the file at `path` when the block ends well, all at
    once; otherwise nothing is left behind, and a file that was there stays."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def write_sidecar(path: Path, exported: Exported) -> Path:
    """Describe the exported file at `path` in a file beside it, and say where."""
    beside = sidecar_of(path)
    with new_file(beside) as stream:
        stream.write(dump(exported.about).encode() + b"\n")
    return beside


def time_range(request: Request, grid: SessionGrid) -> TimeRange:
    """The range that a request means on a calendar. Raises ValueError for one without any
    time in it, and DateNotCovered for dates outside the calendar's."""
    daily = request.interval is Interval.DAY
    start = label_of(grid.first) if daily else grid.covered.start
    end = clock.now_epoch() + 1
    if isinstance(request.start, date):
        grid.require_date(request.start)
        first = grid.first_session_from(request.start)
        opens = first.extended_open if first else grid.covered.end
        start = label_of(request.start) if daily else opens
    elif request.start is not None:
        start = request.start
    if isinstance(request.end, date):
        grid.require_date(request.end)
        last = grid.last_session_until(request.end)
        closes = last.extended_close if last else grid.covered.start
        end = label_of(request.end) + 1 if daily else closes
    elif request.end is not None:
        end = request.end
    if start >= end:
        raise ValueError(f"nothing lies between start {request.start} and end {request.end}")
    return TimeRange(start, end)


def _tables(chunk: BarChunk, symbol: Symbol, interval: Interval) -> Iterator[pa.Table]:
    """The chunk as tables, cut where the symbol's ticker changed."""
    span = TimeRange(int(chunk.t[0]), int(chunk.t[-1]) + 1)
    schema = table_schema(interval)
    for ticker, part in symbology.tickers_in(symbol, span, interval):
        rows = slice(*np.searchsorted(chunk.t, [part.start, part.end]).tolist())
        count = rows.stop - rows.start
        moments = pa.array(chunk.t[rows] * 1000, pa.timestamp("ms", "UTC"))
        if interval is Interval.DAY:
            moments = pa.array((chunk.t[rows] // 86_400).astype(np.int32), pa.date32())
        vwap, trades = chunk.vwap[rows], chunk.trades[rows]
        names = pa.array(chunk.sources, pa.string()).take(pa.array(chunk.source[rows]))
        prices = (chunk.o[rows], chunk.h[rows], chunk.l[rows], chunk.c[rows], chunk.v[rows])
        columns = [
            pa.array([ticker]).take(pa.array(np.zeros(count, np.int64))),
            moments,
            *(pa.array(column) for column in prices),
            pa.array(vwap, mask=np.isnan(vwap)),
            pa.array(trades, mask=trades < 0),
            pa.array(chunk.extended[rows]),
            names,
        ]
        yield pa.table(columns, schema=schema)


def _about(request: Request, as_of: int, exported: Exported, sources: set[str]) -> dict[str, Any]:
    commits = IngestCommit.objects.filter(source__in=sources).order_by()
    origins = commits.values_list("origin", flat=True).distinct()
    return {
        "interval": str(request.interval),
        "label": str(Label.OPEN),
        "basis": str(Basis.RAW),
        "as_of": str(np.datetime64(as_of, "us")) + "Z",
        "exported_at": iso(clock.now_epoch()),
        "symbols": {ticker: count for ticker, count in exported.rows.items() if count},
        "rows": sum(exported.rows.values()),
        "sources": sorted(sources),
        "origin": sorted(origins),
    }
