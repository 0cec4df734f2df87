"""An operator's word about a date: it beats the synced session, at once and for good."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from universe.models import ExchangeCalendar, SessionOverride
from universe.services.exchange_hours import SessionHours, UnknownCalendar
from universe.services.overrides import OverrideInvalid, put_override, remove_override
from universe.services.sessions import grid, sync

DAY = date(2024, 3, 12)


def at(clock: str, day: int = 12) -> datetime:
    return datetime.fromisoformat(f"2024-03-{day:02}T{clock}").replace(tzinfo=UTC)


@pytest.fixture
def xnys(db: None) -> None:
    sync(["XNYS"], date(2024, 3, 1), date(2024, 3, 31))


def version() -> int:
    return ExchangeCalendar.objects.get(name="XNYS").version


def test_a_closed_day_has_no_session(xnys: None) -> None:
    assert grid("XNYS").session_on(DAY) is not None
    put_override("XNYS", DAY, None, "a flood")
    assert grid("XNYS").session_on(DAY) is None
    assert version() == grid("XNYS").version == 2


def test_changed_hours_replace_the_session_and_keep_extended_hours(xnys: None) -> None:
    put_override("XNYS", DAY, SessionHours(at("13:30"), at("17:00")), "closed early")
    session = grid("XNYS").session_on(DAY)
    assert session is not None
    assert session.minutes == 210
    assert session.extended_close == int(at("00:00", 13).timestamp())


def test_a_closed_day_can_be_opened(xnys: None) -> None:
    saturday = date(2024, 3, 9)
    put_override(
        "XNYS", saturday, SessionHours(at("14:30", 9), at("16:30", 9)), "a test of the systems"
    )
    session = grid("XNYS").session_on(saturday)
    assert session is not None
    assert session.minutes == 120


def test_breaks_can_be_given(xnys: None) -> None:
    hours = SessionHours(at("13:30"), at("20:00"), at("15:00"), at("17:00"))
    put_override("XNYS", DAY, hours, "a halt")
    session = grid("XNYS").session_on(DAY)
    assert session is not None
    assert session.minutes == 390 - 120


def test_an_override_outlives_a_sync(xnys: None) -> None:
    put_override("XNYS", DAY, None, "a flood")
    [result] = sync(["XNYS"], date(2024, 3, 1), date(2024, 3, 31))
    assert result.changed == 0
    assert grid("XNYS").session_on(DAY) is None


def test_a_second_word_replaces_the_first(xnys: None) -> None:
    put_override("XNYS", DAY, None, "a flood")
    put_override("XNYS", DAY, SessionHours(at("15:00"), at("20:00")), "it opened late after all")
    assert SessionOverride.objects.count() == 1
    session = grid("XNYS").session_on(DAY)
    assert session is not None
    assert session.open == int(at("15:00").timestamp())
    assert version() == 3


def test_the_same_word_again_changes_nothing(xnys: None) -> None:
    first = put_override("XNYS", DAY, None, "a flood")
    again = put_override("XNYS", DAY, None, " a flood ")
    assert (again.pk, version()) == (first.pk, 2)


def test_taken_back_the_synced_session_counts_again(xnys: None) -> None:
    before = grid("XNYS").session_on(DAY)
    put_override("XNYS", DAY, None, "a flood")
    assert remove_override("XNYS", DAY) is True
    assert grid("XNYS").session_on(DAY) == before
    assert version() == 3
    assert remove_override("XNYS", DAY) is False
    assert version() == 3


def test_the_calendar_must_be_here(db: None) -> None:
    with pytest.raises(UnknownCalendar, match="XLON"):
        put_override("XLON", DAY, None, "a flood")
    with pytest.raises(UnknownCalendar, match="XLON"):
        remove_override("XLON", DAY)


@pytest.mark.parametrize(
    ("day", "hours", "reason", "field", "problem"),
    [
        (DAY, None, "  ", "reason", "say why"),
        (DAY, None, "x" * 201, "reason", "at most 200 characters; got 201"),
        (date(2025, 3, 12), None, "x", "date", "2025-03-12 is outside what calendar XNYS covers"),
        (DAY, SessionHours(at("20:00"), at("13:30")), "x", "open", "in the order"),
        (DAY, SessionHours(at("13:30"), at("13:30")), "x", "open", "in the order"),
        (DAY, SessionHours(at("13:30:20"), at("20:00")), "x", "open", "whole minutes"),
        (DAY, SessionHours(at("13:30", 20), at("20:00", 20)), "x", "open", "near that date"),
        (DAY, SessionHours(at("19:00", 11), at("20:00")), "x", "open", "overlap"),
        (
            DAY,
            SessionHours(at("13:30"), at("20:00"), at("21:00"), at("22:00")),
            "x",
            "open",
            "in the order",
        ),
        (
            DAY,
            SessionHours(datetime(2024, 3, 12, 13, 30), at("20:00")),  # noqa: DTZ001 (the point)
            "x",
            "open",
            "2024-03-12T13:30:00 has no time zone",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_no_trace(
    xnys: None, day: date, hours: SessionHours | None, reason: str, field: str, problem: str
) -> None:
    with pytest.raises(OverrideInvalid, match=problem) as caught:
        put_override("XNYS", day, hours, reason)
    assert list(caught.value.problems) == [field]
    assert not SessionOverride.objects.exists()
    assert version() == 1
