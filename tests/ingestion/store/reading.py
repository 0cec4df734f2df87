"""The paths that read a database, a small market, and readings in a comparable form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from django.db import connection

from ingestion.domain.bar_series import BarPage
from ingestion.store import reader, reader_portable, reader_postgres, reader_sqlite
from ingestion.store.bar_query import BarReader
from tests.ingestion.store.bar_history import Version, epoch
from universe.domain.interval import Interval
from universe.domain.session_grid import Session, SessionGrid, label_of
from universe.domain.time_range import TimeRange
from universe.models import Symbol

SYMBOL, OTHER = 7, 8


EACH_PATH = ["portable", "postgres" if connection.vendor == "postgresql" else "sqlite"]
"""For fixtures and tests that take every path in turn."""


def paths() -> dict[str, BarReader]:
    """Every path that can read the database of this lane."""
    if connection.vendor == "postgresql":
        return {"portable": reader_portable, "postgres": reader_postgres}
    return {"portable": reader_portable, "sqlite": reader_sqlite}


@contextmanager
def reading_by(path: str) -> Iterator[None]:
    """Reads take the path of this name."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "backend", lambda: paths()[path])
        yield


def symbol(listed: date | None = None, delisted: date | None = None) -> Symbol:
    """A symbol that nobody stored: the reader needs its id and its listing dates."""
    return Symbol(id=SYMBOL, ticker="AAA", listed_on=listed, delisted_on=delisted)


def session(day: str, opens: str, closes: str) -> Session:
    """A session without a break, with an extended hour before and after, times in UTC."""
    opened, closed = epoch(f"{day}T{opens}"), epoch(f"{day}T{closes}")
    return Session(date.fromisoformat(day), opened, closed, 0, 0, opened - 3600, closed + 3600)


# Two short sessions in one month, one in the next: six minutes, four, five.
SHORT_DAYS = {
    "2024-05-30": ("13:30", "13:36"),
    "2024-05-31": ("13:30", "13:34"),
    "2024-06-03": ("13:30", "13:35"),
}
SHORT = SessionGrid(
    "SHORT",
    [session(day, *times) for day, times in SHORT_DAYS.items()],
    date(2024, 5, 1),
    date(2024, 6, 30),
)
REGULAR = [
    ts
    for day, (opens, closes) in SHORT_DAYS.items()
    for ts in range(epoch(f"{day}T{opens}"), epoch(f"{day}T{closes}"), 60)
]
EXTENDED = [epoch("2024-05-30T13:29"), epoch("2024-05-31T13:34"), epoch("2024-06-03T12:31")]
LABELS = [label_of(date.fromisoformat(day)) for day in SHORT_DAYS]
ALL = TimeRange(epoch("2024-05-30T00:00"), epoch("2024-06-04T00:00"))

Row = tuple[int, float, float, float, float, float]


def rows_of(page: BarPage) -> list[Row]:
    """A page as rows of Python numbers."""
    columns = (page.t, page.o, page.h, page.l, page.c, page.v)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def expected_rows(
    stored: dict[int, Version], range_: TimeRange = ALL, *, extended: bool = False
) -> list[Row]:
    """The rows that a read of `range_` must give."""
    return [
        (ts, *version.prices)
        for ts, version in stored.items()
        if range_.start <= ts < range_.end and (extended or not version.extended)
    ]


def bars_of(interval: Interval) -> list[int]:
    """The `ts` of the bars expected on the short days."""
    return REGULAR if interval is Interval.MINUTE else LABELS
