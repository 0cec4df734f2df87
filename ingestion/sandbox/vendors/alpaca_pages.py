"""Alpaca's pages: bars sorted by symbol, then time, cut at a limit over all symbols."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.exchange import refuse
from ingestion.sandbox.hours import Hours
from ingestion.sandbox.vendors.vendor import whole_if_shares
from ingestion.sandbox.venue import venue_only
from ingestion.sandbox.view import View, before_late_trades
from universe.domain.time_range import TimeRange

Int64s = npt.NDArray[np.int64]
Rows = dict[str, list[dict[str, object]]]

_DAY = 86_400
_CELLS = 40_000  # symbol × bar cells computed before the page is checked for room


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. `start` and `end` are inclusive bounds on a bar's `t`, epoch
    seconds; `symbols` are sorted; `after` is the last bar that was delivered."""

    symbols: list[str]
    crypto: bool
    daily: bool
    start: int
    end: int
    limit: int
    descending: bool
    after: tuple[str, int] | None
    feed: str
    split_adjusted: bool


def read_token(token: str | None) -> tuple[str, int] | None:
    """The (symbol, `t`) that a page token continues after. Raises Refused for a bad one."""
    if not token:
        return None
    try:
        symbol, _, stamp = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, int(datetime.fromisoformat(stamp[:19] + "+00:00").timestamp())
    except (binascii.Error, UnicodeDecodeError, ValueError):
        refuse({"message": "invalid page_token"}, 400)


def page(asked: Asked, view: View) -> tuple[Rows, str | None]:
    """Bars by symbol, and the token of the next page or None after the last one."""
    symbols = asked.symbols
    if asked.after:
        symbols = [one for one in symbols if one >= asked.after[0]]
    width = (asked.end - asked.start) // (_DAY if asked.daily else 60) + 1
    tall = max(1, _CELLS // width)
    room = min(asked.limit, view.page_cap or asked.limit)
    rows: Rows = {}
    last: str | None = None
    for first in range(0, len(symbols), tall):
        piece = symbols[first : first + tall]
        bars, t = _fetch(piece, asked, view)
        taken, taken_t = bars.take(np.arange(min(room, len(bars)))), t[:room]
        _add(rows, piece, taken, taken_t)
        room -= len(taken)
        if len(taken):
            last = _token(piece[int(taken.owner[-1])], asked.daily, int(taken_t[-1]))
        if len(taken) < len(bars):
            return rows, last
    return rows, None


def _fetch(symbols: Sequence[str], asked: Asked, view: View) -> tuple[Bars, Int64s]:
    """All bars of these symbols in page order, with the `t` that each is served under."""
    tickers = [_ticker(symbol, asked.crypto, view) for symbol in symbols]
    known = next((ticker for ticker in tickers if view.listing(ticker)), None)
    if known is None:
        return Bars.empty(), np.empty(0, np.int64)
    hours = view.hours(known)
    bars = _bars(tickers, hours, asked, view)
    if asked.split_adjusted:
        bars = view.split_adjusted(bars, tickers)
    t = hours.midnights(bars.ts) if asked.daily else bars.ts
    chosen = (t >= asked.start) & (t <= asked.end)
    if asked.after and symbols[0] == asked.after[0]:
        passed = t >= asked.after[1] if asked.descending else t <= asked.after[1]
        chosen &= (bars.owner > 0) | ~passed
    bars, t = bars.take(chosen), t[chosen]
    if asked.descending:
        order = np.lexsort((-t, bars.owner))
        bars, t = bars.take(order), t[order]
    return bars, t


def _bars(tickers: list[str], hours: Hours, asked: Asked, view: View) -> Bars:
    if asked.daily:
        first, last = hours.local_label(asked.start), hours.local_label(asked.end)
        bars = view.days(tickers, TimeRange(first, last + _DAY))
    else:
        if asked.feed == "delayed_sip":
            view = view.later(15 * 60)
        span = TimeRange(asked.start, asked.end + 1)
        bars = view.some_minutes(tickers, span, asked.limit, asked.descending)
        if view.quirks.alpaca_revises:
            bars = before_late_trades(bars, tickers, view.now)
    return venue_only(bars, tickers) if asked.feed == "iex" else bars


def _ticker(symbol: str, crypto: bool, view: View) -> str:
    """The listed ticker that this path's symbol names; one that is not listed otherwise."""
    ticker = symbol.replace("/", "-") if crypto else symbol
    listing = view.listing(ticker)
    return ticker if listing and listing.crypto == crypto else ""


def _add(rows: Rows, symbols: Sequence[str], bars: Bars, t: Int64s) -> None:
    stamps = np.datetime_as_string(t.astype("datetime64[s]"), timezone="UTC").tolist()
    volumes = whole_if_shares(bars.volume)
    counts = [None if count < 0 else count for count in bars.trades.tolist()]
    vwaps = [None if vwap != vwap else vwap for vwap in bars.vwap.tolist()]
    columns = zip(
        bars.owner.tolist(), stamps, bars.open.tolist(), bars.high.tolist(), bars.low.tolist(),
        bars.close.tolist(), volumes, counts, vwaps, strict=True,
    )  # fmt: skip
    for owner, stamp, opened, high, low, close, volume, count, vwap in columns:
        rows.setdefault(symbols[owner], []).append(
            {"t": stamp, "o": opened, "h": high, "l": low, "c": close}
            | {"v": volume, "n": count, "vw": vwap}
        )


def _token(symbol: str, daily: bool, t: int) -> str:
    stamp = np.datetime_as_string(np.datetime64(t, "s"))
    text = f"{symbol}|{'D' if daily else 'M'}|{stamp}.000000000Z"
    return base64.b64encode(text.encode()).decode()
