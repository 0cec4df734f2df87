"""Recorded sessions on disk, in Lean's layout.

Under `equity/usa`: `minute/{ticker}/{YYYYMMDD}_trade.zip` with rows of milliseconds since
New York midnight, O, H, L, C, volume; `daily/{ticker}.zip` with `YYYYMMDD HH:MM` first;
`factor_files/{ticker}.csv`. Prices in the zips are whole ten-thousandths, unadjusted.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingestion.sandbox.market import Split
from universe.domain.session_grid import label_of

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]

_PRICE_SCALE = 10_000.0
_DAY = 86_400


class NothingToReplay(Exception):
    """The folder holds no recorded sessions; the message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Bars of one file. `at`: milliseconds since midnight, or labels of days."""

    at: Int64s
    prices: Float64s
    """Columns open, high, low, close."""
    volume: Float64s


def find_equities(folder: Path) -> Path:
    """The `equity/usa` folder in `folder`, or up to two folders below it.

    Raises NothingToReplay.
    """
    if not folder.is_dir():
        raise NothingToReplay(f"{folder} is no folder")
    for place in (folder, *sorted(folder.glob("*")), *sorted(folder.glob("*/*"))):
        for found in (place / "equity/usa", place / "usa", place):
            if (found / "minute").is_dir() or (found / "daily").is_dir():
                return found
    raise NothingToReplay(
        f"{folder} holds no recorded sessions: there is no equity/usa/minute or"
        " equity/usa/daily in it, nor up to two folders below"
    )


def minute_dates(equities: Path) -> dict[str, list[date]]:
    """The ticker of each minute folder, upper case → its recorded dates, ascending."""
    return {
        folder.name.upper(): sorted(
            datetime.strptime(file.name[:8], "%Y%m%d").date()  # noqa: DTZ007 - a date only
            for file in folder.glob("[0-9]" * 8 + "_trade.zip")
        )
        for folder in sorted((equities / "minute").glob("*"))
        if folder.is_dir()
    }


def daily_tickers(equities: Path) -> list[str]:
    """The tickers that have a file of days, upper case."""
    return sorted(file.stem.upper() for file in (equities / "daily").glob("*.zip"))


def read_minutes(equities: Path, ticker: str, day: date) -> Rows:
    """One recorded session's minute bars, extended hours included."""
    lines = _lines(equities / "minute" / ticker.lower() / f"{day:%Y%m%d}_trade.zip")
    return _rows([line.split(",") for line in lines], [int(line.split(",")[0]) for line in lines])


def read_days(equities: Path, ticker: str) -> Rows:
    """All recorded days of a ticker; nothing when there is no file of days."""
    file = equities / "daily" / f"{ticker.lower()}.zip"
    lines = _lines(file) if file.exists() else []
    labels = [label_of(date(int(line[:4]), int(line[4:6]), int(line[6:8]))) for line in lines]
    return _rows([line.split(",") for line in lines], labels)


def read_splits(equities: Path, ticker: str) -> Sequence[Split]:
    """A ticker's splits: where its split factor changes, from the next day on."""
    file = equities / "factor_files" / f"{ticker.lower()}.csv"
    if not file.exists():
        return ()
    rows = [line.split(",") for line in file.read_text().split()]
    factors = [(date.fromisoformat(row[0]), float(row[2])) for row in rows]
    return tuple(
        Split(label_of(last_before) + _DAY, round(after / before, 3))
        for (last_before, before), (_, after) in pairwise(factors)
        if round(after / before, 3) != 1.0
    )


def _lines(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.read(archive.namelist()[0]).decode("ascii").splitlines()
    except (zipfile.BadZipFile, IndexError, UnicodeDecodeError, OSError) as error:
        raise NothingToReplay(f"{file} cannot be read: {error}") from error


def _rows(fields: list[list[str]], at: list[int]) -> Rows:
    values = np.array([row[1:6] for row in fields], np.float64).reshape(-1, 5)
    return Rows(np.array(at, np.int64), values[:, :4] / _PRICE_SCALE, values[:, 4])
