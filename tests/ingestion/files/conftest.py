"""A small universe to import into."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014, answer_sheet, around_the_clock
from tests.universe_rows import add_calendar, add_symbols
from universe.models import Symbol, SymbolTicker

NEW_YORK = "America/New_York"
Run = Callable[..., str]


@pytest.fixture
def june(db: None) -> dict[str, Symbol]:
    """AAPL and MSFT on XNYS, BTC-USD around the clock, for a week of June 2014."""
    clock.install(lambda: datetime(2014, 6, 14, 12, 0, tzinfo=UTC))
    stocks = add_symbols(add_calendar("XNYS", list(JUNE_2014), timezone=NEW_YORK), "AAPL", "MSFT")
    coins = add_symbols(add_calendar("24/7", around_the_clock().sessions), "BTC-USD")
    return {symbol.ticker: symbol for symbol in (*stocks, *coins)}


@pytest.fixture
def lean(db: None, market_data_dir: Path) -> dict[str, Symbol]:
    """The symbols of the Lean files of minutes, with the sessions that those need."""
    return _lean_universe(market_data_dir, date(2013, 6, 3), date(2015, 12, 31))


@pytest.fixture
def lean_days(db: None, market_data_dir: Path) -> dict[str, Symbol]:
    """The same with the sessions of all the daily files."""
    return _lean_universe(market_data_dir, date(1998, 1, 2), date(2021, 4, 1))


def _lean_universe(market_data_dir: Path, first: date, last: date) -> dict[str, Symbol]:
    clock.install(lambda: datetime(2021, 4, 2, 12, 0, tzinfo=UTC))
    sessions = answer_sheet(market_data_dir).sessions_between(first, last)
    calendar = add_calendar("XNYS", sessions, timezone=NEW_YORK)
    names = ("AAPL", "SPY", "QQQ", "GOOG", "FOXA")
    symbols = {symbol.ticker: symbol for symbol in add_symbols(calendar, *names)}
    change = date(2013, 7, 1)
    SymbolTicker.objects.create(symbol=symbols["FOXA"], ticker="NWSA", valid_to=change)
    SymbolTicker.objects.create(symbol=symbols["FOXA"], ticker="FOXA", valid_from=change)
    return symbols


@pytest.fixture
def import_bars() -> Run:
    """Run the command; what it printed on both channels, also when it fails."""

    def run(*arguments: object, _printed: list[str] | None = None) -> str:
        output = StringIO()
        try:
            call_command("import_bars", *map(str, arguments), stdout=output, stderr=output)
        finally:
            if _printed is not None:
                _printed.append(output.getvalue())
        return output.getvalue()

    return run
