"""IEX's answers, recorded and hand-made, through its parser and its adapter."""

import orjson
import pytest
import yaml

from ingestion.domain.source import Basis, Scope
from ingestion.providers.errors import (
    AuthFailed,
    Incomplete,
    Malformed,
    NotEntitled,
    ServerError,
    UnknownSymbol,
)
from ingestion.providers.iex.client import SOURCE, IexAdapter
from ingestion.providers.iex.parse import parse_days, parse_minutes
from tests.ingestion.providers.asking import (
    NEW_YORK,
    between,
    counted,
    crypto,
    days,
    epoch,
    minutes,
    stock,
    table,
    window,
)
from tests.ingestion.providers.fake_vendor import Answer
from universe.domain.interval import Interval

NOW = "2026-01-05T20:00"  # a Monday, 15:00 in New York
ONE_HOUR = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("AAPL"))
EARLIER = minutes("2026-01-02T15:00", "2026-01-02T16:00", stock("AAPL"))


@pytest.fixture
def adapter(vendor, gate, opened):
    return opened(IexAdapter(gate, vendor.url, "the-token"))


def row(date, minute, *, o=10.0, h=12.0, low=9.0, c=11.0, v=100, **more):
    prices = {"open": o, "high": h, "low": low, "close": c}
    counts = {"volume": v, "average": 10.5, "numberOfTrades": 3}
    market = {"marketVolume": 5000, "marketClose": 11.5}
    return {"date": date, "minute": minute, **prices, **counts, **market, **more}


def today(minute, **values):
    return row("2026-01-05", minute, **values)


def parse(rows, request=ONE_HOUR, now=NOW):
    return parse_minutes(rows, window(request, now, NEW_YORK))


# ---- recorded ----------------------------------------------------------------------------


def recorded(market_data_dir, name):
    text = (market_data_dir / f"recorded/iex/{name}.yml").read_text()
    response = yaml.safe_load(text)["http_interactions"][0]["response"]
    kind = response["headers"]["Content-Type"][0]
    body = response["body"]["string"]
    return Answer(body, int(response["status"]["code"]), content_type=kind)


def test_a_recorded_day_through_the_adapter(market_data_dir, adapter, vendor, at):
    at("2019-08-10T15:56:36")
    answer_sent = recorded(market_data_dir, "chart-20190306")
    vendor.on("/stock/MSFT/chart/date/20190306", answer_sent)
    request = minutes("2019-03-06T05:00", "2019-03-07T05:00", stock("MSFT"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.paths() == ["/stock/MSFT/chart/date/20190306"]
    assert vendor.calls[0].query == {"token": "the-token"}

    sent = orjson.loads(answer_sent.data)
    assert len(sent) == 390
    silent = [entry for entry in sent if entry["open"] is None]
    assert silent
    assert all(entry["marketVolume"] > 0 for entry in silent)  # others traded: a venue's silence
    rows = table(answer.bars)
    assert len(rows) == 390 - len(silent)
    assert counted(answer.dropped) == {"null_row": len(silent)}
    # 09:30 New York was 14:30Z: the clocks went forward four days later.
    assert rows[0] == (0, epoch("2019-03-06T14:30"), 111.885, 111.99, 111.81, 111.84, 11248.0)
    assert rows[-1] == (0, epoch("2019-03-06T20:59"), 111.93, 111.94, 111.81, 111.85, 4649.0)
    spoken = [entry for entry in sent if entry["open"] is not None]
    assert [r[5] for r in rows] == [entry["close"] for entry in spoken]
    assert answer.bars.vwap.tolist() == [entry["average"] for entry in spoken]
    assert answer.bars.trades.tolist() == [entry["numberOfTrades"] for entry in spoken]


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("access_denied", AuthFailed, "API key provided is not valid"),  # plain text as HTML
        ("quote-invalid", UnknownSymbol, "Unknown symbol"),
        ("chart-bad_option", Malformed, "badOption"),
    ],
)
def test_recorded_refusals(market_data_dir, adapter, vendor, at, name, kind, says):
    at(NOW)
    vendor.on("/stock", recorded(market_data_dir, name))
    with pytest.raises(kind, match=says) as raised:
        adapter.fetch_bars(SOURCE, EARLIER)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (402, "You have exceeded your allotted message quota", NotEntitled),
        (413, "Too many symbols", Malformed),
        (451, "Enterprise permission required", NotEntitled),
        (404, "Not Found", Malformed),
        (500, "Internal error", ServerError),
    ],
)
def test_refusals(adapter, vendor, at, status, text, kind):
    at(NOW)
    vendor.on("/stock", Answer(text, status, content_type="text/html; charset=utf-8"))
    with pytest.raises(kind):
        adapter.fetch_bars(SOURCE, EARLIER)


