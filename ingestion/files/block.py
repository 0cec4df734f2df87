"""Rows as a file has them, before anybody has understood them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from ingestion.domain.bar_batch import Int64s


@dataclass(frozen=True, slots=True)
class RawBlock:
    """Some rows of a file: a pyarrow array for each field, text or the file's own types.

    `lines` numbers each row in the file, from 1. `consumed` is how many of the file's bytes
    were read to get here, for progress.
    """

    columns: Mapping[str, pa.Array]
    lines: Int64s
    consumed: int

    def __len__(self) -> int:
        return len(self.lines)
