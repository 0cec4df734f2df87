"""Grids read from the table, against answers that others made."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from universe.domain.session_grid import Placement, label_of
from universe.services import sessions

FIRST, LAST = date(2018, 1, 1), date(2024, 12, 31)
WIDER = ("2017-06-01", "2025-06-01")  # its answers at a range's own edges are not reliable
NANOSECONDS = 10**9


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "XNYS",  # half days, extended hours, DST
        "XLON",  # DST on other dates than New York
        "XHKG",  # a break, half days without one
        "XTKS",  # a break, an exchange that opens at 00:00Z
        "CMES",  # sessions that open on the day before
        "XNZE",  # sessions on the UTC day before their date, southern DST
        "ASEX",  # Orthodox Easter
        "24/7",
    ],
)
def test_minutes_are_those_of_exchange_calendars(name: str) -> None:
    sessions.sync([name], FIRST, LAST)
    grid = sessions.grid(name)
    oracle = exchange_calendars.get_calendar(name, start=WIDER[0], end=WIDER[1])
    days = [stamp.date() for stamp in oracle.sessions_in_range(str(FIRST), str(LAST))]
    assert [session.date for session in grid.sessions] == days

    whole = grid.sessions[0].open, grid.sessions[-1].close
    begin, end = (pd.Timestamp(ts, unit="s", tz="UTC") for ts in whole)
    minutes = oracle.minutes_in_range(begin, end - pd.Timedelta(minutes=1))
    want = minutes.as_unit("ns").asi8 // NANOSECONDS
    assert np.array_equal(grid.expected(*whole), want)

    every = np.arange(*whole, 60, dtype=np.int64)
    placed = every[grid.place(every) == Placement.REGULAR]
    assert np.array_equal(placed, want)

    labels = oracle.minutes_to_sessions(minutes[::97]).as_unit("ns").asi8 // NANOSECONDS
    assert np.array_equal(grid.labels_of(want[::97]), labels)


@pytest.mark.django_db
def test_every_session_of_the_answer_sheet(market_data_dir: Path) -> None:
    """XNYS from 1990 on: each session's open and close, each of its minutes, and no session
    besides these."""
    with (market_data_dir / "calendar/xnys.csv").open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[0]]
    answers = {
        datetime.fromisoformat(label).date(): (
            int(datetime.fromisoformat(opens).timestamp()),
            int(datetime.fromisoformat(closes).timestamp()),
        )
        for label, opens, closes, break_start, break_end in rows
    }
    assert not any(row[3] or row[4] for row in rows)
    assert len(answers) == 8324

    sessions.sync(["XNYS"], min(answers), max(answers))
    grid = sessions.grid("XNYS")
    assert {one.date: (one.open, one.close) for one in grid.sessions} == answers
    for day, (opens, closes) in answers.items():
        want = np.arange(opens, closes, 60)
        start = label_of(day)
        assert np.array_equal(grid.expected(start, start + 86_400), want), day
    minutes = np.concatenate([np.arange(*times, 60) for times in answers.values()])
    assert (grid.place(minutes) == Placement.REGULAR).all()
    closes_at = np.array([closes for _, closes in answers.values()])
    assert (grid.place(closes_at) == Placement.EXTENDED).all()
    every = np.arange(label_of(min(answers)) + 3600, label_of(max(answers)) + 86_400, 60)
    assert np.count_nonzero(grid.place(every) == Placement.REGULAR) == len(minutes)


@pytest.mark.django_db
@pytest.mark.parametrize("day", [date(2012, 10, 29), date(2012, 10, 30), date(2025, 1, 9)])
def test_unscheduled_closures_are_known(day: date) -> None:
    """Hurricane Sandy, and the mourning for a president: no override of ours is needed."""
    sessions.sync(["XNYS"], day.replace(day=1), day.replace(day=31))
    assert sessions.grid("XNYS").session_on(day) is None
