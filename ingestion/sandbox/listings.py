"""What trades on the sandbox's market: read from a universe file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from universe.domain.tier import Tier

SAMPLE_UNIVERSE = Path(__file__).resolve().parents[2] / "universe/data/sample_universe.csv"
ROUND_THE_CLOCK = "24/7"


class UniverseUnreadable(Exception):
    """The universe file cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument. `listed_on` and `delisted_on` are sessions, both inclusive."""

    ticker: str
    calendar: str = "XNYS"
    tier: Tier = Tier.T0
    asset_class: str = "equity"
    listed_on: date | None = None
    delisted_on: date | None = None
    company: str = ""
    """What it is whatever its ticker: the same in every ticker of a renamed symbol."""

    @property
    def crypto(self) -> bool:
        """True for what trades round the clock in UTC days."""
        return self.asset_class == "crypto"


def read_universe(file: Path) -> dict[str, Listing]:
    """The listings in a universe CSV, by ticker. Only `ticker` is required of the columns.

    Raises UniverseUnreadable naming the line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as handle:
            return _by_ticker(csv.DictReader(handle), file)
    except OSError as error:
        raise UniverseUnreadable(f"{file}: {error.strerror}") from error


def _by_ticker(rows: Iterable[Mapping[str, str | None]], file: Path) -> dict[str, Listing]:
    listings: dict[str, Listing] = {}
    for line, row in enumerate(rows, start=2):
        try:
            listing, formers = _listings(row)
        except ValueError as error:
            raise UniverseUnreadable(f"{file}, line {line}: {error}") from error
        for former in formers:
            listings.setdefault(former.ticker, former)
        listings[listing.ticker] = listing
    if not listings:
        raise UniverseUnreadable(f"{file}: no symbols")
    return listings


def _listings(row: Mapping[str, str | None]) -> tuple[Listing, list[Listing]]:
    """The row's listing, and one for each ticker that it had before."""

    def text(column: str, default: str = "") -> str:
        return (row.get(column) or "").strip() or default

    def day(column: str) -> date | None:
        return date.fromisoformat(value) if (value := text(column)) else None

    ticker = text("ticker").upper()
    if not ticker:
        raise ValueError("no ticker")
    calendar = text("calendar", "XNYS")
    kind = text("asset_class", "crypto" if calendar == ROUND_THE_CLOCK else "equity").lower()
    tier, begins = Tier(text("tier", "T0")), day("listed_on")
    formers = []
    for former in filter(None, text("former_tickers").split(";")):
        name, _, until = former.strip().partition(":")
        ended = date.fromisoformat(until)
        last = ended - timedelta(days=1)
        formers.append(Listing(name.upper(), calendar, tier, kind, begins, last, ticker))
        begins = ended
    return Listing(ticker, calendar, tier, kind, begins, day("delisted_on"), ticker), formers
