"""IEX Cloud, which is no more: one venue's minutes, and errors in plain text."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, NoReturn

from ingestion.sandbox.exchange import TEXT, Answer, Request, json_answer, refuse_text
from ingestion.sandbox.vendors.iex_rows import Row, daily_rows, minute_rows
from ingestion.sandbox.vendors.vendor import KEY
from ingestion.sandbox.view import View
from universe.domain.session_grid import label_of

_BATCH = 100
_DAYS = {"5d": 7, "1m": 31, "3m": 93, "6m": 186, "1y": 366, "2y": 731, "5y": 1827, "max": 5480}
_DAY = 86_400
_OPTIONS = frozenset(
    {"token", "chartByDay", "chartCloseOnly", "chartIEXOnly", "chartInterval", "chartLast"}
    | {"chartSimplify", "changeFromClose", "exactDate", "filter", "format", "includeToday"}
    | {"range", "sort", "symbols", "types"}
)
_DENIED = "The API key provided is not valid."
_UNKNOWN = "Unknown symbol"


class Iex:
    """`/stock/{symbol}/chart/…`, `/stock/{symbol}/intraday-prices`, `/stock/market/batch`,
    with or without a version before them."""

    name: ClassVar[str] = "iex"
    delay: ClassVar[float] = 5.0
    too_many: ClassVar[Answer] = Answer(429, b"Too Many Requests", TEXT)
    forbidden: ClassVar[Answer] = Answer(403, _DENIED.encode(), TEXT)
    shows_limits: ClassVar[bool] = False

    def answer(self, request: Request, view: View) -> Answer:
        """Answer a GET. Raises Refused for everything that is not data."""
        if request.query.get("token") != KEY:
            refuse_text(_DENIED, 403)
        for option in request.query:
            if option not in _OPTIONS:
                return json_answer({"error": f'"{option}" is not allowed'}, 400)
        steps = request.steps
        if steps and steps[0] in ("stable", "v1", "latest"):
            steps = steps[1:]
        match steps:
            case ["stock", "market", "batch"]:
                document: object = _batch(request, view)
            case ["stock", symbol, "chart"]:
                document = _chart(_ticker(symbol, view), ["1m"], request, view)
            case ["stock", symbol, "chart", *which]:
                document = _chart(_ticker(symbol, view), which, request, view)
            case ["stock", symbol, "intraday-prices"]:
                document = _today(_ticker(symbol, view), request, view)
            case _:
                refuse_text("Not Found", 404)
        return json_answer(document, sloppy=view.sloppy)


def _known(symbol: str, view: View) -> str | None:
    listing = view.listing(symbol.upper())
    return None if listing is None or listing.crypto else listing.ticker


def _ticker(symbol: str, view: View) -> str:
    ticker = _known(symbol, view)
    return ticker if ticker is not None else _unknown()


def _nothing_here() -> NoReturn:
    refuse_text("Not Found", 404)


def _unknown() -> NoReturn:
    refuse_text(_UNKNOWN, 404)


def _batch(request: Request, view: View) -> dict[str, dict[str, list[Row]]]:
    """By symbol and type; symbols beyond the hundredth and unknown ones just are not there."""
    symbols = [one for one in request.query.get("symbols", "").split(",") if one][:_BATCH]
    types = request.query.get("types", "").split(",")
    which = request.query.get("range", "1m")
    path = ["date", request.query.get("exactDate", "")] if which == "date" else [which]
    found: dict[str, dict[str, list[Row]]] = {}
    for symbol in symbols:
        ticker = _known(symbol, view)
        if ticker is None:
            continue
        found[ticker] = {}
        if "chart" in types:
            found[ticker]["chart"] = _chart(ticker, path, request, view)
        if "intraday-prices" in types:
            found[ticker]["intraday-prices"] = _today(ticker, request, view)
    return found


def _chart(ticker: str, which: list[str], request: Request, view: View) -> list[Row]:
    by_day = request.query.get("chartByDay", "").lower() == "true"
    match which:
        case ["date", day]:
            label = _label(day)
            if by_day:
                return daily_rows(ticker, label, label + _DAY, view)
            return _cut(minute_rows(ticker, label, view), request, view)
        case ["1d"]:
            return _today(ticker, request, view)
        case [span] if span in _DAYS:
            today = view.hours(ticker).local_label(view.now)
            rows = daily_rows(ticker, today - _DAYS[span] * _DAY, today + _DAY, view)
            return _cut(rows, request, view)
    return _nothing_here()


def _today(ticker: str, request: Request, view: View) -> list[Row]:
    label = view.hours(ticker).local_label(view.now)
    return _cut(minute_rows(ticker, label, view), request, view)


def _label(text: str) -> int:
    try:
        return label_of(date.fromisoformat(text))
    except ValueError:
        refuse_text("Invalid date", 400)


def _cut(rows: list[Row], request: Request, view: View) -> list[Row]:
    interval, last = request.query.get("chartInterval", ""), request.query.get("chartLast", "")
    if interval.isdigit() and int(interval) > 1:
        rows = rows[:: int(interval)]
    if last.isdigit():
        rows = rows[-int(last) :] if int(last) else []
    return rows[: view.page_cap] if view.page_cap else rows
