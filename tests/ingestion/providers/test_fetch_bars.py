"""`fetch_bars`: one provider asked by hand, through the real limiter, at a sandbox."""

import json
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ingestion.models import CandleIntraday, IngestCommit, Series
from ingestion.sandbox.synthetic import SyntheticMarket
from marketdata_site import environment, runtime_config
from tests.ingestion.market_week import JUNE_2014, around_the_clock
from tests.ingestion.providers.asking import epoch
from tests.sandbox_server import SMALL_UNIVERSE, serve_sandbox
from tests.universe_rows import add_calendar, add_symbols
from universe.models import SymbolTicker

pytestmark = pytest.mark.django_db(transaction=True)
_MARKET = SyntheticMarket(SMALL_UNIVERSE)
AN_HOUR = ("--start", "2014-06-12T14:00:00Z", "--end", "2014-06-12T15:00:00Z")


@pytest.fixture
def universe(at):
    at("2014-06-13T15:00")
    new_york = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    always = add_calendar("24/7", around_the_clock().sessions)
    stocks = add_symbols(new_york, "AAPL", "NOPE", listed_on=date(2014, 6, 5))
    return {symbol.ticker: symbol for symbol in [*stocks, *add_symbols(always, "BTC-USD")]}


@pytest.fixture
def environ(settings):
    """Let the environment hold these variables."""

    def hold(**variables):
        settings.ENVIRONMENT = environment.load(variables)
        config = runtime_config.from_environment(settings.ENVIRONMENT)
        return runtime_config.install(lambda: config)

    before = runtime_config.current()
    yield hold
    runtime_config.install(lambda: before)


@pytest.fixture
def sandbox_here(universe, environ):
    with serve_sandbox(_MARKET) as running:
        environ(SANDBOX_URL=running.url)
        yield running


def fetch(*arguments):
    out = StringIO()
    call_command("fetch_bars", *arguments, stdout=out)
    return out.getvalue()


# ---- showing -----------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["polygon", "alpaca", "alpaca:iex", "finnhub", "yahoo", "iex"])
def test_any_provider_can_be_tried(sandbox_here, provider):
    text = fetch("AAPL", "--provider", provider, *AN_HOUR)
    lines = text.splitlines()
    assert lines[0].split() == ["time", "(UTC)", "open", "high", "low", "close", "volume"]
    assert lines[1].startswith("2014-06-12 14:0")
    assert "origin    synthetic" in lines
    assert f"basis     {'split' if provider == 'yahoo' else 'raw'}" in lines
    assert any(line.startswith("covers    2014-06-12T14:00:00") for line in lines)
    assert any(line.startswith("dropped   ") for line in lines)


def test_the_table_has_the_truth_in_columns_of_equal_width(sandbox_here):
    lines = fetch("aapl", "--provider", "alpaca:sip", *AN_HOUR).splitlines()
    rows = lines[1 : lines.index("")]
    true = sandbox_here.truth("AAPL", "2014-06-12T14:00:00+00:00", "2014-06-12T15:00:00+00:00")
    assert len(rows) == len(true["t"]) == 60
    assert len({len(row) for row in [lines[0], *rows]}) == 1
    cells = [row.replace(",", "").split() for row in rows]
    assert [row[:2] for row in cells] == [["2014-06-12", f"14:{n:02}"] for n in range(60)]
    for place, name in enumerate("ohlcv", start=2):
        assert [float(row[place]) for row in cells] == true[name]
    assert "60 bars of AAPL from alpaca:sip in 1 call" in lines
    assert "dropped   nothing" in lines


def test_json_is_for_machines(sandbox_here):
    document = json.loads(fetch("AAPL", "--provider", "polygon", *AN_HOUR, "--json"))
    true = sandbox_here.truth("AAPL", "2014-06-12T14:00:00+00:00", "2014-06-12T15:00:00+00:00")
    assert {name: document["bars"][name] for name in "tohlcv"} == {n: true[n] for n in "tohlcv"}
    del document["bars"]
    assert document.pop("observed_at") == "2014-06-13T15:00:00+00:00"
    assert document == {
        "symbol": "AAPL",
        "source": "polygon",
        "interval": "1m",
        "basis": "raw",
        "origin": "synthetic",
        "calls": 1,
        "coverage": [
            {
                "ticker": "AAPL",
                "asked": ["2014-06-12T14:00:00+00:00", "2014-06-12T15:00:00+00:00"],
                "covered": ["2014-06-12T14:00:00+00:00", "2014-06-12T15:00:00+00:00"],
                "complete": True,
            }
        ],
        "dropped": {},
        "stored": None,
    }


