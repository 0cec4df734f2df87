"""What a sweeper plans, on a hand-written week."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from ingestion.collection import sweep
from ingestion.collection.sweep import Sweeper, SweepReport
from ingestion.domain.capacity import UNLIMITED
from ingestion.models import CollectionJob, Series
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014, around_the_clock, at
from tests.universe_rows import add_calendar, add_symbols
from universe.domain.interval import Interval

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _universe() -> None:
    """AAPL (T0), MSFT and IBM (T1), GOOG (T2) in New York; BTC-USD (T2) around the clock."""
    york = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    always = add_calendar("24/7", around_the_clock().sessions)
    add_symbols(york, "AAPL")
    add_symbols(york, "MSFT", "IBM", tier="T1")
    add_symbols(york, "GOOG", tier="T2")
    add_symbols(always, "BTC-USD", tier="T2")


class Nudges:
    count = 0

    def __call__(self) -> None:
        self.count += 1


def tick(sweeper: Sweeper, text: str) -> SweepReport:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    clock.install(lambda: moment)
    return sweeper.tick()


def planned(interval: str = "1m") -> Counter[str]:
    """How often each symbol is in a job."""
    tickers: Counter[str] = Counter()
    for job in CollectionJob.objects.filter(interval=interval):
        tickers.update(job.payload["symbols"])
    return tickers


def sweeper(per_minute: float = UNLIMITED, nudge: Nudges | None = None) -> Sweeper:
    return Sweeper(nudge or Nudges(), lambda _interval: per_minute)


def settle(interval: Interval, text: str) -> None:
    """As if everything were collected up to a moment."""
    from universe.models import Symbol

    moment = datetime.fromtimestamp(at(text), UTC)
    for symbol in Symbol.objects.all():
        Series.objects.update_or_create(
            symbol_id=symbol.id,
            interval=interval,
            defaults={"history_from": moment, "settled_to": moment, "as_of": moment},
        )


def test_t0_and_t1_are_due_every_minute_and_t2_every_five() -> None:
    one = sweeper()
    for minute in range(10):
        tick(one, f"2014-06-09T14:{minute:02}:03")
    expected = {"AAPL": 10, "MSFT": 10, "IBM": 10, "GOOG": 2, "BTC-USD": 2}
    assert planned() == Counter(expected)


def test_a_minute_is_planned_once_however_often_one_looks() -> None:
    one = sweeper()
    reports = [tick(one, f"2014-06-09T14:00:{second:02}") for second in range(3, 50, 5)]
    assert sum(report.inserted for report in reports) == CollectionJob.objects.count()
    assert set(planned().values()) == {1}


def test_two_sweepers_plan_the_same_jobs_once() -> None:
    one, two = sweeper(), sweeper()
    for minute in range(3):
        tick(one, f"2014-06-09T14:0{minute}:03")
        tick(two, f"2014-06-09T14:0{minute}:04")
    assert planned()["AAPL"] == 3


def test_nothing_is_planned_for_a_closed_market_that_is_collected() -> None:
    settle(Interval.MINUTE, "2014-06-07T00:00")
    settle(Interval.DAY, "2014-06-07T00:00")
    tick(sweeper(), "2014-06-07T15:00:03")  # Saturday
    assert set(planned()) == {"BTC-USD"}


def test_a_closed_market_that_was_never_collected_is_asked_for_its_last_session() -> None:
    tick(sweeper(), "2014-06-07T15:00:03")
    assert set(planned()) == {"AAPL", "MSFT", "IBM", "GOOG", "BTC-USD"}


def test_daily_bars_are_due_after_the_close_until_they_are_settled() -> None:
    settle(Interval.DAY, "2014-06-09T00:00")
    one = sweeper()
    tick(one, "2014-06-09T20:10:03")
    assert set(planned("1d")) == set()
    tick(one, "2014-06-09T20:20:03")
    assert set(planned("1d")) == {"AAPL", "MSFT", "IBM", "GOOG"}
    settle(Interval.DAY, "2014-06-10T00:00")
    tick(one, "2014-06-09T20:30:03")
    assert set(planned("1d").values()) == {1}
    CollectionJob.objects.all().delete()
    tick(one, "2014-06-11T00:20:03")  # the UTC day of crypto has ended too
    assert planned("1d") == Counter(["AAPL", "MSFT", "IBM", "GOOG", "BTC-USD"])


def test_large_tiers_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "CHUNK", 1)
    tick(sweeper(), "2014-06-09T14:00:03")
    sizes = [len(job.payload["symbols"]) for job in CollectionJob.objects.filter(interval="1m")]
    assert sizes == [1] * 5


def test_sources_that_cannot_serve_all_serve_the_tiers_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "CHUNK", 1)
    one = sweeper(per_minute=2)  # AAPL, and one of the two T1 symbols in turn
    reports = [tick(one, f"2014-06-09T14:0{minute}:03") for minute in range(4)]
    assert planned() == Counter({"AAPL": 4, "MSFT": 2, "IBM": 2})
    assert reports[0].stretch["T1"] == 2.0


def test_waiting_jobs_keep_the_cluster_nudged() -> None:
    nudge = Nudges()
    one = sweeper(nudge=nudge)
    tick(one, "2014-06-09T14:00:03")
    tick(one, "2014-06-09T14:00:04")
    assert nudge.count == 2, "a task that was lost is made up for"
    CollectionJob.objects.update(state="done")
    tick(one, "2014-06-09T14:00:05")
    assert nudge.count == 2


def test_a_job_lives_long_enough_on_a_fast_clock() -> None:
    moment = datetime(2014, 6, 9, 14, 0, 3, tzinfo=UTC)
    clock.install(lambda: moment, rate=600)
    sweeper().tick()
    lives = {
        job.tier: (job.expires_at - job.due_at).total_seconds()
        for job in CollectionJob.objects.filter(interval="1m")
    }
    assert set(lives.values()) == {12_000.0}, "twenty real seconds"


def test_a_symbol_that_is_inactive_is_left_alone() -> None:
    from universe.models import Symbol

    Symbol.objects.filter(ticker="AAPL").update(active=False, delisted_on=date(2014, 6, 6))
    tick(sweeper(), "2014-06-09T14:00:03")
    assert "AAPL" not in planned()
