"""Binary COPY of candles, built by numpy.

The stream is PostgreSQL's own (documentation of COPY, "Binary Format"): a signature, then a
tuple a row: the number of fields, then for each its length and big-endian value, -1 for
NULL. All rows of one batch with the same NULLs have the same layout, so that they are one
numpy record array.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from psycopg import sql

from ingestion.domain.bar_batch import Bars, Bools
from ingestion.store import pg_arrays

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_COLUMNS = (
    ("symbol_id", ">i4"),
    ("ts", ">i8"),
    ("open", ">f8"),
    ("high", ">f8"),
    ("low", ">f8"),
    ("close", ">f8"),
    ("volume", ">f8"),
    ("extended", "?"),
    ("as_of", ">i8"),
)


def copy_candles(
    table: str, bars: Bars, extended: Bools, source: str, status: str, as_of: int
) -> None:
    """Append `bars` to `table`. Raises IntegrityError when one of them is there already."""
    columns = [name for name, _ in _COLUMNS] + ["source", "status", "vwap", "trades"]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with pg_arrays.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(encode(bars, extended, source, status, as_of))


def encode(bars: Bars, extended: Bools, source: str, status: str, as_of: int) -> bytes:
    """The whole COPY stream."""
    parts = [_SIGNATURE]
    no_vwap, no_trades = np.isnan(bars.vwap), bars.trades < 0
    for without_vwap in (False, True):
        for without_trades in (False, True):
            rows = (no_vwap == without_vwap) & (no_trades == without_trades)
            if rows.any():
                layout = _layout(source, status, not without_vwap, not without_trades)
                parts.append(
                    _records(layout, bars.take(rows), extended[rows], source, status, as_of)
                )
    return b"".join([*parts, _TRAILER])


def _layout(source: str, status: str, vwap: bool, trades: bool) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    values = [*_COLUMNS, ("source", f"S{len(source)}"), ("status", f"S{len(status)}")]
    values += [("vwap", ">f8" if vwap else ""), ("trades", ">i4" if trades else "")]
    for name, kind in values:
        fields.append((f"{name}_size", ">i4"))
        if kind:
            fields.append((name, kind))
    return np.dtype(fields)


def _records(
    layout: np.dtype[np.void], bars: Bars, extended: Bools, source: str, status: str, as_of: int
) -> bytes:
    records: npt.NDArray[np.void] = np.empty(len(bars), layout)
    records["fields"] = len(_COLUMNS) + 4
    names = layout.names or ()
    for name in names:
        if name.endswith("_size"):
            field = name.removesuffix("_size")
            records[name] = layout[field].itemsize if field in names else -1
    records["symbol_id"] = bars.owner
    records["ts"] = bars.ts * 1_000_000 - pg_arrays.PG_EPOCH_US
    records["as_of"] = as_of - pg_arrays.PG_EPOCH_US
    records["extended"] = extended
    records["source"] = source.encode()
    records["status"] = status.encode()
    for name in ("open", "high", "low", "close", "volume", "vwap", "trades"):
        if name in names:
            records[name] = getattr(bars, name)
    return records.tobytes()
