"""Which column of a file is what, from its header or from the numbers themselves."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ingestion.files.layout import FIELDS, REQUIRED

_ALIASES = {
    "time": "t ts time timestamp datetime date_time open_time window_start bar_time begin",
    "date": "date day session session_date trade_date",
    "symbol": "symbol ticker sym s instrument code",
    "open": "o open open_price",
    "high": "h high high_price",
    "low": "l low low_price",
    "close": "c close last close_price",
    "volume": "v vol volume shares",
    "vwap": "vw vwap average wap",
    "trades": "n trades trade_count transactions count num_trades number_of_trades",
}
_FIELD_OF = {alias: field for field, text in _ALIASES.items() for alias in text.split()}
_DELIMITERS = ",;\t|"
_VALUE = re.compile(r"[+-]?\.?\d{2}|[+-]?\d+(\.\d*)?$")


class ColumnsUnclear(ValueError):
    """The columns cannot be told; the message says what to declare."""


def split_lines(text: str, delimiter: str, count: int) -> list[list[str]]:
    """The first `count` rows that are not empty. Raises ColumnsUnclear where it is no CSV."""
    return [row for row, _ in islice(_rows(text, delimiter), count)]


def first_row_end(text: str, delimiter: str) -> int:
    """How many lines the first row that is not empty ends. Raises ColumnsUnclear."""
    return next((line for _, line in _rows(text, delimiter)), 0)


def _rows(text: str, delimiter: str) -> Iterator[tuple[list[str], int]]:
    """The rows that are not empty, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield row, reader.line_num
    except csv.Error as error:
        raise ColumnsUnclear(f"line {reader.line_num} is no row of a CSV ({error})") from error


def sniff_delimiter(text: str) -> str:
    """The delimiter that cuts most lines into the same number (≥ 6) of columns.

    Raises ColumnsUnclear when none does.
    """
    best = (0, 0, "")
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in split_lines(text, delimiter, 100))
        fitting = [(count, width) for width, count in widths.items() if width >= len(REQUIRED)]
        if fitting:
            best = max(best, (*max(fitting), delimiter))
    if not best[2]:
        raise ColumnsUnclear(
            f"no delimiter of {' '.join(map(repr, _DELIMITERS))} cuts its lines into at least"
            f" {len(REQUIRED)} columns"
        )
    return best[2]


def has_header(row: Sequence[str]) -> bool:
    """Whether a first row names columns: it holds no number or date, and a name we know."""
    values = any(_VALUE.match(cell.strip()) for cell in row)
    return not values and any(_normal(cell) in _FIELD_OF for cell in row)


def from_names(names: Sequence[str]) -> dict[str, int]:
    """Field → position, from a header's names. Columns with other names are left out.

    Raises ColumnsUnclear when a field is missing, or named twice.
    """
    found: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        field = _FIELD_OF.get(_normal(name))
        if field:
            found.setdefault(field, []).append(position)
    if "time" not in found and "date" in found:
        found["time"] = found.pop("date")
    exact = {name: [at for at in at_all if _normal(names[at]) == name]
             for name, at_all in found.items()}  # fmt: skip
    chosen = {field: exact[field] if len(at_all) > 1 and len(exact[field]) == 1 else at_all
              for field, at_all in found.items()}  # fmt: skip
    twice = [f"{field} ({', '.join(names[at] for at in at_all)})"
             for field, at_all in chosen.items() if len(at_all) > 1]  # fmt: skip
    missing = [field for field in REQUIRED if field not in chosen]
    if twice or missing:
        raise ColumnsUnclear(
            f"the header {', '.join(names)} "
            + " and ".join(
                [f"has no column for {', '.join(missing)}"] * bool(missing)
                + [f"has several for {', '.join(twice)}"] * bool(twice)
            )
        )
    return {field: at_all[0] for field, at_all in chosen.items()}


def from_declared(columns: Sequence[str]) -> dict[str, int]:
    """Field → position, as declared in order ("-": leave out).

    Raises ColumnsUnclear for unknown, repeated or missing fields.
    """
    named = {
        position: _FIELD_OF.get(_normal(name), "") if _normal(name) != "date" else "date"
        for position, name in enumerate(columns)
        if name != "-"
    }
    if "date" in named.values() and "time" not in named.values():
        named = {at: "time" if field == "date" else field for at, field in named.items()}
    unknown = [columns[at] for at, field in named.items() if not field]
    repeated = [field for field, count in Counter(named.values()).items() if count > 1 and field]
    missing = [field for field in REQUIRED if field not in named.values()]
    for what, fields in (("unknown", unknown), ("repeated", repeated), ("missing", missing)):
        if fields:
            raise ColumnsUnclear(
                f"the declared columns {','.join(columns)}: {', '.join(fields)} {what};"
                f" there are {', '.join(FIELDS)} and -"
            )
    return {field: at for at, field in named.items()}


def from_values(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Field → position for six columns without names: a time, four prices, a volume.

    The columns of high and low bound the other two in every row. Right behind the open they
    make it open-high-low-close; any other place leaves open and close undecided, which
    raises ColumnsUnclear.
    """
    width = len(rows[0]) if rows else 0
    if width != len(REQUIRED) or any(len(row) != width for row in rows):
        raise ColumnsUnclear(f"{width} columns and no header")
    prices = [[_float(cell) for cell in row[1:5]] for row in rows]
    bounds = {
        (high, low)
        for high in range(4)
        for low in range(4)
        if high != low and all(row[high] >= max(row) and row[low] <= min(row) for row in prices)
    }
    if bounds != {(1, 2)}:
        raise ColumnsUnclear("no header, and the numbers do not tell open, high, low and close")
    return {field: at for at, field in enumerate(REQUIRED)}


def names_of(positions: Mapping[str, int], names: Sequence[str]) -> dict[str, int | str]:
    """Field → column name, for files whose columns are found by name."""
    return {field: names[at] for field, at in positions.items()}


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ColumnsUnclear(f"no header, and {cell!r} where a price could be") from None


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
