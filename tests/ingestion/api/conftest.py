"""A market of four symbols on the evening of 2014-06-12, put into the tables row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from django.test import Client

from ingestion.models import IngestCommit, Series
from marketdata_site import clock
from tests.ingestion.api.rows import CLOSED, OPENED, add_commit, add_days, add_minutes, moment
from tests.ingestion.market_week import JUNE_2014, around_the_clock, at
from tests.universe_rows import add_calendar, add_symbols
from universe.models import Symbol

NOW = at("2014-06-12T22:30")


@dataclass(frozen=True)
class Market:
    """What is stored: see the fixture."""

    aapl: Symbol
    thin: Symbol
    coin: Symbol
    bare: Symbol


@pytest.fixture(autouse=True)
def _evening(settings) -> None:
    clock.install(lambda: datetime.fromtimestamp(NOW, UTC))
    settings.PUBLIC_READ = True


@pytest.fixture
def market(db) -> Market:
    """AAPL: all 390 minutes of 2014-06-12 and two extended ones, days 9 to 12.
    THIN: every third minute of 06-12, the others without a trade.
    BTC-USD: the UTC day 06-12 until 22:00. BARE: nothing."""
    new_york = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    always = add_calendar("24/7", around_the_clock().sessions)
    aapl, thin, bare = add_symbols(new_york, "AAPL", "THIN", "BARE")
    (coin,) = add_symbols(always, "BTC-USD")
    add_commit("2014-06-12T20:10")
    add_commit("2014-06-12T20:20:00.123456")
    regular = range(OPENED, CLOSED, 60)
    extended = [OPENED - 600, CLOSED]
    add_minutes(aapl, [*regular, *extended], as_of="2014-06-12T20:10")
    add_minutes(thin, regular[::3], as_of="2014-06-12T20:20:00.123456")
    add_minutes(coin, range(at("2014-06-12"), at("2014-06-12T22:00"), 60), as_of="2014-06-12T20:10")
    add_days(aapl, ["2014-06-09", "2014-06-10", "2014-06-11", "2014-06-12"])
    return Market(aapl, thin, coin, bare)


@pytest.fixture
def client() -> Client:
    return Client()


def newest_commit() -> datetime:
    return IngestCommit.objects.latest("as_of").as_of


def touch_series(symbol: Symbol, as_of: str) -> None:
    Series.objects.filter(symbol=symbol).update(as_of=moment(as_of))
