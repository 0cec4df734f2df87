"""Export stored bars to CSV or Parquet, as they stand now or stood at a moment.

The file appears when it is complete. What it holds (basis, moment, sources, origin) is
written into a Parquet file itself, and for a CSV on request into FILE.json beside it; with
that description `import_bars` takes the file back without any options.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ingestion.files import exporting
from ingestion.files.layout import Format
from universe.domain.interval import Interval
from universe.domain.session_grid import DateNotCovered
from universe.models import Symbol
from universe.services import symbology
from universe.services.sessions import UnknownCalendar

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_KINDS = (Format.CSV, Format.PARQUET)
_SUFFIXES = {".csv": Format.CSV, ".parquet": Format.PARQUET, ".pq": Format.PARQUET}


class Command(BaseCommand):
    """`export_bars SYMBOL...`"""

    help = "Export stored bars to CSV or Parquet."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which bars, and where to."""
        parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="tickers of today")
        parser.add_argument(
            "--interval", default=Interval.DAY, type=Interval, choices=list(Interval)
        )
        parser.add_argument("--start", type=_bound, help="session date, or ISO time with a zone")
        parser.add_argument("--end", type=_bound, help="session date (included) or time (excluded)")
        parser.add_argument("--as-of", type=_moment, help="the bars as they stood then")
        parser.add_argument(
            "--format", type=Format, choices=_KINDS, help="else the file's suffix, or csv"
        )
        parser.add_argument("--output", help="a file, or - for standard output")
        parser.add_argument("--sidecar", action="store_true", help="describe the file in FILE.json")
        parser.add_argument("--force", action="store_true", help="replace a file that is there")

    def handle(self, *_: Any, **options: Any) -> None:
        """Export, and say what is in the file."""
        request = exporting.Request(
            self._symbols(options["symbols"]), options["interval"], options["start"],
            options["end"], options["as_of"],
        )  # fmt: skip
        kind, path = _target(options, request)
        if options["sidecar"] and path is None:
            raise CommandError("--sidecar: standard output has no file beside it")
        if path is not None and path.exists() and not options["force"]:
            raise CommandError(f"{path} is there already; --force replaces it")
        try:
            with _stream(path) as stream, _progress() as advance:
                exported = exporting.export_bars(request, kind, stream, advance)
            beside = (
                exporting.write_sidecar(path, exported) if options["sidecar"] and path else None
            )
        except (exporting.NothingStored, DateNotCovered, UnknownCalendar, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{path}: {error.strerror or error}; nothing is left of it"
            ) from error
        rows = ", ".join(f"{ticker} {count:,}" for ticker, count in exported.rows.items())
        about = exported.about
        self.stderr.write(
            f"{path or 'standard output'}: {about['rows']:,} bars ({rows}) as of"
            f" {about['as_of']}, {about['basis']}, from {', '.join(about['sources'])}"
            f" ({', '.join(about['origin'])})" + (f"; described in {beside}" if beside else "")
        )

    def _symbols(self, tickers: list[str]) -> list[Symbol]:
        found, unknown = {}, []
        for ticker in tickers:
            try:
                symbol = symbology.resolve(ticker)
            except symbology.UnknownSymbol as error:
                unknown.append(str(error))
            else:
                found[symbol.id] = symbol
        if unknown:
            raise CommandError("\n".join(unknown))
        return list(found.values())


def _target(options: dict[str, Any], request: exporting.Request) -> tuple[Format, Path | None]:
    """The format and the file; None is standard output."""
    kind: Format | None = options["format"]
    output: str | None = options["output"]
    if kind is None:
        kind = _kind_of(output)
    if output == "-":
        return kind, None
    if output is None:
        symbols = request.symbols
        name = symbols[0].ticker if len(symbols) == 1 else f"{len(symbols)}-symbols"
        output = f"{name}_{request.interval}.{kind}"
    return kind, Path(output)


def _kind_of(output: str | None) -> Format:
    """The format that a file's name tells; CSV where there is no name. Raises CommandError."""
    if output in (None, "-"):
        return Format.CSV
    found = _SUFFIXES.get(Path(output).suffix.lower()) if output else None
    if found is None:
        known = ", ".join(_SUFFIXES)
        raise CommandError(
            f"--output {output}: its name tells no format; end it in one of {known}, or"
            " declare --format"
        )
    return found


@contextmanager
def _stream(path: Path | None) -> Iterator[IO[bytes]]:
    with nullcontext(sys.stdout.buffer) if path is None else exporting.new_file(path) as stream:
        yield stream


@contextmanager
def _progress() -> Iterator[exporting.Progress]:
    """A bar over the requested time, where somebody watches."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(desc="Exporting", total=1.0, bar_format=form, disable=None) as bar:

        def advance(more: float) -> None:
            bar.update(min(more, 1.0 - bar.n))

        yield advance


def _moment(text: str) -> int:
    """An ISO time with a zone in epoch microseconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no ISO time, such as 2026-01-02T14:30Z") from None
    if moment.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} names no time zone; write 2026-01-02T14:30Z")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _bound(text: str) -> exporting.Bound:
    """A session date, or an ISO time with a zone in epoch seconds."""
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text!r}: {error}") from None
    return -(-_moment(text) // 1_000_000)
