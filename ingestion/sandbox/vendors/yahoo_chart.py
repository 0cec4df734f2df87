"""What is inside Yahoo's chart: meta, timestamps, and columns with nulls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import Hours
from ingestion.sandbox.vendors.vendor import whole_if_shares
from ingestion.sandbox.view import View, chance
from universe.domain.session_grid import Session
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Columns = dict[str, list[float | int | None]]

_DAY = 86_400
_WEEK_S = 8 * _DAY
_ABSENT = 0.2
_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]
_KINDS = {"crypto": "CRYPTOCURRENCY", "etf": "ETF"}
_NAMES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Window:
    """A checked request: rows from `start` to `end`, exclusive, epoch seconds."""

    symbol: str
    daily: bool
    start: int
    end: int
    extended: bool


def chart(window: Window, view: View) -> dict[str, object]:
    """The one result of a chart answer."""
    hours = view.hours(window.symbol)
    latest = _latest_days(window, hours, view)
    result: dict[str, object] = {"meta": _meta(window, hours, view, latest)}
    rows = _daily_rows if window.daily else _minute_rows
    stamps, columns = rows(window, hours, view)
    if view.page_cap:
        stamps = stamps[: view.page_cap]
        columns = {name: values[: view.page_cap] for name, values in columns.items()}
    if not stamps:
        result["indicators"] = {"quote": [{}]}
        return result
    result["timestamp"] = stamps
    indicators: dict[str, object] = {"quote": [columns]}
    if window.daily:
        indicators["adjclose"] = [{"adjclose": columns["close"]}]
    result["indicators"] = indicators
    return result


def _latest_days(window: Window, hours: Hours, view: View) -> Bars:
    today = hours.local_label(view.now)
    days = view.days([window.symbol], TimeRange(today - _WEEK_S, today + _DAY))
    return view.split_adjusted(days, [window.symbol])


def _session_at(hours: Hours, now: float) -> Session | None:
    """The session of now, or the next one."""
    at = int(now)
    coming = hours.sessions_labelled(TimeRange(at - 2 * _DAY, at + 10 * _DAY))
    return next((one for one in coming if one.extended_close > at), None)


def _market_time(hours: Hours, label: int, view: View) -> int:
    """When the last regular trade of a session was: now while it is open, else at its end."""
    sessions = hours.sessions_labelled(TimeRange(label, label + _DAY))
    if not sessions:
        return label  # a fault has moved the bar to a closed day
    if sessions[0].open <= view.now < sessions[0].close:
        return int(view.now - view.delay)
    return sessions[0].close + 1


def _meta(window: Window, hours: Hours, view: View, latest: Bars) -> dict[str, object]:
    listing = view.market.listings[window.symbol]
    moment = datetime.fromtimestamp(view.now, hours.timezone)
    offset = moment.utcoffset()
    zone = {"timezone": moment.tzname(), "gmtoffset": int(offset.total_seconds()) if offset else 0}
    meta: dict[str, object] = {
        "currency": "USD",
        "symbol": window.symbol,
        "exchangeName": "CCC" if listing.crypto else "NMS",
        "fullExchangeName": "CCC" if listing.crypto else "NasdaqGS",
        "instrumentType": _KINDS.get(listing.asset_class, "EQUITY"),
        "firstTradeDate": 345479400,
        "hasPrePostMarketData": not listing.crypto,
        **zone,
        "exchangeTimezoneName": str(hours.timezone),
        "longName": window.symbol,
        "shortName": window.symbol,
        "priceHint": 2,
        "dataGranularity": "1d" if window.daily else "1m",
        "range": "",
        "validRanges": _RANGES,
    }
    if len(latest):
        meta |= {
            "regularMarketTime": _market_time(hours, int(latest.ts[-1]), view),
            "regularMarketPrice": float(latest.close[-1]),
            "regularMarketDayHigh": float(latest.high[-1]),
            "regularMarketDayLow": float(latest.low[-1]),
            "regularMarketVolume": whole_if_shares(latest.volume[-1:])[0],
            "chartPreviousClose": float(latest.close[max(len(latest) - 2, 0)]),
        }
    if session := _session_at(hours, view.now):
        bounds = {
            "pre": (session.extended_open, session.open),
            "regular": (session.open, session.close),
            "post": (session.close, session.extended_close),
        }
        meta["currentTradingPeriod"] = {
            name: {"start": start, "end": end, **zone} for name, (start, end) in bounds.items()
        }
    return meta


def _daily_rows(window: Window, hours: Hours, view: View) -> tuple[list[int], Columns]:
    first, last = hours.local_label(window.start), hours.local_label(window.end)
    days = view.days([window.symbol], TimeRange(first, last + _DAY))
    days = view.split_adjusted(days, [window.symbol])
    opens = {one.label: one.open for one in hours.sessions_labelled(TimeRange(first, last + _DAY))}
    stamps = np.array([opens.get(label, label) for label in days.ts.tolist()], np.int64)
    chosen = (stamps >= window.start) & (stamps < window.end)
    days, stamps = days.take(chosen), stamps[chosen]
    today = hours.local_label(view.now)
    if view.quirks.yahoo_live_row and today in days.ts:
        # Until the next day, the day's row carries the time of its last trade.
        stamps = np.where(days.ts == today, _market_time(hours, today, view), stamps)
    return stamps.tolist(), _columns(days, view)


def _minute_rows(window: Window, hours: Hours, view: View) -> tuple[list[int], Columns]:
    if window.end <= window.start:
        return [], {}
    span = TimeRange(window.start, window.end)
    bars = view.split_adjusted(view.minutes([window.symbol], span), [window.symbol])
    if not (window.extended or view.quirks.yahoo_extended_unasked):
        inside = hours.grid.place(bars.ts - bars.ts % 60) == 1
        bars = bars.take(inside | (bars.ts > view.now))
    stamps, columns = bars.ts.tolist(), _columns(bars, view)
    quiet = _quiet_minutes(window, hours, view, bars)
    order = np.argsort(np.array(stamps + quiet, np.int64), kind="stable")
    columns = {name: [*values, *[None] * len(quiet)] for name, values in columns.items()}
    stamps += quiet
    stamps = [stamps[row] for row in order]
    columns = {name: [values[row] for row in order] for name, values in columns.items()}
    session = _session_at(hours, view.now)
    live = view.quirks.yahoo_live_row and session and session.open <= view.now < session.close
    if live and session and window.end > session.open and len(bars):
        stamps.append(int(view.now - view.delay))
        price = float(bars.close[-1])
        for name in _NAMES:
            columns[name].append(0 if name == "volume" else price)
    return stamps, columns


def _quiet_minutes(window: Window, hours: Hours, view: View, bars: Bars) -> list[int]:
    """The ended regular minutes without a trade that have a row of nulls."""
    end = min(window.end, int(view.now - view.delay - 60) // 60 * 60 + 60)
    if end <= window.start:
        return []
    minutes = hours.open_minutes(TimeRange(window.start, end))
    quiet = np.setdiff1d(minutes.ts[minutes.regular], bars.ts)
    if view.quirks.yahoo_absent_rows and len(quiet):
        blank = np.full(len(quiet), np.nan)
        rows = Bars.of(np.zeros(len(quiet)), quiet, blank, blank, blank, blank, blank)
        quiet = quiet[chance([window.symbol], rows, "yahoo absent") >= _ABSENT]
    listed: list[int] = quiet.tolist()
    return listed


def _columns(bars: Bars, view: View) -> Columns:
    columns: Columns = {}
    for name in _NAMES[:4]:
        prices = getattr(bars, name)
        if view.quirks.yahoo_single_precision:
            prices = prices.astype(np.float32).astype(np.float64)
        columns[name] = prices.tolist()
    columns["volume"] = list(whole_if_shares(bars.volume))
    return columns
