"""Which symbol of the universe a row of a file speaks of, through changes of ticker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from universe.models import Symbol
from universe.services.listing_row import Listing, RowError


def match(
    listings: list[Listing], symbols: Iterable[Symbol]
) -> tuple[dict[str, Symbol], list[RowError]]:
    """The symbol that each listing continues, by the listing's ticker; rows without one are
    new symbols. And what cannot be told, as errors.

    A row continues the symbol that has its ticker or, when it names former tickers, the one
    that still has the latest of them: that symbol was renamed. `symbols` have their `tickers`
    prefetched.
    """
    return _Matching(listings, symbols).run()


class _Matching:
    def __init__(self, listings: list[Listing], symbols: Iterable[Symbol]) -> None:
        self._listings = {listing.ticker: listing for listing in listings}
        self._by_ticker: dict[str, list[Symbol]] = defaultdict(list)
        for symbol in symbols:
            self._by_ticker[symbol.ticker].append(symbol)
        for found in self._by_ticker.values():
            found.sort(key=_standing, reverse=True)
        self._matched: dict[str, Symbol] = {}
        self._taken: set[int] = set()

    def run(self) -> tuple[dict[str, Symbol], list[RowError]]:
        renamed = [one for one in self._listings.values() if one.former_tickers]
        undecided = [one for one in renamed if not self._knows_already(one)]
        undecided = self._follow_renames(undecided)
        errors = [error for one in undecided for error in self._ambiguities(one)]
        for listing in self._listings.values():
            if listing.ticker not in self._matched:
                self._take(listing, self._namesake(listing))
        return self._matched, errors

    def _take(self, listing: Listing, symbol: Symbol | None) -> bool:
        if symbol is None:
            return False
        self._matched[listing.ticker] = symbol
        self._taken.add(symbol.pk)
        return True

    def _knows_already(self, listing: Listing) -> bool:
        """Take the symbol that has this ticker and this history from an earlier load."""
        symbol = self._namesake(listing)
        if symbol is None or former_tickers(symbol) != _former_tickers(listing):
            return False
        return self._take(listing, symbol)

    def _follow_renames(self, undecided: list[Listing]) -> list[Listing]:
        """Let rows whose new ticker is free take the symbols that they rename, until no more
        tickers come free; the rows that are left."""
        while True:
            left = [
                one
                for one in undecided
                if self._namesake(one) is not None or not self._take(one, self._renamed(one))
            ]
            if len(left) == len(undecided):
                return left
            undecided = left

    def _ambiguities(self, listing: Listing) -> Iterable[RowError]:
        """A row's ticker and its former ticker are two active symbols, and no row says what
        became of the former one."""
        old, new = self._renamed(listing), self._namesake(listing)
        if old is None or new is None or not (old.active and new.active):
            return
        own = self._listings.get(old.ticker)
        if own is None or listing.ticker in {former.ticker for former in own.former_tickers}:
            yield RowError(
                listing.line,
                "former_tickers",
                old.ticker,
                f"is a symbol of its own (id {old.pk}), apart from {new.ticker} (id {new.pk});"
                f" two symbols cannot become one: give {old.ticker} a row, or leave it out here",
            )

    def _namesake(self, listing: Listing) -> Symbol | None:
        """The free symbol with the row's ticker, unless it had been delisted before the row's
        was listed: then that is another company."""
        for symbol in self._by_ticker[listing.ticker]:
            gone, come = symbol.delisted_on, listing.listed_on
            if symbol.pk not in self._taken and not (gone and come and gone < come):
                return symbol
        return None

    def _renamed(self, listing: Listing) -> Symbol | None:
        """The free symbol that still has the latest of the row's former tickers."""
        for former in reversed(listing.former_tickers):
            for symbol in self._by_ticker[former.ticker]:
                if symbol.pk not in self._taken:
                    return symbol
        return None


def _standing(symbol: Symbol) -> tuple[bool, date, int]:
    return symbol.active, symbol.listed_on or date.min, symbol.pk


def former_tickers(symbol: Symbol) -> str:
    """The symbol's former tickers as a universe file writes them."""
    rows = [(row.valid_to, row.ticker) for row in symbol.tickers.all() if row.valid_to]
    return ";".join(f"{ticker}:{until}" for until, ticker in sorted(rows))


def _former_tickers(listing: Listing) -> str:
    return ";".join(map(str, listing.former_tickers))
