"""IEX's charts: what the documents mean. Pure.

A minute row is always there; without a trade on IEX its prices are null, and in old data
-1, 0 or missing. The plain fields are IEX's own trades, the `market` ones everybody's.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s
from ingestion.providers import columns
from ingestion.providers.columns import Rows
from ingestion.providers.errors import Incomplete, ProviderError
from ingestion.providers.screening import Parsed, Window, refuse_future, screen
from ingestion.providers.tickers import NEW_YORK
from universe.domain.session import label_of

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{2}:\d{2}")
_PRICES = ("open", "high", "low", "close")
Batch = tuple[dict[int, Parsed], dict[int, ProviderError]]
_RAW_PRICES = ("uOpen", "uHigh", "uLow", "uClose")


def parse_minutes(document: object, window: Window) -> Parsed:
    """One symbol's minute rows. Raises Malformed."""
    table = columns.rows(document, "the document", window)
    prices = _columns(table, _PRICES, window)
    volume = _columns(table, ("volume",), window)[0]
    traded = _positive(prices) & ~np.isnan(volume)
    bars = columns.assemble(
        np.zeros(len(table), np.int64),
        _minutes(table, window),
        [*prices, volume],
        columns.numbers_or_nan(columns.offer(table, "average"), "average", window),
        columns.whole_or_unknown(columns.offer(table, "numberOfTrades"), "numberOfTrades", window),
    )
    return _screened(bars, traded, window)


def parse_days(document: object, window: Window) -> Parsed:
    """One symbol's daily rows, raw (`u…` fields; the plain ones are split-adjusted)."""
    table = columns.rows(document, "the document", window)
    prices = _columns(table, _RAW_PRICES, window)
    volume = _columns(table, ("uVolume",), window)[0]
    labels = np.array([_label(row.get("date"), window) for row in table], np.int64)
    bars = columns.assemble(np.zeros(len(table), np.int64), labels, [*prices, volume])
    return _screened(bars, _positive(prices) & ~np.isnan(volume), window)


def parse_batch(document: object, owners: dict[str, int], window: Window) -> Batch:
    """Today's minutes of many symbols, by owner; and why others have none: what IEX will not
    answer, such as a symbol too many, it leaves out without a word."""
    body = columns.mapping(document, "the document", window)
    parsed: dict[int, Parsed] = {}
    failures: dict[int, ProviderError] = {}
    for symbol, owner in owners.items():
        part = body.get(symbol)
        if isinstance(part, dict) and part.get("intraday-prices") is not None:
            parsed[owner] = parse_minutes(part["intraday-prices"], window)
        else:
            detail = f"{symbol} is left out of the batch"
            failures[owner] = Incomplete(window.provider, window.endpoint, detail)
    return parsed, failures


def _screened(bars: Bars, traded: Bools, window: Window) -> Parsed:
    refuse_future(bars.ts, window)
    null_rows = int(np.count_nonzero(~traded))
    return screen(bars.take(traded) if null_rows else bars, window, {"null_row": null_rows})


def _columns(table: Rows, names: tuple[str, ...], window: Window) -> list[Float64s]:
    return [columns.numbers_or_nan(columns.offer(table, name), name, window) for name in names]


def _positive(prices: list[Float64s]) -> Bools:
    above = np.ones(len(prices[0]), np.bool_)
    for price in prices:
        above &= price > 0  # false for NaN too
    return above


def _minutes(table: Rows, window: Window) -> Int64s:
    """New York's `date` and `minute` as epoch seconds."""
    place = ZoneInfo(NEW_YORK)
    known: dict[tuple[Any, Any], int] = {}
    stamps = np.empty(len(table), np.int64)
    for number, row in enumerate(table):
        date, minute = row.get("date"), row.get("minute")
        if not (_matches(_DATE, date) and _matches(_TIME, minute)):
            raise window.malformed("'date' and 'minute' hold something that is not a time")
        stamp = known.get((date, minute))
        if stamp is None:
            stamp = known[date, minute] = _stamp(f"{date}T{minute}", place, window)
        stamps[number] = stamp
    return stamps


def _stamp(text: str, place: ZoneInfo, window: Window) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=place).timestamp())
    except (ValueError, OverflowError):
        raise window.malformed("'date' and 'minute' hold something that is not a time") from None


def _label(value: object, window: Window) -> int:
    if not _matches(_DATE, value):
        raise window.malformed("'date' holds something that is not a date")
    try:
        return label_of(datetime.fromisoformat(str(value)).date())
    except ValueError:
        raise window.malformed("'date' holds something that is not a date") from None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
