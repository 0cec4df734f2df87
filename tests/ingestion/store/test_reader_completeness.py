"""How complete an answer is, against a market small enough to count by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ingestion.domain.bar_series import Completeness
from ingestion.store import reader
from marketdata_site import clock
from tests.ingestion.store.bar_history import Commit, History, Version, epoch
from tests.ingestion.store.reading import (
    ALL,
    EACH_PATH,
    EXTENDED,
    LABELS,
    REGULAR,
    SHORT,
    SYMBOL,
    reading_by,
    symbol,
)
from universe.domain.interval import Interval
from universe.domain.session import DateNotCovered
from universe.domain.time_range import TimeRange

pytestmark = pytest.mark.django_db
WRITTEN = epoch("2024-06-04T00:00") * 1_000_000
# The three sessions have six, four and five minutes.
FIRST_DAY, SECOND_DAY, THIRD_DAY = REGULAR[:6], REGULAR[6:10], REGULAR[10:]


@pytest.fixture(autouse=True, params=EACH_PATH)
def _path(request: pytest.FixtureRequest) -> Iterator[None]:
    with reading_by(request.param):
        yield


@pytest.fixture(autouse=True)
def _weeks_later() -> None:
    clock.install(lambda: datetime(2024, 6, 28, tzinfo=UTC))


@pytest.fixture
def history(db: None) -> History:
    """The first day lacks its last minute; of the second day's four one is stored and one
    had no trade; the third has all five, one of them only since a second commit."""
    stored = {ts: Version(float(n)) for n, ts in enumerate([*FIRST_DAY[:5], SECOND_DAY[0]])}
    outside = {ts: Version(9.0, extended=True) for ts in EXTENDED}
    late = {THIRD_DAY[4]: Version(8.0)}
    third = {ts: Version(7.0) for ts in THIRD_DAY[:4]}
    history = History(
        [Commit(WRITTEN, stored | outside | third), Commit(WRITTEN + 1, late)], {SECOND_DAY[1]}
    )
    history.save(SYMBOL)
    return history


def completeness(**kwargs) -> Completeness:
    arguments: dict[str, Any] = {"symbol": symbol(), "interval": Interval.MINUTE, "grid": SHORT}
    return reader.read(**{**arguments, "range": ALL, **kwargs}).completeness


def test_all_expected_bars_are_accounted_for(history: History):
    assert completeness() == Completeness(expected=15, stored=11, no_trade=1, missing=3)


def test_extended_bars_do_not_count(history: History):
    assert completeness(hours="extended") == Completeness(15, 11, 1, 3)


def test_it_is_todays_knowledge(history: History):
    page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=WRITTEN)
    assert len(page) == 10  # the last bar came later
    assert page.completeness == Completeness(15, 11, 1, 3)


def test_before_the_first_commit_there_are_no_bars_but_the_same_account(history: History):
    page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=WRITTEN - 1)
    assert len(page) == 0
    assert page.as_of == WRITTEN - 1
    assert page.completeness == Completeness(15, 11, 1, 3)


def test_a_range_cuts_minutes_off(history: History):
    range_ = TimeRange(FIRST_DAY[3], SECOND_DAY[2])
    assert completeness(range=range_) == Completeness(expected=5, stored=3, no_trade=1, missing=1)


def test_a_range_may_begin_between_minutes(history: History):
    assert completeness(range=TimeRange(FIRST_DAY[3] + 1, FIRST_DAY[5] + 1)).expected == 2


@pytest.mark.parametrize(
    ("listed", "delisted", "wanted"),
    [
        (date(2024, 5, 31), None, Completeness(9, 6, 1, 2)),
        (None, date(2024, 5, 30), Completeness(6, 5, 0, 1)),
        (date(2024, 6, 1), date(2024, 6, 3), Completeness(5, 5, 0, 0)),
        (date(2024, 6, 5), None, Completeness(0, 0, 0, 0)),
    ],
)
def test_only_while_it_is_listed(history: History, listed, delisted, wanted):
    assert completeness(symbol=symbol(listed, delisted)) == wanted


def test_a_minute_is_expected_once_it_is_over(history: History):
    clock.install(lambda: datetime(2024, 6, 3, 13, 32, 59, tzinfo=UTC))
    assert completeness() == Completeness(expected=12, stored=8, no_trade=1, missing=3)
    clock.install(lambda: datetime(2024, 6, 3, 13, 33, 0, tzinfo=UTC))
    assert completeness() == Completeness(expected=13, stored=9, no_trade=1, missing=3)


def test_nothing_is_expected_of_the_future(history: History):
    clock.install(lambda: datetime(2024, 5, 29, tzinfo=UTC))
    assert completeness() == Completeness(0, 0, 0, 0)


def test_the_future_may_lie_beyond_the_calendar(history: History):
    assert completeness(range=TimeRange(ALL.start, epoch("2034-01-01"))).expected == 15


def test_the_past_may_not(history: History):
    with pytest.raises(DateNotCovered, match="2024-05-01"):
        completeness(range=TimeRange(epoch("2023-01-01"), ALL.end))


def test_a_mark_beside_a_stored_bar_does_not_count_twice(history: History):
    History(marks={FIRST_DAY[0]}).save(SYMBOL)
    assert completeness() == Completeness(15, 11, 1, 3)


def test_a_stored_bar_that_is_not_expected_any_more_does_not_count(history: History):
    """As when a session is struck from the calendar after its bars came in."""
    fewer = [s for s in SHORT.sessions if s.date != date(2024, 6, 3)]
    grid = type(SHORT)("SHORT", fewer, SHORT.first, SHORT.last)
    page = reader.read(symbol(), Interval.MINUTE, grid, ALL)
    assert len(page) == 11
    assert page.completeness == Completeness(expected=10, stored=6, no_trade=1, missing=3)


def test_daily_bars_are_expected_once_their_session_has_closed(db: None):
    History([Commit(WRITTEN, {LABELS[0]: Version(1.0)})], {LABELS[1]}).save(SYMBOL, Interval.DAY)
    arguments = {"interval": Interval.DAY}
    assert completeness(**arguments) == Completeness(expected=3, stored=1, no_trade=1, missing=1)
    clock.install(lambda: datetime(2024, 6, 3, 13, 34, 59, tzinfo=UTC))
    assert completeness(**arguments) == Completeness(expected=2, stored=1, no_trade=1, missing=0)
    clock.install(lambda: datetime(2024, 6, 3, 13, 35, 0, tzinfo=UTC))
    assert completeness(**arguments).expected == 3


def test_daily_bars_of_the_listing_and_the_last_session_are_expected(db: None):
    listed = symbol(date(2024, 5, 31), date(2024, 6, 3))
    assert completeness(symbol=listed, interval=Interval.DAY).expected == 2


def test_a_series_without_anything(db: None):
    page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL)
    assert (page.as_of, page.changed_at, page.next, len(page), page.sources) == (
        None,
        None,
        None,
        0,
        (),
    )
    assert page.completeness == Completeness(expected=15, stored=0, no_trade=0, missing=15)


def test_a_limit_below_one_is_refused(db: None):
    with pytest.raises(ValueError, match="limit 0 must be at least 1"):
        reader.read(symbol(), Interval.MINUTE, SHORT, ALL, limit=0)


def test_behind_the_end_there_is_nothing(history: History):
    page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, after=ALL.end)
    assert (len(page), page.next, page.completeness) == (0, None, Completeness(0, 0, 0, 0))