def test_dates_are_session_dates_both_included(sandbox_here):
    dates = ("--start", "2014-06-06", "--end", "2014-06-09")
    daily = json.loads(fetch("AAPL", "--provider", "polygon", "--interval", "1d", *dates, "--json"))
    assert daily["bars"]["t"] == [epoch("2014-06-06"), epoch("2014-06-09")]
    minutes = json.loads(fetch("AAPL", "--provider", "alpaca", *dates, "--json"))
    # Extended hours: 04:00 New York on the 6th to 20:00 on the 9th.
    assert minutes["coverage"][0]["asked"] == [
        "2014-06-06T08:00:00+00:00",
        "2014-06-10T00:00:00+00:00",
    ]


def test_days_are_shown_by_their_dates(sandbox_here):
    days = ("--interval", "1d", "--start", "2014-06-10", "--end", "2014-06-11")
    text = fetch("BTC-USD", "--provider", "polygon", *days)
    assert [line.split()[0] for line in text.splitlines()[:3]] == [
        "session",
        "2014-06-10",
        "2014-06-11",
    ]


def test_a_range_is_asked_for_by_the_tickers_of_its_time(sandbox_here, universe):
    symbol = universe["NOPE"]
    SymbolTicker.objects.create(symbol=symbol, ticker="MSFT", valid_to=date(2014, 6, 11))
    SymbolTicker.objects.create(symbol=symbol, ticker="NOPE", valid_from=date(2014, 6, 11))
    document = json.loads(
        fetch(
            "NOPE", "--provider", "alpaca", "--start", "2014-06-10", "--end", "2014-06-11", "--json"
        )
    )
    assert [part["ticker"] for part in document["coverage"]] == ["MSFT", "NOPE"]
    assert document["coverage"][0]["asked"][1] == "2014-06-11T04:00:00+00:00"
    assert max(document["bars"]["t"]) < epoch("2014-06-11T04:00")


def test_what_is_not_covered_is_said(sandbox_here):
    until_now = ("--start", "2014-06-13T14:30:00Z", "--end", "2014-06-13T18:00:00Z")
    text = fetch("AAPL", "--provider", "polygon", *until_now)
    assert (
        "covers    2014-06-13T14:30:00+00:00 to 2014-06-13T15:00:00+00:00"
        " of 2014-06-13T14:30:00+00:00 to 2014-06-13T18:00:00+00:00 (AAPL)"
    ) in text.splitlines()


# ---- storing -----------------------------------------------------------------------------


def test_store_puts_the_bars_where_all_bars_go(sandbox_here, universe):
    document = json.loads(fetch("AAPL", "--provider", "polygon", *AN_HOUR, "--store", "--json"))
    stored = CandleIntraday.objects.filter(symbol_id=universe["AAPL"].id).order_by("ts")
    assert [int(candle.ts.timestamp()) for candle in stored] == document["bars"]["t"]
    assert [candle.close for candle in stored] == document["bars"]["c"]
    assert {(candle.source, candle.status) for candle in stored} == {("polygon", "backfill")}
    assert document["stored"]["inserted"] == 60
    assert Series.objects.get(symbol_id=universe["AAPL"].id).settled_to is None
    commit = IngestCommit.objects.get()
    assert (commit.chosen_because, commit.origin) == ("asked for by hand", "synthetic")


def test_storing_again_changes_nothing(sandbox_here):
    for expected in ("60 inserted", "60 unchanged"):
        text = fetch("AAPL", "--provider", "polygon", *AN_HOUR, "--store")
        assert text.splitlines()[-1] == f"stored    {expected}"
    assert IngestCommit.objects.count() == 1


def test_more_bars_than_a_transaction_holds_are_stored_in_several(sandbox_here, universe):
    dates = ("--start", "2014-06-05", "--end", "2014-06-11")
    text = fetch("BTC-USD", "--provider", "alpaca", *dates, "--store")
    bars = 7 * 24 * 60
    assert text.splitlines()[-1] == f"stored    {bars:,} inserted"
    assert CandleIntraday.objects.count() == bars
    assert IngestCommit.objects.count() == 2


@pytest.mark.parametrize(
    ("provider", "interval", "why"),
    [
        ("alpaca:iex", "1m", "sees one venue only"),
        ("iex", "1d", "sees one venue only"),
        ("yahoo", "1m", "split-adjusted"),
        ("finnhub", "1d", "split-adjusted"),
    ],
)
def test_what_may_not_serve_a_series_is_not_stored(sandbox_here, provider, interval, why):
    dates = ("--start", "2014-06-12", "--end", "2014-06-12")
    with pytest.raises(CommandError, match=why):
        fetch("AAPL", "--provider", provider, "--interval", interval, *dates, "--store")
    assert IngestCommit.objects.count() == 0
    assert sandbox_here.stats(provider.partition(":")[0])["calls"] == 0