def test_the_token_is_in_no_error(adapter, vendor, at):
    at(NOW)
    vendor.on("/stock", Answer("token the-token is bad", 500))
    with pytest.raises(ServerError) as raised:
        adapter.fetch_bars(SOURCE, EARLIER)
    assert "the-token" not in str(raised.value)


# ---- minutes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"o": None, "h": None, "low": None, "c": None, "v": 0},
        {"o": -1, "h": -1, "low": -1, "c": -1, "v": -1},
        {"o": 0, "h": 0, "low": 0, "c": 0, "v": 0},
        {"c": None},
        {"v": None},
    ],
)
def test_a_minute_without_a_trade_is_left_out_and_counted(values):
    parsed = parse([today("10:00"), today("10:01", **values)])
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"null_row": 1}


def test_a_row_without_the_keys_is_a_minute_without_a_trade():
    bare = {"date": "2026-01-05", "minute": "10:01", "marketVolume": 700}
    parsed = parse([today("10:00"), bare])
    assert counted(parsed.dropped) == {"null_row": 1}


def test_new_yorks_times_on_both_sides_of_dst():
    request = minutes("2026-03-06T00:00", "2026-03-10T00:00", stock("AAPL"))
    parsed = parse(
        [row("2026-03-06", "09:30"), row("2026-03-09", "09:30")], request, "2026-03-11T00:00"
    )
    assert parsed.bars.ts.tolist() == [epoch("2026-03-06T14:30"), epoch("2026-03-09T13:30")]


def test_rows_outside_unfinished_and_from_the_future():
    rows = [today("09:59"), today("10:00"), today("10:30")]
    parsed = parse(rows, now="2026-01-05T15:30:30")
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"outside_range": 1, "unfinished": 1}
    with pytest.raises(Malformed, match="future"):
        parse([*rows, today("10:31", o=None)], now="2026-01-05T15:30:30")


@pytest.mark.parametrize(
    "rows",
    [
        [row("2026-01-05", "9:30")],
        [row("2026-01-05", "25:00")],
        [row("2026-02-30", "10:00")],
        [row("05/01/2026", "10:00")],
        [row("2026-01-05", None)],
        [row(None, "10:00")],
        [row(20260105, "10:00")],
        [row("2026-01-05", ["10:00"])],
        [today("10:00", o="10")],
        [today("10:00", o=True)],
        [today("10:00", numberOfTrades="3")],
        [today("10:00", numberOfTrades=2.5)],
        [today("10:00", average={})],
        ["10:00"],
        [None],
        {},
        None,
        "Unknown symbol",
    ],
)
def test_wrong_types_are_malformed(rows):
    with pytest.raises(Malformed):
        parse(rows)


def test_each_weekday_is_a_chart_and_today_comes_from_elsewhere(adapter, vendor, at):
    at(NOW)
    vendor.on("/stock/AAPL/chart", [])
    vendor.on("/stock/AAPL/intraday-prices", [today("10:00")])
    request = minutes("2026-01-02T15:00", "2026-01-05T16:00", stock("AAPL"))  # Friday to Monday
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.paths() == ["/stock/AAPL/chart/date/20260102", "/stock/AAPL/intraday-prices"]
    assert answer.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert not answer.coverage[0].complete  # nothing came of Friday


# ---- batches -----------------------------------------------------------------------------


def test_todays_minutes_of_many_symbols_come_a_hundred_a_call(adapter, vendor, at):
    at(NOW)
    tickers = [f"S{n}" for n in range(150)]

    def serve(call):
        symbols = call.query["symbols"].split(",")
        assert call.query["types"] == "intraday-prices"
        return {symbol: {"intraday-prices": [today("10:00")]} for symbol in symbols}

    vendor.on("/stock/market/batch", serve)
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", *map(stock, tickers))
    answer = adapter.fetch_bars(SOURCE, request)
    assert [len(call.query["symbols"].split(",")) for call in vendor.calls] == [100, 50]
    assert sorted(answer.bars.owner.tolist()) == list(range(150))
    assert answer.failures == {}


