"""Alpaca's market-data format: many symbols a call, pages across them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from ingestion.sandbox.exchange import Answer, Request, json_answer, refuse
from ingestion.sandbox.hours import NEW_YORK
from ingestion.sandbox.vendors.alpaca_pages import Asked, page, read_token
from ingestion.sandbox.vendors.vendor import KEY
from ingestion.sandbox.view import View

_FEEDS = ("sip", "iex", "delayed_sip", "otc", "boats", "overnight")
_ADJUSTMENTS = ("raw", "split", "dividend", "spin-off", "all")
_TIMEFRAMES = {"1Min": False, "1T": False, "1Day": True, "1D": True}
_RECENT_S = 15 * 60


class Alpaca:
    """`/v2/stocks/bars`, `/v2/stocks/{symbol}/bars`, `/v1beta3/crypto/{loc}/bars`."""

    name: ClassVar[str] = "alpaca"
    delay: ClassVar[float] = 1.0
    too_many: ClassVar[Answer] = json_answer({"message": "too many requests."}, 429)
    forbidden: ClassVar[Answer] = json_answer(
        {"message": "subscription does not permit querying recent SIP data"}, 403
    )
    shows_limits: ClassVar[bool] = True

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        match request.steps:
            case ["v2", "stocks", "bars"]:
                _authorise(request.headers)
                return self._bars(_asked(_symbols(request), request, crypto=False), view)
            case ["v2", "stocks", symbol, "bars"]:
                _authorise(request.headers)
                return self._bars(_asked([symbol.upper()], request, crypto=False), view, symbol)
            case ["v1beta3", "crypto", "us" | "us-1" | "eu-1", "bars"]:
                if "apca-api-key-id" in request.headers:  # keys are optional for crypto
                    _authorise(request.headers)
                return self._bars(_asked(_symbols(request), request, crypto=True), view)
        return json_answer({"message": "endpoint not found."}, 404)

    def _bars(self, asked: Asked, view: View, single: str = "") -> Answer:
        recent = asked.feed == "sip" and asked.end > view.now - _RECENT_S
        if recent and not asked.crypto and view.quirks.alpaca_free_plan:
            return self.forbidden
        rows, token = page(asked, view)
        document: dict[str, object] = {"bars": rows, "next_page_token": token}
        if single:
            document["symbol"] = single.upper()
            document["bars"] = rows.get(single.upper(), [])
        return json_answer(document, sloppy=view.sloppy)


def _authorise(headers: Mapping[str, str]) -> None:
    if not headers.get("apca-api-key-id") == headers.get("apca-api-secret-key") == KEY:
        refuse({"code": 40110000, "message": "request is not authorized"}, 401)


def _symbols(request: Request) -> list[str]:
    text = request.query.get("symbols", "")
    symbols = sorted({symbol.strip().upper() for symbol in text.split(",") if symbol.strip()})
    if not symbols:
        refuse({"message": "symbols parameter is required"}, 400)
    for symbol in symbols:
        if not re.fullmatch(r"[A-Z0-9./-]{1,20}", symbol):
            refuse({"message": f"invalid symbol: {symbol}"}, 400)
    return symbols


def _asked(symbols: list[str], request: Request, crypto: bool) -> Asked:
    query = request.query
    timeframe, feed = query.get("timeframe", ""), query.get("feed", "sip")
    if timeframe not in _TIMEFRAMES:
        refuse({"message": f"invalid timeframe: {timeframe}"}, 400)
    if feed not in _FEEDS and not crypto:
        refuse({"message": f"invalid feed: {feed}"}, 400)
    adjustments = query.get("adjustment", "raw").split(",")
    for adjustment in adjustments:
        if adjustment not in _ADJUSTMENTS:
            refuse({"message": f"invalid adjustment: {adjustment}"}, 400)
    if query.get("sort", "asc") not in ("asc", "desc"):
        refuse({"message": f"invalid sort: {query['sort']}"}, 400)
    limit = query.get("limit", "1000")
    if not limit.isdigit() or not 1 <= int(limit) <= 10_000:
        refuse({"message": "invalid limit: must be between 1 and 10000"}, 400)
    today = datetime.fromtimestamp(request.now, NEW_YORK).replace(hour=0, minute=0, second=0)
    start = _moment("start", query.get("start"), today.timestamp())
    end = _moment("end", query.get("end"), request.now)
    if end < start:
        refuse({"message": "end should not be before start"}, 400)
    return Asked(
        symbols=symbols,
        crypto=crypto,
        daily=_TIMEFRAMES[timeframe],
        # Bounds are inclusive: a start inside a second begins at the next whole one.
        start=int(-(-start // 1)),
        end=int(end // 1),
        limit=int(limit),
        descending=query.get("sort") == "desc",
        after=read_token(query.get("page_token")),
        feed=feed,
        split_adjusted=bool({"split", "all"} & set(adjustments)),
    )


def _moment(name: str, text: str | None, default: float) -> float:
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and len(text) == len("2026-01-02"):
        moment = moment.replace(tzinfo=NEW_YORK)
    if moment is None or moment.tzinfo is None:
        refuse({"message": f"Invalid format for parameter {name}: error parsing '{text}'"}, 400)
    return moment.timestamp()
