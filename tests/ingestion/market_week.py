"""One hand-written week of New York sessions, and grids made from the answer sheet."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

from universe.domain.session_grid import Session, SessionGrid

_HOUR = 3600


def at(text: str) -> int:
    """Epoch seconds of an ISO time, UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


# New York is on daylight saving time (UTC−4): 09:30 is 13:30Z,
# 04:00 is 08:00Z and 20:00 is 00:00Z of the next day.
JUNE_2014 = tuple(
    Session(
        date(2014, 6, day),
        at(f"2014-06-{day:02}T13:30"),
        at(f"2014-06-{day:02}T20:00"),
        0,
        0,
        at(f"2014-06-{day:02}T08:00"),
        at(f"2014-06-{day + 1:02}T00:00"),
    )
    for day in (5, 6, 9, 10, 11, 12, 13)
)


def june_grid() -> SessionGrid:
    """XNYS for 2014-06-05 to 2014-06-15."""
    return SessionGrid("XNYS", list(JUNE_2014), date(2014, 6, 5), date(2014, 6, 15))


def around_the_clock() -> SessionGrid:
    """24/7 for the same days: each UTC day is a session."""
    days = [date(2014, 6, day) for day in range(5, 16)]
    begin = [at(day.isoformat()) for day in days]
    sessions = [
        Session(day, start, start + 24 * _HOUR, 0, 0, start, start + 24 * _HOUR)
        for day, start in zip(days, begin, strict=True)
    ]
    return SessionGrid("24/7", sessions, days[0], days[-1])


def answer_sheet(market_data_dir: Path) -> SessionGrid:
    """XNYS as calendar/xnys.csv has it. Extended hours are 04:00 to 20:00 New York: from five
    and a half hours before the open (always 09:30), for sixteen hours."""
    sessions = []
    with (market_data_dir / "calendar" / "xnys.csv").open() as file:
        for row in csv.DictReader(file):
            opens, closes = at(row["open"]), at(row["close"])
            begin = opens - 5 * _HOUR - _HOUR // 2
            day = date.fromisoformat(row[""][:10])
            sessions.append(Session(day, opens, closes, 0, 0, begin, begin + 16 * _HOUR))
    return SessionGrid("XNYS", sessions, sessions[0].date, sessions[-1].date)
