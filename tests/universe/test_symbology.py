"""Which symbol a ticker names on a date, as the recorded map files have it."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.universe.grids import grid, new_york_day, session, utc
from universe.domain.interval import Interval
from universe.domain.session_grid import label_of
from universe.domain.time_range import TimeRange
from universe.models import ExchangeCalendar, Symbol, SymbolTicker
from universe.services.symbology import (
    UnknownSymbol,
    expected_range,
    resolve,
    resolve_many,
    ticker_on,
    tickers_in,
)


@pytest.fixture
def xnys(db: None) -> ExchangeCalendar:
    return ExchangeCalendar.objects.create(
        name="XNYS",
        timezone="America/New_York",
        covered_from=date(2000, 1, 1),
        covered_to=date(2030, 1, 1),
        synced_at=datetime(2024, 1, 1, tzinfo=UTC),
    )


def listed(
    calendar: ExchangeCalendar, *names: tuple[str, str | None, str | None], **fields: object
) -> Symbol:
    """A symbol with its tickers, oldest first: name, from, until."""
    symbol = Symbol.objects.create(
        ticker=names[-1][0], calendar=calendar, tier="T0", asset_class="equity", **fields
    )
    for ticker, start, end in names:
        SymbolTicker.objects.create(
            symbol=symbol,
            ticker=ticker,
            valid_from=start and date.fromisoformat(start),
            valid_to=end and date.fromisoformat(end),
        )
    return symbol


@pytest.fixture
def fox(xnys: ExchangeCalendar) -> Symbol:
    return listed(xnys, ("NWSA", None, "2013-07-01"), ("FOXA", "2013-07-01", None))


def span(start: str, end: str) -> TimeRange:
    return TimeRange(utc(start), utc(end))


def test_a_ticker_names_its_symbol_in_any_case(fox: Symbol) -> None:
    assert resolve("FOXA") == resolve(" foxa ") == fox
    assert resolve("FoxA", date(2013, 7, 1)) == fox


def test_one_query_brings_symbol_and_calendar(
    fox: Symbol, django_assert_num_queries: object
) -> None:
    assert callable(django_assert_num_queries)
    with django_assert_num_queries(1):
        assert resolve("FOXA", date(2020, 1, 2)).calendar.timezone == "America/New_York"


def test_a_former_ticker_names_the_symbol_until_the_change(fox: Symbol) -> None:
    assert resolve("NWSA", date(2013, 6, 28)) == fox
    for on in (None, date(2013, 7, 1)):
        with pytest.raises(UnknownSymbol, match=r"NWSA.*FOXA had it .*until 2013-07-01"):
            resolve("NWSA", on)
    with pytest.raises(UnknownSymbol, match=r"FOXA on 2013-06-30"):
        resolve("FOXA", date(2013, 6, 30))


def test_unknown_tickers_are_named(xnys: ExchangeCalendar) -> None:
    with pytest.raises(UnknownSymbol, match=r"no symbol has the ticker ZZZZ$"):
        resolve("zzzz")


def test_a_symbol_without_history_had_one_ticker(xnys: ExchangeCalendar) -> None:
    bare = Symbol.objects.create(ticker="AAPL", calendar=xnys, tier="T0", asset_class="equity")
    assert resolve("AAPL") == resolve("AAPL", date(1999, 1, 1)) == bare
    assert ticker_on(bare, date(1999, 1, 1)) == "AAPL"
    whole = span("2013-06-01", "2013-08-01")
    assert tickers_in(bare, whole) == [("AAPL", whole)]


def test_the_new_owner_of_a_ticker_and_the_old_one(fox: Symbol, xnys: ExchangeCalendar) -> None:
    """Another company took the ticker NWSA on the day that this one gave it up."""
    news = listed(xnys, ("NWSA", None, None), listed_on=date(2013, 7, 1))
    assert resolve("NWSA", date(2013, 6, 28)) == fox
    assert resolve("NWSA", date(2013, 7, 1)) == resolve("NWSA") == news


def test_a_delisted_symbol_is_found_until_its_ticker_is_used_again(
    xnys: ExchangeCalendar,
) -> None:
    old = listed(xnys, ("FB", None, None), delisted_on=date(2005, 3, 1), active=False)
    assert resolve("FB") == resolve("FB", date(2020, 1, 2)) == old
    new = listed(xnys, ("FB", None, None), listed_on=date(2012, 5, 18))
    assert resolve("FB", date(2005, 3, 1)) == old
    assert resolve("FB", date(2012, 5, 18)) == resolve("FB") == new


def test_ticker_on_each_side_of_the_change(fox: Symbol) -> None:
    assert ticker_on(fox, date(1999, 1, 4)) == ticker_on(fox, date(2013, 6, 30)) == "NWSA"
    assert ticker_on(fox, date(2013, 7, 1)) == ticker_on(fox, date(2040, 1, 1)) == "FOXA"


def test_a_range_of_days_is_cut_at_the_change(fox: Symbol) -> None:
    assert tickers_in(fox, span("2013-06-28", "2013-07-03")) == [
        ("NWSA", span("2013-06-28", "2013-07-01")),
        ("FOXA", span("2013-07-01", "2013-07-03")),
    ]


def test_a_range_of_minutes_is_cut_at_midnight_of_the_exchange(fox: Symbol) -> None:
    # New York is at UTC-4 in July.
    assert tickers_in(fox, span("2013-06-28 13:30", "2013-07-01 20:00"), Interval.MINUTE) == [
        ("NWSA", span("2013-06-28 13:30", "2013-07-01 04:00")),
        ("FOXA", span("2013-07-01 04:00", "2013-07-01 20:00")),
    ]


def test_a_range_on_one_side_stays_whole(fox: Symbol) -> None:
    for start, end, ticker in (
        ("2013-06-01", "2013-07-01", "NWSA"),
        ("2013-07-01", "2013-08-01", "FOXA"),
    ):
        assert tickers_in(fox, span(start, end)) == [(ticker, span(start, end))]


def test_a_ticker_can_come_back(xnys: ExchangeCalendar) -> None:
    qqq = listed(
        xnys,
        ("QQQ", None, "2004-12-01"),
        ("QQQQ", "2004-12-01", "2011-03-23"),
        ("QQQ", "2011-03-23", None),
    )
    assert resolve("QQQ") == resolve("QQQ", date(2004, 11, 30)) == qqq
    assert resolve("QQQQ", date(2004, 12, 1)) == qqq
    assert [ticker for ticker, _ in tickers_in(qqq, span("2004-01-01", "2012-01-01"))] == [
        "QQQ",
        "QQQQ",
        "QQQ",
    ]


def test_prefetched_tickers_cost_no_query(fox: Symbol, django_assert_num_queries: object) -> None:
    assert callable(django_assert_num_queries)
    [symbol] = Symbol.objects.select_related("calendar").prefetch_related("tickers")
    with django_assert_num_queries(0):
        tickers_in(symbol, span("2013-06-28", "2013-07-03"), Interval.MINUTE)
        ticker_on(symbol, date(2013, 7, 1))


@pytest.mark.parametrize("name", ["qqq", "goog", "aapl", "spy", "tfcfa"])
def test_recorded_map_files(market_data_dir: Path, xnys: ExchangeCalendar, name: str) -> None:
    """Each row of a map file is the last day of a ticker; the first row is the listing."""
    path = market_data_dir / f"lean/equity/usa/map_files/{name}.csv"
    with path.open(newline="") as file:
        rows = [
            (datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(), ticker.upper())
            for day, ticker, _ in csv.reader(file)
        ]
    listed_on, periods = rows[0][0], rows[1:]
    names: list[tuple[str, str | None, str | None]] = []
    start = None
    for last, ticker in periods:
        after = (last + timedelta(days=1)).isoformat()
        names.append((ticker, start, None if last.year == 2050 else after))
        start = after
    symbol = listed(xnys, *names, listed_on=listed_on)
    for last, ticker in periods:
        day = min(last, date(2026, 1, 2))
        assert ticker_on(symbol, day) == ticker
        assert resolve(ticker, day) == symbol


# ---- expected range --------------------------------------------------------------------


@pytest.fixture
def company(xnys: ExchangeCalendar) -> Symbol:
    """Listed on Good Friday 2024-03-29 (its first session is Monday), delisted on Wednesday."""
    return listed(
        xnys, ("CO", None, None), listed_on=date(2024, 3, 29), delisted_on=date(2024, 4, 3)
    )


WEEK = grid(
    *(new_york_day(f"2024-{day}") for day in ("03-28", "04-01", "04-02", "04-03", "04-04")),
    first="2024-03-28",
    last="2024-04-04",
)


def test_expected_from_the_first_session_to_the_last_inclusive(company: Symbol) -> None:
    wanted = span("2024-03-28", "2024-04-05")
    within = expected_range(company, WEEK, wanted)
    assert within is not None
    minutes = WEEK.expected(within.start, within.end)
    assert minutes[0] == utc("2024-04-01 13:30")
    assert minutes[-1] == utc("2024-04-03 19:59")
    assert len(minutes) == 3 * 390
    labels = WEEK.expected_labels(within.start, within.end)
    assert labels.tolist() == [label_of(date(2024, 4, day)) for day in (1, 2, 3)]


def test_expected_narrows_and_never_widens(company: Symbol) -> None:
    inside = span("2024-04-02 14:00", "2024-04-02 15:00")
    assert expected_range(company, WEEK, inside) == inside
    assert expected_range(company, WEEK, span("2024-03-28", "2024-03-30")) is None
    assert expected_range(company, WEEK, span("2024-04-03 20:00", "2024-04-05")) is None


def test_without_dates_everything_is_expected(company: Symbol) -> None:
    company.listed_on = company.delisted_on = None
    wanted = span("2024-03-28", "2024-04-05")
    assert expected_range(company, WEEK, wanted) == wanted


def test_dates_outside_the_coverage(company: Symbol) -> None:
    wanted = span("2024-03-28", "2024-04-05")
    company.listed_on, company.delisted_on = date(1980, 12, 12), date(2030, 1, 1)
    assert expected_range(company, WEEK, wanted) == wanted
    company.listed_on, company.delisted_on = date(2024, 4, 5), None
    assert expected_range(company, WEEK, wanted) is None
    company.listed_on, company.delisted_on = None, date(2024, 3, 27)
    assert expected_range(company, WEEK, wanted) is None


def test_expected_where_sessions_open_the_day_before(company: Symbol) -> None:
    futures = grid(
        session("2024-06-04", "2024-06-03 22:00", "2024-06-04 22:00"),
        session("2024-06-05", "2024-06-04 22:00", "2024-06-05 22:00"),
        session("2024-06-06", "2024-06-05 22:00", "2024-06-06 22:00"),
        first="2024-06-04",
        last="2024-06-06",
    )
    company.listed_on = company.delisted_on = date(2024, 6, 5)
    within = expected_range(company, futures, span("2024-06-04", "2024-06-06 22:00"))
    assert within == span("2024-06-04 22:00", "2024-06-05 22:00")
    assert futures.expected_labels(within.start, within.end).tolist() == [
        label_of(date(2024, 6, 5))
    ]


def test_many_at_once_are_what_each_would_be(fox: Symbol, xnys: ExchangeCalendar) -> None:
    bare = Symbol.objects.create(ticker="AAPL", calendar=xnys, tier="T0", asset_class="equity")
    listed(xnys, ("FB", None, None), delisted_on=date(2005, 3, 1), active=False)
    new = listed(xnys, ("FB", None, None), listed_on=date(2012, 5, 18))
    found = resolve_many(["foxa", "NWSA", "aapl", "FB", "ZZZZ"])
    assert found == {"FOXA": fox, "AAPL": bare, "FB": new}


def test_collection_ends_with_the_extended_hours_of_the_last_session(company: Symbol) -> None:
    wanted = span("2024-04-03 13:00", "2024-04-04 12:00")
    collected = expected_range(company, WEEK, wanted, extended=True)
    # 20:00 in New York, on daylight saving time, is the next day's 00:00Z.
    assert collected == span("2024-04-03 13:00", "2024-04-04 00:00")
