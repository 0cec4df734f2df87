"""What an import is about to do, in lines for a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from ingestion.files.importing import Plan
from ingestion.files.layout import Layout
from ingestion.files.tally import Tally
from ingestion.models.quarantine import QuarantineReason
from universe.domain.interval import Interval

_NAMED = 3  # files of a group that are named


def describe_plan(plan: Plan) -> Iterator[str]:
    """The files in groups that are read alike, and how."""
    groups: dict[tuple[tuple[str, str, str], ...], list[tuple[str, Layout]]] = defaultdict(list)
    for file, layout in plan.files:
        shared = tuple(row for row in layout.describe() if row[0] not in ("symbol", "times"))
        groups[shared].append((file.name, layout))
    for members in groups.values():
        names = ", ".join(name for name, _ in members[:_NAMED])
        more = f" and {len(members) - _NAMED} more" if len(members) > _NAMED else ""
        yield f"{names}{more}"
        symbols = sorted({layout.symbol or "a column" for _, layout in members})
        for aspect, value, why in members[0][1].describe():
            several = ", ".join(symbols[:10]) + (" …" if len(symbols) > 10 else "")
            shown = several if aspect == "symbol" else value
            yield f"  {aspect:<12} {shown:<44} {f'({why})' if why else ''}".rstrip()
    if plan.ignored:
        yield f"Not bars of trades, left alone: {len(plan.ignored)} files"


def describe_tally(tally: Tally, *, counted_stored: bool) -> Iterator[str]:
    """What is in the files."""
    yield (
        f"{tally.rows:,} rows: {tally.bars:,} bars ({tally.extended:,} in extended hours) of"
        f" {len(tally.symbols):,} symbols in {len(tally.sessions):,} sessions"
    )
    if counted_stored:
        yield f"  already stored: {tally.stored:,}"
    for reason, count in sorted(tally.rejected.items()):
        yield f"  rejected: {count:,} {reason} ({QuarantineReason(reason).label})"
        yield from (f"    {example}" for example in tally.examples[reason])
    for reason, count in sorted(tally.dropped.items()):
        yield f"  left out: {count:,} {reason}"
    if tally.sample is not None:
        interval, intake = tally.sample
        yield "  such as:"
        bars = intake.bars.take(slice(0, 3))
        for row in range(len(bars)):
            moment = str(np.datetime64(int(bars.ts[row]), "s"))
            when = moment[:10] if interval is Interval.DAY else f"{moment}Z"
            prices = " ".join(
                f"{column[row]:g}" for column in (bars.open, bars.high, bars.low, bars.close)
            )
            yield f"    {when}  {prices}  volume {bars.volume[row]:g}"
