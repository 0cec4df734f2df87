"""The universe as a CSV file, and everything that is wrong with one.

UTF-8, comma-separated, at most 32 MiB; a header line with these columns in any order; empty
lines are skipped:

| column | | value |
|---|---|---|
| ticker | required | today's ticker, or the last one; upper-cased; once in the file |
| calendar | required | an exchange_calendars name or alias: XNYS, XNAS, 24/7 |
| tier | required | T0, T1 or T2 |
| asset_class | required | equity, etf or crypto |
| name | optional | text |
| currency | optional | capital letters; USD when empty |
| listed_on | optional | YYYY-MM-DD: the first session, inclusive |
| delisted_on | optional | YYYY-MM-DD: the last session, inclusive |
| active | optional | true or false; true when empty |
| former_tickers | optional | `NWSA:2013-07-01`: NWSA until that date, exclusive; joined with `;` |
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from universe.services.listing_row import OPTIONAL, REQUIRED, Listing, RowError, read_row

MAX_BYTES = 32 << 20


class UniverseInvalid(ValueError):
    """A universe file that cannot be loaded, with every error in it, in the file's order."""

    def __init__(self, errors: list[RowError]) -> None:
        self.errors = sorted(errors, key=lambda error: error.line)
        super().__init__("\n".join(map(str, self.errors)))


@dataclass(slots=True)
class ParsedFile:
    """The rows that could be read, and every error. `calendars`: the calendar that a line
    names, also where other values of that row are wrong."""

    listings: list[Listing] = field(default_factory=list)
    calendars: dict[int, str] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)


def parse(data: bytes) -> ParsedFile:
    """Read a universe file. Never raises: what is wrong is in `errors`."""
    parsed = ParsedFile()
    if len(data) > MAX_BYTES:
        size = f"{len(data)} bytes"
        parsed.errors.append(RowError(1, "file", size, f"must be at most {MAX_BYTES} bytes"))
        return parsed
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start : error.end].hex()
        parsed.errors.append(RowError(line, "file", f"0x{found}", "is not UTF-8"))
        return parsed
    rows = _rows(text, parsed.errors)
    line, header = next(rows, (1, []))
    columns = [name.strip() for name in header]
    parsed.errors += _header_errors(line, columns)
    if parsed.errors:
        return parsed
    for line, row in rows:
        _read(line, columns, row, parsed)
    if not parsed.listings and not parsed.errors:
        must = "names no symbol: that would deactivate the whole universe"
        parsed.errors.append(RowError(line, "file", "", must))
    parsed.errors += _duplicates(parsed.listings) or _overlaps(parsed.listings)
    return parsed


def _rows(text: str, errors: list[RowError]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            errors.append(RowError(line, "file", "", f"is no CSV from here on: {error}"))
            return
        if any(value.strip() for value in row):
            yield line, row


def _header_errors(line: int, columns: list[str]) -> list[RowError]:
    known = REQUIRED + OPTIONAL
    errors = [
        RowError(line, "header", name, f"is no column; there are {', '.join(known)}")
        for name in dict.fromkeys(columns)
        if name not in known
    ]
    errors += [
        RowError(line, "header", name, "must be there once")
        for name in known
        if columns.count(name) > 1
    ]
    errors += [
        RowError(line, "header", name, "is required and missing")
        for name in REQUIRED
        if name not in columns
    ]
    return errors


def _read(line: int, columns: list[str], row: list[str], parsed: ParsedFile) -> None:
    if len(row) != len(columns):
        must = f"has {len(row)} fields; the header has {len(columns)}"
        parsed.errors.append(RowError(line, "row", ",".join(row), must))
        return
    values = dict(zip(columns, row, strict=True))
    listing, errors = read_row(line, values)
    parsed.errors += errors
    if all(error.field != "calendar" for error in errors):
        parsed.calendars[line] = values["calendar"].strip()
    if listing is not None:
        parsed.listings.append(listing)


def _duplicates(listings: list[Listing]) -> list[RowError]:
    errors = []
    lines: dict[str, int] = {}
    for listing in listings:
        first = lines.setdefault(listing.ticker, listing.line)
        if first != listing.line:
            must = f"is on line {first} already"
            errors.append(RowError(listing.line, "ticker", listing.ticker, must))
    return errors


def _overlaps(listings: list[Listing]) -> list[RowError]:
    """Rows that had a ticker at a time when an earlier row had it."""
    errors = []
    claims: dict[str, list[tuple[Listing, date, date]]] = defaultdict(list)
    for listing in listings:
        for ticker, start, end in _claims(listing):
            rivals = (rival for rival in claims[ticker] if start < rival[2] and rival[1] < end)
            rival = next((other for other, _, _ in rivals if other is not listing), None)
            if rival is not None:
                name = "ticker" if ticker == listing.ticker else "former_tickers"
                must = (
                    f"is {rival.ticker}'s on line {rival.line} at the same time; listed_on,"
                    " delisted_on and the dates of change tell them apart"
                )
                errors.append(RowError(listing.line, name, ticker, must))
            claims[ticker].append((listing, start, end))
    return errors


def _claims(listing: Listing) -> Iterator[tuple[str, date, date]]:
    """Each ticker with the dates `[start, end)` in which the symbol was traded under it."""
    first, last = listing.listed_on or date.min, date.max
    if listing.delisted_on and listing.delisted_on < date.max:
        last = listing.delisted_on + timedelta(days=1)
    for ticker, start, end in listing.names():
        yield ticker, start or first, end or last
