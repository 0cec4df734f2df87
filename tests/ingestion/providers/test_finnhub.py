"""Finnhub's answers, as documented and hand-made, through its parser and its adapter."""

from itertools import pairwise

import orjson
import pytest

from ingestion.domain.source import Basis, Scope
from ingestion.providers.errors import (
    AuthFailed,
    Malformed,
    NotEntitled,
    RateLimited,
    ServerError,
)
from ingestion.providers.finnhub.client import SOURCE, FinnhubAdapter
from ingestion.providers.finnhub.parse import parse_candles
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
DOCUMENTED = "recorded/finnhub/doc-examples"


@pytest.fixture
def adapter(vendor, gate, opened):
    return opened(FinnhubAdapter(gate, vendor.url, "the-token"))


def candles(*times, **columns):
    count = len(times)
    base = {"t": list(times), "o": [10.0] * count, "h": [12.0] * count, "l": [9.0] * count}
    return {**base, "c": [11.0] * count, "v": [100] * count, "s": "ok", **columns}


def parse(body, request=ONE_HOUR, now=NOW, zone=NEW_YORK):
    return parse_candles(body, window(request, now, zone))


# ---- as documented -----------------------------------------------------------------------


def documented_days(market_data_dir):
    return orjson.loads((market_data_dir / DOCUMENTED / "forex_candle_D_OANDA.json").read_bytes())


def test_documented_days_have_their_values_once_they_begin_at_midnight(market_data_dir):
    body = documented_days(market_data_dir)
    body["t"] = [t + 2 * 3600 for t in body["t"]]  # from 22:00Z, where currencies begin, to 00:00Z
    request = days("2019-11-04", "2019-12-03", stock("EURUSD"))
    parsed = parse(body, request, "2019-12-10T00:00")
    rows = table(parsed.bars)
    assert len(rows) == 21
    assert rows[0] == (0, epoch("2019-11-04"), 1.11674, 1.11749, 1.11242, 1.1127, 46494.0)
    assert rows[-1] == (0, epoch("2019-12-02"), 1.10228, 1.10889, 1.10023, 1.10784, 47505.0)
    assert counted(parsed.dropped) == {}


def test_days_that_begin_in_the_evening_are_left_out_and_counted(market_data_dir):
    request = days("2019-11-01", "2019-12-03", stock("EURUSD"))
    parsed = parse(documented_days(market_data_dir), request, "2019-12-10T00:00")
    assert len(parsed.bars) == 0
    assert counted(parsed.dropped) == {"off_grid": 21}


def test_no_data_is_200_and_proves_nothing(market_data_dir, adapter, vendor, at):
    at(NOW)
    file = market_data_dir / DOCUMENTED / "stock_candle_no_data_200.json"
    vendor.on("/stock/candle", Answer(file.read_bytes()))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(answer.bars) == 0
    assert answer.coverage[0].range == ONE_HOUR.range
    assert not answer.coverage[0].complete


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("stock_candle_free_plan_403.json", 403, NotEntitled),
        ("stock_candle_free_plan_403.json", 200, NotEntitled),
        ("rate_limited_429.json", 429, RateLimited),
        ("rate_limited_429.json", 200, RateLimited),
    ],
)
def test_documented_refusals(market_data_dir, adapter, vendor, gate, at, name, status, kind):
    at(NOW)
    vendor.on("/stock/candle", Answer((market_data_dir / DOCUMENTED / name).read_bytes(), status))
    with pytest.raises(kind) as raised:
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert type(raised.value) is kind
    assert [code for _, _, code in gate.blocks] == (["rate_limited"] if kind is RateLimited else [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer({"error": "Invalid API key"}, 401), AuthFailed),
        (Answer({"error": "Please use an API key."}, 401), AuthFailed),
        (Answer({"error": "API limit reached. Please sign up for an API key."}, 429), AuthFailed),
        (Answer("API limit reached. Please try again later. Remaining Limit: 0", 429), RateLimited),
        (Answer({"error": "Wrong resolution"}, 422), Malformed),
        (Answer({"error": "something else"}, 200), Malformed),
        (Answer("Bad gateway", 502, content_type="text/plain"), ServerError),
    ],
)
def test_refusals(adapter, vendor, at, answer, kind):
    at(NOW)
    vendor.on("/stock/candle", answer)
    with pytest.raises(kind) as raised:
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert type(raised.value) is kind


# ---- candles -----------------------------------------------------------------------------


