"""Polygon's answers, recorded and hand-made, through its parser and its adapter."""

import orjson
import pytest

from ingestion.domain.source import Basis, Scope
from ingestion.providers.errors import (
    AuthFailed,
    Incomplete,
    Malformed,
    NotEntitled,
    RateLimited,
    ServerError,
    UnknownSymbol,
)
from ingestion.providers.polygon.client import SOURCE, PolygonAdapter
from ingestion.providers.polygon.parse import parse_aggs, parse_grouped
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

KEY = "polygon-key"
DAYS_2005 = "recorded/polygon/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json"


@pytest.fixture
def adapter(vendor, gate, opened):
    return opened(PolygonAdapter(gate, vendor.url, KEY))


def bar(t, *, o=10.0, h=12.0, low=9.0, c=11.0, v=100, **more):
    return {"t": t, "o": o, "h": h, "l": low, "c": c, "v": v, **more}


def minute(text, **values):
    return bar(epoch(text) * 1000, **values)


def document(results, **more):
    base = {"ticker": "AAPL", "adjusted": False, "status": "OK", "results": results}
    return {**base, "queryCount": len(results or []), "resultsCount": len(results or []), **more}


ONE_HOUR = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("AAPL"))
NOW = "2026-01-05T20:00"


def parse(results, request=ONE_HOUR, now=NOW, **more):
    return parse_aggs(document(results, **more), "AAPL", window(request, now, NEW_YORK))


# ---- recorded ----------------------------------------------------------------------------


def recorded_days(market_data_dir):
    return orjson.loads((market_data_dir / DAYS_2005).read_bytes())


def test_recorded_days_are_labelled_by_new_yorks_dates_on_both_sides_of_dst(market_data_dir):
    body = recorded_days(market_data_dir) | {"adjusted": False}
    request = days("2005-04-01", "2005-04-05", stock("AAPL"))
    page = parse_aggs(body, "AAPL", window(request, "2005-04-05T12:00", NEW_YORK))
    # Clocks went forward on 2005-04-03: the first `t` is 05:00Z, the second 04:00Z.
    assert table(page.parsed.bars) == [
        (0, epoch("2005-04-01"), 1.5032, 1.5064, 1.4489, 1.4604, 642646396.0),
        (0, epoch("2005-04-04"), 1.4639, 1.4754, 1.4343, 1.4675, 578172308.0),
    ]
    assert page.parsed.bars.vwap.tolist() == [1.469, 1.4589]
    assert page.parsed.bars.trades.tolist() == [82132, 65543]
    assert page.next_url is None
    assert not page.delayed


