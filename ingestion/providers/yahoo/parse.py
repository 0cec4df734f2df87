"""Yahoo's chart: what the documents mean. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.providers import columns
from ingestion.providers.reply import excerpt
from ingestion.providers.screening import Parsed, Window, local_dates, refuse_future, screen
from universe.domain.interval import Interval

_COLUMNS = ("open", "high", "low", "close", "volume")


class _Days(NamedTuple):
    """Daily rows: their labels, which are their day's bar, which a session's under way."""

    labels: Int64s
    chosen: Bools
    live: Bools


def parse_chart(document: object, symbol: str, window: Window) -> Parsed | None:
    """The rows of one chart; None when it has none at all. Raises Malformed.

    Left out and counted: rows with a null (`null_row`: no trade, or not known), live rows
    between minutes or a second row for one day (`off_grid`), and what Window leaves out.
    """
    result = _result(document, window)
    meta = columns.mapping(result.get("meta"), "'meta'", window)
    _check_meta(meta, symbol, window)
    columns_of, stamps = _arrays(result, window)
    if not stamps:
        return None
    moments = columns.whole(stamps, "timestamp", window)
    refuse_future(moments, window)
    floats = [columns.numbers_or_nan(columns_of[name], name, window) for name in _COLUMNS]
    whole = columns.all_present(*floats)
    dropped = {"null_row": int(np.count_nonzero(~whole))}
    if window.interval is Interval.MINUTE:
        ts, on_grid = moments, moments % 60 == 0
    else:
        window = replace(window, zone=_zone(meta, window))
        days = _days(moments, whole, meta, window)
        ts, on_grid = days.labels, days.chosen | days.live
        dropped["unfinished"] = int(np.count_nonzero(whole & days.live))
        whole &= ~days.live
    dropped["off_grid"] = int(np.count_nonzero(whole & ~on_grid))
    bars = columns.assemble(np.zeros(len(ts), np.int64), ts, floats)
    return screen(bars.take(whole & on_grid), window, dropped)


def _result(document: object, window: Window) -> dict[str, Any]:
    body = columns.mapping(document, "the document", window)
    chart = columns.mapping(body.get("chart"), "'chart'", window)
    listed = columns.rows(chart.get("result"), "'result'", window)
    if len(listed) != 1:
        raise window.malformed(f"{len(listed)} results for one symbol")
    return listed[0]


def _check_meta(meta: dict[str, Any], symbol: str, window: Window) -> None:
    """Refuse an answer to another question: it has been seen to change the granularity."""
    if str(meta.get("symbol", symbol)).upper() != symbol.upper():
        raise window.malformed("it is about another symbol than asked")
    if meta.get("dataGranularity", window.interval) != window.interval:
        raise window.malformed("its rows are not as wide as asked")


def _arrays(result: dict[str, Any], window: Window) -> tuple[dict[str, list[Any]], list[Any]]:
    """The columns and their times; an empty chart has neither (`quote: [{}]`)."""
    indicators = columns.mapping(result.get("indicators"), "'indicators'", window)
    quotes = columns.rows(indicators.get("quote"), "'quote'", window)
    listed = result.get("timestamp")
    stamps = [] if listed is None else columns.sequence(listed, "'timestamp'", window)
    if len(quotes) != 1:
        raise window.malformed(f"{len(quotes)} sets of columns for one symbol")
    if not stamps and not any(quotes[0].values()):
        return {}, []
    arrays = {name: columns.sequence(quotes[0].get(name), repr(name), window) for name in _COLUMNS}
    columns.same_length({"timestamp": stamps, **arrays}, window)
    return arrays, stamps


def _days(moments: Int64s, whole: Bools, meta: dict[str, Any], window: Window) -> _Days:
    """Session labels by the exchange's dates.

    The day under way may come twice, as its bar and as a live row at the time of the last
    trade: the first counts, and a live row from inside the session is not the day's bar.
    """
    labels, _ = local_dates(moments, window.zone, window)
    begun, closed = _regular_hours(meta, window)
    live = (moments > begun) & (moments < closed)
    rows = np.flatnonzero(whole & ~live)
    _, first = np.unique(labels[rows], return_index=True)
    chosen = np.zeros(len(moments), np.bool_)
    chosen[rows[first]] = True
    return _Days(labels, chosen, live)


def _regular_hours(meta: dict[str, Any], window: Window) -> tuple[int, int]:
    """The current or coming session, epoch seconds; (0, 0) when the answer has none."""
    periods = meta.get("currentTradingPeriod") or {}
    regular = columns.mapping(periods, "'currentTradingPeriod'", window).get("regular") or {}
    ends = columns.mapping(regular, "'regular'", window)
    start, end = (columns.whole([ends.get(name, 0)], name, window)[0] for name in ("start", "end"))
    return int(start), int(end)


def _zone(meta: dict[str, Any], window: Window) -> str:
    name = meta.get("exchangeTimezoneName", window.zone)
    if type(name) is not str:
        raise window.malformed("'exchangeTimezoneName' is not a text")
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise window.malformed(f"{excerpt(name)} is no time zone") from None
    return name
