"""The grid on hand-worked days. Expected moments are written out in UTC from the exchanges'
published hours."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest

from tests.universe.grids import grid, new_york_day, session, utc
from universe.domain.session_grid import (
    DateNotCovered,
    Placement,
    SessionGrid,
    SessionsInvalid,
    date_of,
    label_of,
)

C, R, E = Placement.CLOSED, Placement.REGULAR, Placement.EXTENDED


def placed(grid: SessionGrid, *moments: str) -> list[Placement]:
    ts = np.array([utc(moment) for moment in moments], np.int64)
    return [Placement(code) for code in grid.place(ts).tolist()]


@pytest.fixture
def week_of_the_clock_change() -> SessionGrid:
    # New York moved from UTC-5 to UTC-4 on Sunday 2024-03-10.
    return grid(
        *(new_york_day(f"2024-03-{day:02}") for day in (7, 8, 11, 12)),
        first="2024-03-07",
        last="2024-03-12",
    )


def test_hours_move_with_daylight_saving(week_of_the_clock_change: SessionGrid) -> None:
    assert placed(
        week_of_the_clock_change,
        "2024-03-08 14:29", "2024-03-08 14:30", "2024-03-08 20:59", "2024-03-08 21:00",
        "2024-03-11 13:29", "2024-03-11 13:30", "2024-03-11 19:59", "2024-03-11 20:00",
    ) == [E, R, R, E, E, R, R, E]  # fmt: skip


def test_extended_hours_cross_midnight_in_winter_only(
    week_of_the_clock_change: SessionGrid,
) -> None:
    assert placed(
        week_of_the_clock_change,
        "2024-03-08 08:59", "2024-03-08 09:00", "2024-03-09 00:59", "2024-03-09 01:00",
        "2024-03-11 07:59", "2024-03-11 08:00", "2024-03-11 23:59", "2024-03-12 00:00",
    ) == [C, E, E, C, C, E, E, C]  # fmt: skip


def test_weekend_is_closed_and_minutes_go_on_after_it(
    week_of_the_clock_change: SessionGrid,
) -> None:
    one = week_of_the_clock_change
    assert one.expected(utc("2024-03-08 21:00"), utc("2024-03-11 13:30")).tolist() == []
    edges = np.array([utc("2024-03-08 20:59"), utc("2024-03-11 13:30")])
    before, after = one.indices_of(edges).tolist()
    assert (before, after) == (779, 780)
    assert one.minute_at(np.array([779, 780])).tolist() == edges.tolist()


def test_half_day_has_210_minutes() -> None:
    # 2024-07-03 closed at 13:00 New York; the evening is still extended hours.
    one = grid(new_york_day("2024-07-03", "13:00"), first="2024-07-03", last="2024-07-04")
    assert one.expected_count(utc("2024-07-03 00:00"), utc("2024-07-04 00:00")) == 210
    assert placed(one, "2024-07-03 16:59", "2024-07-03 17:00", "2024-07-03 23:59") == [R, E, E]
    assert placed(one, "2024-07-04 14:00") == [C]
    assert one.session_on(date(2024, 7, 4)) is None


@pytest.fixture
def tokyo() -> SessionGrid:
    # Tokyo: 9:00 to 15:00 with a break from 11:30 to 12:30, UTC+9.
    return grid(
        session(
            "2024-05-07",
            "2024-05-07 00:00",
            "2024-05-07 06:00",
            ("2024-05-07 02:30", "2024-05-07 03:30"),
        ),
        session(
            "2024-05-08",
            "2024-05-08 00:00",
            "2024-05-08 06:00",
            ("2024-05-08 02:30", "2024-05-08 03:30"),
        ),
        first="2024-05-07",
        last="2024-05-08",
    )


def test_break_is_closed_and_not_expected(tokyo: SessionGrid) -> None:
    assert placed(
        tokyo, "2024-05-07 02:29", "2024-05-07 02:30", "2024-05-07 03:29", "2024-05-07 03:30"
    ) == [R, C, C, R]
    around = tokyo.expected(utc("2024-05-07 02:28"), utc("2024-05-07 03:32"))
    assert around.tolist() == [
        utc(f"2024-05-07 {clock}") for clock in ("02:28", "02:29", "03:30", "03:31")
    ]
    assert tokyo.expected_count(utc("2024-05-07 02:30"), utc("2024-05-07 03:30")) == 0
    assert tokyo.expected_count(utc("2024-05-07 00:00"), utc("2024-05-08 00:00")) == 300


def test_minutes_on_both_sides_of_a_break_are_neighbours(tokyo: SessionGrid) -> None:
    moments = [utc(text) for text in ("2024-05-07 02:29", "2024-05-07 03:30", "2024-05-08 03:30")]
    assert tokyo.indices_of(np.array(moments)).tolist() == [149, 150, 450]
    assert tokyo.minute_at(np.array([149, 150, 450])).tolist() == moments


@pytest.fixture
def chicago_futures() -> SessionGrid:
    # A session opens at 17:00 Chicago on the day before its date: 22:00Z in summer.
    return grid(
        session("2024-06-04", "2024-06-03 22:00", "2024-06-04 22:00"),
        session("2024-06-05", "2024-06-04 22:00", "2024-06-05 22:00"),
        first="2024-06-04",
        last="2024-06-05",
    )


def test_session_of_tomorrow_opens_today(chicago_futures: SessionGrid) -> None:
    one = chicago_futures
    minutes = np.array([utc("2024-06-04 21:59"), utc("2024-06-04 22:00")])
    assert [str(date_of(label)) for label in one.labels_of(minutes).tolist()] == [
        "2024-06-04",
        "2024-06-05",
    ]
    assert one.labels_at(minutes).tolist() == one.labels_of(minutes).tolist()
    latest = one.latest_session(utc("2024-06-04 22:00"))
    assert latest is not None
    assert latest.date == date(2024, 6, 5)
    assert one.expected_labels(utc("2024-06-04 00:00"), utc("2024-06-05 00:00")).tolist() == [
        label_of(date(2024, 6, 4))
    ]


def test_coverage_follows_sessions_that_open_the_day_before(chicago_futures: SessionGrid) -> None:
    assert placed(chicago_futures, "2024-06-03 22:00", "2024-06-05 21:59") == [R, R]
    for unknown in ("2024-06-03 21:59", "2024-06-05 22:00"):
        with pytest.raises(DateNotCovered, match=unknown.replace(" ", "T")):
            placed(chicago_futures, unknown)


def test_round_the_clock_has_1440_minutes_a_day() -> None:
    one = grid(
        session("2024-02-28", "2024-02-28 00:00", "2024-02-29 00:00"),
        session("2024-02-29", "2024-02-29 00:00", "2024-03-01 00:00"),
        first="2024-02-28",
        last="2024-02-29",
    )
    whole = utc("2024-02-28 00:00"), utc("2024-03-01 00:00")
    assert one.expected(*whole).tolist() == list(range(*whole, 60))
    with pytest.raises(DateNotCovered):
        one.place(np.array([whole[1]]))


def test_outside_the_coverage_every_question_refuses(
    week_of_the_clock_change: SessionGrid,
) -> None:
    one = week_of_the_clock_change
    before, after = utc("2024-03-06 00:00"), utc("2024-03-13 15:00")
    message = r"calendar TEST covers \(sessions from 2024-03-07 to 2024-03-12\).*sync_sessions"
    for ts in (before, after):
        for question in (one.place, one.labels_at, one.indices_of, one.labels_of, one.closes_of):
            with pytest.raises(DateNotCovered, match=message):
                question(np.array([ts, utc("2024-03-08 15:00")]))
        with pytest.raises(DateNotCovered, match=message):
            one.latest_session(ts)
    for start, end in ((before, utc("2024-03-08 15:00")), (utc("2024-03-08 15:00"), after)):
        for ask in (one.require, one.expected, one.expected_count, one.expected_labels):
            with pytest.raises(DateNotCovered, match=message):
                ask(start, end)
    for day in (date(2024, 3, 6), date(2024, 3, 13)):
        for look in (
            one.session_on, one.require_date, one.first_session_from, one.last_session_until,
        ):  # fmt: skip
            with pytest.raises(DateNotCovered, match=f"{day} is outside what {message}"):
                look(day)


@pytest.mark.parametrize("ts", [-(2**62), -1, 2**40, 2**62])
def test_absurd_moments_are_refused_in_words(
    week_of_the_clock_change: SessionGrid, ts: int
) -> None:
    for question in (
        week_of_the_clock_change.place,
        week_of_the_clock_change.labels_at,
        week_of_the_clock_change.closes_of,
    ):
        with pytest.raises(DateNotCovered):
            question(np.array([ts, utc("2024-03-08 15:00")]))


def test_a_moment_that_only_a_neighbour_of_the_coverage_could_hold_is_unknown(
    week_of_the_clock_change: SessionGrid,
) -> None:
    """The evening of the 6th reaches to 01:00Z of the 7th; nothing of the 13th begins before
    08:00Z, and the evening of the 12th ends at 00:00Z."""
    assert placed(week_of_the_clock_change, "2024-03-07 01:00", "2024-03-13 07:59") == [C, C]
    for unknown in ("2024-03-07 00:59", "2024-03-13 08:00"):
        with pytest.raises(DateNotCovered):
            placed(week_of_the_clock_change, unknown)


def test_seconds_belong_to_their_minute(week_of_the_clock_change: SessionGrid) -> None:
    close = utc("2024-03-08 21:00")
    assert week_of_the_clock_change.place(np.array([close - 1, close])).tolist() == [R, E]
    assert week_of_the_clock_change.expected_count(close - 30, close) == 0
    assert week_of_the_clock_change.expected_count(close - 60, close) == 1


def test_nothing_asked_nothing_answered(week_of_the_clock_change: SessionGrid) -> None:
    empty = np.empty(0, np.int64)
    for question in (
        week_of_the_clock_change.place,
        week_of_the_clock_change.labels_at,
        week_of_the_clock_change.closes_of,
        week_of_the_clock_change.indices_of,
        week_of_the_clock_change.labels_of,
        week_of_the_clock_change.minute_at,
    ):
        assert len(question(empty)) == 0


def test_a_grid_without_sessions_is_closed() -> None:
    one = grid(first="2024-12-25", last="2024-12-25")
    day = utc("2024-12-25 00:00"), utc("2024-12-26 00:00")
    assert placed(one, "2024-12-25 15:00") == [C]
    assert one.expected(*day).tolist() == []
    assert one.expected_labels(*day).tolist() == []
    assert one.labels_at(np.array([day[0]])).tolist() == [-1]
    assert one.closes_of(np.array([day[0]])).tolist() == [-1]
    assert one.latest_session(day[0]) is None
    assert one.first_session_from(date(2024, 12, 25)) is None
    assert one.last_session_until(date(2024, 12, 25)) is None


def test_latest_session_counts_from_extended_hours(week_of_the_clock_change: SessionGrid) -> None:
    def latest(moment: str) -> str | None:
        found = week_of_the_clock_change.latest_session(utc(moment))
        return str(found.date) if found else None

    assert latest("2024-03-07 08:59") is None
    assert latest("2024-03-07 09:00") == "2024-03-07"
    assert latest("2024-03-11 07:59") == "2024-03-08"
    assert latest("2024-03-11 08:00") == "2024-03-11"
    assert latest("2024-03-12 23:59") == "2024-03-12"


def test_sessions_by_date(week_of_the_clock_change: SessionGrid) -> None:
    one = week_of_the_clock_change
    days = [found.date for found in one.sessions_between(date(2024, 3, 8), date(2024, 3, 11))]
    assert days == [date(2024, 3, 8), date(2024, 3, 11)]
    assert one.sessions_between(date(2024, 3, 9), date(2024, 3, 10)) == []
    after, before = (
        one.first_session_from(date(2024, 3, 9)),
        one.last_session_until(date(2024, 3, 10)),
    )
    assert after is not None
    assert before is not None
    assert (after.date, before.date) == (date(2024, 3, 11), date(2024, 3, 8))
    labels = np.array([label_of(date(2024, 3, day)) for day in (8, 9, 11)])
    assert one.closes_of(labels).tolist() == [utc("2024-03-08 21:00"), -1, utc("2024-03-11 20:00")]


def test_indices_outside_the_grid_are_refused(week_of_the_clock_change: SessionGrid) -> None:
    for index in (-1, 4 * 390):
        with pytest.raises(IndexError, match="minutes 0 to 1559"):
            week_of_the_clock_change.minute_at(np.array([index]))


def test_many_years_are_placed_alike_in_any_order() -> None:
    """Across the painted blocks (a year each), asked twice and shuffled."""
    sessions = [new_york_day(f"{year}-06-{day:02}") for year in range(1971, 2030) for day in (3, 4)]
    one = grid(*sessions, first="1971-01-01", last="2029-12-31")
    opens = np.array([at.open for at in sessions])
    closes = np.array([at.close for at in sessions])
    nights = closes + 5 * 3600
    ts = np.concatenate([opens, closes - 60, closes, nights])
    want = np.repeat([R, R, E, C], len(sessions))
    order = np.random.default_rng(3).permutation(len(ts))
    for _ in range(2):
        assert one.place(ts[order]).tolist() == want[order].tolist()


def test_threads_may_ask_a_new_grid_at_once() -> None:
    """Every thread finds the table unpainted and paints it."""
    days = [f"{year}-06-{day:02}" for year in range(1990, 2020) for day in (3, 4, 5)]
    sessions = [new_york_day(day) for day in days]
    ts = np.concatenate([np.arange(one.extended_open, one.extended_close, 60) for one in sessions])
    want = np.tile(np.repeat([E, R, E], [330, 390, 240]), len(days))
    for _ in range(5):
        one = grid(*sessions, first="1990-01-01", last="2019-12-31")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one.place, [ts] * 16))
        assert all(np.array_equal(answer, want) for answer in answers)


@pytest.mark.parametrize(
    ("sessions", "problem"),
    [
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 06:00")], "2024-05-07: times"),
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 05:00")], "2024-05-07: times"),
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 08:00",
                  ("2024-05-07 05:00", "2024-05-07 07:00"))], "2024-05-07: times"),
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 08:00", None,
                  ("2024-05-07 07:00", "2024-05-07 09:00"))], "2024-05-07: times"),
        ([session("2024-05-07", "2024-05-17 06:00", "2024-05-17 08:00")], "near that date"),
        ([session("2024-05-03", "2024-05-03 06:00", "2024-05-03 08:00")], "lies outside"),
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 08:00"),
          session("2024-05-08", "2024-05-07 07:00", "2024-05-08 08:00")], "overlap"),
        ([session("2024-05-07", "2024-05-07 06:00", "2024-05-07 08:00"),
          session("2024-05-07", "2024-05-07 09:00", "2024-05-07 10:00")], "overlap"),
    ],
)  # fmt: skip
def test_impossible_sessions_make_no_grid(sessions: list, problem: str) -> None:
    with pytest.raises(SessionsInvalid, match=problem):
        grid(*sessions, first="2024-05-06", last="2024-05-10")


def test_coverage_must_be_possible() -> None:
    for first, last in (("2024-05-02", "2024-05-01"), ("1969-12-31", "2024-05-01")):
        with pytest.raises(SessionsInvalid, match="coverage"):
            grid(first=first, last=last)
