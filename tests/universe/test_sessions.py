"""The sessions table: what a sync writes, and how soon grids follow."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection

from marketdata_site import clock
from universe.domain.session_grid import DateNotCovered
from universe.models import ExchangeCalendar, ExchangeSession
from universe.services import sessions
from universe.services.exchange_hours import ExchangeHours, SessionHours
from universe.services.sessions import HoursUnavailable, UnknownCalendar, grid, sync

MARCH = date(2024, 3, 1), date(2024, 3, 31)


@pytest.fixture
def xnys(db: None) -> ExchangeCalendar:
    sync(["XNYS"], *MARCH)
    return ExchangeCalendar.objects.get(name="XNYS")


def test_sync_writes_opens_closes_and_extended_hours(xnys: ExchangeCalendar) -> None:
    assert xnys.timezone == "America/New_York"
    assert (xnys.covered_from, xnys.covered_to) == MARCH
    assert (xnys.extended_open, xnys.extended_close) == (time(4), time(20))
    rows = ExchangeSession.objects.filter(calendar=xnys)
    # 21 weekdays, less Good Friday on the 29th
    assert rows.count() == 20
    row = rows.get(date=date(2024, 3, 11))
    assert row.open == datetime(2024, 3, 11, 13, 30, tzinfo=UTC)
    assert row.close == datetime(2024, 3, 11, 20, 0, tzinfo=UTC)
    assert (row.break_start, row.break_end) == (None, None)
    assert not rows.filter(date=date(2024, 3, 29)).exists()


def test_breaks_and_half_days_are_written(db: None) -> None:
    sync(["XHKG"], date(2024, 12, 23), date(2024, 12, 24))
    whole, half = ExchangeSession.objects.filter(calendar="XHKG").order_by("date")
    # Hong Kong, UTC+8: 9:30 to 16:00 with lunch from 12:00 to 13:00; a half day ends at 12:00.
    assert whole.break_start == datetime(2024, 12, 23, 4, 0, tzinfo=UTC)
    assert whole.break_end == datetime(2024, 12, 23, 5, 0, tzinfo=UTC)
    assert whole.close == datetime(2024, 12, 23, 8, 0, tzinfo=UTC)
    assert (half.break_start, half.break_end) == (None, None)
    assert half.close == datetime(2024, 12, 24, 4, 0, tzinfo=UTC)


def test_syncing_again_changes_nothing(xnys: ExchangeCalendar) -> None:
    ids = list(ExchangeSession.objects.values_list("pk", flat=True))
    [result] = sync(["XNYS"], *MARCH)
    assert (result.added, result.changed, result.removed) == (0, 0, 0)
    assert result.version == xnys.version == 1
    assert list(ExchangeSession.objects.values_list("pk", flat=True)) == ids


def test_aliases_are_one_calendar(db: None) -> None:
    results = sync(["XNAS", "XNYS", "NYSE"], *MARCH)
    assert [result.calendar for result in results] == ["XNYS"]
    assert ExchangeCalendar.objects.count() == 1


def test_what_differs_is_put_right_and_the_version_grows(xnys: ExchangeCalendar) -> None:
    rows = ExchangeSession.objects.filter(calendar=xnys)
    rows.filter(date=date(2024, 3, 4)).delete()
    rows.filter(date=date(2024, 3, 5)).update(close=datetime(2024, 3, 5, 18, tzinfo=UTC))
    ExchangeSession.objects.create(
        calendar=xnys,
        date=date(2024, 3, 9),
        open=datetime(2024, 3, 9, 14, tzinfo=UTC),
        close=datetime(2024, 3, 9, 15, tzinfo=UTC),
    )
    [result] = sync(["XNYS"], *MARCH)
    assert (result.added, result.changed, result.removed) == (1, 1, 1)
    assert (result.sessions, result.version) == (20, 2)
    assert rows.get(date=date(2024, 3, 5)).close == datetime(2024, 3, 5, 21, tzinfo=UTC)


def test_coverage_grows_without_holes(xnys: ExchangeCalendar) -> None:
    [later] = sync(["XNYS"], date(2024, 6, 3), date(2024, 6, 7))
    assert (later.first, later.last) == (MARCH[0], date(2024, 6, 7))
    assert later.version == 2
    # 22 sessions in April, 22 in May (Memorial Day is closed), 5 in June
    assert later.sessions == 20 + 22 + 22 + 5
    [earlier] = sync(["XNYS"], date(2024, 1, 2), date(2024, 1, 3))
    assert earlier.first == date(2024, 1, 2)
    assert earlier.sessions == later.sessions + 21 + 20
    grid("XNYS").expected_count(
        int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()),
        int(datetime(2024, 6, 7, tzinfo=UTC).timestamp()),
    )


def test_a_smaller_sync_keeps_what_was_covered(xnys: ExchangeCalendar) -> None:
    [result] = sync(["XNYS"], date(2024, 3, 11), date(2024, 3, 11))
    assert (result.first, result.last, result.sessions) == (*MARCH, 20)


def test_closed_days_alone_can_be_synced(db: None) -> None:
    [result] = sync(["XNYS"], date(2024, 3, 9), date(2024, 3, 10))
    assert result.sessions == 0
    assert grid("XNYS").session_on(date(2024, 3, 9)) is None


def test_default_span_is_1990_to_a_year_from_now(db: None) -> None:
    clock.install(lambda: datetime(2026, 3, 4, 12, tzinfo=UTC))
    [result] = sync(["24/7"])
    assert (result.first, result.last) == (date(1990, 1, 1), date(2027, 3, 4))
    assert result.sessions == (date(2027, 3, 4) - date(1990, 1, 1)).days + 1


def test_bounds_of_a_calendar_shorten_the_span(db: None) -> None:
    [result] = sync(["XSAU"], date(1990, 1, 1), date(2022, 1, 1))
    assert result.first == date(2021, 1, 1)
    with pytest.raises(HoursUnavailable, match="computes XSAU from 2021-01-01 to"):
        sync(["XSAU"], date(1990, 1, 1), date(1991, 1, 1))


def test_unknown_names_are_refused_before_anything_is_written(db: None) -> None:
    with pytest.raises(UnknownCalendar, match="'NOPE'"):
        sync(["XNYS", "NOPE"], *MARCH)
    assert not ExchangeCalendar.objects.exists()


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        (date(2024, 3, 2), date(2024, 3, 1), "last 2024-03-01 is before first 2024-03-02"),
        (date(1969, 3, 2), date(2024, 3, 1), "first 1969-03-02 is before 1970-01-02"),
    ],
)
def test_impossible_spans_are_refused(db: None, first: date, last: date, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        sync(["XNYS"], first, last)


def test_a_sync_that_makes_no_grid_leaves_no_trace(
    xnys: ExchangeCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overlapping(name: str, first: date, last: date) -> ExchangeHours:
        at = datetime(2024, 3, 4, 14, tzinfo=UTC)
        hours = SessionHours(at, at + timedelta(hours=30))
        later = SessionHours(at + timedelta(hours=24), at + timedelta(hours=30))
        days = {date(2024, 3, 4): hours, date(2024, 3, 5): later}
        return ExchangeHours(name, "America/New_York", first, last, None, days)

    monkeypatch.setattr(sessions, "read", overlapping)
    with pytest.raises(ValueError, match="overlap"):
        sync(["XNYS"], *MARCH)
    assert ExchangeSession.objects.filter(calendar=xnys).count() == 20
    assert ExchangeCalendar.objects.get(name="XNYS").version == 1


# ---- grids -----------------------------------------------------------------------------


def test_a_calendar_that_was_never_synced_is_unknown(db: None) -> None:
    with pytest.raises(UnknownCalendar, match="sync_sessions --calendars XLON"):
        grid("XLON")


def test_dates_outside_the_table_are_not_covered(xnys: ExchangeCalendar) -> None:
    with pytest.raises(DateNotCovered, match=r"2024-04-01 .* XNYS .*2024-03-01 to 2024-03-31"):
        grid("XNYS").session_on(date(2024, 4, 1))


def test_grids_ask_the_database_at_most_once_a_second(
    xnys: ExchangeCalendar, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    first = grid("XNYS")
    with django_assert_num_queries(0):
        for _ in range(1000):
            assert grid("XNYS") is first


def test_an_unchanged_calendar_costs_one_query_a_second(
    xnys: ExchangeCalendar, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    now = 1000.0
    monkeypatch.setattr("universe.services.sessions.monotonic", lambda: now)
    first = grid("XNYS")
    now += 1.0
    with django_assert_num_queries(1):
        assert grid("XNYS") is first
    now += 0.99
    with django_assert_num_queries(0):
        assert grid("XNYS") is first


def test_a_change_by_another_process_is_seen_after_a_second(
    xnys: ExchangeCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("universe.services.sessions.monotonic", lambda: now)
    before = grid("XNYS")
    # What another process's sync would leave behind.
    ExchangeSession.objects.filter(calendar=xnys, date=date(2024, 3, 4)).delete()
    ExchangeCalendar.objects.filter(pk="XNYS").update(version=2)
    assert grid("XNYS") is before
    now += 1.0
    after = grid("XNYS")
    assert before.session_on(date(2024, 3, 4)) is not None
    assert after.session_on(date(2024, 3, 4)) is None
    assert after.version == 2


def test_this_process_sees_its_own_sync_at_once(xnys: ExchangeCalendar) -> None:
    assert grid("XNYS").last == MARCH[1]
    sync(["XNYS"], *MARCH[:1], date(2024, 4, 5))
    assert grid("XNYS").last == date(2024, 4, 5)


def test_a_calendar_that_went_away_is_unknown_again(
    xnys: ExchangeCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("universe.services.sessions.monotonic", lambda: now)
    grid("XNYS")
    xnys.delete()
    now += 1.0
    with pytest.raises(UnknownCalendar):
        grid("XNYS")


@pytest.mark.django_db(transaction=True)
def test_two_syncs_at_once_leave_one_set_of_rows() -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(2)

    def run(first: date, last: date) -> None:
        try:
            barrier.wait()
            sync(["XNYS"], first, last)
        except BaseException as error:  # noqa: BLE001 (told to the test's own thread)
            errors.append(error)
        finally:
            connection.close()

    spans = [MARCH, (date(2024, 5, 1), date(2024, 5, 31))]
    threads = [threading.Thread(target=run, args=span) for span in spans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    calendar = ExchangeCalendar.objects.get()
    assert (calendar.covered_from, calendar.covered_to) == (MARCH[0], date(2024, 5, 31))
    assert len(grid("XNYS").sessions) == ExchangeSession.objects.count() == 20 + 22 + 22
