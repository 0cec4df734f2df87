"""Short ways to say what is written, and what the tables hold afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from django.db import models

from ingestion.domain import minute_bitmap
from ingestion.domain.bar_batch import Bars
from ingestion.models import (
    CandleDaily,
    CandleIntraday,
    Cursor,
    Gap,
    NoTrade,
    QuarantinedBar,
    RevisionDaily,
    RevisionIntraday,
    Series,
)
from ingestion.store.changes import CandleWrite, Rejected, Settlement
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

Bar = tuple[int, int, float]
"""(symbol id, ts, close): the other prices follow from the close."""


def bars_of(rows: Iterable[Bar]) -> Bars:
    """Bars around the closes."""
    listed = list(rows)
    owner = [row[0] for row in listed]
    ts = [row[1] for row in listed]
    close = np.array([row[2] for row in listed], float)
    # Every third close goes without vwap and trade count, as some vendors' bars do.
    some = np.arange(len(listed)) % 3 == 0
    return Bars.of(
        owner,
        ts,
        close - 0.5,
        close + 1,
        close - 1,
        close,
        close * 10,
        vwap=np.where(close % 3 == 0, np.nan, close),
        trades=np.where(close % 3 == 0, -1, close.astype(int) + some * 0),
    )


def settling(
    symbol_ids: Sequence[int], start: int, end: int, *, no_trade: bool = False
) -> Settlement:
    """The same range settled for several symbols."""
    n = len(symbol_ids)
    return Settlement(
        np.array(sorted(symbol_ids), np.int64),
        np.full(n, start),
        np.full(n, end),
        np.full(n, no_trade),
    )


def minutes(
    rows: Iterable[Bar],
    *,
    source: str = "alpaca:sip",
    observed_at: float = 1_000.0,
    settlement: Settlement | None = None,
    rejected: Rejected | None = None,
    withdrawn: Iterable[tuple[int, int]] = (),
    extended: Iterable[int] = (),
    status: str = "live",
    origin: str = "synthetic",
    interval: Interval = Interval.MINUTE,
) -> CandleWrite:
    """A write of minute bars; `extended` lists the ts that are outside regular hours."""
    bars = bars_of(rows)
    gone = list(withdrawn)
    outside = np.isin(bars.ts, np.array(list(extended), np.int64))
    return CandleWrite(
        interval=interval,
        source=source,
        origin=origin,
        status=status,
        chosen_because="first of policy bars_1m",
        observed_at=observed_at,
        range=TimeRange(0, 60),
        bars=bars,
        extended=outside,
        settlement=settlement,
        rejected=rejected,
        withdrawn=(
            np.array([symbol_id for symbol_id, _ in gone], np.int64),
            np.array([ts for _, ts in gone], np.int64),
        )
        if gone
        else None,
    )


_TABLES: dict[type[models.Model], tuple[str, ...]] = {
    CandleIntraday: (),
    CandleDaily: (),
    RevisionIntraday: ("id",),
    RevisionDaily: ("id",),
    Series: ("id",),
    Cursor: ("id",),
    Gap: ("id",),
    NoTrade: ("id",),
    QuarantinedBar: ("id",),
}
_POSITIONS = ("as_of", "superseded_at", "opened_at")


def dump(*, positions: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the bar tables, without surrogate keys and (unless asked) positions."""
    tables: dict[str, list[tuple[Any, ...]]] = {}
    for model, keys in _TABLES.items():
        hidden = keys if positions else (*keys, *_POSITIONS)
        names = [field.attname for field in model._meta.concrete_fields]
        kept = [name for name in names if name not in hidden]
        rows = model._default_manager.values_list(*kept)
        tables[model._meta.db_table] = sorted((_plain(row) for row in rows), key=repr)
    return tables


def _plain(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)


def candles() -> dict[tuple[int, int], float]:
    """(symbol id, ts) → close of every current minute candle."""
    rows = CandleIntraday.objects.values_list("symbol_id", "ts", "close")
    return {(symbol_id, int(ts.timestamp())): close for symbol_id, ts, close in rows}


def marked() -> set[tuple[int, int]]:
    """(symbol id, ts) of every minute marked as without a trade."""
    found = set()
    for symbol_id, day, bitmap in NoTrade.objects.values_list("symbol_id", "day", "bitmap"):
        base = (day.toordinal() - 719_163) * 86_400
        for minute in minute_bitmap.minutes(bytes(bitmap)).tolist():
            found.add((symbol_id, base + minute * 60))
    return found
