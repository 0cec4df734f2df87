"""Polygon's aggregates: one ticker a call with `next_url`, or one day of all tickers."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.exchange import Answer, Request, json_answer
from ingestion.sandbox.hours import Hours
from ingestion.sandbox.vendors.polygon_rows import fail, grouped, is_true, request_id, results
from ingestion.sandbox.vendors.vendor import KEY
from ingestion.sandbox.view import View
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]

_DAY = 86_400
_DELAY_S = 15 * 60
_TOO_MANY = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription"
    " to continue."
)
_FORBIDDEN = (
    "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"
)


class Polygon:
    """`/v2/aggs/ticker/…/range/1/{minute|day}/…` and `/v2/aggs/grouped/locale/…`."""

    name: ClassVar[str] = "polygon"
    delay: ClassVar[float] = 0.0
    too_many: ClassVar[Answer] = json_answer(
        {"status": "ERROR", "request_id": "0", "error": _TOO_MANY}, 429
    )
    forbidden: ClassVar[Answer] = json_answer(
        {"status": "NOT_AUTHORIZED", "request_id": "0", "message": _FORBIDDEN}, 403
    )
    shows_limits: ClassVar[bool] = False

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        _authorise(request)
        if view.quirks.polygon_delayed:
            view = view.later(_DELAY_S)
        # The vendor's own client puts its base before the path of a `next_url`, which has it.
        steps = request.steps[1:] if request.steps[:1] == [self.name] else request.steps
        match steps:
            case ["v2", "aggs", "ticker", ticker, "range", count, unit, first, last]:
                return _range(_asked(ticker, count, unit, first, last, request, view), view)
            case ["v2", "aggs", "grouped", "locale", "us", "market", "stocks", day]:
                return grouped(day, request, view, crypto=False)
            case ["v2", "aggs", "grouped", "locale", "global", "market", "crypto", day]:
                return grouped(day, request, view, crypto=True)
        document = {"status": "NOT_FOUND", "request_id": request_id(), "message": "Not found"}
        return json_answer(document, 404)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A checked request. `start` inclusive, `end` exclusive, epoch seconds, whole units."""

    symbol: str
    ticker: str
    daily: bool
    start: int
    end: int
    last: str
    adjusted: bool
    descending: bool
    limit: int
    base: str


def _authorise(request: Request) -> None:
    key = request.query.get("apiKey") or request.headers.get("authorization", "")
    if not key:
        fail("API Key was not provided", 401)
    if key.removeprefix("Bearer ") != KEY:
        fail("Unknown API Key", 401)


def _asked(
    symbol: str, count: str, unit: str, first: str, last: str, request: Request, view: View
) -> _Asked:
    query = dict(request.query)
    if "cursor" in query:
        query |= _opened(query["cursor"])
    if count != "1" or unit not in ("minute", "day"):
        fail(f"Only ranges of 1 minute and 1 day are available here, not {count} {unit}.")
    limit = query.get("limit", "5000")
    if not limit.isdigit() or not 1 <= int(limit) <= 50_000:
        fail("The parameter 'limit' must be between 1 and 50000.")
    if query.get("sort", "asc") not in ("asc", "desc"):
        fail("The parameter 'sort' must be 'asc' or 'desc'.")
    ticker = _ticker(symbol, view)
    hours = view.hours(ticker) if ticker else None
    daily = unit == "day"
    start, end = _snapped(first, daily, hours)[0], _snapped(last, daily, hours)[1]
    if end <= start:
        fail("The parameter 'to' cannot be a time that occurs before 'from'")
    return _Asked(
        symbol, ticker, daily, start, end, last, is_true(query.get("adjusted", "true")),
        query.get("sort") == "desc", int(limit), request.base,
    )  # fmt: skip


def _ticker(symbol: str, view: View) -> str:
    """The listed ticker behind polygon's symbol, or "" when there is none."""
    crypto = re.fullmatch(r"X:([A-Z0-9]+)(USD|EUR|GBP)", symbol)
    ticker = f"{crypto[1]}-{crypto[2]}" if crypto else symbol
    listing = view.listing(ticker)
    return ticker if listing and listing.crypto == bool(crypto) else ""


def _snapped(text: str, daily: bool, hours: Hours | None) -> tuple[int, int]:
    """The first and (exclusive) last second of the unit that `text` lies in. A date is a
    whole local day."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            label = label_of(date.fromisoformat(text))
        else:
            second = int(text) // 1000
            if not daily:
                return second // 60 * 60, second // 60 * 60 + 60
            label = hours.local_label(second) if hours else second // _DAY * _DAY
        if hours is None:
            return label, label + _DAY
        return hours.midnight(label), hours.midnight(label + _DAY)
    except (ValueError, OverflowError, OSError):
        fail(f"Could not parse the time {text!r}; use YYYY-MM-DD or epoch milliseconds.")


def _opened(cursor: str) -> dict[str, str]:
    try:
        text = base64.b64decode(cursor, b"-_", validate=True).decode()
        return dict(parse_qsl(text, strict_parsing=True))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        fail("The cursor is not valid.")


def _range(asked: _Asked, view: View) -> Answer:
    bars, t = _bars(asked, view)
    if asked.descending:
        order = np.argsort(-t, kind="stable")
        bars, t = bars.take(order), t[order]
    limit = min(asked.limit, view.page_cap or asked.limit)
    shown, shown_t = bars.take(np.arange(min(limit, len(bars)))), t[:limit]
    document: dict[str, object] = {
        "ticker": asked.symbol,
        "queryCount": len(shown),
        "resultsCount": len(shown),
        "adjusted": asked.adjusted,
    }
    if len(shown):
        document["results"] = results(shown, shown_t)
    elif view.quirks.polygon_null_results:
        document["results"] = None
    document["status"] = "DELAYED" if view.quirks.polygon_delayed else "OK"
    document["request_id"] = request_id()
    document["count"] = len(shown)
    if len(shown) < len(bars):
        document["next_url"] = _next_url(asked, int(t[limit]))
    return json_answer(document, sloppy=view.sloppy)


def _next_url(asked: _Asked, next_t: int) -> str:
    """Where the bars from `next_t` on are; `from` becomes milliseconds on the way."""
    unit = "day" if asked.daily else "minute"
    bounds = f"{next_t * 1000}/{asked.last}"
    if asked.descending:
        bounds = f"{asked.start * 1000}/{next_t * 1000}"
    kept = {
        "adjusted": str(asked.adjusted).lower(),
        "limit": str(asked.limit),
        "sort": "desc" if asked.descending else "asc",
    }
    cursor = base64.urlsafe_b64encode(urlencode(kept).encode()).decode()
    return f"{asked.base}/v2/aggs/ticker/{asked.symbol}/range/1/{unit}/{bounds}?cursor={cursor}"


def _bars(asked: _Asked, view: View) -> tuple[Bars, Int64s]:
    if not asked.ticker:
        return Bars.empty(), np.empty(0, np.int64)
    hours = view.hours(asked.ticker)
    if asked.daily:
        first, last = hours.local_label(asked.start), hours.local_label(asked.end - 1)
        bars = view.days([asked.ticker], TimeRange(first, last + _DAY))
        t = hours.midnights(bars.ts)
    else:
        span = TimeRange(asked.start, asked.end)
        bars = view.some_minutes(
            [asked.ticker],
            span,
            asked.limit,
            asked.descending,
            forming=view.quirks.polygon_forming_minute,
        )
        t = bars.ts
    if asked.adjusted:
        bars = view.split_adjusted(bars, [asked.ticker])
    return bars, t
