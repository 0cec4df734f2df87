"""CSV and its relatives, read in blocks of lines: memory does not grow with the file."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ingestion.domain.bar_batch import Bools
from ingestion.files.block import RawBlock
from ingestion.files.layout import Layout
from ingestion.files.problems import FileUnreadable, Problems, RowProblem

BLOCK_BYTES = 4 << 20
_LONGEST_LINE = 1 << 20
_DAMAGED = (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, pa.ArrowException)
_UTF_8_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_LINE_END_SAMPLE = 1 << 16


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The text of a plain, gzipped or zipped file (with a single member), and the stream that
    tells by its position how far into the file on disk that is. Raises FileUnreadable."""
    try:
        with path.open("rb") as disk:
            if path.suffix == ".zip":
                with ZipFile(disk) as archive, archive.open(only_member(archive, path)) as text:
                    yield text, disk
            elif path.suffix == ".gz":
                with pa.CompressedInputStream(pa.PythonFile(disk, "r"), "gzip") as text:
                    yield text, disk
            else:
                yield disk, disk
    except _DAMAGED as error:
        raise FileUnreadable(f"{path}: damaged or unreadable: {error}") from error


def only_member(archive: ZipFile, path: Path) -> str:
    """The name of the archive's one file. Raises FileUnreadable."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) != 1:
        raise FileUnreadable(f"{path}: holds {len(members)} files where one is expected")
    if members[0].flag_bits & 1:
        raise FileUnreadable(f"{path}: is locked with a password")
    return members[0].filename


def head(path: Path, size: int = _LONGEST_LINE) -> bytes:
    """The first whole lines of the file, about `size` bytes, with line feeds at their ends.
    Raises FileUnreadable for what is no text."""
    with opened(path) as (text, _):
        data = _read(text, size)
    _refuse_wide(data, path)
    whole = len(data) < size
    if _ends_in_returns(data):
        data = data.replace(b"\r", b"\n")
    data = data if whole else data[: data.rfind(b"\n") + 1]
    if not data and not whole:
        raise FileUnreadable(f"{path}: a line longer than a megabyte: this is no CSV")
    _check_text(data, 1, str(path))
    return data


def read_blocks(path: Path, layout: Layout, name: str, problems: Problems) -> Iterator[RawBlock]:
    """The rows of the file in order, text for each field of `layout.columns`.

    Lines that are no rows (another number of columns) go to `problems`; empty lines go
    nowhere. Raises FileUnreadable when the file is damaged, at the place where it is.
    """
    with opened(path) as (text, disk):
        line = 1
        for block in _line_blocks(text, path):
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            skip = min(max(layout.skip_lines - (line - 1), 0), count)
            rows = _without_lines(block, skip) if skip else block
            if rows:
                yield _parse(rows, line + skip, layout, name, problems, disk.tell())
            line += count


def _read(text: IO[bytes], size: int) -> bytes:
    """`size` bytes, or fewer at the end of the file."""
    parts, left = [], size
    while left and (part := text.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _line_blocks(text: IO[bytes], path: Path) -> Iterator[bytes]:
    """The text in pieces of whole lines, without the mark of its encoding."""
    rest, first, returns = b"", True, False
    while data := _read(text, BLOCK_BYTES):
        if first:
            _refuse_wide(data, path)
            returns = _ends_in_returns(data)
            data, first = data.removeprefix(_UTF_8_MARK), False
        if returns:
            data = data.replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
        if len(rest) > _LONGEST_LINE:
            raise FileUnreadable(f"{path}: a line longer than a megabyte: this is no CSV")
    if rest:
        yield rest


def _without_lines(block: bytes, count: int) -> bytes:
    """The block without its first `count` lines."""
    at = 0
    for _ in range(count):
        at = block.find(b"\n", at) + 1 or len(block)
    return block[at:]


def _parse(
    rows: bytes, first_line: int, layout: Layout, name: str, problems: Problems, consumed: int
) -> RawBlock:
    _check_text(rows, first_line, name)
    broken: list[tuple[int, str, str]] = []

    def set_aside(row: csv.InvalidRow) -> str:
        wanted = f"has {row.actual_columns} columns where {row.expected_columns} are expected"
        broken.append((row.number - 1, row.text, wanted))
        return "skip"

    names = [str(number) for number in range(layout.width)]
    table = csv.read_csv(
        io.BytesIO(rows),
        read_options=csv.ReadOptions(column_names=names, use_threads=False),
        parse_options=csv.ParseOptions(
            delimiter=layout.delimiter, invalid_row_handler=set_aside, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    good = np.delete(np.arange(table.num_rows + len(broken)), [row for row, _, _ in broken])
    columns = {
        field: table.column(str(at)).combine_chunks() for field, at in layout.columns.items()
    }
    empty = _empty_rows(columns.values(), table.num_rows)
    for row, text, problem in broken:
        if text.strip():
            problems.add(RowProblem(name, first_line + row, "", text[:80], problem))
    lines = (first_line + good).astype(np.int64)
    if empty.any():
        keep = pa.array(~empty)
        columns = {field: column.filter(keep) for field, column in columns.items()}
        lines = lines[~empty]
    return RawBlock(columns, lines, consumed)


def _empty_rows(columns: Iterable[pa.Array], count: int) -> Bools:
    """Rows in which nothing is written (pyarrow reads an empty line as one)."""
    empty = np.ones(count, np.bool_)
    for column in columns:
        empty &= pc.equal(column, "").to_numpy(zero_copy_only=False)
    return empty


def _check_text(rows: bytes, first_line: int, name: str) -> None:
    try:
        rows.decode()
    except UnicodeDecodeError as error:
        line = first_line + rows.count(b"\n", 0, error.start)
        bad = rows[error.start]
        raise FileUnreadable(f"{name}:{line}: byte 0x{bad:02x} is no UTF-8 text") from None
    if b"\0" in rows:
        line = first_line + rows.count(b"\n", 0, rows.index(b"\0"))
        raise FileUnreadable(f"{name}:{line}: a zero byte: this is no text")
    if rows.count(b"\r") > rows.count(b"\r\n"):
        at = re.search(rb"\r(?!\n)", rows)
        line = first_line + rows.count(b"\n", 0, at.start() if at else 0)
        raise FileUnreadable(f"{name}:{line}: a carriage return inside a line: mend its line ends")


def _refuse_wide(start: bytes, path: Path) -> None:
    """Raise FileUnreadable for text that says it is not in bytes but in wider units."""
    for mark, encoding in _WIDE_MARKS.items():
        if start.startswith(mark):
            raise FileUnreadable(f"{path}: is {encoding} text: save it as UTF-8")


def _ends_in_returns(start: bytes) -> bool:
    """Whether the lines end as on old Macs, in carriage returns alone."""
    sample = start[:_LINE_END_SAMPLE]
    return b"\r" in sample and b"\n" not in sample
