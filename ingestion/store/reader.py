"""Reads stored bars: the latest, or as they stood at a moment.

Every answer comes from one snapshot of the database and is labelled with the newest commit
in it (the watermark) or the earlier moment that was asked for. A read at or below a
watermark gives the same bars forever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ingestion.domain.bar_series import BarChunk, BarPage, Hours, LatestBar, Stamp
from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid
from universe.domain.time_range import TimeRange
from universe.models import Symbol


def read(
    symbol: Symbol,
    interval: Interval,
    grid: SessionGrid,
    range: TimeRange,
    *,
    as_of: int | None = None,
    hours: Hours = "regular",
    limit: int | None = None,
    after: int | None = None,
) -> BarPage:
    """The bars of `symbol` whose `ts` is in `[range.start, range.end)`, ascending.

    `grid` is the grid of the symbol's calendar. `as_of` (epoch µs) asks for the bars as they
    stood then; above the watermark it is answered at the watermark, and so is None. `limit`
    (at least 1) bounds the page, `after` (epoch seconds, exclusive) continues behind an
    earlier one. `hours="extended"` includes bars outside regular hours.

    Cost: one statement on PostgreSQL, one read transaction elsewhere; linear in the page and
    in the range's stored bars, whatever the number of revisions. Raises DateNotCovered where
    the grid does not cover the past part of the range, ValueError for a limit below 1.
    """
    raise NotImplementedError


def latest(
    symbol_ids: Sequence[int], interval: Interval = Interval.MINUTE
) -> Mapping[int, LatestBar]:
    """The newest stored bar of each symbol, extended hours included, by symbol id. Symbols
    without a bar are left out. Cost: one statement."""
    raise NotImplementedError


def stamp(symbol_id: int, interval: Interval) -> Stamp:
    """What an answer about the series depends on now. Cost: one statement, no bars read."""
    raise NotImplementedError


def stream(
    symbol_ids: Sequence[int],
    interval: Interval,
    range: TimeRange,
    *,
    as_of: int | None = None,
    hours: Hours = "extended",
    rows: int = 50_000,
) -> Iterator[BarChunk]:
    """The bars of all `symbol_ids` in `(symbol, ts)` order, in chunks of at most `rows`, each
    of one symbol. All chunks are of one moment: `as_of`, or the watermark at the start.

    Memory is bounded by one chunk and no transaction stays open between two, so that a slow
    consumer holds nothing up.
    """
    raise NotImplementedError