def test_symbols_that_a_batch_leaves_out_without_a_word_are_failures(adapter, vendor, at):
    at(NOW)
    vendor.on(
        "/stock/market/batch",
        {"AAPL": {"intraday-prices": [today("10:00")]}, "TSLA": {}, "IBM": None},
    )
    tickers = map(stock, ("AAPL", "MSFT", "TSLA", "IBM"))
    answer = adapter.fetch_bars(SOURCE, minutes("2026-01-05T15:00", "2026-01-05T16:00", *tickers))
    assert answer.bars.owner.tolist() == [0]
    assert {index: type(error) for index, error in answer.failures.items()} == {
        1: Incomplete,
        2: Incomplete,
        3: Incomplete,
    }


def test_a_failed_batch_is_not_the_others(adapter, vendor, at):
    at(NOW)
    tickers = [f"S{n}" for n in range(150)]

    def serve(call):
        symbols = call.query["symbols"].split(",")
        if "S0" in symbols:
            return Answer("oops", 500)
        return {symbol: {"intraday-prices": [today("10:00")]} for symbol in symbols}

    vendor.on("/stock/market/batch", serve)
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", *map(stock, tickers))
    answer = adapter.fetch_bars(SOURCE, request)
    assert sorted(answer.failures) == list(range(100))
    assert sorted(answer.coverage) == list(range(100, 150))


def test_there_is_no_crypto(adapter, vendor, at):
    at(NOW)
    with pytest.raises(UnknownSymbol):
        adapter.fetch_bars(
            SOURCE, minutes("2026-01-05T15:00", "2026-01-05T16:00", crypto("BTC-USD"))
        )
    assert vendor.calls == []


# ---- days --------------------------------------------------------------------------------


def day(date, **more):
    adjusted = {"open": 2.5, "high": 3.0, "low": 2.25, "close": 2.75, "volume": 400}
    raw = {"uOpen": 10.0, "uHigh": 12.0, "uLow": 9.0, "uClose": 11.0, "uVolume": 100}
    return {"date": date, **adjusted, **raw, **more}


def test_days_are_the_raw_fields():
    request = days("2026-01-02", "2026-01-06", stock("AAPL"))
    parsed = parse_days(
        [day("2026-01-02"), day("2026-01-05", uOpen=None), day("2025-12-31")],
        window(request, NOW, NEW_YORK),
    )
    assert table(parsed.bars) == [(0, epoch("2026-01-02"), 10.0, 12.0, 9.0, 11.0, 100.0)]
    assert counted(parsed.dropped) == {"null_row": 1, "outside_range": 1}


@pytest.mark.parametrize(
    "rows", [[{"date": "2026-02-30"}], [day(5)], [day("2026-01-02", uOpen="1")]]
)
def test_days_of_wrong_types_are_malformed(rows):
    request = days("2026-01-02", "2026-01-06", stock("AAPL"))
    with pytest.raises(Malformed):
        parse_days(rows, window(request, NOW, NEW_YORK))


@pytest.mark.parametrize(
    ("first", "chart"),
    [("2025-12-15", "1m"), ("2025-10-15", "3m"), ("2025-01-20", "1y"), ("2010-01-01", "max")],
)
def test_a_daily_chart_reaches_back_far_enough(adapter, vendor, at, first, chart):
    at(NOW)
    vendor.on("/stock/AAPL/chart", [day("2026-01-02")])
    answer = adapter.fetch_bars(SOURCE, days(first, "2026-01-05", stock("AAPL")))
    assert vendor.paths() == [f"/stock/AAPL/chart/{chart}"]
    assert answer.basis is Basis.RAW
    assert len(answer.bars) == 1


def test_the_source():
    assert (SOURCE.name, SOURCE.scope, SOURCE.settle_lag_s) == ("iex", Scope.VENUE, 120)
    assert SOURCE.basis == {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW}
    assert not SOURCE.confirms_no_trade
    adapter = IexAdapter.__new__(IexAdapter)
    one_day, week = between("2026-01-05", "2026-01-06"), between("2026-01-05", "2026-01-10")
    assert adapter.batch_size(SOURCE, Interval.MINUTE, one_day) == 100
    assert adapter.batch_size(SOURCE, Interval.MINUTE, week) == 1
    assert adapter.batch_size(SOURCE, Interval.DAY, one_day) == 1