def test_a_request_as_it_goes_out(adapter, vendor, at):
    at(NOW)
    vendor.on("/stock/candle", candles(epoch("2026-01-05T15:00")))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert vendor.calls[0].query == {
        "symbol": "AAPL",
        "resolution": "1",
        "from": str(epoch("2026-01-05T15:00")),
        "to": str(epoch("2026-01-05T16:00") - 1),
    }
    assert vendor.calls[0].headers["x-finnhub-token"] == "the-token"
    assert answer.basis is Basis.RAW
    assert answer.coverage[0].complete
    assert table(answer.bars) == [(0, epoch("2026-01-05T15:00"), 10.0, 12.0, 9.0, 11.0, 100.0)]


def test_days_are_split_adjusted_and_labelled_by_the_utc_date(adapter, vendor, at):
    at("2026-01-10T12:00")
    times = [epoch("2026-01-05"), epoch("2026-01-06T05:00"), epoch("2026-07-07T04:00")]
    vendor.on("/stock/candle", candles(*times[:2]))
    request = days("2026-01-05", "2026-01-07", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert answer.bars.ts.tolist() == [epoch("2026-01-05"), epoch("2026-01-06")]
    assert answer.basis is Basis.SPLIT
    assert vendor.calls[0].query["resolution"] == "D"


def test_crypto_is_asked_for_at_binance_in_tether(adapter, vendor, at):
    at(NOW)
    vendor.on("/crypto/candle", candles(epoch("2026-01-05T15:00"), v=[0.125]))
    request = minutes("2026-01-05T15:00", "2026-01-05T16:00", crypto("BTC-USD"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert vendor.calls[0].query["symbol"] == "BINANCE:BTCUSDT"
    assert answer.bars.volume.tolist() == [0.125]


def test_more_than_a_month_of_minutes_takes_several_calls(adapter, vendor, at):
    at("2026-04-01T00:00")
    asked = []

    def serve(call):
        asked.append((int(call.query["from"]), int(call.query["to"])))
        return candles(int(call.query["from"]))

    vendor.on("/stock/candle", serve)
    request = minutes("2026-01-05T15:00", "2026-03-20T16:00", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert asked[0][0] == request.range.start
    assert asked[-1][1] == request.range.end - 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(asked))
    assert all(end - start < 31 * 86_400 for start, end in asked)
    assert len(answer.bars) == len(asked) == answer.calls


def test_a_later_call_that_fails_leaves_the_earlier_ones_covered(adapter, vendor, at):
    at("2026-04-01T00:00")
    vendor.on(
        "/stock/candle",
        lambda call: candles(int(call.query["from"])) if len(vendor.calls) < 2 else Answer("", 500),
    )
    request = minutes("2026-01-05T15:00", "2026-03-20T16:00", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert len(answer.bars) == 1
    assert answer.coverage[0].range == between("2026-01-05T15:00", "2026-02-02T15:00")


def test_rows_outside_unfinished_and_from_the_future():
    times = [epoch(f"2026-01-05T{text}") for text in ("14:59", "15:00", "15:30")]
    parsed = parse(candles(*times), now="2026-01-05T15:30:30")
    assert parsed.bars.ts.tolist() == [times[1]]
    assert counted(parsed.dropped) == {"outside_range": 1, "unfinished": 1}
    with pytest.raises(Malformed, match="future"):
        parse(candles(*times, times[-1] + 60), now="2026-01-05T15:30:30")


@pytest.mark.parametrize(
    "body",
    [
        candles(epoch("2026-01-05T15:00"), c=[]),
        candles(epoch("2026-01-05T15:00"), v=[1, 2]),
        candles(epoch("2026-01-05T15:00"), v=None),
        candles(epoch("2026-01-05T15:00"), v={}),
        candles(epoch("2026-01-05T15:00"), c=[None]),
        candles(epoch("2026-01-05T15:00"), c=["1"]),
        candles(epoch("2026-01-05T15:00"), c=[True]),
        candles("2026-01-05"),
        candles(1.5),
        candles(2**64 - 1),
        candles(epoch("2026-01-05T15:00"), s="fine"),
        candles(epoch("2026-01-05T15:00"), s=None),
        {"s": "ok"},
        {},
        [],
        None,
        "ok",
    ],
)
def test_wrong_types_and_ragged_arrays_are_malformed(body):
    with pytest.raises(Malformed):
        parse(body)


def test_ok_with_empty_arrays_is_no_data():
    assert parse(candles()) is None


def test_the_source_never_confirms_that_there_was_no_trade():
    assert (SOURCE.name, SOURCE.scope, SOURCE.settle_lag_s) == ("finnhub", Scope.CONSOLIDATED, 120)
    assert SOURCE.basis == {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.SPLIT}
    assert not SOURCE.confirms_no_trade
    assert (
        FinnhubAdapter.__new__(FinnhubAdapter).batch_size(SOURCE, Interval.DAY, ONE_HOUR.range) == 1
    )
