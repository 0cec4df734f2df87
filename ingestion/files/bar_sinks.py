"""Where exported bars go: a CSV or a Parquet stream, a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from ingestion.files.layout import Format
from ingestion.files.sidecar import KEY, dump
from universe.domain.interval import Interval

ROW_GROUP = 131_072


def table_schema(interval: Interval) -> pa.Schema:
    """The columns of an exported file. A minute's `time` is its open; a day's the date of its
    session."""
    minute = interval is Interval.MINUTE
    prices = [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "vwap")]
    return pa.schema(
        [
            ("symbol", pa.string()),
            ("time", pa.timestamp("ms", "UTC")) if minute else ("date", pa.date32()),
            *prices,
            ("trades", pa.int64()),
            ("extended", pa.bool_()),
            ("source", pa.string()),
        ]
    )


class Sink(Protocol):
    """Takes tables of `table_schema`, then is told what the file is."""

    def write(self, table: pa.Table) -> None:
        """Put the rows behind those that are there."""
        ...

    def close(self, about: Mapping[str, Any]) -> None:
        """No more rows come. `about` describes the file, where its format has room."""
        ...

    def abandon(self) -> None:
        """What was written so far will be thrown away."""
        ...


def sink(kind: Format, stream: IO[bytes], interval: Interval) -> Sink:
    """The sink for a format. Closing it leaves `stream` open."""
    schema = table_schema(interval)
    return _Parquet(stream, schema) if kind is Format.PARQUET else _Csv(stream, schema)


class _Csv:
    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        self._stream = stream
        stream.write(",".join(schema.names).encode() + b"\n")

    def write(self, table: pa.Table) -> None:
        if "time" in table.column_names:
            naive = pc.cast(table["time"], pa.timestamp("s"))
            text = pc.strftime(naive, "%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(table.column_names.index("time"), "time", text)
        plain = csv.WriteOptions(include_header=False, quoting_style="none")
        csv.write_csv(table, self._stream, plain)

    def close(self, about: Mapping[str, Any]) -> None:
        del about  # a CSV has no room for it
        self._stream.flush()

    def abandon(self) -> None:
        pass


class _Parquet:
    def __init__(self, stream: IO[bytes], schema: pa.Schema) -> None:
        dictionaries = ["symbol", "source"]
        self._writer = parquet.ParquetWriter(
            stream, schema, compression="zstd", use_dictionary=dictionaries
        )
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        self._waiting.append(table)
        if sum(len(part) for part in self._waiting) >= ROW_GROUP:
            self._flush()

    def close(self, about: Mapping[str, Any]) -> None:
        self._flush()
        self._writer.add_key_value_metadata({KEY.decode(): dump(about)})
        self._writer.close()

    def abandon(self) -> None:
        # A writer that is not closed closes itself whenever it is collected, into a stream
        # that may be somebody else's by then.
        with suppress(OSError, pa.ArrowException):
            self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP)
            self._waiting = []
