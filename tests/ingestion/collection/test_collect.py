"""One job, from what the sources say to the rows that stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ingestion.collection.collect import Collected, collect
from ingestion.collection.jobs import BarsFetchJob, TimeWindow
from ingestion.domain.bar_batch import Bars
from ingestion.domain.source import Basis, Scope, Source
from ingestion.models import CandleIntraday, Gap, IngestCommit, QuarantinedBar, Series
from ingestion.providers.base import BarAnswer, BarRequest, Coverage
from ingestion.providers.errors import ProviderError, Timeout
from ingestion.routing.answers import RoutedAnswer, RoutedPart
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014, at
from tests.ingestion.store.writing import candles, marked
from tests.universe_rows import add_calendar, add_symbols
from universe.domain.interval import Interval
from universe.domain.session_grid import label_of
from universe.domain.tier import Tier
from universe.domain.time_range import TimeRange
from universe.models import Symbol, SymbolTicker

pytestmark = pytest.mark.django_db

FRIDAY, MONDAY = JUNE_2014[1], JUNE_2014[2]
OPEN = MONDAY.open
SOURCE = Source(
    name="alpaca:sip",
    provider="alpaca",
    scope=Scope.CONSOLIDATED,
    basis={Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW},
    confirms_no_trade=True,
    settle_lag_s=60,
)


@dataclass
class Vendor:
    """A router over one source that knows `prices` (ticker → ts → close), answers up to
    now, and says of `failing` tickers what is wrong. It remembers what it was asked."""

    prices: Mapping[str, Mapping[int, float]]
    source: Source = SOURCE
    failing: dict[str, ProviderError] = field(default_factory=dict)
    complete: bool = True
    asked: list[BarRequest] = field(default_factory=list)

    def route(self, request: BarRequest, provider_hint: str | None = None) -> RoutedAnswer:
        self.asked.append(request)
        tickers = [instrument.ticker for instrument in request.instruments]
        failures = {n: self.failing[name] for n, name in enumerate(tickers) if name in self.failing}
        served = [n for n in range(len(tickers)) if n not in failures]
        answer = BarAnswer(
            request=BarRequest(
                tuple(request.instruments[n] for n in served), request.interval, request.range
            ),
            source=self.source,
            basis=Basis.RAW,
            origin="synthetic",
            observed_at=clock.now().timestamp(),
            bars=self._bars([tickers[n] for n in served], request.range),
            coverage={n: Coverage(request.range, self.complete) for n in range(len(served))},
        )
        part = RoutedPart(answer, tuple(served), "first of policy bars_1m")
        return RoutedAnswer(request, (part,) if served else (), failures)

    def _bars(self, tickers: Sequence[str], wanted: TimeRange) -> Bars:
        rows = [
            (owner, ts, close)
            for owner, ticker in enumerate(tickers)
            for ts, close in self.prices.get(ticker, {}).items()
            if wanted.start <= ts < wanted.end
        ]
        close = np.array([row[2] for row in rows])
        return Bars.of(
            [row[0] for row in rows],
            [row[1] for row in rows],
            close,
            close + 0.1,
            close - 0.1,
            close,
            close * 10,
        )


@pytest.fixture
def aapl() -> Symbol:
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    return add_symbols(calendar, "AAPL", "GOOG")[0]


def run(
    vendor: Vendor, text: str, *tickers: str, interval: Interval = Interval.MINUTE
) -> Collected:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    clock.install(lambda: moment)
    job = BarsFetchJob(
        job_id=f"{interval}:{text}",
        symbols=tickers or ("AAPL",),
        interval=interval,
        time_window=TimeWindow(start=moment - timedelta(minutes=1), end=moment),
        tier=Tier.T0,
    )
    return collect(job, vendor)


def every_minute(first: int, last: int, without: Sequence[int] = ()) -> dict[int, float]:
    """Closes near 90 for the regular minutes of Monday from `first` to before `last`."""
    return {OPEN + 60 * n: 90.0 + n / 100 for n in range(first, last) if n not in without}


def settled_to() -> datetime:
    series = Series.objects.get(interval="1m", symbol__ticker="AAPL")
    assert series.settled_to is not None
    return series.settled_to


def test_the_first_poll_begins_with_the_session_and_settles_up_to_the_lag(aapl: Symbol) -> None:
    early = at("2014-06-09T08:05")
    vendor = Vendor({"AAPL": {early: 89.0} | every_minute(0, 15)})
    run(vendor, "2014-06-09T13:40:05")
    assert vendor.asked[0].range == TimeRange(MONDAY.extended_open, at("2014-06-09T13:40"))
    assert len(candles()) == 11
    assert CandleIntraday.objects.filter(extended=True).count() == 1
    assert settled_to() == datetime(2014, 6, 9, 13, 39, tzinfo=UTC)
    assert not Gap.objects.exists()
    assert IngestCommit.objects.get().job_id == "1m:2014-06-09T13:40:05"


def test_the_next_poll_asks_again_for_what_is_not_settled(aapl: Symbol) -> None:
    prices = every_minute(0, 15)
    vendor = Vendor({"AAPL": prices})
    run(vendor, "2014-06-09T13:40:05")
    prices[OPEN + 60 * 9] = 95.0  # revised half a minute later
    run(vendor, "2014-06-09T13:41:05")
    assert vendor.asked[1].range == TimeRange(at("2014-06-09T13:39"), at("2014-06-09T13:41"))
    assert candles()[(aapl.id, OPEN + 60 * 9)] == 95.0
    assert CandleIntraday.objects.filter(status="live").count() == 11


def test_an_outage_costs_one_gap(aapl: Symbol) -> None:
    vendor = Vendor({"AAPL": every_minute(0, 390)})
    run(vendor, "2014-06-09T13:40:05")
    run(vendor, "2014-06-09T15:40:05")
    gap = Gap.objects.get()
    # Settled to 13:39, and the bar of 13:39 is there. At 15:40 what is older than 15:38 must
    # be settled; of that, the newest ten minutes are asked for.
    assert vendor.asked[1].range == TimeRange(at("2014-06-09T15:28"), at("2014-06-09T15:40"))
    assert (gap.reason, gap.bars) == ("outage", 108)
    assert gap.start == datetime(2014, 6, 9, 13, 40, tzinfo=UTC)
    assert gap.end == datetime(2014, 6, 9, 15, 28, tzinfo=UTC)
    assert settled_to() == datetime(2014, 6, 9, 15, 39, tzinfo=UTC)


def test_a_symbol_that_failed_stays_where_it_is(aapl: Symbol) -> None:
    vendor = Vendor({"AAPL": every_minute(0, 390), "GOOG": every_minute(0, 390)})
    run(vendor, "2014-06-09T13:40:05", "AAPL", "GOOG")
    before = settled_to()
    vendor.failing = {"AAPL": Timeout("alpaca", "bars", "no answer")}
    collected = run(vendor, "2014-06-09T13:45:05", "AAPL", "GOOG")
    assert settled_to() == before
    assert Series.objects.get(symbol__ticker="GOOG").settled_to == datetime(
        2014, 6, 9, 13, 44, tzinfo=UTC
    )
    assert not collected.nothing_came
    vendor.failing = {}
    run(vendor, "2014-06-09T13:46:05", "AAPL", "GOOG")
    assert not Gap.objects.exists(), "it caught up within the look-back"


def test_an_answer_that_was_cut_short_settles_nothing(aapl: Symbol) -> None:
    vendor = Vendor({"AAPL": every_minute(0, 5)}, complete=False)
    run(vendor, "2014-06-09T13:40:05")
    assert len(candles()) == 5
    assert Series.objects.get().settled_to is None


@pytest.mark.parametrize(
    ("share", "confirms", "scope", "marks"),
    [
        (0.5, True, Scope.CONSOLIDATED, True),
        (0.89, True, Scope.CONSOLIDATED, True),
        (0.9, True, Scope.CONSOLIDATED, False),  # liquid: suspicious
        (None, True, Scope.CONSOLIDATED, False),  # without history: counts as liquid
        (0.5, False, Scope.CONSOLIDATED, False),  # finnhub leaves out minutes that traded
        (0.5, True, Scope.VENUE, False),
    ],
)
def test_when_an_absent_minute_had_no_trade(
    aapl: Symbol, share: float | None, confirms: bool, scope: Scope, marks: bool
) -> None:
    source = Source("s", "alpaca", scope, SOURCE.basis, confirms, 60)
    vendor = Vendor({"AAPL": every_minute(0, 30, without=[4])}, source=source)
    run(vendor, "2014-06-09T13:33:05")
    Series.objects.update(traded_share=share)
    run(vendor, "2014-06-09T13:38:05")
    missing = (aapl.id, OPEN + 60 * 4)
    assert (missing in marked()) is marks
    assert Gap.objects.exists() is not marks


def test_a_bad_bar_is_kept_aside_and_its_minute_is_missing(aapl: Symbol) -> None:
    prices = every_minute(0, 10)
    prices[OPEN + 60 * 3] = 630.0  # as before a 7:1 split
    run(Vendor({"AAPL": prices}), "2014-06-09T13:40:05")
    assert QuarantinedBar.objects.get().reason == "split_like"
    gap = Gap.objects.get()
    assert (gap.reason, gap.bars) == ("quarantined", 1)
    assert len(candles()) == 9


def test_daily_bars_are_collected_by_session(aapl: Symbol) -> None:
    labels = {label_of(session.date): 90.0 for session in JUNE_2014}
    run(Vendor({"AAPL": labels}), "2014-06-10T20:30:05", interval=Interval.DAY)
    series = Series.objects.get(interval="1d")
    assert series.settled_to == datetime(2014, 6, 11, tzinfo=UTC)
    assert series.history_from == datetime(2014, 6, 5, tzinfo=UTC)
    assert not Gap.objects.exists()


def test_a_range_is_cut_where_the_ticker_changed() -> None:
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    symbol = add_symbols(calendar, "META")[0]
    changed = JUNE_2014[3].date
    SymbolTicker.objects.create(symbol=symbol, ticker="FB", valid_to=changed)
    SymbolTicker.objects.create(symbol=symbol, ticker="META", valid_from=changed)
    labels = {label_of(session.date): 90.0 for session in JUNE_2014}
    vendor = Vendor({"FB": labels, "META": labels})
    run(vendor, "2014-06-11T20:30:05", "META", interval=Interval.DAY)
    asked = [
        (request.instruments[0].ticker, request.range.start, request.range.end)
        for request in vendor.asked
    ]
    cut = label_of(changed)
    assert asked == [
        ("FB", label_of(JUNE_2014[0].date), cut),
        ("META", cut, label_of(JUNE_2014[4].date) + 86_400),
    ]
    assert not Gap.objects.exists()


def test_the_same_job_twice_leaves_the_same_rows(aapl: Symbol) -> None:
    vendor = Vendor({"AAPL": every_minute(0, 20, without=[3])})
    run(vendor, "2014-06-09T13:40:05")
    commits = IngestCommit.objects.count()
    run(vendor, "2014-06-09T13:40:05")
    assert IngestCommit.objects.count() == commits
