"""What a live job asks for: each symbol's range, packed into few requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ingestion.domain import polling
from ingestion.domain.bar_batch import Int64s
from ingestion.providers.base import BarRequest, Instrument
from ingestion.store.rows import NONE, SeriesRows
from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid
from universe.domain.time_range import TimeRange
from universe.models import Symbol
from universe.services import symbology

SETTLE_LAG_S = 120
"""Before a source has answered, its settle lag is not known: the longest one decides how far
a series lags."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and which symbol each of its instruments is (parallel ids)."""

    request: BarRequest
    symbol_ids: Int64s


def live_asks(
    symbols: Iterable[Symbol],
    series: SeriesRows,
    interval: Interval,
    grid: Callable[[str], SessionGrid],
    now: int,
    lookback: int,
) -> list[Ask]:
    """The requests of one poll at `now` (epoch s), earliest range first.

    `symbols` have `calendar` and `tickers` fetched along; `series` holds theirs. Symbols
    that stand at the same place share a request; a range is cut where a ticker changed.
    """
    groups: dict[TimeRange, list[tuple[Instrument, int]]] = defaultdict(list)
    known: dict[tuple[str, int], TimeRange | None] = {}
    for symbol in symbols:
        row = int(np.searchsorted(series.symbol_id, symbol.id))
        settled = int(series.settled_to[row])
        key = (symbol.calendar_id, settled)
        if key not in known:
            known[key] = _range(grid(symbol.calendar_id), interval, settled, now, lookback)
        wanted = known[key]
        listed = wanted and symbology.expected_range(
            symbol, grid(symbol.calendar_id), wanted, extended=interval is Interval.MINUTE
        )
        if listed is None:
            continue
        for ticker, part in symbology.tickers_in(symbol, listed, interval):
            instrument = Instrument(ticker, symbol.asset_class, symbol.calendar.timezone)
            groups[part].append((instrument, symbol.id))
    return [
        Ask(
            BarRequest(tuple(instrument for instrument, _ in members), interval, part),
            np.array([symbol_id for _, symbol_id in members], np.int64),
        )
        for part, members in sorted(groups.items())
    ]


def _range(
    grid: SessionGrid, interval: Interval, settled: int, now: int, lookback: int
) -> TimeRange | None:
    settled_to = None if settled == NONE else settled
    if interval is Interval.DAY:
        return polling.days_to_ask(grid, settled_to, now)
    return polling.minutes_to_ask(grid, settled_to, now, SETTLE_LAG_S, lookback)
