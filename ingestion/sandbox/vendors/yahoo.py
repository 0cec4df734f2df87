"""Yahoo's chart behind a cookie and its crumb."""

from __future__ import annotations

import re
from hashlib import blake2b
from http.cookies import CookieError, SimpleCookie
from typing import ClassVar, NoReturn
from uuid import uuid4

from ingestion.sandbox.exchange import HTML, TEXT, Answer, Request, json_answer, refuse
from ingestion.sandbox.vendors.yahoo_chart import Window, chart
from ingestion.sandbox.view import View

_COOKIE = "A3"
_INTERVALS = ("1m", "1d")
_DAY = 86_400
_MINUTES_AT_ONCE_S = 8 * _DAY
_MINUTES_KEPT_S = 30 * _DAY


class Yahoo:
    """`/v8/finance/chart/{symbol}`, `/v1/test/getcrumb`, and elsewhere a page that only sets
    the cookie, as the vendor's own hosts do."""

    name: ClassVar[str] = "yahoo"
    delay: ClassVar[float] = 2.0
    too_many: ClassVar[Answer] = Answer(429, b"Too Many Requests\r\n", TEXT)
    forbidden: ClassVar[Answer] = json_answer(
        {"finance": {"result": None, "error": {"code": "Forbidden", "description": "Forbidden"}}},
        403,
    )
    shows_limits: ClassVar[bool] = False

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        match request.steps:
            case ["v1", "test", "getcrumb"]:
                return Answer(200, _crumb_of(_cookie(request)).encode(), TEXT)
            case ["v8", "finance", "chart", symbol]:
                if view.quirks.yahoo_crumb:
                    _authorise(request)
                return _chart(symbol.upper(), request, view)
        cookie = f"{_COOKIE}=d={uuid4().hex}; Max-Age=31557600; Path=/; HttpOnly"
        return Answer(404, b"<!DOCTYPE html><title>Yahoo</title>", HTML, {"Set-Cookie": cookie})


def _cookie(request: Request) -> str:
    """The session's cookie. Raises Refused without one."""
    try:
        cookies = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        cookies = SimpleCookie()
    if _COOKIE not in cookies:
        _unauthorised("Invalid Cookie")
    return cookies[_COOKIE].value


def _crumb_of(cookie: str) -> str:
    return blake2b(cookie.encode(), digest_size=6).hexdigest()[:11]


def _authorise(request: Request) -> None:
    if request.query.get("crumb") != _crumb_of(_cookie(request)):
        _unauthorised("Invalid Crumb")


def _unauthorised(why: str) -> NoReturn:
    error = {"code": "Unauthorized", "description": why}
    refuse({"finance": {"result": None, "error": error}}, 401)


def _fail(code: str, description: str, status: int) -> NoReturn:
    error = {"code": code, "description": description}
    refuse({"chart": {"result": None, "error": error}}, status)


def _chart(symbol: str, request: Request, view: View) -> Answer:
    query = request.query
    interval = query.get("interval", "1d")
    if interval not in _INTERVALS:
        known = ", ".join(_INTERVALS)
        text = f"Invalid input - interval={interval} is not supported. Valid intervals: [{known}]"
        _fail("Bad Request", text, 400)
    if view.listing(symbol) is None:
        _fail("Not Found", "No data found, symbol may be delisted", 404)
    today = view.hours(symbol).midnight(view.hours(symbol).local_label(request.now))
    start = _epoch(query.get("period1", str(today)), "period1")
    end = _epoch(query.get("period2", str(int(request.now))), "period2")
    if start > end:
        text = f"start date cannot be after end date. startDate = {start}, endDate = {end}"
        _fail("Bad Request", f"Invalid input - {text}", 400)
    if interval == "1m":
        _within_reach(start, end, request.now)
    window = Window(symbol, interval == "1d", start, end, query.get("includePrePost") == "true")
    result = chart(window, view)
    return json_answer({"chart": {"result": [result], "error": None}}, sloppy=view.sloppy)


def _epoch(text: str, name: str) -> int:
    if not re.fullmatch(r"-?\d{1,12}", text):
        _fail("Bad Request", f"Invalid input - {name} {text!r} is not a number", 400)
    return int(text)


def _within_reach(start: int, end: int, now: float) -> None:
    text = f"1m data not available for startTime={start} and endTime={end}."
    if end - start > _MINUTES_AT_ONCE_S:
        why = "Only 8 days worth of 1m granularity data are allowed to be fetched per request."
        _fail("Unprocessable Entity", f"{text} {why}", 422)
    if start < now - _MINUTES_KEPT_S:
        why = "The requested range must be within the last 30 days."
        _fail("Unprocessable Entity", f"{text} {why}", 422)
