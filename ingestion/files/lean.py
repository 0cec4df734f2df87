"""The layout of QuantConnect Lean's data folders.

Minutes: `…/minute/aapl/20140609_trade.zip` with `20140609_aapl_minute_trade.csv`; days:
`…/daily/aapl.zip` with `aapl.csv`. Headerless CSV. US equities are in New York time, prices
times 10,000, unadjusted; crypto is in UTC and plain prices. Minutes are labelled by their
open, in milliseconds since midnight.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from ingestion.domain.source import Basis
from ingestion.files.delimited import only_member
from ingestion.files.layout import REQUIRED, Format, Label, Layout, TimeReading, TimeStyle
from ingestion.files.problems import FileUnreadable
from universe.domain.interval import Interval
from universe.domain.session_grid import label_of

_MINUTE = re.compile(r"(\d{8})_([a-z0-9.\-]+)_minute_trade\.csv", re.IGNORECASE)
_EQUITY_SCALE = 10_000.0


def is_lean(path: Path) -> bool:
    """Whether the file's name and place are those of Lean's trade bars."""
    if path.suffix != ".zip":
        return False
    return bool(re.fullmatch(r"\d{8}_trade", path.stem)) or path.parent.name == "daily"


def layout(path: Path) -> Layout:
    """How to read one of Lean's zip files. Raises FileUnreadable when it is none, or not one
    of trade bars."""
    try:
        with ZipFile(path) as archive:
            member = only_member(archive, path)
    except (BadZipFile, OSError) as error:
        raise FileUnreadable(f"{path}: damaged or unreadable: {error}") from error
    crypto = "crypto" in path.parts
    minute = _MINUTE.fullmatch(member)
    if minute:
        day = _day(minute[1], path)
        zone = "UTC" if crypto else "America/New_York"
        times = TimeReading(TimeStyle.DAY_MS, zone, day=label_of(day))
        return _layout(Interval.MINUTE, times, minute[2], crypto)
    if Path(member).stem.lower().removesuffix("_trade") == path.stem.lower().removesuffix("_trade"):
        times = TimeReading(TimeStyle.PATTERN, "", "%Y%m%d %H:%M")
        return _layout(Interval.DAY, times, path.stem.lower().removesuffix("_trade"), crypto)
    raise FileUnreadable(f"{path}: {member} in it is no file of Lean's trade bars")


def _day(text: str, path: Path) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FileUnreadable(f"{path}: {text} in its name is no date") from error


def _layout(interval: Interval, times: TimeReading, ticker: str, crypto: bool) -> Layout:
    convention = "Lean's convention for " + ("crypto" if crypto else "US equities")
    named = "its name"
    return Layout(
        format=Format.LEAN,
        interval=interval,
        label=Label.OPEN,
        times=times,
        columns={field: at for at, field in enumerate(REQUIRED)},
        basis=Basis.RAW,
        price_scale=1.0 if crypto else _EQUITY_SCALE,
        symbol=ticker.upper(),
        width=len(REQUIRED),
        why={
            "format": named,
            "interval": named,
            "symbol": named,
            **dict.fromkeys(("columns", "times", "label", "basis", "price scale"), convention),
        },
    )
