"""One row of a universe file: what its columns mean and which values they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from universe.domain.tier import Tier
from universe.models import AssetClass

REQUIRED = ("ticker", "calendar", "tier", "asset_class")
OPTIONAL = ("name", "currency", "listed_on", "delisted_on", "active", "former_tickers")

_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,31}")
_FLAGS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with one value: where it stands, what it is, what it must be."""

    line: int
    field: str
    value: str
    must: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 60 else self.value[:57] + "..."
        return f"line {self.line}: {self.field}: {shown!r} {self.must}"


@dataclass(frozen=True, slots=True)
class Former:
    """A ticker that a symbol had before the date `until`."""

    ticker: str
    until: date

    def __str__(self) -> str:
        return f"{self.ticker}:{self.until}"


@dataclass(frozen=True, slots=True)
class Listing:
    """One row of the file. `former_tickers` are in the order of time."""

    line: int
    ticker: str
    calendar: str
    tier: Tier
    asset_class: AssetClass
    name: str
    currency: str
    listed_on: date | None
    delisted_on: date | None
    active: bool
    former_tickers: tuple[Former, ...]

    def names(self) -> list[tuple[str, date | None, date | None]]:
        """Each ticker with its `[from, until)`, in the order of time; None: unbounded."""
        dates = [former.until for former in self.former_tickers]
        tickers = [*(former.ticker for former in self.former_tickers), self.ticker]
        return list(zip(tickers, [None, *dates], [*dates, None], strict=True))


def read_row(line: int, values: Mapping[str, str]) -> tuple[Listing | None, list[RowError]]:
    """The listing that a row's values (column → text) describe, or everything wrong with it."""
    read: dict[str, object] = {}
    errors: list[RowError] = []
    for name, rule in _RULES.items():
        text = values.get(name, "").strip()
        try:
            read[name] = rule(text)
        except ValueError as error:
            errors.append(RowError(line, name, text, str(error)))
    if errors:
        return None, errors
    listing = Listing(line=line, **read)  # type: ignore[arg-type]  # each rule's type is its field's
    errors = [
        RowError(line, name, values.get(name, "").strip(), must)
        for name, must in _contradictions(listing)
    ]
    return (None if errors else listing), errors


def _contradictions(listing: Listing) -> list[tuple[str, str]]:
    listed, delisted = listing.listed_on, listing.delisted_on
    found = []
    if listed and delisted and delisted < listed:
        found.append(("delisted_on", f"must be listed_on ({listed}) or later"))
    for former in listing.former_tickers:
        if listed and former.until <= listed:
            found.append(
                ("former_tickers", f"must end after listed_on ({listed}); {former} does not")
            )
        if delisted and former.until > delisted:
            found.append(
                ("former_tickers", f"must end by delisted_on ({delisted}); {former} does not")
            )
    names = [ticker for ticker, _, _ in listing.names()]
    if any(before == after for before, after in pairwise(names)):
        found.append(("former_tickers", "must differ from the ticker that follows"))
    return found


def _ticker(text: str) -> str:
    if not _TICKER.fullmatch(text.upper()):
        raise ValueError("must be 1 to 32 letters, digits, dots or dashes")
    return text.upper()


def _calendar(text: str) -> str:
    if not 1 <= len(text) <= 32:
        raise ValueError("must be an exchange_calendars name such as XNYS or 24/7")
    return text


def _tier(text: str) -> Tier:
    if text not in list(Tier):
        raise ValueError(f"must be one of {', '.join(Tier)}")
    return Tier(text)


def _asset_class(text: str) -> AssetClass:
    if text not in AssetClass.values:
        raise ValueError(f"must be one of {', '.join(AssetClass.values)}")
    return AssetClass(text)


def _name(text: str) -> str:
    if len(text) > 200:
        raise ValueError(f"must have at most 200 characters; has {len(text)}")
    return text


def _currency(text: str) -> str:
    if not re.fullmatch(r"([A-Z]{3,8})?", text):
        raise ValueError("must be 3 to 8 capital letters such as USD")
    return text or "USD"


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise ValueError("must be a date like 2013-07-01")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"is no date: {error}") from None


def _day_or_none(text: str) -> date | None:
    return _day(text) if text else None


def _flag(text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError("must be true or false")
    return _FLAGS[text.lower()]


def _formers(text: str) -> tuple[Former, ...]:
    formers = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, until = part.partition(":")
        if not colon:
            raise ValueError(f"must be like NWSA:2013-07-01, joined with ';'; {part!r} is not")
        try:
            formers.append(Former(_ticker(name.strip()), _day(until.strip())))
        except ValueError as error:
            raise ValueError(f"must be like NWSA:2013-07-01; in {part!r}, it {error}") from None
    formers.sort(key=lambda former: former.until)
    if any(before.until == after.until for before, after in pairwise(formers)):
        raise ValueError("must not name one date twice")
    return tuple(formers)


_RULES: Mapping[str, Callable[[str], object]] = {
    "ticker": _ticker,
    "calendar": _calendar,
    "tier": _tier,
    "asset_class": _asset_class,
    "name": _name,
    "currency": _currency,
    "listed_on": _day_or_none,
    "delisted_on": _day_or_none,
    "active": _flag,
    "former_tickers": _formers,
}
