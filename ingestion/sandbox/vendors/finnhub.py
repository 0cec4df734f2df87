"""Finnhub's candles: parallel arrays, one symbol a call."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.exchange import Answer, Request, json_answer, refuse
from ingestion.sandbox.vendors.vendor import KEY, whole_if_shares
from ingestion.sandbox.view import View, chance
from universe.domain.time_range import TimeRange

_DAY = 86_400
_MONTH_S = 31 * _DAY
_LOST = 0.01
_SERVED = ("1", "D")
_RESOLUTIONS = ("1", "5", "15", "30", "60", "D", "W", "M")
_LARGEST = 1 << 36  # the year 4147


class Finnhub:
    """`/stock/candle` and `/crypto/candle`, with or without `/api/v1` before them."""

    name: ClassVar[str] = "finnhub"
    delay: ClassVar[float] = 2.0
    too_many: ClassVar[Answer] = json_answer(
        {"error": "API limit reached. Please try again later. Remaining Limit: 0"}, 429
    )
    forbidden: ClassVar[Answer] = json_answer(
        {"error": "You don't have access to this resource."}, 403
    )
    shows_limits: ClassVar[bool] = False

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        _authorise(request)
        match [step for step in request.steps if step not in ("api", "v1")]:
            case ["stock", "candle"]:
                crypto = False
            case ["crypto", "candle"]:
                crypto = True
            case _:
                return json_answer({"error": "Not found"}, 404)
        if view.quirks.finnhub_free_plan:
            return self.forbidden
        return _candles(request, view, crypto)


def _authorise(request: Request) -> None:
    token = request.query.get("token", request.headers.get("x-finnhub-token"))
    if token is None:
        refuse({"error": "Please use an API key."}, 401)
    if not token:
        refuse({"error": "API limit reached. Please sign up for an API key."}, 429)
    if token != KEY:
        refuse({"error": "Invalid API key"}, 401)


def _candles(request: Request, view: View, crypto: bool) -> Answer:
    resolution = request.query.get("resolution", "")
    if resolution not in _RESOLUTIONS:
        refuse({"error": f"Resolution must be one of {', '.join(_RESOLUTIONS)}"}, 422)
    if resolution not in _SERVED:
        refuse({"error": f"This sandbox serves resolutions {' and '.join(_SERVED)} only"}, 422)
    start, end = _epoch(request, "from"), _epoch(request, "to")
    ticker = _ticker(request.query.get("symbol", ""), crypto, view)
    bars = Bars.empty()
    if ticker and end >= start:
        bars = _bars(ticker, resolution == "D", start, end, view)
    if not len(bars):
        return json_answer({"s": "no_data"})
    document = {
        "c": bars.close.tolist(),
        "h": bars.high.tolist(),
        "l": bars.low.tolist(),
        "o": bars.open.tolist(),
        "s": "ok",
        "t": bars.ts.tolist(),
        "v": whole_if_shares(bars.volume),
    }
    return json_answer(document, sloppy=view.sloppy)


def _bars(ticker: str, daily: bool, start: int, end: int, view: View) -> Bars:
    if daily:
        labels = TimeRange(-(-start // _DAY) * _DAY, end // _DAY * _DAY + _DAY)
        bars = view.split_adjusted(view.days([ticker], labels), [ticker])
    else:
        bars = view.minutes([ticker], TimeRange(max(start, end + 1 - _MONTH_S), end + 1))
        if view.quirks.finnhub_loses_trades:
            bars = bars.take(chance([ticker], bars, "finnhub lost") >= _LOST)
    return bars.take(np.arange(min(len(bars), view.page_cap or len(bars))))


def _epoch(request: Request, name: str) -> int:
    text = request.query.get(name, "")
    if not re.fullmatch(r"\d{1,12}", text) or int(text) > _LARGEST:
        refuse({"error": f"Wrong {name}: must be a UNIX timestamp in seconds"}, 422)
    return int(text)


def _ticker(symbol: str, crypto: bool, view: View) -> str:
    """The listed ticker behind `AAPL` or `BINANCE:BTCUSDT`, or "" when there is none."""
    ticker = symbol
    if crypto:
        pair = re.fullmatch(r"[A-Z]+:([A-Z0-9]+?)-?(USD|EUR)T?", symbol)
        ticker = f"{pair[1]}-{pair[2]}" if pair else ""
    listing = view.listing(ticker)
    return ticker if listing and listing.crypto == crypto else ""
