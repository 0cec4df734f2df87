"""Polygon's rows, and the answer that holds one day of all tickers."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import NoReturn
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.exchange import Answer, Request, json_answer, refuse
from ingestion.sandbox.view import View
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]

_DAY = 86_400
_CLOSING_TIME = time(16)


def request_id() -> str:
    """What every answer carries."""
    return uuid4().hex


def fail(text: str, status: int = 400) -> NoReturn:
    """Answer with polygon's error document. Raises Refused."""
    refuse({"status": "ERROR", "request_id": request_id(), "error": text}, status)


def is_true(text: str) -> bool:
    """How polygon reads a flag."""
    return text.lower() != "false"


def results(bars: Bars, t: Int64s, symbols: list[str] | None = None) -> list[dict[str, object]]:
    """Result rows under the times `t` (epoch seconds); `symbols` adds each one's `T`."""
    columns = zip(
        bars.owner.tolist(), bars.volume.tolist(), bars.vwap.tolist(), bars.open.tolist(),
        bars.close.tolist(), bars.high.tolist(), bars.low.tolist(), t.tolist(),
        bars.trades.tolist(), strict=True,
    )  # fmt: skip
    results = []
    for owner, volume, vwap, opened, close, high, low, at, trades in columns:
        row: dict[str, object] = {"T": symbols[owner]} if symbols else {}
        row["v"] = volume
        if vwap == vwap:
            row["vw"] = vwap
        row |= {"o": opened, "c": close, "h": high, "l": low, "t": at * 1000}
        if trades >= 0:
            row["n"] = trades
        results.append(row)
    return results


def grouped(text: str, request: Request, view: View, crypto: bool) -> Answer:
    """The daily bars of all tickers on one ended day. Raises Refused for a bad date."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail(f"Could not parse the date {text!r}; use YYYY-MM-DD.")
    adjusted = is_true(request.query.get("adjusted", "true"))
    tickers = [one.ticker for one in view.market.listings.values() if one.crypto == crypto]
    bars = view.days(tickers, TimeRange(label_of(day), label_of(day) + _DAY), forming=False)
    if adjusted:
        bars = view.split_adjusted(bars, tickers)
    document: dict[str, object] = {"queryCount": len(bars), "resultsCount": len(bars)}
    document["adjusted"] = adjusted
    if len(bars):
        # Stamped with the session's usual end, unlike the day bars of one ticker.
        zone = view.hours(tickers[0]).timezone
        end = datetime.combine(day, time(23, 59, 59) if crypto else _CLOSING_TIME, zone)
        t = np.full(len(bars), int(end.timestamp()), np.int64)
        symbols = [f"X:{one.replace('-', '')}" if crypto else one for one in tickers]
        document["results"] = results(bars, t, symbols)
    document |= {"status": "OK", "request_id": request_id(), "count": len(bars)}
    return json_answer(document, sloppy=view.sloppy)
