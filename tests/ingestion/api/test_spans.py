"""Which range a request means: session dates and moments, against a week written by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from ingestion.api import parameters, spans
from ingestion.api.errors import InputInvalid
from tests.ingestion.market_week import JUNE_2014, around_the_clock, at, june_grid
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

NOW = at("2014-06-13T22:30")
GRID, ALWAYS = june_grid(), around_the_clock()
DATES = st.dates(date(2014, 6, 5), date(2014, 6, 15))


def span(query: str, *, interval=Interval.MINUTE, grid=GRID, now=NOW) -> TimeRange:
    return spans.span(parameters.parse(QueryDict(query), interval, tuple(Interval)), grid, now)


@given(first=DATES, last=DATES)
def test_session_dates_hold_whole_sessions_and_no_others(first, last):
    if first > last:
        with pytest.raises(InputInvalid) as refused:
            span(f"start={first}&end={last}")
        assert refused.value.field == "start"
        return
    found = span(f"start={first}&end={last}")
    for session in JUNE_2014:
        inside = first <= session.date <= last
        assert (found.start <= session.extended_open < found.end) is inside
        assert (found.start <= session.open < found.end) is inside
        assert (found.start <= session.extended_close - 1 < found.end) is inside


@given(first=DATES, last=DATES)
def test_daily_dates_hold_their_labels(first, last):
    if first <= last:
        found = span(f"start={first}&end={last}", interval=Interval.DAY)
        assert found == TimeRange(at(str(first)), at(str(last)) + 86_400)


@given(first=DATES, last=DATES)
def test_days_around_the_clock_are_utc_days(first, last):
    if first <= last:
        assert span(f"start={first}&end={last}", grid=ALWAYS) == TimeRange(
            at(str(first)), at(str(last)) + 86_400
        )


@given(
    after=st.timedeltas(timedelta(0), timedelta(days=6)),
    length=st.timedeltas(timedelta(seconds=2), timedelta(days=2)),
    zone=st.integers(-14, 14),
)
def test_moments_are_taken_as_they_are_from_any_zone(after, length, zone):
    begin = datetime(2014, 6, 6, tzinfo=UTC) + after
    end = begin + length
    offset = f"{zone:+03d}:00"
    shifted = [f"{(m + timedelta(hours=zone)).replace(tzinfo=None).isoformat()}{offset}"
               for m in (begin, end)]  # fmt: skip
    found = span(f"start={shifted[0].replace('+', '%2B')}&end={shifted[1].replace('+', '%2B')}")
    # A bar's `ts` is a whole second: it is in [start, end) when it is in the rounded range.
    for moment, edge in ((begin, found.start), (end, found.end)):
        assert 0 <= edge - moment.timestamp() < 1


@pytest.mark.parametrize(
    ("query", "now", "day"),
    [
        ("", "2014-06-13T15:00", "2014-06-13"),  # under way
        ("", "2014-06-13T22:30", "2014-06-13"),  # in extended hours after it
        ("", "2014-06-13T12:00", "2014-06-12"),  # before the open, of regular hours
        ("hours=extended", "2014-06-13T12:00", "2014-06-13"),
        ("hours=extended", "2014-06-13T07:59", "2014-06-12"),
        ("", "2014-06-08T12:00", "2014-06-06"),  # a Sunday
        ("end=2014-06-10", "2014-06-13T15:00", "2014-06-10"),
        ("end=2014-06-08", "2014-06-13T15:00", "2014-06-06"),
        ("end=2014-06-10T13:30:00Z", "2014-06-13T15:00", "2014-06-09"),  # exclusive
        ("end=2014-06-10T13:31:00Z", "2014-06-13T15:00", "2014-06-10"),
        ("as_of=2014-06-10T15:00:00Z", "2014-06-13T15:00", "2014-06-10"),
        ("as_of=2030-06-10T15:00:00Z", "2014-06-13T15:00", "2014-06-13"),
    ],
)
def test_without_a_start_minutes_are_those_of_the_latest_session(query, now, day):
    session = next(one for one in JUNE_2014 if str(one.date) == day)
    assert span(query, now=at(now)) == TimeRange(session.extended_open, session.extended_close)


def test_minutes_from_a_start_reach_to_now():
    assert span("start=2014-06-12T15:00:00Z") == TimeRange(at("2014-06-12T15:00"), NOW + 1)


def test_days_without_a_range_are_those_of_a_year_as_far_as_the_calendar_goes():
    assert span("", interval=Interval.DAY) == TimeRange(at("2014-06-05"), at("2014-06-14"))


@pytest.mark.parametrize(
    ("query", "day"),
    [
        ("", None),
        ("end=2014-06-13", None),
        ("end=2014-06-20", None),
        ("end=2014-06-12", date(2014, 6, 12)),
        ("end=2014-06-12T00:00:00Z", date(2014, 6, 11)),
        ("as_of=2014-06-10T15:00:00Z&end=2014-06-12", date(2014, 6, 10)),
        ("as_of=2014-06-13T15:00:00Z&end=2014-06-12", None),
    ],
)
def test_tickers_are_looked_up_as_of_then_or_at_the_ranges_end(query, day):
    asked = parameters.parse(QueryDict(query), Interval.MINUTE, tuple(Interval))
    assert spans.resolve_on(asked, date(2014, 6, 13)) == day
