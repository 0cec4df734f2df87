"""numpy columns to and from PostgreSQL's binary arrays, without a Python object per value.

A parameter `Column(kind, values)` goes to the server as a binary array; a cursor from
`cursor()` gives every array of these kinds back as a numpy array. Arrays from the server
must be one-dimensional and without NULLs: `coalesce` in the query.

Times are epoch microseconds (int64) on this side and timestamptz on the other. The wire
layout (big-endian header of dimensions, null flag, element type, length, lower bound; then
length-prefixed elements) is that of `array_send` in PostgreSQL's sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01T00:00Z, where PostgreSQL's clock starts

_INFINITE = int(np.iinfo(np.int64).min)  # -infinity on both sides

_HEADER = np.dtype(
    [("dims", ">i4"), ("nulls", ">i4"), ("type", ">u4"), ("n", ">i4"), ("low", ">i4")]
)


class Column:
    """A numpy column on its way to the server. Subclasses fix the element type."""

    array_oid: ClassVar[int]
    element_oid: ClassVar[int]
    wire: ClassVar[str]
    offset: ClassVar[int] = 0

    def __init__(self, values: npt.ArrayLike) -> None:
        self.values = np.asarray(values)

    def to_bytes(self) -> bytes:
        """The array in PostgreSQL's binary format."""
        values = self.values
        if self.offset:
            values = np.where(values == _INFINITE, _INFINITE, values - self.offset)
        element = np.dtype([("size", ">i4"), ("value", self.wire)])
        header = np.array((1 if len(values) else 0, 0, self.element_oid, len(values), 1), _HEADER)
        if not len(values):
            return header.tobytes()[:12]
        body = np.empty(len(values), element)
        body["size"] = np.dtype(self.wire).itemsize
        body["value"] = values
        return header.tobytes() + body.tobytes()

    @classmethod
    def from_bytes(cls, data: Buffer) -> npt.NDArray[Any]:
        """The numpy column in a binary array from the server."""
        raw = bytes(data)
        if int.from_bytes(raw[:4], "big") == 0:
            return np.empty(0, np.dtype(cls.wire).newbyteorder("="))
        element = np.dtype([("size", ">i4"), ("value", cls.wire)])
        values = np.frombuffer(raw, element, offset=_HEADER.itemsize)["value"]
        native = values.astype(np.dtype(cls.wire).newbyteorder("="))
        if cls.offset:
            return np.where(native == _INFINITE, _INFINITE, native + cls.offset)
        return native


class Int4(Column):
    """int4[]"""

    array_oid, element_oid, wire = 1007, 23, ">i4"


class Int8(Column):
    """int8[]"""

    array_oid, element_oid, wire = 1016, 20, ">i8"


class Float8(Column):
    """float8[]"""

    array_oid, element_oid, wire = 1022, 701, ">f8"


class Bool(Column):
    """bool[]"""

    array_oid, element_oid, wire = 1000, 16, "?"


class Time(Column):
    """timestamptz[] from and to epoch microseconds."""

    array_oid, element_oid, wire, offset = 1185, 1184, ">i8", PG_EPOCH_US


KINDS: tuple[type[Column], ...] = (Int4, Int8, Float8, Bool, Time)


def _dumper(kind: type[Column]) -> type[Dumper]:
    class ColumnDumper(Dumper):
        format = Format.BINARY
        oid = kind.array_oid

        def dump(self, obj: Column) -> bytes:
            return obj.to_bytes()

    return ColumnDumper


def _loader(kind: type[Column]) -> type[Loader]:
    class ColumnLoader(Loader):
        format = Format.BINARY

        def load(self, data: Buffer) -> npt.NDArray[Any]:
            return kind.from_bytes(data)

    return ColumnLoader


_DUMPERS = [(kind, _dumper(kind)) for kind in KINDS]
_LOADERS = [(kind.array_oid, _loader(kind)) for kind in KINDS]


@contextmanager
def cursor() -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """A binary cursor on Django's connection that understands Columns, in the transaction
    that is open there, if any. Errors come out as Django's."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    with connection.wrap_database_errors, psycopg.Cursor(raw) as plain:
        plain.format = Format.BINARY
        for kind, dumper in _DUMPERS:
            plain.adapters.register_dumper(kind, dumper)
        for oid, loader in _LOADERS:
            plain.adapters.register_loader(oid, loader)
        yield plain
