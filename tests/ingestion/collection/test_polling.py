"""When a poll is due and what it asks for: cases worked out by hand."""

from __future__ import annotations

import pytest

from ingestion.domain import capacity, polling
from tests.ingestion.market_week import JUNE_2014, around_the_clock, at, june_grid
from universe.domain.tier import Tier

GRID = june_grid()
FRIDAY, MONDAY = JUNE_2014[1], JUNE_2014[2]


@pytest.mark.parametrize(
    ("now", "cadence", "due"),
    [
        ("2014-06-09T13:31:02", 60, "2014-06-09T13:31"),
        ("2014-06-09T13:31:01", 60, "2014-06-09T13:30"),
        ("2014-06-09T13:34:59", 300, "2014-06-09T13:30"),
        ("2014-06-09T13:35:02", 300, "2014-06-09T13:35"),
    ],
)
def test_a_poll_is_due_two_seconds_after_its_minute(now: str, cadence: int, due: str) -> None:
    assert polling.due_at(at(now), cadence) == at(due)


@pytest.mark.parametrize(
    ("now", "trading"),
    [
        ("2014-06-09T07:59", False),  # before 04:00 New York
        ("2014-06-09T08:00", True),
        ("2014-06-09T15:00", True),
        ("2014-06-10T00:04", True),  # until the last minute before 20:00 has settled
        ("2014-06-10T00:05", False),
        ("2014-06-07T15:00", False),  # Saturday
    ],
)
def test_polling_follows_the_session(now: str, trading: bool) -> None:
    assert polling.trading(GRID, at(now)) is trading


MINUTE_CASES = [
    # (settled to, now, lookback) → asked range
    (
        "in session: from where it is settled",
        "2014-06-09T14:00",
        "2014-06-09T14:04:30",
        10,
        ("2014-06-09T14:00", "2014-06-09T14:04"),
    ),
    (
        "lag of exactly the look-back",
        "2014-06-09T14:00",
        "2014-06-09T14:12:00",
        10,
        ("2014-06-09T14:00", "2014-06-09T14:12"),
    ),
    (
        "lag beyond it: jumps, the rest is a gap",
        "2014-06-09T14:00",
        "2014-06-09T14:13:00",
        10,
        ("2014-06-09T14:01", "2014-06-09T14:13"),
    ),
    (
        "over night: nothing was expected in between",
        "2014-06-10T00:00",
        "2014-06-10T08:03:00",
        10,
        ("2014-06-10T08:00", "2014-06-10T08:03"),
    ),
    (
        "over the weekend",
        "2014-06-07T00:00",
        "2014-06-09T13:32:00",
        10,
        ("2014-06-09T08:00", "2014-06-09T13:32"),
    ),
    (
        "stopped in session, back next morning",
        "2014-06-09T19:50",
        "2014-06-10T08:10:00",
        10,
        ("2014-06-09T19:50", "2014-06-10T08:10"),
    ),
    (
        "never collected: the whole session, early hours too",
        None,
        "2014-06-09T15:00:10",
        10,
        ("2014-06-09T08:00", "2014-06-09T15:00"),
    ),
    (
        "never collected, before Monday's open: from Friday's session on",
        None,
        "2014-06-09T09:15:00",
        10,
        ("2014-06-06T08:00", "2014-06-09T09:15"),
    ),
    (
        "never collected, on a Saturday: Friday's session",
        None,
        "2014-06-07T15:00:00",
        10,
        ("2014-06-06T08:00", "2014-06-07T00:00"),
    ),
]


@pytest.mark.parametrize(
    ("settled", "now", "lookback", "asked"),
    [case[1:] for case in MINUTE_CASES],
    ids=[case[0] for case in MINUTE_CASES],
)
def test_what_a_minute_poll_asks_for(
    settled: str | None, now: str, lookback: int, asked: tuple[str, str]
) -> None:
    settled_to = at(settled) if settled else None
    range_ = polling.minutes_to_ask(GRID, settled_to, at(now), 120, lookback)
    assert range_ is not None
    assert (range_.start, range_.end) == (at(asked[0]), at(asked[1]))


def test_nothing_is_asked_when_all_is_settled() -> None:
    end = MONDAY.extended_close
    assert polling.minutes_to_ask(GRID, end, end + 240, 120, 10) is None


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2014-06-09T20:19:59", "2014-06-06"),  # twenty minutes after the close
        ("2014-06-09T20:20:00", "2014-06-09"),
        ("2014-06-08T12:00:00", "2014-06-06"),
    ],
)
def test_a_daily_bar_settles_twenty_minutes_after_the_close(now: str, newest: str) -> None:
    assert polling.newest_daily_label(GRID, at(now)) == at(newest)


def test_days_are_asked_from_where_they_are_settled() -> None:
    now = at("2014-06-10T21:00")
    asked = polling.days_to_ask(GRID, at("2014-06-09"), now)
    assert asked is not None
    assert (asked.start, asked.end) == (at("2014-06-09"), at("2014-06-11"))
    assert polling.days_to_ask(GRID, at("2014-06-11"), now) is None


def test_the_first_daily_poll_reaches_back_some_sessions() -> None:
    asked = polling.days_to_ask(around_the_clock(), None, at("2014-06-12T00:30"))
    assert asked is not None
    assert (asked.start, asked.end) == (at("2014-06-05"), at("2014-06-12"))


def test_capacity_goes_to_the_tiers_in_order() -> None:
    wanted = {Tier.T0: (100, 60), Tier.T1: (300, 60), Tier.T2: (5_000, 300)}
    # 100 + 300 + 1,000 symbols a minute are wanted.
    assert capacity.share(wanted, 1_400) == {Tier.T0: 1, Tier.T1: 1, Tier.T2: 1}
    assert capacity.share(wanted, 650) == {Tier.T0: 1, Tier.T1: 1, Tier.T2: 0.25}
    assert capacity.share(wanted, 50) == {Tier.T0: 0.5, Tier.T1: 0, Tier.T2: 0}
    assert capacity.share(wanted, capacity.UNLIMITED)[Tier.T2] == 1


def test_everybody_has_a_turn() -> None:
    chunks = list(range(10))
    served = [chunk for n in range(4) for chunk in capacity.whose_turn(chunks, 0.3, n)]
    assert set(served) == set(chunks)
    assert len(served) == 12
    assert capacity.whose_turn(chunks, 1.0, 7) == chunks
    assert capacity.whose_turn(chunks, 0.0, 7) == []
