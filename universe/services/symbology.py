"""Which symbol a ticker names, when, and what a symbol was called.

A symbol's id is stable; its ticker changes on a date, from 00:00 of which, local to its
exchange, the new one holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from universe.domain.interval import Interval
from universe.domain.session_grid import SessionGrid, label_of
from universe.domain.time_range import TimeRange
from universe.models import Symbol, SymbolTicker


class UnknownSymbol(LookupError):
    """No symbol of the universe has this ticker, or none had it on the date asked for."""


def resolve(ticker: str, on: date | None = None) -> Symbol:
    """The symbol that `ticker` (any case) names on the date `on`.

    With `on` None: the symbol whose ticker of today, or last one, it is. When several had
    the ticker, one that was listed on the date wins, then an active one, then the newest
    listing. Inactive and delisted symbols are found: their history is still here. The
    calendar is fetched along; one query. Raises UnknownSymbol.
    """
    text = ticker.strip().upper()
    names = list(SymbolTicker.objects.filter(ticker=text).select_related("symbol__calendar"))
    found = [row.symbol for row in names if _holds(row, on)]
    if not names:  # a symbol whose ticker never changed needs no history
        found = list(Symbol.objects.filter(ticker=text, tickers=None).select_related("calendar"))
    if not found:
        raise UnknownSymbol(_why_unknown(text, on, names))
    return max(found, key=lambda symbol: _rank(symbol, on))


def resolve_many(tickers: Iterable[str]) -> dict[str, Symbol]:
    """The symbols that `tickers` (any case) name today, or named last, by upper-case ticker:
    what `resolve` answers for each, the unknown ones left out. Two queries."""
    texts = {ticker.strip().upper() for ticker in tickers}
    found: dict[str, list[Symbol]] = {}
    names = SymbolTicker.objects.filter(ticker__in=texts).select_related("symbol__calendar")
    for row in names:
        found.setdefault(row.ticker, []).extend([row.symbol] if _holds(row, None) else [])
    unnamed = Symbol.objects.filter(ticker__in=texts - found.keys(), tickers=None)
    for symbol in unnamed.select_related("calendar"):
        found.setdefault(symbol.ticker, []).append(symbol)
    return {
        text: max(symbols, key=lambda symbol: _rank(symbol, None))
        for text, symbols in found.items()
        if symbols
    }


def _holds(row: SymbolTicker, on: date | None) -> bool:
    if on is None:
        return row.ticker == row.symbol.ticker and row.valid_to is None
    return (row.valid_from or date.min) <= on < (row.valid_to or date.max)


def _rank(symbol: Symbol, on: date | None) -> tuple[bool, bool, date, int]:
    listed = symbol.listed_on or date.min
    lives = on is None or listed <= on <= (symbol.delisted_on or date.max)
    return lives, symbol.active, listed, symbol.pk


def _why_unknown(ticker: str, on: date | None, names: Iterable[SymbolTicker]) -> str:
    known = "; ".join(
        f"{row.symbol.ticker} had it from {row.valid_from or 'its start'}"
        f" until {row.valid_to or 'now'}"
        for row in names
    )
    when = f" on {on}" if on else ""
    return f"no symbol has the ticker {ticker}{when}" + (f" ({known})" if known else "")


def ticker_on(symbol: Symbol, day: date) -> str:
    """The ticker that `symbol` had on `day`. No query if `tickers` was prefetched."""
    for row in symbol.tickers.all():
        if _holds(row, day):
            return row.ticker
    return symbol.ticker


def tickers_in(
    symbol: Symbol, wanted: TimeRange, interval: Interval = Interval.DAY
) -> list[tuple[str, TimeRange]]:
    """`wanted`, cut where the symbol's ticker changed: each ticker with its part, in order.

    `interval` says what the times in `wanted` are. Session labels (1d) change name at 00:00Z
    of the date of change; minutes at 00:00 of that date, local to the exchange, so that the
    extended hours of the evening before keep the old name. No query if `tickers` (and, for
    minutes, `calendar`) were fetched along.
    """
    parts = []
    for row in sorted(symbol.tickers.all(), key=lambda row: row.valid_from or date.min):
        start = _changes_at(symbol, row.valid_from, interval) if row.valid_from else wanted.start
        end = _changes_at(symbol, row.valid_to, interval) if row.valid_to else wanted.end
        start, end = max(start, wanted.start), min(end, wanted.end)
        if start < end:
            parts.append((row.ticker, TimeRange(start, end)))
    return parts or [(symbol.ticker, wanted)]


def _changes_at(symbol: Symbol, day: date, interval: Interval) -> int:
    if interval is Interval.DAY:
        return label_of(day)
    return int(datetime.combine(day, time(0), ZoneInfo(symbol.calendar.timezone)).timestamp())


def expected_range(
    symbol: Symbol, grid: SessionGrid, wanted: TimeRange, *, extended: bool = False
) -> TimeRange | None:
    """The part of `wanted` in which bars of the symbol are expected: from its listing session
    to its last one, both inclusive; None when nothing is left.

    Right for minutes and for session labels alike: the first session counts from its label
    or its extended open, the earlier of the two, and the last one to its close; with
    `extended` (for minutes only) to its extended close, where collection ends. A listing
    date before the grid's coverage cuts nothing.
    """
    start, end = wanted.start, wanted.end
    listed, delisted = symbol.listed_on, symbol.delisted_on
    if (listed and listed > grid.last) or (delisted and delisted < grid.first):
        return None
    if listed and listed >= grid.first:
        first = grid.first_session_from(listed)
        if first is None:
            return None
        start = max(start, min(first.label, first.extended_open))
    if delisted and delisted <= grid.last:
        last = grid.last_session_until(delisted)
        if last is None:
            return None
        closes = last.extended_close if extended else last.close
        end = min(end, max(last.label + 1, closes))
    return TimeRange(start, end) if start < end else None
