"""What can be wrong with a file, said so that somebody can mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


class ImportRefused(Exception):
    """Nothing was written; `problems` says everything that stands in the way."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class FileUnreadable(Exception):
    """The file is damaged, or not what it was taken for. The message names it."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One value that cannot be read or used. `line` counts from 1, the header included (in
    Parquet: the row)."""

    file: str
    line: int
    column: str
    value: str
    problem: str

    def __str__(self) -> str:
        where = f", {self.column} {self.value!r}" if self.column else ""
        return f"{self.file}:{self.line}{where}: {self.problem}"


@dataclass(slots=True)
class Problems:
    """The problems of a run: the first `keep` of them in full, all of them counted."""

    keep: int = 50
    shown: list[RowProblem] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(file, column, problem) → how many."""

    def add(self, problem: RowProblem) -> None:
        """Count a problem, and keep it while there is room."""
        self.counts[problem.file, problem.column, problem.problem] += 1
        if len(self.shown) < self.keep:
            self.shown.append(problem)

    def __len__(self) -> int:
        return self.counts.total()

    def lines(self) -> list[str]:
        """All that there is to say, one problem a line, totals last when some were left out."""
        lines = [str(problem) for problem in self.shown]
        if len(self) > len(self.shown):
            lines.append(f"… and {len(self) - len(self.shown)} more. In all:")
            lines += [
                f"  {count} × {file}{f', {column}' if column else ''}: {problem}"
                for (file, column, problem), count in self.counts.most_common()
            ]
        return lines
