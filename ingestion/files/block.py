"""Rows as a file has them, before anybody has understood them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
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


def joined(blocks: Sequence[RawBlock]) -> RawBlock:
    """Several blocks of a file as one."""
    columns = {
        name: pa.concat_arrays([block.columns[name] for block in blocks])
        for name in blocks[0].columns
    }
    lines = np.concatenate([block.lines for block in blocks])
    return RawBlock(columns, lines, blocks[-1].consumed)
