"""How a file of bars is to be read: what somebody declared, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ingestion.domain.source import Basis
from universe.domain.interval import Interval

PRICES = ("open", "high", "low", "close")
FIELDS = ("time", "date", "symbol", *PRICES, "volume", "vwap", "trades")
"""What a column can be. `date` only beside `time`, where a file keeps them apart."""
REQUIRED = ("time", *PRICES, "volume")


class Format(StrEnum):
    """What kind of file it is."""

    LEAN = "lean"
    CSV = "csv"
    PARQUET = "parquet"


class Label(StrEnum):
    """Which end of a minute its time is. The service's own is the open."""

    OPEN = "open"
    CLOSE = "close"


class TimeStyle(StrEnum):
    """How times are written. Those from ISO_LOCAL on are local to some zone."""

    EPOCH_S = "epoch seconds"
    EPOCH_MS = "epoch milliseconds"
    EPOCH_US = "epoch microseconds"
    EPOCH_NS = "epoch nanoseconds"
    ISO = "ISO 8601 with offset"
    ISO_LOCAL = "ISO 8601"
    PATTERN = "pattern"
    DAY_MS = "milliseconds since midnight"

    @property
    def absolute(self) -> bool:
        """Whether the text says the moment without a time zone's help."""
        return self not in (TimeStyle.ISO_LOCAL, TimeStyle.PATTERN, TimeStyle.DAY_MS)


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How to turn a time column into epoch seconds.

    zone     for minutes: the zone that local times are in. For days: the zone in which a
             moment's date is the session's; "" when the date is the one that is written
    pattern  strptime's, for TimeStyle.PATTERN
    day      for TimeStyle.DAY_MS: 00:00 of the day, as epoch seconds of the local clock
    """

    style: TimeStyle
    zone: str
    pattern: str = ""
    day: int = 0

    def describe(self) -> str:
        """The reading in words."""
        written = f"{self.pattern!r}" if self.style is TimeStyle.PATTERN else str(self.style)
        return f"{written}, {self.zone}" if self.zone else written


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is said about a file, by somebody or by the file itself. None: nothing is.

    `columns` names the field of each column in order, "-" for one to leave out. `why` tells
    who says so.
    """

    why: str
    interval: Interval | None = None
    label: Label | None = None
    timezone: str | None = None
    times: TimeReading | None = None
    time_format: str | None = None
    columns: tuple[str, ...] | None = None
    delimiter: str | None = None
    basis: Basis | None = None
    price_scale: float | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one file. `why` says of each aspect who declared it or how it was found.

    columns      field → position (CSV) or name (Parquet)
    skip_lines   header lines before the rows
    symbol       the ticker of every row; None: there is a column
    price_scale  file prices are this many times the price
    """

    format: Format
    interval: Interval
    label: Label
    times: TimeReading
    columns: Mapping[str, int | str]
    basis: Basis
    price_scale: float
    symbol: str | None
    delimiter: str = ","
    width: int = 0
    skip_lines: int = 0
    why: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """(aspect, value, where it comes from), for a person to check."""
        daily = self.interval is Interval.DAY
        values = {
            "format": str(self.format),
            "interval": str(self.interval),
            "symbol": self.symbol or "a column",
            "columns": ", ".join(self.columns),
            "times": self.times.describe(),
            "label": "session date" if daily else f"bar's {self.label}",
            "basis": str(self.basis),
            "price scale": f"{self.price_scale:g}",
        }
        for aspect, value in values.items():
            yield aspect, value, self.why.get(aspect, "")
