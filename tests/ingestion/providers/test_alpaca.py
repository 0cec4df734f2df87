"""Alpaca's answers, recorded and hand-made, through its parser and its adapter."""

import orjson
import pytest

from ingestion.domain.source import Basis, Scope
from ingestion.providers.alpaca.client import IEX, SIP, AlpacaAdapter
from ingestion.providers.alpaca.parse import parse_bars
from ingestion.providers.errors import (
    AuthFailed,
    Malformed,
    NotEntitled,
    RateLimited,
    ServerError,
    UnknownSymbol,
)
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

NOW = "2026-01-05T20:00"
ONE_HOUR = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("AAPL"))


@pytest.fixture
def adapter(vendor, gate, opened):
    return opened(AlpacaAdapter(gate, vendor.url, "the-id", "the-secret"))


def bar(t, *, o=10.0, h=12.0, low=9.0, c=11.0, v=100, **more):
    return {"t": t, "o": o, "h": h, "l": low, "c": c, "v": v, "n": 5, "vw": 10.5, **more}


def at_minute(clock_time, **values):
    return bar(f"2026-01-05T{clock_time}:00Z", **values)


def document(bars, token=None):
    return {"bars": bars, "next_page_token": token}


def parse(bars, request=ONE_HOUR, now=NOW, zone=NEW_YORK, **options):
    owners = {"AAPL": 0, "TSLA": 1, "BTC/USD": 2}
    return parse_bars(document(bars), owners, window(request, now, zone), **options)


def recorded(market_data_dir, name):
    folder = market_data_dir / "recorded/alpaca"
    return orjson.loads((folder / f"historical_stock_data__{name}__1.json").read_bytes())


# ---- recorded ----------------------------------------------------------------------------


def test_recorded_days_of_two_symbols(market_data_dir):
    body = recorded(market_data_dir, "multisymbol_get_bars")
    request = days("2022-03-09", "2022-03-10", stock("AAPL"), stock("TSLA"))
    owners = {"AAPL": 0, "TSLA": 1}
    page = parse_bars(body, owners, window(request, "2022-03-10T12:00", NEW_YORK))
    assert table(page.parsed.bars) == [
        (0, epoch("2022-03-09"), 161.51, 163.41, 159.41, 162.95, 88496480.0),
        (1, epoch("2022-03-09"), 839.0, 860.56, 832.01, 858.97, 19227323.0),
    ]
    assert page.parsed.bars.vwap.tolist() == [161.942117, 850.616587]
    assert page.parsed.bars.trades.tolist() == [700291, 528531]
    assert page.next_token is None
    assert page.owners == (0, 1)


def test_recorded_pages_through_the_adapter(market_data_dir, adapter, vendor, at):
    at("2022-03-10T12:00")
    first = recorded(market_data_dir, "get_bars")
    token = "QUFQTHxEfDIwMjItMDItMDJUMDU6MDA6MDAuMDAwMDAwMDAwWg=="

    def page(call):
        if call.query.get("page_token") == token:
            return recorded(market_data_dir, "get_bars_multi_empty_response")
        return first

    vendor.on("/v2/stocks/bars", page)
    request = days("2022-02-01", "2022-02-03", stock("AAPL"))
    answer = adapter.fetch_bars(SIP, request)
    assert table(answer.bars) == [
        (0, epoch("2022-02-01"), 174.0, 174.84, 172.31, 174.61, 85998033.0),
        (0, epoch("2022-02-02"), 174.64, 175.88, 173.33, 175.84, 84817432.0),
    ]
    assert answer.calls == 2
    assert answer.coverage[0].range == request.range
    assert answer.coverage[0].complete
    assert vendor.calls[0].headers["apca-api-key-id"] == "the-id"
    assert vendor.calls[0].headers["apca-api-secret-key"] == "the-secret"
    assert vendor.calls[0].query == {
        "symbols": "AAPL",
        "timeframe": "1Day",
        "start": "2022-02-01T05:00:00Z",  # midnight in New York
        "end": "2022-02-02T05:00:00Z",
        "limit": "10000",
        "sort": "asc",
        "adjustment": "raw",
        "feed": "sip",
        "asof": "-",
    }


