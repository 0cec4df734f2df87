"""Import bars from files: CSV, Parquet, or the zips of a Lean data folder.

How each file is read (symbol, interval, columns, times, label, basis, price scale) is
declared by options, said by the file itself, or detected; it is shown before anything is
written, and what can be read in two ways is refused. All files are read through first: a
row that cannot be read stops the import before it has written anything.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from ingestion.domain.source import Basis
from ingestion.files import importing
from ingestion.files.batches import Written
from ingestion.files.layout import FIELDS, Declaration, Format, Label
from ingestion.files.problems import Problems
from ingestion.files.report import describe_plan, describe_tally
from ingestion.store import writer
from universe.domain.interval import Interval

_LONGEST_SOURCE = 32


class Command(BaseCommand):
    """`import_bars FILE...`"""

    help = "Import bars from CSV, Parquet or Lean files. See --dry-run."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The files, what is declared about them, and how to go about it."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="or folder")
        said = parser.add_argument_group("what the files are; detected where left out and clear")
        said.add_argument("--format", choices=[str(kind) for kind in Format])
        said.add_argument("--interval", choices=[str(interval) for interval in Interval])
        said.add_argument("--symbol", metavar="TICKER", help="whose bars they are")
        said.add_argument(
            "--columns", metavar="NAMES", help=f"in order, of {','.join(FIELDS)}; - leaves one out"
        )
        said.add_argument("--delimiter", help="of a CSV; \\t is a tab")
        said.add_argument("--label", choices=[str(label) for label in Label],
                          help="which end of the minute its time is")  # fmt: skip
        said.add_argument("--timezone", metavar="ZONE", help="of local times: America/New_York")
        said.add_argument(
            "--time-format", metavar="PATTERN", help="strptime's: '%%d.%%m.%%Y %%H:%%M'"
        )
        said.add_argument("--basis", choices=[str(basis) for basis in Basis],
                          help="raw: prices as traded; split: adjusted for splits")  # fmt: skip
        said.add_argument(
            "--price-scale", type=float, metavar="N", help="file prices are N × price"
        )
        parser.add_argument(
            "--source", help="the bars' source is import:SOURCE; import:FORMAT if left out"
        )
        parser.add_argument("--dry-run", action="store_true", help="read, check and show only")
        parser.add_argument("--skip-bad-rows", action="store_true",
                            help="list rows that cannot be read, and store the others")  # fmt: skip
        parser.add_argument("--again", action="store_true",
                            help="write what an earlier import has written once more")  # fmt: skip
        parser.add_argument("--max-errors", type=int, default=50, help="errors shown in full")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, check, and unless it is a dry run or there are errors, store."""
        source = _source(options["source"])
        kind = Format(options["format"]) if options["format"] else None
        plan = importing.plan(options["files"], _declaration(options), kind)
        problems = Problems(keep=options["max_errors"])
        if plan.files:
            self._check(plan, problems, count_stored=options["dry_run"])
        self._complain(plan.problems, problems, fatal=not options["skip_bad_rows"])
        if options["dry_run"]:
            self.stdout.write("Dry run: nothing was written.")
            return
        written = self._store(plan, source, again=options["again"])
        self._say([_describe(written)])

    def _check(self, plan: importing.Plan, problems: Problems, *, count_stored: bool) -> None:
        self._say(describe_plan(plan))
        with _progress("Checking", plan.size) as advance:
            tally = importing.check(plan, problems, advance, count_stored=count_stored)
        self._say(describe_tally(tally, counted_stored=count_stored))

    def _store(self, plan: importing.Plan, source: str | None, *, again: bool) -> Written:
        onwards = "What is written stays; the same command goes on from there."
        try:
            with _progress("Writing", plan.size) as advance:
                return importing.store(plan, advance, source=source, again=again)
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. {onwards}", returncode=130) from None
        except DatabaseError as error:
            raise CommandError(f"The database failed: {error}\n{onwards}") from error

    def _complain(self, of_files: Sequence[str], of_rows: Problems, *, fatal: bool) -> None:
        """List the rows' problems, and refuse for those and the files' in one message."""
        for line in of_rows.lines():
            self.stderr.write(line)
        refusals = []
        if of_files:
            refusals.append("Nothing was written:\n  " + "\n  ".join(of_files))
        if len(of_rows) and fatal:
            refusals.append(
                f"{len(of_rows)} rows cannot be used, so nothing was written. Mend them, or"
                " leave them out with --skip-bad-rows."
            )
        if refusals:
            raise CommandError("\n".join(refusals))

    def _say(self, lines: Sequence[str] | Iterator[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _source(name: str | None) -> str | None:
    """The source's name, with the `import:` in front that tells files from vendors."""
    if name is None:
        return None
    source = f"{writer.IMPORT_ORIGIN}:{name.removeprefix(f'{writer.IMPORT_ORIGIN}:')}"
    if not name or len(source) > _LONGEST_SOURCE:
        raise CommandError(f"--source {name!r}: at most {_LONGEST_SOURCE} characters as {source}")
    return source


def _declaration(options: dict[str, Any]) -> Declaration:
    """What the command line says. Raises CommandError for a zone that does not exist."""
    zone = options["timezone"]
    if zone is not None and zone not in available_timezones():
        raise CommandError(f"--timezone {zone!r}: no such time zone; e.g. America/New_York, UTC")
    scale = options["price_scale"]
    if scale is not None and not scale > 0:
        raise CommandError(f"--price-scale {scale:g}: must be above 0")
    columns, delimiter = options["columns"], options["delimiter"]
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if delimiter is not None and not (len(delimiter) == 1 and delimiter.isascii()):
        raise CommandError(f"--delimiter {delimiter!r}: must be one ASCII character")
    return Declaration(
        why="declared",
        interval=Interval(options["interval"]) if options["interval"] else None,
        label=Label(options["label"]) if options["label"] else None,
        timezone=zone,
        time_format=options["time_format"],
        columns=tuple(name.strip() for name in columns.split(",")) if columns else None,
        delimiter=delimiter,
        basis=Basis(options["basis"]) if options["basis"] else None,
        price_scale=scale,
        symbol=options["symbol"],
    )


def _describe(written: Written) -> str:
    counts = written.counts
    text = (
        f"Stored: {counts['inserted']:,} bars new, {counts['corrected']:,} corrected,"
        f" {counts['unchanged']:,} as they were; {counts['quarantined']:,} put in quarantine."
    )
    if counts["before"]:
        text += f" {counts['before']:,} were imported by an earlier run."
    return text


@contextmanager
def _progress(what: str, size: int) -> Iterator[importing.Progress]:
    """A bar over the files' bytes, where somebody watches."""
    with tqdm(desc=what, total=size, unit="B", unit_scale=True, disable=None) as bar:

        def advance(more: int) -> None:
            bar.update(more)

        yield advance