def test_recorded_days_through_the_adapter(market_data_dir, adapter, vendor, at):
    at("2005-04-05T12:00")
    vendor.on("/v2/aggs/ticker", recorded_days(market_data_dir) | {"adjusted": False})
    request = days("2005-04-01", "2005-04-05", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.paths() == ["/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04"]
    assert vendor.calls[0].query == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert vendor.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert answer.bars.close.tolist() == [1.4604, 1.4675]
    assert answer.basis is Basis.RAW
    assert answer.coverage[0].range == request.range
    assert answer.coverage[0].complete
    assert (answer.calls, answer.origin) == (1, "vendor")
    assert answer.observed_at == epoch("2005-04-05T12:00")


def test_recorded_adjusted_prices_are_not_taken_for_raw_ones(market_data_dir, adapter, vendor, at):
    at("2005-04-05T12:00")
    vendor.on("/v2/aggs/ticker", recorded_days(market_data_dir))  # says adjusted: true
    with pytest.raises(Malformed, match="split-adjusted"):
        adapter.fetch_bars(SOURCE, days("2005-04-01", "2005-04-05", stock("AAPL")))


def test_a_recorded_previous_close_has_its_t_at_the_sessions_end(market_data_dir):
    body = orjson.loads(
        (market_data_dir / "recorded/polygon/v2/aggs/ticker/AAPL/prev.json").read_bytes()
    )
    request = days("2022-04-26", "2022-04-27", stock("AAPL"))
    page = parse_grouped(
        body | {"adjusted": False}, {"AAPL": 7}, window(request, "2022-04-27T12:00", NEW_YORK)
    )
    assert table(page.parsed.bars) == [
        (7, epoch("2022-04-26"), 162.25, 162.34, 156.72, 156.8, 95595226.0)
    ]


# ---- minutes -----------------------------------------------------------------------------


def test_minutes_keep_their_opens_values_and_float_volumes():
    page = parse(
        [
            minute("2026-01-05T15:00", v=1.12117471e08, vw=10.5, n=7),
            minute("2026-01-05T15:59", v=0.5),
        ]
    )
    assert table(page.parsed.bars) == [
        (0, epoch("2026-01-05T15:00"), 10.0, 12.0, 9.0, 11.0, 112117471.0),
        (0, epoch("2026-01-05T15:59"), 10.0, 12.0, 9.0, 11.0, 0.5),
    ]
    assert page.parsed.bars.trades.tolist() == [7, -1]
    assert page.parsed.bars.vwap[0] == 10.5
    assert page.parsed.bars.vwap[1] != page.parsed.bars.vwap[1]  # NaN: not given


def test_the_request_ends_a_millisecond_before_its_range(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/aggs/ticker", document([minute("2026-01-05T15:00")]))
    adapter.fetch_bars(SOURCE, ONE_HOUR)
    start, end = epoch("2026-01-05T15:00") * 1000, epoch("2026-01-05T16:00") * 1000
    assert vendor.paths() == [f"/v2/aggs/ticker/AAPL/range/1/minute/{start}/{end - 1}"]


def test_a_bar_that_snapping_lets_in_is_left_out_and_counted():
    page = parse(
        [minute("2026-01-05T14:59"), minute("2026-01-05T15:00"), minute("2026-01-05T16:00")]
    )
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(page.parsed.dropped) == {"outside_range": 2}
    assert page.rows == 3


def test_the_minute_still_forming_is_left_out_and_counted():
    now = "2026-01-05T15:30:30"
    page = parse([minute("2026-01-05T15:29"), minute("2026-01-05T15:30")], now=now)
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05T15:29")]
    assert counted(page.parsed.dropped) == {"unfinished": 1}


def test_a_bar_from_the_future_makes_the_answer_unbelievable():
    with pytest.raises(Malformed, match=r"future: 2026-01-05T15:31:00Z at 2026-01-05T15:30:30Z"):
        parse([minute("2026-01-05T15:00"), minute("2026-01-05T15:31")], now="2026-01-05T15:30:30")


@pytest.mark.parametrize("unit", [1_000, 1_000_000])
def test_times_in_another_unit_are_from_the_future(unit):
    with pytest.raises(Malformed, match="future"):
        parse([bar(epoch("2026-01-05T15:00") * 1000 * unit)])


def test_a_time_that_is_no_whole_second_is_off_the_grid():
    page = parse([minute("2026-01-05T15:00"), bar(epoch("2026-01-05T15:01") * 1000 + 500)])
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(page.parsed.dropped) == {"off_grid": 1}


def test_a_minute_off_the_grid_is_kept_for_the_quality_rules_to_reject():
    assert len(parse([minute("2026-01-05T15:00:17")]).parsed.bars) == 1


def test_nonsense_prices_are_kept_for_the_quality_rules_to_reject():
    bars = parse([minute("2026-01-05T15:00", o=-1, h=0, v=-5)]).parsed.bars
    assert (bars.open[0], bars.high[0], bars.volume[0]) == (-1, 0, -5)


@pytest.mark.parametrize("empty", [{"results": None}, {"results": []}, {}])
def test_an_empty_range_has_no_results_in_three_ways(adapter, vendor, at, empty):
    at(NOW)
    body = {"ticker": "AAPL", "queryCount": 0, "resultsCount": 0, "adjusted": False}
    vendor.on("/v2/aggs/ticker", {**body, "status": "OK", **empty})
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(answer.bars) == 0
    assert answer.coverage[0].range == ONE_HOUR.range
    # Nulls under load and dates before the plan's history look the same: it proves nothing.
    assert not answer.coverage[0].complete


def test_delayed_is_a_success_that_does_not_speak_for_the_last_quarter_of_an_hour(
    adapter, vendor, at
):
    at("2026-01-05T16:00:30")
    vendor.on("/v2/aggs/ticker", document([minute("2026-01-05T15:00")], status="DELAYED"))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert answer.coverage[0].range == between("2026-01-05T15:00", "2026-01-05T15:44")
    assert answer.coverage[0].complete


def test_a_range_that_reaches_past_now_is_covered_up_to_the_last_finished_minute(
    adapter, vendor, at
):
    at("2026-01-05T15:30:30")
    vendor.on("/v2/aggs/ticker", document([minute("2026-01-05T15:00")]))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert answer.coverage[0].range == between("2026-01-05T15:00", "2026-01-05T15:30")
    assert vendor.paths()[0].endswith(f"/{epoch('2026-01-05T15:30') * 1000 - 1}")


def test_a_range_that_has_not_ended_a_minute_yet_costs_no_call(adapter, vendor, at):
    at("2026-01-05T15:00:30")
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert vendor.calls == []
    assert answer.coverage[0].range is None
    assert answer.calls == 0


@pytest.mark.parametrize(
    "rows",
    [
        [{"t": 1767625200000, "o": 1, "h": 1, "l": 1, "c": 1}],  # no volume
        [minute("2026-01-05T15:00", o="10.0")],
        [minute("2026-01-05T15:00", o=None)],
        [minute("2026-01-05T15:00", c=True)],
        [minute("2026-01-05T15:00", v=[1])],
        [minute("2026-01-05T15:00", n="7")],
        [minute("2026-01-05T15:00", n=1.5)],
        [minute("2026-01-05T15:00", vw="x")],
        [bar("2026-01-05T15:00:00Z")],
        [bar(1767625200000.5)],
        [bar(2**63)],
        [bar(None)],
        [bar(-(10**17))],
        [["t", 1]],
        [None],
        "rows",
        {"t": 1},
        7,
    ],
)
def test_wrong_types_are_malformed(rows):
    with pytest.raises(Malformed):
        parse_aggs(
            {"ticker": "AAPL", "status": "OK", "results": rows},
            "AAPL",
            window(ONE_HOUR, NOW, NEW_YORK),
        )


def test_an_answer_about_another_ticker_is_malformed():
    with pytest.raises(Malformed, match="another ticker"):
        parse([minute("2026-01-05T15:00")], ticker="MSFT")


def test_fewer_rows_than_the_document_says_are_incomplete():
    with pytest.raises(Incomplete, match="1 rows where the document says 390"):
        parse([minute("2026-01-05T15:00")], resultsCount=390)


# ---- pages -------------------------------------------------------------------------------


def test_pages_are_followed_below_our_own_address_with_our_key(adapter, vendor, at):
    at(NOW)
    start = epoch("2026-01-05T15:30") * 1000
    # The vendor has moved, and writes its old host and somebody's key into the URL.
    more = f"https://api.elsewhere.example/v2/aggs/ticker/AAPL/range/1/minute/{start}/9"
    more += "?apiKey=another&cursor=bGltaXQ9Mg&limit=2"

    def page(call):
        if call.query.get("cursor") == "bGltaXQ9Mg":
            return document([minute("2026-01-05T15:30")])
        return document([minute("2026-01-05T15:00")], next_url=more)

    vendor.on("/v2/aggs/ticker", page)
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert answer.bars.ts.tolist() == [epoch("2026-01-05T15:00"), epoch("2026-01-05T15:30")]
    assert answer.calls == 2
    assert vendor.calls[1].query == {"cursor": "bGltaXQ9Mg", "limit": "2"}
    assert vendor.calls[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_next_url_below_a_base_path_is_not_doubled(vendor, gate, opened, at):
    at(NOW)
    adapter = opened(PolygonAdapter(gate, f"{vendor.url}/polygon", KEY))
    more = f"{vendor.url}/polygon/v2/aggs/ticker/AAPL/range/1/minute/1/2?cursor=x"
    vendor.on(
        "/polygon/v2",
        lambda call: document([]) if call.query.get("cursor") else document([], next_url=more),
    )
    adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert vendor.paths()[1] == "/polygon/v2/aggs/ticker/AAPL/range/1/minute/1/2"


def test_pages_in_a_circle_are_malformed(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/aggs", document([], next_url=f"{vendor.url}/v2/aggs/ticker/AAPL/more"))
    with pytest.raises(Malformed, match="circle"):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(vendor.calls) == 2


def test_what_came_before_a_failed_page_is_covered_as_far_as_it_went(adapter, vendor, at):
    at(NOW)
    more = f"{vendor.url}/v2/aggs/ticker/AAPL/more"
    vendor.on(
        "/v2/aggs",
        document([minute("2026-01-05T15:00"), minute("2026-01-05T15:20")], next_url=more),
    )
    vendor.on("/v2/aggs/ticker/AAPL/more", Answer("{}", 500))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(answer.bars) == 2
    assert answer.coverage[0].range == between("2026-01-05T15:00", "2026-01-05T15:21")
    assert answer.failures == {}


def test_an_origin_that_changes_between_pages_is_malformed(adapter, vendor, at):
    at(NOW)
    more = f"{vendor.url}/v2/aggs/ticker/AAPL/more"
    synthetic = {"X-Market-Origin": "synthetic"}
    vendor.on("/v2/aggs", Answer(document([], next_url=more), headers=synthetic))
    vendor.on("/v2/aggs/ticker/AAPL/more", document([]))
    with pytest.raises(Malformed, match="origin changed"):
        adapter.fetch_bars(SOURCE, ONE_HOUR)


# ---- days --------------------------------------------------------------------------------


def test_a_day_that_begins_at_no_new_york_midnight_is_left_out_and_counted():
    request = days("2026-01-05", "2026-01-08", stock("AAPL"))
    results = [
        bar(epoch("2026-01-05T05:00") * 1000),
        bar(epoch("2026-01-06T00:00") * 1000),  # midnight UTC is the 5th in New York
        bar(epoch("2026-01-07T06:00") * 1000),  # midnight in Chicago
    ]
    page = parse(results, request, "2026-01-08T12:00")
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05")]
    assert counted(page.parsed.dropped) == {"off_grid": 2}


def test_todays_bar_is_no_bar_from_the_future():
    request = days("2026-01-05", "2026-01-06", stock("AAPL"))
    page = parse([bar(epoch("2026-01-05T05:00") * 1000)], request, "2026-01-05T15:00")
    assert page.parsed.bars.ts.tolist() == [epoch("2026-01-05")]


def test_tomorrows_bar_is_from_the_future():
    request = days("2026-01-05", "2026-01-07", stock("AAPL"))
    with pytest.raises(Malformed, match="future"):
        parse([bar(epoch("2026-01-06T05:00") * 1000)], request, "2026-01-05T23:00")


def grouped(*rows):
    return {"status": "OK", "adjusted": False, "resultsCount": len(rows), "results": list(rows)}


def at_close(ticker, day, **values):
    return {"T": ticker, **bar(epoch(f"{day}T21:00") * 1000, **values)}


MANY = ("AAPL", "MSFT", "SPY", "BRK.B")


def test_one_day_of_many_symbols_is_one_call(adapter, vendor, at):
    at("2026-01-06T12:00")
    rows = [at_close(ticker, "2026-01-05", c=10.5 + n) for n, ticker in enumerate(MANY)]
    vendor.on("/v2/aggs/grouped", grouped(*rows, at_close("ZZZ", "2026-01-05")))
    request = days("2026-01-05", "2026-01-06", *map(stock, (*MANY, "NONE")))
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.paths() == ["/v2/aggs/grouped/locale/us/market/stocks/2026-01-05"]
    assert vendor.calls[0].query == {"adjusted": "false", "include_otc": "true"}
    assert [(row[0], row[1], row[5]) for row in table(answer.bars)] == [
        (n, epoch("2026-01-05"), 10.5 + n) for n in range(4)
    ]
    assert all(answer.coverage[n].complete for n in range(5))  # NONE had no trade that day
    assert answer.failures == {}


def test_a_grouped_answer_without_anything_proves_nothing(adapter, vendor, at):
    at("2026-01-06T12:00")
    vendor.on("/v2/aggs/grouped", {"status": "OK", "resultsCount": 0, "adjusted": False})
    answer = adapter.fetch_bars(SOURCE, days("2026-01-05", "2026-01-06", *map(stock, MANY)))
    assert not any(answer.coverage[n].complete for n in range(4))


def test_a_grouped_row_of_another_day_is_left_out(adapter, vendor, at):
    at("2026-01-07T12:00")
    vendor.on(
        "/v2/aggs/grouped", grouped(at_close("AAPL", "2026-01-06"), at_close("MSFT", "2026-01-05"))
    )
    answer = adapter.fetch_bars(SOURCE, days("2026-01-05", "2026-01-06", *map(stock, MANY)))
    assert answer.bars.owner.tolist() == [1]
    assert counted(answer.dropped) == {"outside_range": 1}


def test_crypto_beside_a_grouped_day_is_asked_for_by_itself(adapter, vendor, at):
    at("2026-01-06T12:00")
    vendor.on("/v2/aggs/grouped", grouped(at_close("AAPL", "2026-01-05")))
    coin = document([bar(epoch("2026-01-05") * 1000, v=0.25)], ticker="X:BTCUSD")
    vendor.on("/v2/aggs/ticker/X:BTCUSD", coin)
    request = days("2026-01-05", "2026-01-06", *map(stock, MANY), crypto("BTC-USD"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.paths()[1] == "/v2/aggs/ticker/X:BTCUSD/range/1/day/2026-01-05/2026-01-05"
    assert table(answer.bars)[-1][:2] == (4, epoch("2026-01-05"))
    assert answer.bars.volume.tolist()[-1] == 0.25


def test_the_crypto_day_under_way_is_unfinished(adapter, vendor, at):
    at("2026-01-05T12:00")
    vendor.on("/v2/aggs/ticker", document([bar(epoch("2026-01-05") * 1000)], ticker="X:BTCUSD"))
    answer = adapter.fetch_bars(SOURCE, days("2026-01-05", "2026-01-06", crypto("BTC-USD")))
    assert len(answer.bars) == 0
    assert counted(answer.dropped) == {"unfinished": 1}


def test_few_symbols_or_many_days_are_asked_for_one_by_one(adapter, vendor, at):
    at("2026-01-10T12:00")
    vendor.on("/v2/aggs/ticker", lambda call: document([], ticker=call.path.split("/")[4]))
    adapter.fetch_bars(SOURCE, days("2026-01-05", "2026-01-06", stock("AAPL"), stock("MSFT")))
    adapter.fetch_bars(SOURCE, days("2026-01-05", "2026-01-08", *map(stock, MANY)))
    assert len(vendor.calls) == 6
    assert not any("grouped" in path for path in vendor.paths())


# ---- batches -----------------------------------------------------------------------------


def test_batch_sizes():
    adapter = PolygonAdapter.__new__(PolygonAdapter)
    one_day, long = between("2026-01-05", "2026-01-06"), between("2026-01-05", "2026-01-08")
    assert adapter.batch_size(SOURCE, Interval.DAY, one_day) >= 8_000
    assert adapter.batch_size(SOURCE, Interval.DAY, long) == 1
    assert adapter.batch_size(SOURCE, Interval.MINUTE, one_day) == 1


def test_one_symbols_failure_is_not_the_others(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2/aggs/ticker/AAPL", document([minute("2026-01-05T15:00")]))
    vendor.on("/v2/aggs/ticker/NOPE", Answer({"status": "NOT_FOUND", "message": "no"}, 404))
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", stock("NOPE"), stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert answer.bars.owner.tolist() == [1]
    assert isinstance(answer.failures[0], UnknownSymbol)
    assert set(answer.coverage) == {1}


def test_after_a_rate_limit_nobody_else_is_asked_for(adapter, vendor, gate, at):
    at(NOW)
    vendor.on("/v2/aggs/ticker/AAPL", document([minute("2026-01-05T15:00")]))
    vendor.on("/v2/aggs/ticker/MSFT", Answer({"status": "ERROR"}, 429, {"Retry-After": "9"}))
    tickers = map(stock, ("AAPL", "MSFT", "SPY", "IBM"))
    answer = adapter.fetch_bars(SOURCE, minutes("2026-01-05T15:00", "2026-01-05T16:00", *tickers))
    assert len(vendor.calls) == 2
    assert {index: type(error) for index, error in answer.failures.items()} == {
        1: RateLimited,
        2: RateLimited,
        3: RateLimited,
    }
    assert gate.blocks == [("polygon", 9, "rate_limited")]


def test_three_passing_errors_in_a_row_are_enough(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2", Answer("{}", 502))
    tickers = [stock(f"S{n}") for n in range(9)]
    with pytest.raises(ServerError):
        adapter.fetch_bars(SOURCE, minutes("2026-01-05T15:00", "2026-01-05T16:00", *tickers))
    assert len(vendor.calls) == 3


# ---- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("bad_key_401.json", 401, AuthFailed),
        ("no_key.json", 401, AuthFailed),
        ("no_key.json", 200, AuthFailed),
        ("not_authorized_403.json", 403, NotEntitled),
        ("not_authorized_403.json", 200, NotEntitled),
        ("rate_limited_429.json", 429, RateLimited),
        ("rate_limited_429.json", 200, RateLimited),
    ],
)
def test_documented_refusals(market_data_dir, adapter, vendor, gate, at, name, status, kind):
    at(NOW)
    file = market_data_dir / "recorded/polygon/error-bodies-quoted" / name
    vendor.on("/v2", Answer(file.read_bytes(), status))
    with pytest.raises(kind) as raised:
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert type(raised.value) is kind
    assert gate.blocks == ([("polygon", 60, "rate_limited")] if kind is RateLimited else [])


def test_a_status_that_nobody_knows_is_malformed(adapter, vendor, at):
    at(NOW)
    vendor.on("/v2", {"status": "PONDERING", "results": []})
    with pytest.raises(Malformed):
        adapter.fetch_bars(SOURCE, ONE_HOUR)


def test_the_source():
    assert (SOURCE.name, SOURCE.scope, SOURCE.settle_lag_s) == ("polygon", Scope.CONSOLIDATED, 120)
    assert SOURCE.basis == {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW}
    assert SOURCE.confirms_no_trade
