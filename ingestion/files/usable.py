"""Rows that could be read, but name no symbol or a moment that cannot be."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ingestion.collection.intake import CLOCK_TOLERANCE_S
from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.files.convert import Rows
from ingestion.files.problems import Problems, RowProblem
from ingestion.files.tickers import UNKNOWN, Tickers
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session_grid import label_of
from universe.services import sessions

UNKNOWN_TICKER = "is no ticker of the universe"
FUTURE = "is in the future"
NOT_COVERED = "is outside the calendar's sessions; manage.py sync_sessions extends them"


def usable(name: str, interval: Interval, rows: Rows, tickers: Tickers, problems: Problems) -> Bars:
    """The rows as bars owned by symbol ids. Those of unknown tickers, from the future, or
    outside what their calendar knows go to `problems`."""
    bars = rows.bars
    ids = tickers.ids(rows.tickers, bars.owner, bars.ts, interval)
    unknown = ids == UNKNOWN
    future = ~unknown & (bars.ts > clock.now().timestamp() + CLOCK_TOLERANCE_S[interval])
    uncovered = ~unknown & ~future & ~_covered(ids, bars.ts, interval, tickers)
    bad = unknown | future | uncovered
    for row in np.flatnonzero(bad).tolist():
        line, column = int(rows.lines[row]), "symbol" if unknown[row] else "time"
        value = rows.tickers[int(bars.owner[row])] if unknown[row] else _iso(int(bars.ts[row]))
        problem = UNKNOWN_TICKER if unknown[row] else FUTURE if future[row] else NOT_COVERED
        problems.add(RowProblem(name, line, column, value, problem))
    bars = bars.owned_by(ids)
    return bars.take(~bad) if bad.any() else bars


def _covered(ids: Int64s, ts: Int64s, interval: Interval, tickers: Tickers) -> Bools:
    """Which rows lie in the dates that their symbol's calendar covers; unknown ones do."""
    covered = np.ones(len(ts), np.bool_)
    members: dict[str, list[int]] = defaultdict(list)
    for symbol in tickers.symbols(id_ for id_ in np.unique(ids).tolist() if id_ != UNKNOWN):
        members[symbol.calendar_id].append(symbol.id)
    for calendar, of_calendar in members.items():
        grid = sessions.grid(calendar)
        if interval is Interval.MINUTE:
            start, end = grid.covered.start, grid.covered.end
        else:
            start, end = label_of(grid.first), label_of(grid.last) + interval.seconds
        outside = (ts < start) | (ts >= end)
        if outside.any():
            covered &= ~(outside & np.isin(ids, of_calendar))
    return covered


def _iso(ts: int) -> str:
    return str(np.datetime64(ts, "s"))