def test_a_recorded_empty_answer_is_complete(market_data_dir, adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", recorded(market_data_dir, "get_bars_multi_empty_response"))
    answer = adapter.fetch_bars(SIP, ONE_HOUR)
    assert len(answer.bars) == 0
    assert answer.coverage[0].complete


# ---- minutes -----------------------------------------------------------------------------


def test_both_ends_of_the_request_are_inclusive(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", document({"AAPL": [at_minute("15:00")]}))
    adapter.fetch_bars(SIP, ONE_HOUR)
    query = vendor.calls[0].query
    assert (query["start"], query["end"]) == ("2026-01-05T15:00:00Z", "2026-01-05T15:59:59Z")
    assert query["timeframe"] == "1Min"


def test_the_feed_is_the_sources(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", document({"AAPL": [at_minute("15:00")]}))
    answer = adapter.fetch_bars(IEX, ONE_HOUR)
    assert vendor.calls[0].query["feed"] == "iex"
    assert answer.source is IEX


def test_rows_outside_and_unfinished_are_left_out_and_counted():
    page = parse(
        {"AAPL": [at_minute("14:59"), at_minute("15:00"), at_minute("15:30"), at_minute("15:31")]},
        now="2026-01-05T15:31:10",
    )
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00"), epoch("2026-01-05T15:30")]
    assert counted(page.parsed.dropped) == {"outside_range": 1, "unfinished": 1}


def test_a_bar_from_the_future_makes_the_whole_answer_unbelievable():
    with pytest.raises(Malformed, match="future"):
        parse(
            {"AAPL": [at_minute("15:00")], "TSLA": [at_minute("15:33")]},
            now="2026-01-05T15:31:10",
        )


def test_a_symbol_nobody_asked_for_is_left_out_and_counted():
    page = parse({"AAPL": [at_minute("15:00")], "MSFT": [at_minute("15:00")] * 3})
    assert page.parsed.bars.owner.tolist() == [0]
    assert counted(page.parsed.dropped) == {"unasked_symbol": 3}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-05T15:00:00Z", 0),
        ("2026-01-05T15:00:00+00:00", 0),
        ("2026-01-05T10:00:00-05:00", 0),
        ("2026-01-05T15:00:00.123456789Z", 0),
        ("2026-01-05T15:00:07.5Z", 7),
    ],
)
def test_times_are_read_in_every_rfc_3339_shape(text, seconds):
    page = parse({"AAPL": [bar(text), at_minute("15:01")]})
    assert page.parsed.bars.ts.tolist()[0] == epoch("2026-01-05T15:00") + seconds


def test_rows_without_counts_and_vwap_have_them_unknown():
    row = {name: value for name, value in at_minute("15:00").items() if name not in ("n", "vw")}
    bars = parse({"AAPL": [row]}).parsed.bars
    assert bars.trades.tolist() == [-1]
    assert bars.vwap[0] != bars.vwap[0]


@pytest.mark.parametrize("nothing", [{}, None, {"AAPL": []}, {"AAPL": None}])
def test_nothing_comes_in_four_shapes(nothing):
    page = parse(nothing)
    assert len(page.parsed.bars) == 0
    assert page.owners == ()


@pytest.mark.parametrize(
    "bars",
    [
        {"AAPL": [bar("2026-01-05 noon")]},
        {"AAPL": [bar("2026-01-05T15:00:00")]},  # no zone
        {"AAPL": [bar("2026-13-05T15:00:00Z")]},
        {"AAPL": [bar("0000-01-05T15:00:00Z")]},
        {"AAPL": [bar("NaT                Z")]},
        {"AAPL": [bar("\uff12026-01-05T15:00:00Z")]},
        {"AAPL": [bar(1767625200)]},
        {"AAPL": [bar(None)]},
        {"AAPL": [{"t": "2026-01-05T15:00:00Z"}]},
        {"AAPL": [at_minute("15:00", c="11")]},
        {"AAPL": [at_minute("15:00", c=None)]},
        {"AAPL": [at_minute("15:00", c=False)]},
        {"AAPL": [at_minute("15:00", n=2**70)]},
        {"AAPL": [["2026-01-05T15:00:00Z", 1]]},
        {"AAPL": {"t": 1}},
        {"AAPL": 7},
        [],
        "bars",
    ],
)
def test_wrong_types_are_malformed(bars):
    with pytest.raises(Malformed):
        parse(bars)


@pytest.mark.parametrize(
    "body", [[], None, {}, {"message": "fine"}, {"bars": {}, "next_page_token": 7}]
)
def test_documents_of_another_shape_are_malformed(body):
    with pytest.raises(Malformed):
        parse_bars(body, {"AAPL": 0}, window(ONE_HOUR, NOW))


# ---- crypto ------------------------------------------------------------------------------


def test_stocks_and_crypto_are_asked_for_apart(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", document({"AAPL": [at_minute("15:00")]}))
    vendor.on("/v1beta3/crypto/us/bars", document({"BTC/USD": [at_minute("15:00", v=0.125)]}))
    request = minutes(
        "2026-01-05T15:00", "2026-01-05T16:00", crypto("BTC-USD"), stock("AAPL"), crypto("ETH-USD")
    )
    answer = adapter.fetch_bars(SIP, request)
    assert [(row[0], row[6]) for row in table(answer.bars)] == [(0, 0.125), (1, 100.0)]
    stocks, coins = vendor.calls
    assert stocks.query["symbols"] == "AAPL"
    assert coins.query["symbols"] == "BTC/USD,ETH/USD"
    assert not {"adjustment", "feed", "asof"} & set(coins.query)
    assert all(answer.coverage[index].complete for index in range(3))


def test_crypto_rows_that_hold_quotes_and_no_trade_are_left_out_and_counted():
    rows = [at_minute("15:00", v=0.5), at_minute("15:01", v=0, n=0)]
    page = parse({"BTC/USD": rows}, zone="UTC", quotes_too=True)
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(page.parsed.dropped) == {"no_trade_row": 1}


def test_stock_rows_without_volume_are_kept():
    assert len(parse({"AAPL": [at_minute("15:00", v=0)]}).parsed.bars) == 1


def test_crypto_days_begin_at_midnight_utc_only():
    request = days("2025-07-01", "2025-07-04", crypto("BTC-USD"))
    rows = [
        bar("2025-07-01T05:00:00Z"),  # midnight in Chicago, as it once was
        bar("2025-07-02T00:00:00Z"),
        bar("2025-07-03T04:00:00Z"),  # midnight in New York
    ]
    page = parse({"BTC/USD": rows}, request, "2025-07-05T12:00", "UTC", quotes_too=True)
    assert page.parsed.bars.ts.tolist() == [epoch("2025-07-02")]
    assert counted(page.parsed.dropped) == {"off_grid": 2}


def test_crypto_days_are_asked_for_by_utc_midnights(adapter, vendor, at):
    at("2025-07-05T12:00")
    vendor.on("/v1beta3", document({"BTC/USD": [bar("2025-07-01T00:00:00Z")]}))
    adapter.fetch_bars(SIP, days("2025-07-01", "2025-07-04", crypto("BTC-USD")))
    query = vendor.calls[0].query
    assert (query["start"], query["end"]) == ("2025-07-01T00:00:00Z", "2025-07-03T00:00:00Z")


def test_stock_days_that_begin_elsewhere_are_left_out_and_counted():
    request = days("2026-01-05", "2026-01-07", stock("AAPL"))
    rows = [bar("2026-01-05T05:00:00Z"), bar("2026-01-06T00:00:00Z")]
    page = parse({"AAPL": rows}, request, "2026-01-08T12:00")
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05")]
    assert counted(page.parsed.dropped) == {"off_grid": 1}


def test_the_venue_feed_has_no_crypto(adapter, vendor, at):
    at(NOW)
    with pytest.raises(UnknownSymbol, match="alpaca:iex has no crypto"):
        adapter.fetch_bars(IEX, minutes("2026-01-05T15:00", "2026-01-05T16:00", crypto("BTC-USD")))
    assert vendor.calls == []


def test_a_crypto_ticker_that_is_no_pair_fails_alone(adapter, vendor, at):
    at(NOW)
    vendor.on("/v1beta3", document({}))
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", crypto("BTC"), crypto("ETH-USD"))
    answer = adapter.fetch_bars(SIP, request)
    assert isinstance(answer.failures[0], UnknownSymbol)
    assert set(answer.coverage) == {1}


# ---- pages -------------------------------------------------------------------------------


def paged(*pages):
    """A script that serves pages by token: none, "1", "2"…"""

    def serve(call):
        number = int(call.query.get("page_token", "0"))
        page = pages[number]
        if isinstance(page, Answer):
            return page
        return document(page, str(number + 1) if number + 1 < len(pages) else None)

    return serve


THREE = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("TSLA"), stock("AAPL"), stock("MSFT"))


def test_a_short_page_is_not_the_end(adapter, vendor, at):
    at(NOW)
    rows = [{"AAPL": [at_minute("15:00")]}, {}, {"AAPL": [at_minute("15:01")]}]
    vendor.on("/v2/stocks/bars", paged(*rows, {"TSLA": [at_minute("15:00")]}))
    answer = adapter.fetch_bars(SIP, THREE)
    assert [row[:2] for row in table(answer.bars)] == [
        (0, epoch("2026-01-05T15:00")),
        (1, epoch("2026-01-05T15:00")),
        (1, epoch("2026-01-05T15:01")),
    ]
    assert answer.calls == 4
    assert all(answer.coverage[index].complete for index in range(3))


def test_a_failed_page_spares_the_symbols_that_were_whole(adapter, vendor, at):
    at(NOW)
    vendor.on(
        "/v2/stocks/bars",
        paged(
            {"AAPL": [at_minute("15:00")]},
            {"AAPL": [at_minute("15:01")], "MSFT": [at_minute("15:00")]},
            Answer("{}", 500),
        ),
    )
    answer = adapter.fetch_bars(SIP, THREE)
    assert set(answer.coverage) == {1}  # AAPL: MSFT may go on, TSLA was still to come
    assert {index: type(error) for index, error in answer.failures.items()} == {
        0: ServerError,
        2: ServerError,
    }
    assert set(answer.bars.owner.tolist()) == {1}


def test_a_first_page_that_fails_raises(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", Answer("{}", 500))
    with pytest.raises(ServerError):
        adapter.fetch_bars(SIP, THREE)


def test_pages_in_a_circle_are_malformed(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", document({}, "again"))
    with pytest.raises(Malformed, match="circle"):
        adapter.fetch_bars(SIP, THREE)
    assert len(vendor.calls) == 2


# ---- batches -----------------------------------------------------------------------------


def test_many_symbols_are_spread_over_urls_that_servers_take(adapter, vendor, at):
    at(NOW)
    tickers = [f"LONGNAME{n:04d}" for n in range(1500)]
    asked = []

    def serve(call):
        asked.extend(call.query["symbols"].split(","))
        return document({})

    vendor.on("/v2/stocks/bars", serve)
    request = minutes("2026-01-05T15:00", "2026-01-05T15:01", *map(stock, tickers))
    answer = adapter.fetch_bars(SIP, request)
    assert sorted(asked) == tickers
    assert len(answer.coverage) == 1500
    assert all(len(call.query["symbols"]) <= 6_000 for call in vendor.calls)


def test_batch_sizes_shrink_with_the_range():
    adapter = AlpacaAdapter.__new__(AlpacaAdapter)

    def size(interval, start, end):
        return adapter.batch_size(SIP, interval, between(start, end))

    assert size(Interval.MINUTE, "2026-01-05T15:00", "2026-01-05T15:01") == 1_000
    assert size(Interval.MINUTE, "2026-01-05", "2026-01-06") == 100_000 // 960
    assert size(Interval.MINUTE, "2025-01-05", "2026-01-06") == 1
    assert size(Interval.DAY, "2026-01-05", "2026-01-06") == 1_000
    assert size(Interval.DAY, "2016-01-05", "2026-01-06") == 100_000 // 3_654


def test_one_symbol_that_the_vendor_refuses_does_not_cost_the_others(adapter, vendor, at):
    at(NOW)

    def serve(call):
        symbols = call.query["symbols"].split(",")
        if "B@D" in symbols:
            return Answer({"message": "invalid symbol: B@D"}, 400)
        return document({symbol: [at_minute("15:00")] for symbol in symbols})

    vendor.on("/v2/stocks/bars", serve)
    tickers = map(stock, ("AAPL", "MSFT", "B@D", "SPY", "TSLA"))
    answer = adapter.fetch_bars(SIP, minutes("2026-01-05T15:00", "2026-01-05T16:00", *tickers))
    assert sorted(answer.bars.owner.tolist()) == [0, 1, 3, 4]
    assert {index: type(error) for index, error in answer.failures.items()} == {2: UnknownSymbol}


def test_after_a_rate_limit_the_other_urls_are_not_asked(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/stocks/bars", Answer({"message": "too many requests."}, 429))
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("AAPL"), crypto("BTC-USD"))
    with pytest.raises(RateLimited):
        adapter.fetch_bars(SIP, request)
    assert len(vendor.calls) == 1


# ---- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": 40110000, "message": "request is not authorized"}, 401, AuthFailed),
        ({"message": "forbidden."}, 403, AuthFailed),
        ({"message": "too many requests."}, 429, RateLimited),
        ({"message": "invalid page_token"}, 400, Malformed),
        ({"message": "unprocessable"}, 422, Malformed),
        ({"message": "endpoint not found."}, 404, Malformed),
        ({"message": "internal server error occurred"}, 500, ServerError),
        ({"message": "invalid symbol: AAPL"}, 400, UnknownSymbol),
    ],
)
def test_refusals(adapter, vendor, at, body, status, kind):
    at(NOW)
    vendor.on("/v2", Answer(body, status))
    with pytest.raises(kind) as raised:
        adapter.fetch_bars(SIP, ONE_HOUR)
    assert type(raised.value) is kind


def test_the_free_plans_403_is_an_entitlement(market_data_dir, adapter, vendor, gate, at):
    at(NOW)
    file = market_data_dir / "recorded/alpaca/error-bodies-quoted/sip_403.json"
    vendor.on("/v2", Answer(file.read_bytes(), 403))
    with pytest.raises(NotEntitled, match="subscription does not permit"):
        adapter.fetch_bars(SIP, ONE_HOUR)
    assert gate.blocks == []


def test_a_429_says_when_its_window_ends(adapter, vendor, gate, at):
    at(NOW)
    reset = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0"}
    reset["X-RateLimit-Reset"] = str(epoch(NOW) + 23)
    vendor.on("/v2", Answer({"message": "too many requests."}, 429, reset))
    with pytest.raises(RateLimited) as raised:
        adapter.fetch_bars(SIP, ONE_HOUR)
    assert raised.value.retry_after == 23
    assert gate.blocks == [("alpaca", 23, "rate_limited")]


def test_the_sources():
    assert (SIP.name, SIP.scope, SIP.settle_lag_s) == ("alpaca:sip", Scope.CONSOLIDATED, 60)
    assert (IEX.name, IEX.scope, IEX.settle_lag_s) == ("alpaca:iex", Scope.VENUE, 60)
    for source in (SIP, IEX):
        assert source.basis == {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW}
    assert SIP.confirms_no_trade
    assert not IEX.confirms_no_trade
