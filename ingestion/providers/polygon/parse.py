"""Polygon's aggregates: what the documents mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.providers import columns
from ingestion.providers.columns import Rows
from ingestion.providers.errors import Incomplete
from ingestion.providers.screening import (
    Parsed,
    Window,
    local_dates,
    refuse_future,
    screen,
)
from universe.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class Page:
    """One document. `rows` counts what it held, kept or not; `delayed`: the plan's data ends
    a quarter of an hour ago; `next_url` is None on the last page."""

    parsed: Parsed
    rows: int
    delayed: bool
    next_url: str | None


def parse_aggs(document: object, ticker: str, window: Window) -> Page:
    """One page of a ticker's aggregates. Raises Malformed; Incomplete when it holds fewer
    rows than it says."""
    body = columns.mapping(document, "the document", window)
    if body.get("ticker", ticker) != ticker:
        raise window.malformed("it is about another ticker than asked")
    rows = _results(body, window)
    return Page(_bars(rows, None, window, at_midnight=True), len(rows), *_ending(body, window))


def parse_grouped(document: object, owners: Mapping[str, int], window: Window) -> Page:
    """One day of the whole market; bars of the tickers in `owners` are kept."""
    body = columns.mapping(document, "the document", window)
    rows = _results(body, window)
    tickers = columns.pick(rows, "T", window)
    if not set(map(type, tickers)) <= {str}:
        raise window.malformed("'T' holds something that is not a ticker")
    wanted = [row for row in rows if row["T"] in owners]
    owner = np.array([owners[row["T"]] for row in wanted], np.int64)
    # A grouped day's `t` is the session's end, not its midnight.
    parsed = _bars(wanted, owner, window, at_midnight=False)
    return Page(parsed, len(rows), *_ending(body, window))


def _results(body: dict[str, Any], window: Window) -> Rows:
    """The rows; an empty range leaves `results` out or has it null."""
    listed = body.get("results")
    rows = [] if listed is None else columns.rows(listed, "'results'", window)
    said = body.get("resultsCount")
    if type(said) is int and said > len(rows):
        detail = f"{len(rows)} rows where the document says {said}"
        raise Incomplete(window.provider, window.endpoint, detail)
    if body.get("adjusted") is True:
        raise window.malformed("prices are split-adjusted although raw ones were asked for")
    return rows


def _ending(body: dict[str, Any], window: Window) -> tuple[bool, str | None]:
    next_url = body.get("next_url") or None
    if next_url is not None and type(next_url) is not str:
        raise window.malformed("'next_url' is not a text")
    return body.get("status") == "DELAYED", next_url


def _bars(rows: Rows, owner: Int64s | None, window: Window, *, at_midnight: bool) -> Parsed:
    if not rows:
        return Parsed.nothing()
    ts, on_grid = _times(rows, window, at_midnight=at_midnight)
    bars = columns.assemble(
        np.zeros(len(rows), np.int64) if owner is None else owner,
        ts,
        [columns.numbers(columns.pick(rows, name, window), name, window) for name in "ohlcv"],
        columns.numbers_or_nan(columns.offer(rows, "vw"), "vw", window),
        columns.whole_or_unknown(columns.offer(rows, "n"), "n", window),
    )
    off_grid = int(np.count_nonzero(~on_grid))
    return screen(bars.take(on_grid) if off_grid else bars, window, {"off_grid": off_grid})


def _times(rows: Rows, window: Window, *, at_midnight: bool) -> tuple[Int64s, Bools]:
    """The bars' `ts`, and which of them the milliseconds really allow."""
    ms = columns.whole(columns.pick(rows, "t", window), "t", window)
    ts, exact = ms // 1000, ms % 1000 == 0
    if window.interval is Interval.MINUTE:
        refuse_future(ts, window)
        return ts, exact
    labels, midnight = local_dates(ts, window.zone, window)
    return labels, (exact & midnight) if at_midnight else exact
