"""Parquet files, read a few row groups at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ingestion.files.block import RawBlock
from ingestion.files.layout import Declaration, Layout
from ingestion.files.problems import FileUnreadable
from ingestion.files.sidecar import KEY, load

BLOCK_ROWS = 65_536


def schema(path: Path) -> pa.Schema:
    """The names and types of the file's columns. Raises FileUnreadable."""
    try:
        return parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(f"{path}: damaged or no Parquet file: {error}") from error


def declared_by(path: Path) -> Declaration | None:
    """What an exported file says of itself, None for others."""
    text = (parquet.read_metadata(path).metadata or {}).get(KEY)
    return load(text.decode(), f"{path.name}'s own metadata") if text else None


def read_blocks(path: Path, layout: Layout) -> Iterator[RawBlock]:
    """The rows of the file in order, the columns of `layout.columns` with their own types.
    Raises FileUnreadable when the file is damaged, at the place where it is."""
    size = path.stat().st_size
    names = list(dict.fromkeys(str(name) for name in layout.columns.values()))
    try:
        with parquet.ParquetFile(path) as file:
            total, done = max(file.metadata.num_rows, 1), 0
            for batch in file.iter_batches(BLOCK_ROWS, columns=names):
                lines = np.arange(done + 1, done + batch.num_rows + 1, dtype=np.int64)
                done += batch.num_rows
                columns = {
                    field: _plain(batch.column(str(name))) for field, name in layout.columns.items()
                }
                yield RawBlock(columns, lines, size * done // total)
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(f"{path}: damaged: {error}") from error


def _plain(column: pa.Array) -> pa.Array:
    """The column without its dictionary encoding."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
