"""The sandbox's own addresses: its page, its faults, its counts, and the truth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import orjson
from pydantic import ValidationError

from ingestion.sandbox.exchange import HTML, Answer, Refused, json_answer, refuse
from ingestion.sandbox.faults import Fault
from ingestion.sandbox.page import front_page
from ingestion.sandbox.simulation import Simulation
from marketdata_site.call_limits import CallLimits
from universe.domain.interval import Interval, UnknownInterval, parse_interval
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange

_MOST_MINUTES_S = 366 * 86_400


def control(
    simulation: Simulation, method: str, steps: list[str], query: Mapping[str, str], body: bytes
) -> Answer:
    """Answer a request that is for no vendor."""
    try:
        match (method, steps):
            case ("GET" | "HEAD", []):
                return Answer(200, front_page(simulation).encode(), HTML)
            case (_, ["_sandbox", "faults"]):
                return _faults(simulation, method, query, body)
            case ("GET", ["_sandbox", "stats"]):
                return json_answer(simulation.meter.figures())
            case ("DELETE", ["_sandbox", "stats"]):
                simulation.meter.reset()
                return json_answer({})
            case ("GET", ["_sandbox", "truth"]):
                return _truth(simulation, query)
            case ("GET" | "POST", ["_sandbox", "quirks"]):
                return _quirks(simulation, method, body)
            case ("POST", ["_sandbox", "limits"]):
                return _limits(simulation, body)
            case ("GET", ["_sandbox", "listings"]):
                return json_answer({"tickers": list(simulation.market.listings)})
    except Refused as refused:
        return refused.answer
    return json_answer({"error": f"nothing at {method} /{'/'.join(steps)}"}, 404)


def _document(body: bytes) -> dict[str, object]:
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        refuse({"error": f"the body is not JSON: {error}"}, 400)
    if not isinstance(document, dict):
        refuse({"error": "the body must be a JSON object"}, 400)
    return document


def _faults(simulation: Simulation, method: str, query: Mapping[str, str], body: bytes) -> Answer:
    book = simulation.faults
    if method == "GET":
        return json_answer({"faults": book.listed()})
    if method == "DELETE":
        number = query.get("id")
        if number is not None and not number.isdigit():
            refuse({"error": f"id: {number!r} is not a number"}, 400)
        removed = book.remove(int(number) if number else None, query.get("provider"))
        return json_answer({"removed": removed})
    if method != "POST":
        refuse({"error": f"{method} is not possible here"}, 405)
    try:
        fault = Fault.model_validate(_document(body))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        refuse({"error": "; ".join(problems)}, 400)
    return json_answer({"id": book.add(fault)}, 201)


def _quirks(simulation: Simulation, method: str, body: bytes) -> Answer:
    if method == "POST":
        try:
            simulation.quirks = simulation.quirks.changed(_document(body))
        except ValueError as error:
            refuse({"error": str(error)}, 400)
    return json_answer(simulation.quirks.model_dump())


def _limits(simulation: Simulation, body: bytes) -> Answer:
    document = _document(body)
    try:
        parsed = {name: CallLimits.parse(str(text)) for name, text in document.items()}
    except ValueError as error:
        refuse({"error": str(error)}, 400)
    for provider, limits in parsed.items():
        simulation.meter.limit(provider, limits)
    return json_answer({"limits": document})


def _truth(simulation: Simulation, query: Mapping[str, str]) -> Answer:
    """The true bars of a symbol in [start, end), whatever the clock says."""
    market, ticker = simulation.market, query.get("symbol", "").upper()
    if ticker not in market.listings:
        refuse({"error": f"symbol: {ticker!r} is not listed"}, 404)
    try:
        interval = parse_interval(query.get("interval", "1m"))
        span = TimeRange(_moment("start", query), _moment("end", query))
    except (UnknownInterval, ValueError) as error:
        refuse({"error": str(error)}, 400)
    daily = interval is Interval.DAY
    if not daily and span.seconds > _MOST_MINUTES_S:
        refuse({"error": "end: at most 366 days of minutes at once"}, 400)
    bars = market.days([ticker], span) if daily else market.minutes([ticker], span)
    regular = [True] * len(bars) if daily else market.hours(ticker).is_regular(bars.ts).tolist()
    return json_answer(
        {
            "symbol": ticker,
            "interval": interval,
            "origin": market.origin,
            "t": bars.ts.tolist(),
            "o": bars.open.tolist(),
            "h": bars.high.tolist(),
            "l": bars.low.tolist(),
            "c": bars.close.tolist(),
            "v": bars.volume.tolist(),
            "vw": [None if vwap != vwap else vwap for vwap in bars.vwap.tolist()],
            "n": [None if count < 0 else count for count in bars.trades.tolist()],
            "extended": [not inside for inside in regular],
        }
    )


def _moment(name: str, query: Mapping[str, str]) -> int:
    """Epoch seconds from a date (00:00Z), an ISO time with its zone, or a number."""
    text = query.get(name, "")
    try:
        if text.lstrip("-").isdigit():
            return int(datetime.fromtimestamp(int(text), UTC).timestamp())
        if len(text) == len("2026-01-02"):
            return label_of(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{name}: {text!r} is neither a date, an ISO time nor a number") from error
    if moment.tzinfo is None:
        raise ValueError(f"{name}: {text!r} has no time zone")
    return int(moment.timestamp())
