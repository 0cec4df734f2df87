"""IEX's rows: every regular minute has one, with nulls where the venue had no trade."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import Hours
from ingestion.sandbox.vendors.vendor import whole_if_shares
from ingestion.sandbox.venue import venue_only
from ingestion.sandbox.view import View
from universe.domain.session_grid import date_of
from universe.domain.time_range import TimeRange

Row = dict[str, object]

_DAY = 86_400
_VENUE = ("high", "low", "average", "volume", "notional", "numberOfTrades", "open", "close")


def minute_rows(ticker: str, label: int, view: View) -> list[Row]:
    """A row for each regular minute of the session that has ended, in order. The venue's own
    figures beside the consolidated `market…` ones."""
    hours = view.hours(ticker)
    sessions = hours.sessions_labelled(TimeRange(label, label + _DAY))
    if not sessions:
        return []
    session = sessions[0]
    market = view.minutes([ticker], TimeRange(session.open, session.close))
    ended = int(view.now - view.delay - 60) // 60 * 60 + 60
    minutes = [at for at in hours.regular_minutes([session]).ts.tolist() if at < ended]
    venue_figures = _figures(venue_only(market, [ticker]))
    market_figures = _figures(market)
    # A bar that a fault has put elsewhere is served where it says it is.
    moments = sorted({*minutes, *market_figures}) if view.tampering else minutes
    rows, opened, market_opened = [], None, None
    for at in moments:
        venue, whole = venue_figures.get(at, _NOTHING), market_figures.get(at, _NOTHING)
        opened = venue["open"] if opened is None else opened
        market_opened = whole["open"] if market_opened is None else market_opened
        rows.append(_minute_row(at, hours, venue, whole, opened, market_opened))
    return rows


_NOTHING: Row = {
    "high": None,
    "low": None,
    "average": None,
    "volume": 0,
    "notional": 0,
    "numberOfTrades": 0,
    "open": None,
    "close": None,
}


def _figures(bars: Bars) -> dict[int, Row]:
    typical = (bars.high + bars.low + bars.close) / 3.0
    average = np.round(np.where(np.isnan(bars.vwap), typical, bars.vwap), 3)
    columns = zip(
        bars.high.tolist(),
        bars.low.tolist(),
        average.tolist(),
        whole_if_shares(bars.volume),
        np.round(average * bars.volume, 4).tolist(),
        np.maximum(bars.trades, 0).tolist(),
        bars.open.tolist(),
        bars.close.tolist(),
        strict=True,
    )
    return {
        at: dict(zip(_VENUE, values, strict=True))
        for at, values in zip(bars.ts.tolist(), columns, strict=True)
    }


def _minute_row(
    at: int, hours: Hours, venue: Row, market: Row, opened: object, market_opened: object
) -> Row:
    moment = datetime.fromtimestamp(at, hours.timezone)
    label = moment.strftime("%I:%M %p" if moment.minute else "%I %p")
    if moment.hour > 12:
        label = label.removeprefix("0")
    return {
        "date": moment.date().isoformat(),
        "minute": moment.strftime("%H:%M"),
        "label": label,
        **{name: venue[name] for name in _VENUE[:6]},
        **{f"market{name[0].upper()}{name[1:]}": market[name] for name in _VENUE[:6]},
        "open": venue["open"],
        "close": venue["close"],
        "marketOpen": market["open"],
        "marketClose": market["close"],
        "changeOverTime": _change(venue["close"], opened),
        "marketChangeOverTime": _change(market["close"], market_opened),
    }


def _change(close: object, first: object) -> float | None:
    if isinstance(close, float) and isinstance(first, float) and first:
        return close / first - 1.0
    return None


def daily_rows(ticker: str, start: int, end: int, view: View) -> list[Row]:
    """A row for each ended session labelled in [start, end): plain fields split-adjusted,
    `u…` as traded, `f…` fully adjusted (which here is the same as split-adjusted)."""
    raw = view.days([ticker], TimeRange(start, end), forming=False)
    adjusted = view.split_adjusted(raw, [ticker])
    rows: list[Row] = []
    before: float | None = None
    for index in range(len(raw)):
        row: Row = {"date": date_of(int(raw.ts[index])).isoformat(), "symbol": ticker}
        for prefix, bars in (("", adjusted), ("u", raw), ("f", adjusted)):
            for name in ("open", "high", "low", "close"):
                row[_prefixed(prefix, name)] = float(getattr(bars, name)[index])
            row[_prefixed(prefix, "volume")] = int(bars.volume[index])
        close = float(adjusted.close[index])
        change = 0.0 if before is None else close - before
        row |= {
            "change": round(change, 4),
            "changePercent": round(change / before, 4) if before else 0.0,
            "changeOverTime": close / float(adjusted.close[0]) - 1.0,
            "label": datetime.fromisoformat(str(row["date"])).strftime("%b %-d, %y"),
        }
        before = close
        rows.append(row)
    return rows


def _prefixed(prefix: str, name: str) -> str:
    return prefix + name.capitalize() if prefix else name
