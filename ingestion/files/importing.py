"""Files of bars into the store: understood first, read through and checked next, and only
then written, so that a file with errors writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingestion.collection.intake import Intake
from ingestion.collection.roster import Roster
from ingestion.collection.witnesses import rejected_lately
from ingestion.domain.bar_batch import Bars, Int64s
from ingestion.domain.neighbours import Stored
from ingestion.domain.source import Basis
from ingestion.files.batches import Batches, Write, Written
from ingestion.files.convert import convert
from ingestion.files.detect import LayoutUnclear
from ingestion.files.find import BarFile, find
from ingestion.files.layout import Declaration, Format, Layout
from ingestion.files.problems import FileUnreadable, ImportRefused, Problems, RowProblem
from ingestion.files.reading import layout_of, read
from ingestion.files.tally import Tally
from ingestion.files.tickers import Tickers
from ingestion.files.usable import usable
from ingestion.files.windows import Windows
from ingestion.models import Series
from ingestion.store import writer
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.services import sessions

Progress = Callable[[int], None]
"""Told how many more of the files' bytes have been read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import will read, and how. `ignored`: other files in the folders named.

    `problems` are those of the other files, which stand in the way of storing any; what can
    be read can be checked all the same, so that all that is wrong is known at once.
    """

    files: Sequence[tuple[BarFile, Layout]]
    ignored: Sequence[Path]
    tickers: Tickers
    problems: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Bytes to read."""
        return sum(file.size for file, _ in self.files)


def plan(paths: Sequence[Path], declared: Declaration, wanted: Format | None = None) -> Plan:
    """Find the files and understand each. Everything that is missing, unclear, unreadable or
    cannot be stored is in the plan's problems, of all files at once."""
    found = find(paths, wanted)
    tickers, problems = Tickers(), list(found.problems)
    files = []
    for file in found.files:
        try:
            layout = layout_of(file, declared, tickers)
        except LayoutUnclear as unclear:
            problems += unclear.questions
        except FileUnreadable as unreadable:
            problems.append(str(unreadable))
        else:
            files.append((file, layout))
            if layout.basis is not Basis.RAW:
                problems.append(
                    f"{file.name}: its basis is {layout.basis}, and stored series are raw:"
                    " adjusted prices can be taken in once the splits behind them are known"
                )
    return Plan(files, found.ignored, tickers, problems)


def check(
    plan: Plan, problems: Problems, progress: Progress, *, count_stored: bool = False
) -> Tally:
    """Read all files through the quality rules and write nothing. Rows that cannot be read
    or used go to `problems`, damaged files too."""
    tally = Tally()
    for layout, intake in _taken_in(plan, problems, progress, tally):
        roster = _roster(plan.tickers)(np.unique(intake.bars.owner))
        tally.add(layout.interval, intake, roster)
        if count_stored and len(intake.bars):
            tables = writer.tables_of_connection()
            there = tables.stored(layout.interval, intake.bars.owner, intake.bars.ts)
            tally.stored += int(np.count_nonzero(there))
    return tally


def store(
    plan: Plan,
    progress: Progress,
    *,
    source: str | None = None,
    again: bool = False,
    write: Write = writer.write,
) -> Written:
    """Read all files and write what they hold, in transactions of at most 8,000 bars. After
    an interruption the same call goes on where it was: what is written stays written, and is
    not written again unless `again`.

    The source of the bars is `source`, or `import:` and the format. Rows with problems are
    left out; `check` tells which those are. Raises ImportRefused when the plan has problems.
    """
    if plan.problems:
        raise ImportRefused(plan.problems)
    written = Written()
    now = clock.now().timestamp()
    batches: dict[tuple[Interval, str], Batches] = {}
    names = [file.name for file, _ in plan.files]
    reason = f"import of {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")
    for layout, intake in _taken_in(plan, Problems(keep=0), progress, Tally()):
        key = layout.interval, source or f"import:{layout.format}"
        if key not in batches:
            batches[key] = Batches(*key, reason[:200], now, written, again, write)
        batches[key].add(intake)
    for batch in batches.values():
        batch.flush()
    return written


def _taken_in(
    plan: Plan, problems: Problems, progress: Progress, tally: Tally
) -> Iterator[tuple[Layout, Intake]]:
    """Every file's rows, through intake."""
    for file, layout in plan.files:
        before = 0
        interval = layout.interval
        windows = Windows(interval, _roster(plan.tickers), _stored(interval), rejected_lately)
        try:
            for block in read(file, layout, problems):
                rows = convert(block, layout, file.name, problems)
                tally.rows += len(block)
                bars = usable(file.name, layout.interval, rows, plan.tickers, problems)
                now = clock.now().timestamp()
                yield layout, windows.feed(bars, now)
                progress(block.consumed - before)
                before = block.consumed
        except FileUnreadable as unreadable:
            problems.add(RowProblem(file.name, 0, "", "", str(unreadable)))
        yield layout, windows.finish(clock.now().timestamp())
        progress(file.size - before)


def _roster(tickers: Tickers) -> Callable[[Int64s], Roster]:
    return lambda ids: Roster.of(tickers.symbols(ids.tolist()), sessions.grid)


def _stored(interval: Interval) -> Callable[[Bars], Stored]:
    """Asks for the newest stored bar of each symbol, where it is older than the bars."""

    def ask(bars: Bars) -> Stored:
        ids, which = np.unique(bars.owner, return_inverse=True)
        first = np.full(len(ids), np.iinfo(np.int64).max)
        np.minimum.at(first, which, bars.ts)
        known = Series.objects.filter(symbol_id__in=ids.tolist(), interval=interval)
        rows = {
            id_: (int(ts.timestamp()), close)
            for id_, ts, close in known.values_list("symbol_id", "newest_ts", "newest_close")
            if ts is not None
        }
        older = [
            id_
            for id_, ts in zip(ids.tolist(), first, strict=True)
            if id_ in rows and rows[id_][0] < ts
        ]
        closes = np.array([rows[id_][1] for id_ in older], np.float64)
        ts = np.array([rows[id_][0] for id_ in older], np.int64)
        return Stored(np.array(older, np.int64), ts, closes, closes)

    return ask
