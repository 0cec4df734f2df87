"""The symbols that a file's tickers name."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta

import numpy as np

from ingestion.domain.bar_batch import Int64s
from universe.domain.interval import Interval
from universe.domain.session_grid import DateNotCovered, date_of
from universe.models import Symbol, SymbolTicker
from universe.services import sessions, symbology

UNKNOWN = -1


class Tickers:
    """Tickers looked up once and remembered.

    A ticker that only one symbol ever had names it on any date: files tend to use a
    company's ticker of today for all its history. Where several had it, the bar's date
    decides.
    """

    def __init__(self) -> None:
        self._candidates: dict[str, set[int]] = {}
        self._symbols: dict[int, Symbol] = {}
        self._changes: dict[str, list[date]] = {}
        self._dated: dict[tuple[str, int], int] = {}

    def one(self, ticker: str) -> Symbol | None:
        """A symbol that the ticker names, today's before others; None for an unknown one."""
        self._learn([ticker])
        candidates = self._candidates[_normal(ticker)]
        if not candidates:
            return None
        if len(candidates) == 1:
            return self._symbols[next(iter(candidates))]
        try:
            return symbology.resolve(ticker)
        except symbology.UnknownSymbol:
            return self._symbols[max(candidates)]

    def ids(self, tickers: list[str], which: Int64s, ts: Int64s, interval: Interval) -> Int64s:
        """The symbol id of each row, or UNKNOWN. `which` indexes `tickers`."""
        self._learn(tickers)
        candidates = [self._candidates[_normal(ticker)] for ticker in tickers]
        only = [next(iter(ids)) if len(ids) == 1 else UNKNOWN for ids in candidates]
        found = np.array(only, np.int64)[which] if tickers else np.empty(0, np.int64)
        for number in (at for at, ids in enumerate(candidates) if len(ids) > 1):
            rows = np.flatnonzero(which == number)
            labels = self._labels(candidates[number], ts[rows], interval)
            days, of_row = np.unique(labels, return_inverse=True)
            ids = [self._on(_normal(tickers[number]), int(day)) for day in days]
            found[rows] = np.array(ids, np.int64)[of_row]
        return found

    def symbols(self, ids: Iterable[int]) -> list[Symbol]:
        """The symbols with these ids, all of which were answers of `ids`."""
        return [self._symbols[id_] for id_ in ids]

    def _labels(self, candidates: set[int], ts: Int64s, interval: Interval) -> Int64s:
        """The session dates of bars of one of the candidates."""
        if interval is Interval.MINUTE:
            symbol = self._symbols[min(candidates)]
            with suppress(DateNotCovered):
                return sessions.grid(symbol.calendar_id).labels_at(ts)
        return ts // 86_400 * 86_400

    def _learn(self, tickers: Iterable[str]) -> None:
        """One query for all tickers that are new."""
        new = {_normal(ticker) for ticker in tickers} - self._candidates.keys()
        if not new:
            return
        found: dict[str, set[int]] = defaultdict(set)
        named = SymbolTicker.objects.filter(ticker__in=new).values_list("ticker", "symbol_id")
        unchanged = Symbol.objects.filter(ticker__in=new, tickers=None)
        for ticker, symbol_id in (*named, *unchanged.values_list("ticker", "id")):
            found[ticker].add(symbol_id)
        self._candidates |= {ticker: found[ticker] for ticker in new}
        wanted = set().union(*found.values()) - self._symbols.keys()
        rows = Symbol.objects.filter(id__in=wanted).select_related("calendar")
        self._symbols |= {symbol.id: symbol for symbol in rows}

    def _on(self, ticker: str, label: int) -> int:
        """Who had a ticker of several symbols on a date; who has it today, if nobody did."""
        if ticker not in self._changes:
            self._changes[ticker] = self._dates_of_change(ticker)
        day = date_of(label)
        # The answer is the same from one change to the next.
        key = ticker, bisect_right(self._changes[ticker], day)
        if key not in self._dated:
            self._dated[key] = self._resolve(ticker, day)
        return self._dated[key]

    def _dates_of_change(self, ticker: str) -> list[date]:
        """The dates on which a ticker may begin to name somebody else."""
        rows = SymbolTicker.objects.filter(ticker=ticker).values_list("valid_from", "valid_to")
        dates = {day for row in rows for day in row if day is not None}
        for symbol in self.symbols(self._candidates[ticker]):
            dates |= {symbol.listed_on} if symbol.listed_on else set()
            dates |= {symbol.delisted_on + timedelta(days=1)} if symbol.delisted_on else set()
        return sorted(dates)

    def _resolve(self, ticker: str, day: date) -> int:
        for on in (day, None):
            try:
                return symbology.resolve(ticker, on).id
            except symbology.UnknownSymbol:
                continue
        return UNKNOWN


def _normal(ticker: str) -> str:
    return ticker.strip().upper()
