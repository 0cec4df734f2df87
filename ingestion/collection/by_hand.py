"""One source asked for one symbol's bars by hand: what `fetch_bars` does.

The router is passed by, its rules are not: what may not serve a series is shown, not stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingestion.collection.deliver import deliver
from ingestion.collection.roster import Roster
from ingestion.domain.source import Source
from ingestion.models import CandleStatus
from ingestion.providers import registry
from ingestion.providers.base import BarAnswer, BarRequest, Instrument
from ingestion.routing.answers import RoutedPart
from ingestion.routing.call_gate import call_gate
from ingestion.routing.eligibility import Circumstances, plan
from ingestion.store import writer
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange
from universe.models import Symbol
from universe.services import sessions, symbology

PATIENCE_S = 90.0
"""How long somebody at a terminal waits for room under the provider's limits."""

_REASON = "asked for by hand"


class MayNotStore(Exception):
    """The source's bars may be looked at, but not stored in this series."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source said about one symbol: an answer for each ticker it had in the range."""

    symbol: Symbol
    answers: Sequence[BarAnswer]


def fetch(symbol: Symbol, source: Source, interval: Interval, wanted: TimeRange) -> Fetched:
    """Ask `source` for the bars of `wanted` (minutes' opens, or session labels), through the
    shared limits, once for each ticker that the symbol had. Raises ProviderError."""
    adapter = registry.adapter(source.provider, call_gate(PATIENCE_S))
    answers = []
    for ticker, part in symbology.tickers_in(symbol, wanted, interval):
        instrument = Instrument(ticker, symbol.asset_class, symbol.calendar.timezone)
        answers.append(adapter.fetch_bars(source, BarRequest((instrument,), interval, part)))
    return Fetched(symbol, answers)


def require_storable(symbol: Symbol, source: Source, interval: Interval) -> None:
    """Raise MayNotStore, with the reason, when the series may not be served by `source`."""
    alone = Circumstances({source.name: source}, frozenset({source.provider}), lambda _: True)
    (step,) = plan((source.name,), interval, symbol.asset_class, alone)
    if step.source is None:
        raise MayNotStore(f"{source.name} {step.why_not}: its bars cannot be stored")


def store(fetched: Fetched) -> Counter[str]:
    """Take the bars in by the way of all bars, and write them; the series' settled ends stay
    where they are. Returns what was done with how many. Doing it again is harmless.

    Raises MayNotStore, and what `deliver` raises; what was written before stays.
    """
    symbol = fetched.symbol
    symbol_ids = np.array([symbol.id], np.int64)
    counts: Counter[str] = Counter()
    for answer in fetched.answers:
        interval = answer.request.interval
        require_storable(symbol, answer.source, interval)
        for part in _transactions(answer):
            series = writer.tables_of_connection().series(interval, symbol_ids, "")
            delivered = deliver(
                RoutedPart(part, (0,), _REASON),
                symbol_ids,
                Roster.of([symbol], sessions.grid),
                series,
                status=CandleStatus.BACKFILL,
                job_id="",
                settles=np.array([False]),
            )
            counts += delivered.counts
    return counts


def _transactions(answer: BarAnswer) -> Iterator[BarAnswer]:
    """The answer in parts, by time, that each fit one transaction; counts go with the first."""
    bars = answer.bars.take(np.argsort(answer.bars.ts, kind="stable"))
    for first in range(0, max(len(bars), 1), writer.MAX_BARS):
        some = bars.take(np.arange(first, min(first + writer.MAX_BARS, len(bars))))
        yield replace(answer, bars=some, dropped=answer.dropped if first == 0 else {})
