"""Alpaca's bars, stocks and crypto: what the documents mean. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Int64s
from ingestion.providers import columns
from ingestion.providers.screening import Parsed, Window, local_dates, refuse_future, screen
from universe.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class Page:
    """One document. `owners` are those it holds rows of, in its order; `next_token` is None
    on the last page: a short page is not the end."""

    parsed: Parsed
    owners: tuple[int, ...]
    next_token: str | None


def parse_bars(
    document: object, owners: Mapping[str, int], window: Window, *, quotes_too: bool = False
) -> Page:
    """One page. `owners` maps the vendor's symbols to instruments; rows of others are left
    out and counted. With `quotes_too` (crypto) bars without volume, which hold quotes and
    no trade, are left out and counted as well. Raises Malformed.
    """
    body = columns.mapping(document, "the document", window)
    if "bars" not in body:
        raise window.malformed("there is no 'bars'")
    token = body.get("next_page_token") or None
    if token is not None and type(token) is not str:
        raise window.malformed("'next_page_token' is not a text")
    listed = _by_symbol(body["bars"], window)
    dropped: Counter[str] = Counter()
    for symbol in [symbol for symbol in listed if symbol not in owners]:
        dropped["unasked_symbol"] += len(listed.pop(symbol))
    present = tuple(owners[symbol] for symbol, rows in listed.items() if rows)
    bars, sound = _bars(listed, owners, window)
    dropped["off_grid"] += int(np.count_nonzero(~sound))
    if quotes_too:
        traded = bars.volume != 0
        dropped["no_trade_row"] += int(np.count_nonzero(sound & ~traded))
        sound &= traded
    kept = bars if sound.all() else bars.take(sound)
    return Page(screen(kept, window, dropped), present, token)


def _by_symbol(value: object, window: Window) -> dict[str, list[Any]]:
    if value is None:
        return {}
    by_symbol = columns.mapping(value, "'bars'", window)
    return {
        symbol: [] if rows is None else columns.sequence(rows, "a symbol's bars", window)
        for symbol, rows in by_symbol.items()
    }


def _bars(
    listed: Mapping[str, list[Any]], owners: Mapping[str, int], window: Window
) -> tuple[Bars, Bools]:
    """All rows, and which of them have a time that a bar can have."""
    table = columns.rows(list(chain.from_iterable(listed.values())), "a symbol's bars", window)
    counts = np.fromiter(map(len, listed.values()), np.int64, len(listed))
    owner = np.fromiter((owners[symbol] for symbol in listed), np.int64, len(listed))
    ts, sound = _times(columns.instants(columns.pick(table, "t", window), "t", window), window)
    bars = columns.assemble(
        np.repeat(owner, counts),
        ts,
        [columns.numbers(columns.pick(table, name, window), name, window) for name in "ohlcv"],
        columns.numbers_or_nan(columns.offer(table, "vw"), "vw", window),
        columns.whole_or_unknown(columns.offer(table, "n"), "n", window),
    )
    return bars, sound


def _times(ts: Int64s, window: Window) -> tuple[Int64s, Bools]:
    if window.interval is Interval.MINUTE:
        refuse_future(ts, window)
        return ts, np.ones(len(ts), np.bool_)
    # Midnight New York for stocks, midnight UTC for crypto: older crypto days began at
    # midnight in Chicago and are days of something else.
    return local_dates(ts, window.zone, window)
