"""Which files somebody means by naming files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.files.layout import Format
from ingestion.files.lean import is_lean

_CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_PARQUET = (".parquet", ".pq")
_NOT_BARS = {"factor_files", "map_files", "option"}  # of Lean's folders


@dataclass(frozen=True, slots=True)
class BarFile:
    """A file to import; `name` is how messages call it."""

    path: Path
    format: Format
    name: str

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class Found:
    """The files to import in order of their paths, those that a folder also holds, and what
    is wrong with the other paths."""

    files: tuple[BarFile, ...]
    ignored: tuple[Path, ...]
    problems: tuple[str, ...]


def find(paths: Sequence[Path], wanted: Format | None = None) -> Found:
    """The bar files among `paths`; folders are searched with all below them. A file that is
    named itself is taken as `wanted` says, one in a folder only if it is of that format.

    Every path that does not exist or is no known format is among the problems.
    """
    files: list[BarFile] = []
    ignored: list[Path] = []
    problems = []
    for path in paths:
        if path.is_dir():
            below = sorted(file for file in path.rglob("*") if file.is_file())
            for file in below:
                found = _format(file)
                if found is None or wanted not in (None, found) or _NOT_BARS & set(file.parts):
                    ignored.append(file)
                else:
                    files.append(BarFile(file, found, str(file.relative_to(path.parent))))
            if not any(file.path.is_relative_to(path) for file in files):
                problems.append(f"{path}: no bar file in this folder")
        elif path.is_file():
            found = wanted or _format(path)
            if found is None:
                problems.append(f"{path}: no known kind of file; declare it with --format")
            else:
                files.append(BarFile(path, found, path.name))
        else:
            problems.append(f"{path}: no such file")
    return Found(tuple(files), tuple(ignored), tuple(problems))


def _format(path: Path) -> Format | None:
    name = path.name.lower()
    if name.endswith(_CSV):
        return Format.CSV
    if name.endswith(_PARQUET):
        return Format.PARQUET
    return Format.LEAN if is_lean(path) else None
