"""Finnhub's candles: what the documents mean. Pure."""

from __future__ import annotations

import numpy as np

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.providers import columns
from ingestion.providers.screening import Parsed, Window, refuse_future, screen
from universe.domain.interval import Interval

_ARRAYS = ("t", "o", "h", "l", "c", "v")
_DAY = 86_400
_DAY_STARTS = (0, 4 * 3600, 5 * 3600)
"""Seconds into a UTC date at which a day's candle may be dated: midnight UTC as documented,
or New York's. Others, such as 22:00 of currencies, belong to the next day's date."""


def parse_candles(document: object, window: Window) -> Parsed | None:
    """The candles; None for `no_data`, which is also what an outage looks like. Malformed."""
    body = columns.mapping(document, "the document", window)
    said = body.get("s")
    if said == "no_data":
        return None
    if said != "ok":
        raise window.malformed("'s' is neither ok nor no_data")
    arrays = {name: columns.sequence(body.get(name), repr(name), window) for name in _ARRAYS}
    if not columns.same_length(arrays, window):
        return None
    ts, sound = _times(columns.whole(arrays["t"], "t", window), window)
    bars = columns.assemble(
        np.zeros(len(ts), np.int64),
        ts,
        [columns.numbers(arrays[name], name, window) for name in _ARRAYS[1:]],
    )
    off_grid = int(np.count_nonzero(~sound))
    return screen(bars.take(sound) if off_grid else bars, window, {"off_grid": off_grid})


def _times(ts: Int64s, window: Window) -> tuple[Int64s, Bools]:
    refuse_future(ts, window)
    if window.interval is Interval.MINUTE:
        return ts, np.ones(len(ts), np.bool_)
    return ts - ts % _DAY, np.isin(ts % _DAY, _DAY_STARTS)
