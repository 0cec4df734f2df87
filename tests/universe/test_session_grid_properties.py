"""The grid against the plainest possible model: a set of minutes, made by counting."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from universe.domain.session_grid import (
    EARLIEST_DATE,
    Placement,
    Session,
    SessionGrid,
    date_of,
)

DAY = 86_400
MINUTE = 60


@st.composite
def calendars(draw: st.DrawFn) -> SessionGrid:
    """Up to nine sessions with any gaps, breaks, extended hours and reach into other days."""
    first = EARLIEST_DATE + timedelta(days=draw(st.integers(2, 20_000)))
    offset = draw(st.integers(-1200, 1200))  # minutes from the label to a usual open
    sessions = []
    day, busy_until = 0, -(10**12)
    for _ in range(draw(st.integers(0, 9))):
        day += draw(st.integers(1, 4))
        label = (first - date_of(0)).days * DAY + day * DAY
        opens = label + (offset + draw(st.integers(-60, 60))) * MINUTE
        length = draw(st.integers(1, 1440))
        closes = opens + length * MINUTE
        early = opens - draw(st.sampled_from([0, 30])) * MINUTE
        late = closes + draw(st.sampled_from([0, 90])) * MINUTE
        if early < busy_until or late > label + 2 * DAY or early < label - DAY:
            continue
        pause = (0, 0)
        if length > 3 and draw(st.booleans()):
            start = draw(st.integers(1, length - 2))
            end = draw(st.integers(start + 1, length - 1))
            pause = opens + start * MINUTE, opens + end * MINUTE
        sessions.append(Session(date_of(label), opens, closes, *pause, early, late))
        busy_until = late
    return SessionGrid("ANY", sessions, first, first + timedelta(days=day + 1))


def model(grid: SessionGrid) -> dict[int, Placement]:
    """Every minute that is not closed, counted out."""
    minutes: dict[int, Placement] = {}
    for one in grid.sessions:
        for ts in range(one.extended_open, one.extended_close, MINUTE):
            if one.break_start <= ts < one.break_end:
                continue
            regular = one.open <= ts < one.close
            minutes[ts] = Placement.REGULAR if regular else Placement.EXTENDED
    return minutes


def regular(grid: SessionGrid) -> list[int]:
    return sorted(ts for ts, place in model(grid).items() if place is Placement.REGULAR)


@given(calendars(), st.data())
def test_place_is_the_model(grid: SessionGrid, data: st.DataObject) -> None:
    covered = grid.covered
    ts = data.draw(st.lists(st.integers(covered.start, covered.end - 1), max_size=50))
    for one in grid.sessions:
        edges = (one.extended_open, one.open, one.break_start, one.break_end, one.close)
        near = [edge + step for edge in edges for step in (-1, 0, 60)]
        ts += [moment for moment in near if covered.start <= moment < covered.end]
    known = model(grid)
    want = [known.get(moment // MINUTE * MINUTE, Placement.CLOSED) for moment in ts]
    assert grid.place(np.array(ts, np.int64)).tolist() == want


@given(calendars(), st.data())
def test_expected_is_the_model_between_any_two_moments(
    grid: SessionGrid, data: st.DataObject
) -> None:
    moments = st.integers(grid.covered.start, grid.covered.end)
    if grid.sessions:
        edges = [edge for one in grid.sessions for edge in (one.open, one.break_end, one.close)]
        moments |= st.sampled_from([edge for edge in edges if edge > 0])
    start, end = sorted((data.draw(moments), data.draw(moments)))
    want = [ts for ts in regular(grid) if start <= ts < end]
    assert grid.expected(start, end).tolist() == want
    assert grid.expected_count(start, end) == len(want)


@given(calendars())
def test_indices_number_the_regular_minutes_in_order(grid: SessionGrid) -> None:
    minutes = np.array(regular(grid), np.int64)
    assert grid.indices_of(minutes).tolist() == list(range(len(minutes)))
    assert grid.minute_at(np.arange(len(minutes))).tolist() == minutes.tolist()
    assert [grid.index_of(ts) for ts in minutes[:50].tolist()] == list(range(len(minutes[:50])))


@given(calendars())
def test_labels_name_the_session_that_holds_the_minute(grid: SessionGrid) -> None:
    for one in grid.sessions:
        ends = np.array([one.open, one.close - 60], np.int64)
        assert grid.labels_of(ends).tolist() == [one.label] * 2
        ends = np.array([one.extended_open, one.extended_close - 60], np.int64)
        assert grid.labels_at(ends).tolist() == [one.label] * 2
        assert grid.closes_of(np.array([one.label])).tolist() == [one.close]
        assert grid.session_on(one.date) == one
        assert grid.latest_session(one.extended_open) == one
        assert grid.latest_session(one.extended_close - 1) == one


@given(calendars(), st.data())
def test_labels_expected_are_those_of_the_sessions(grid: SessionGrid, data: st.DataObject) -> None:
    low = (grid.first - date_of(0)).days * DAY
    high = (grid.last - date_of(0)).days * DAY + DAY
    start, end = sorted((data.draw(st.integers(low, high)), data.draw(st.integers(low, high))))
    want = [one.label for one in grid.sessions if start <= one.label < end]
    assert grid.expected_labels(start, end).tolist() == want


@given(calendars())
def test_every_minute_of_every_session_is_covered(grid: SessionGrid) -> None:
    for one in grid.sessions:
        assert grid.covered.start <= one.extended_open
        assert one.extended_close <= grid.covered.end
        grid.require(one.open, one.close)