def test_another_origin_than_the_databases_is_not_stored(sandbox_here):
    fetch("AAPL", "--provider", "polygon", *AN_HOUR, "--store")
    IngestCommit.objects.update(origin="vendor")
    later = ("--start", "2014-06-12T15:00:00Z", "--end", "2014-06-12T16:00:00Z")
    with pytest.raises(CommandError, match="fetched, but not stored"):
        fetch("AAPL", "--provider", "polygon", *later, "--store")


# ---- bad input ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["GONE", "--provider", "polygon", *AN_HOUR], "SYMBOL: no symbol has the ticker GONE"),
        (["AAPL", "--provider", "bloomberg", *AN_HOUR], "no provider 'bloomberg'; there are pol"),
        (["AAPL", "--provider", "polygon", "--interval", "5m", *AN_HOUR], "'5m' is not stored"),
        (["AAPL", "--provider", "polygon", "--start", "noon", "--end", "2014-06-12"], "'noon'"),
        (
            ["AAPL", "--provider", "polygon", "--start", "2014-06-12T14:00", "--end", "2014-06-12"],
            "'2014-06-12T14:00' names no time zone",
        ),
        (
            ["AAPL", "--provider", "polygon", "--start", "2014-02-30", "--end", "2014-06-12"],
            "'2014-02-30' is no time",
        ),
        (
            ["AAPL", "--provider", "polygon", "--start", "2014-06-12", "--end", "2014-06-10"],
            "--start 2014-06-12 leaves nothing before --end 2014-06-10",
        ),
        (
            ["AAPL", "--provider", "polygon", *AN_HOUR[:2], "--end", "2014-06-12T14:00:00Z"],
            "leaves nothing before --end 2014-06-12T14:00:00",
        ),
        (
            ["AAPL", "--provider", "polygon", "--start", "2012-01-01T00:00Z", *AN_HOUR[2:]],
            "893.6 days; 1m bars are fetched for at most 366",
        ),
        (
            [
                "AAPL",
                "--provider",
                "polygon",
                "--start",
                "2030-01-02T15:00Z",
                "--end",
                "2030-01-03T15:00Z",
            ],
            "--start 2030-01-02T15:00:00.* is in the future",
        ),
        (
            ["AAPL", "--provider", "polygon", "--start", "1969-07-20T20:17Z", *AN_HOUR[2:]],
            "before 1970-01-01",
        ),
        (
            ["AAPL", "--provider", "polygon", "--start", "2014-01-02", "--end", "2014-06-10"],
            "2014-01-02 is outside|outside what calendar XNYS covers",
        ),
        (["AAPL", *AN_HOUR], "--provider"),
        (["AAPL", "--provider", "polygon", *AN_HOUR[:2]], "--end"),
    ],
)
def test_bad_input_is_named(sandbox_here, arguments, says):
    with pytest.raises(CommandError, match=says):
        fetch(*arguments)
    assert sandbox_here.stats("polygon")["calls"] == 0


def test_a_key_that_is_not_there_is_named(universe, environ):
    environ()
    with pytest.raises(CommandError, match="POLYGON_API_KEY must be set"):
        fetch("AAPL", "--provider", "polygon", *AN_HOUR)
    with pytest.raises(CommandError, match="ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY must"):
        fetch("AAPL", "--provider", "alpaca", *AN_HOUR)


def test_a_providers_error_is_told(sandbox_here):
    sandbox_here.fault(provider="polygon", kind="html")
    with pytest.raises(CommandError, match="polygon aggs: malformed: an HTML page"):
        fetch("AAPL", "--provider", "polygon", *AN_HOUR)


def test_it_keeps_to_the_shared_limits(sandbox_here, environ):
    environ(SANDBOX_URL=sandbox_here.url, LIMIT_POLYGON="1/day")
    fetch("AAPL", "--provider", "polygon", *AN_HOUR)
    with pytest.raises(CommandError, match="polygon has no room"):
        fetch("AAPL", "--provider", "polygon", *AN_HOUR)
    assert sandbox_here.stats("polygon")["calls"] == 1


def test_a_429_keeps_everybody_away(sandbox_here):
    sandbox_here.fault(provider="polygon", kind="rate_limit", retry_after=3600, count=1)
    with pytest.raises(CommandError, match="polygon aggs: rate_limited: HTTP 429"):
        fetch("AAPL", "--provider", "polygon", *AN_HOUR)
    with pytest.raises(CommandError, match="polygon is blocked"):
        fetch("AAPL", "--provider", "polygon", *AN_HOUR)
    assert sandbox_here.stats("polygon")["calls"] == 1
