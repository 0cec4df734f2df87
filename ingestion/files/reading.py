"""A bar file, whatever its format: its layout, and then its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ingestion.domain.source import Basis
from ingestion.files import columns, delimited, lean, parquet, sidecar
from ingestion.files.block import RawBlock, joined
from ingestion.files.detect import Detection, LayoutUnclear
from ingestion.files.find import BarFile
from ingestion.files.layout import Declaration, Format, Label, Layout, TimeReading, TimeStyle
from ingestion.files.problems import FileUnreadable, Problems
from ingestion.files.tickers import Tickers
from universe.domain.interval import Interval

_SAMPLE_ROWS = 20_000


def layout_of(file: BarFile, declared: Declaration, tickers: Tickers) -> Layout:
    """How to read the file. Raises LayoutUnclear with all that has to be declared, and
    FileUnreadable."""
    match file.format:
        case Format.LEAN:
            layout = lean.layout(file.path)
            kept = {"symbol": "symbol", "basis": "basis", "price_scale": "price scale"}
            said = {name: getattr(declared, name) for name in kept}
            said = {name: value for name, value in said.items() if value is not None}
            why = {**layout.why, **{kept[name]: declared.why for name in said}}
            return replace(layout, **said, why=why)
        case Format.PARQUET:
            return _parquet_layout(file, declared, tickers)
        case _:
            return _csv_layout(file, declared, tickers)


def read(file: BarFile, layout: Layout, problems: Problems) -> Iterator[RawBlock]:
    """The file's rows in order. Raises FileUnreadable where the file is damaged."""
    if file.format is Format.PARQUET:
        return parquet.read_blocks(file.path, layout)
    return delimited.read_blocks(file.path, layout, file.name, problems)


def _parquet_layout(file: BarFile, declared: Declaration, tickers: Tickers) -> Layout:
    schema = parquet.schema(file.path)
    known = [declared, parquet.declared_by(file.path)]
    try:
        if declared.columns is not None:
            positions = columns.from_declared(declared.columns)
            by_name = columns.names_of(positions, schema.names)
        else:
            by_name = columns.names_of(columns.from_names(schema.names), schema.names)
    except (columns.ColumnsUnclear, IndexError) as unclear:
        raise LayoutUnclear(file.name, [f"{unclear}; declare --columns"]) from unclear
    why = {"format": "the file's name", "columns": "its schema"}
    skeleton = _skeleton(Format.PARQUET, by_name, why)
    return _complete(file, known, tickers, skeleton)


def _csv_layout(file: BarFile, declared: Declaration, tickers: Tickers) -> Layout:
    data = delimited.head(file.path)
    text = data.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise FileUnreadable(f"{file.path}: empty")
    try:
        delimiter = declared.delimiter or columns.sniff_delimiter(text)
        rows = columns.split_lines(text, delimiter, 1_000)
        if not rows:
            raise FileUnreadable(f"{file.path}: no rows in it")
        header = columns.has_header(rows[0])
        if declared.columns is not None:
            positions, found = columns.from_declared(declared.columns), declared.why
        elif header:
            positions, found = columns.from_names(rows[0]), "the header"
        else:
            positions, found = columns.from_values(rows), "the numbers: high and low bound"
    except columns.ColumnsUnclear as unclear:
        question = f"{unclear}: declare --columns (and --delimiter, if it is unusual)"
        raise LayoutUnclear(file.name, [question]) from unclear
    skip = columns.first_row_end(text, delimiter) if header else 0
    why = {"format": "the file's name", "columns": found}
    skeleton = _skeleton(Format.CSV, positions, why, delimiter, len(rows[0]), skip)
    return _complete(file, [declared, sidecar.beside(file.path)], tickers, skeleton)


def _skeleton(
    kind: Format,
    positions: Mapping[str, int | str],
    why: Mapping[str, str],
    delimiter: str = ",",
    width: int = 0,
    skip_lines: int = 0,
) -> Layout:
    """A layout of which only the columns are known, for reading a sample."""
    return Layout(
        format=kind,
        interval=Interval.MINUTE,
        label=Label.OPEN,
        times=TimeReading(TimeStyle.ISO, ""),
        columns=positions,
        basis=Basis.RAW,
        price_scale=1.0,
        symbol=None,
        delimiter=delimiter,
        width=width,
        skip_lines=skip_lines,
        why=why,
    )


def _complete(
    file: BarFile, known: Sequence[Declaration | None], tickers: Tickers, skeleton: Layout
) -> Layout:
    """The skeleton with all that a sample of the rows tells."""
    broken = Problems(keep=1)
    blocks = read(file, skeleton, broken)
    parts: list[RawBlock] = []
    while sum(map(len, parts)) < _SAMPLE_ROWS and (block := next(blocks, None)) is not None:
        parts.append(block)
    if not sum(map(len, parts)):
        example = f" that can be read: {broken.shown[0]}" if broken.shown else ""
        raise FileUnreadable(f"{file.path}: no rows in it{example}")
    whole = next(blocks, None) is None
    sample = joined(parts)
    said = [declaration for declaration in known if declaration is not None]
    return Detection(file, said, tickers).layout(skeleton, sample, whole=whole)
