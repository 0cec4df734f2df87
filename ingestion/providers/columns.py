"""From decoded JSON to typed columns, refusing everything that is not what it should be.

JSON's own types are checked before numpy sees them: numpy would read the text "1.5" as a
number and true as 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s
from ingestion.providers.screening import Window

Rows = list[dict[str, Any]]

_NUMBER = {int, float}
_NUMBER_OR_NULL = {int, float, type(None)}
_EXACT = float(1 << 53)


def mapping(value: object, what: str, window: Window) -> dict[str, Any]:
    """`value` as a JSON object. Raises Malformed naming `what` otherwise."""
    if type(value) is not dict:
        raise window.malformed(f"{what} is {_kind(value)}, not an object")
    return value


def sequence(value: object, what: str, window: Window) -> list[Any]:
    """`value` as a JSON array. Raises Malformed naming `what` otherwise."""
    if type(value) is not list:
        raise window.malformed(f"{what} is {_kind(value)}, not an array")
    return value


def rows(value: object, what: str, window: Window) -> Rows:
    """`value` as an array of objects. Raises Malformed naming `what` otherwise."""
    listed = sequence(value, what, window)
    if listed and set(map(type, listed)) != {dict}:
        raise window.malformed(f"{what} holds something that is not an object")
    return cast(Rows, listed)


def pick(table: Rows, name: str, window: Window) -> list[Any]:
    """Column `name`, which every row must have."""
    try:
        return [row[name] for row in table]
    except KeyError:
        raise window.malformed(f"a row has no {name!r}") from None


def offer(table: Rows, name: str) -> list[Any]:
    """Column `name`, None where a row lacks it."""
    return [row.get(name) for row in table]


def numbers(values: Sequence[Any], name: str, window: Window) -> Float64s:
    """Numbers as float64. Raises Malformed for anything else, null included."""
    return _floats(values, name, window, _NUMBER)


def numbers_or_nan(values: Sequence[Any], name: str, window: Window) -> Float64s:
    """Numbers as float64, null as NaN. Raises Malformed for anything else."""
    return _floats(values, name, window, _NUMBER_OR_NULL)


def _floats(values: Sequence[Any], name: str, window: Window, allowed: set[type[Any]]) -> Float64s:
    found = set(map(type, values))
    if not found <= allowed:
        raise window.malformed(f"{name!r} holds {_names(found - allowed)}")
    try:
        return np.array(values, np.float64)
    except OverflowError:
        raise window.malformed(f"{name!r} holds a number beyond all bounds") from None


def whole(values: Sequence[Any], name: str, window: Window) -> Int64s:
    """Whole numbers as int64; 5.0 counts as whole. Raises Malformed for anything else."""
    found = set(map(type, values))
    if found <= {int}:
        try:
            return np.array(values, np.int64)
        except OverflowError:
            raise window.malformed(f"{name!r} holds a number beyond all bounds") from None
    floats = numbers(values, name, window)
    if np.any(np.abs(floats) > _EXACT) or np.any(floats != np.floor(floats)):
        raise window.malformed(f"{name!r} holds a number that is not whole")
    return floats.astype(np.int64)


def whole_or_unknown(values: Sequence[Any], name: str, window: Window) -> Int64s:
    """Whole numbers as int64, null as -1. Raises Malformed for anything else."""
    return whole([-1 if value is None else value for value in values], name, window)


def instants(values: Sequence[Any], name: str, window: Window) -> Int64s:
    """RFC 3339 times in UTC (`2026-01-02T14:30:00Z`) as epoch seconds.

    A fraction of a second, which no bar has, is rounded down. Raises Malformed for anything
    else.
    """
    if not set(map(type, values)) <= {str}:
        raise window.malformed(f"{name!r} holds something that is not a time")
    text = "".join(values)
    # The usual case, all of the same shape, in a few passes over one block of bytes.
    if len(text) == 20 * len(values) and text[19::20] == "Z" * len(values) and text.isascii():
        try:
            stamps = np.frombuffer(text.encode(), "S20").astype("S19").astype("datetime64[s]")
        except ValueError:
            raise window.malformed(f"{name!r} holds something that is not a time") from None
        if np.isnat(stamps).any():
            raise window.malformed(f"{name!r} holds something that is not a time")
        return stamps.astype(np.int64)
    return np.array([_instant(value, name, window) for value in values], np.int64)


def _instant(text: str, name: str, window: Window) -> int:
    whole_part, point, fraction = text.partition(".")
    if point:
        text = whole_part + fraction.lstrip("0123456789")  # may have nanoseconds
    try:
        moment = datetime.fromisoformat(text)
        seconds = moment.timestamp() if moment.tzinfo else None
    except (ValueError, OverflowError):
        seconds = None
    if seconds is None:
        raise window.malformed(f"{name!r} holds something that is not a time")
    return int(seconds // 1)


def assemble(
    owner: Int64s,
    ts: Int64s,
    ohlcv: Sequence[Float64s],
    vwap: Float64s | None = None,
    trades: Int64s | None = None,
) -> Bars:
    """Bars from columns; `ohlcv` are open, high, low, close and volume."""
    opens, highs, lows, closes, volumes = ohlcv
    return Bars.of(owner, ts, opens, highs, lows, closes, volumes, vwap, trades)


def all_present(*columns: Float64s) -> Bools:
    """The rows in which no column is NaN."""
    present = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        present &= ~np.isnan(column)
    return present


def same_length(columns: dict[str, list[Any]], window: Window) -> int:
    """The common length of parallel arrays. Raises Malformed when they are ragged."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise window.malformed(f"parallel arrays of unequal length: {lengths}")
    return next(iter(lengths.values()), 0)


def _kind(value: object) -> str:
    return {type(None): "null", str: "a text", list: "an array", dict: "an object"}.get(
        type(value), f"a {type(value).__name__}"
    )


def _names(types: set[type[Any]]) -> str:
    names = {
        type(None): "null",
        str: "text",
        list: "arrays",
        dict: "objects",
        bool: "true or false",
    }
    return " and ".join(sorted(names.get(kind, kind.__name__) for kind in types))
