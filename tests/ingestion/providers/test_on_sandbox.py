"""The adapters against the sandbox, which knows what is true."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.providers import registry
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    ConnectionFailed,
    Malformed,
    NotEntitled,
    ProviderError,
    RateLimited,
    ServerError,
    Timeout,
    UnknownSymbol,
)
from ingestion.providers.yahoo.session import Credentials
from ingestion.sandbox.synthetic import SyntheticMarket
from marketdata_site import clock, environment
from tests.ingestion.providers.asking import (
    NotingGate,
    counted,
    crypto,
    days,
    epoch,
    minutes,
    stock,
    table,
)
from tests.sandbox_server import SMALL_UNIVERSE, RunningSandbox, serve_sandbox
from universe.domain.interval import Interval

NOW = "2025-11-21T20:00"  # a Friday, 15:00 in New York
SOURCES = ("polygon", "alpaca:sip", "alpaca:iex", "finnhub", "yahoo", "iex")
PROVIDERS = ("polygon", "alpaca", "finnhub", "yahoo", "iex")
FIRST_SOURCE = {name: name for name in PROVIDERS} | {"alpaca": "alpaca:sip"}
EXACT = ("polygon", "alpaca:sip")
STOCKS = tuple(map(stock, ("AAPL", "MSFT", "SPY", "IBM", "THIN")))
_MARKET = SyntheticMarket(SMALL_UNIVERSE)


@pytest.fixture
def here(settings, at) -> Iterator[RunningSandbox]:
    at(NOW)
    with serve_sandbox(_MARKET) as sandbox:
        settings.ENVIRONMENT = environment.load({"SANDBOX_URL": sandbox.url})
        settings.DATA_ORIGIN = "synthetic"
        yield sandbox


@pytest.fixture
def gate():
    return NotingGate()


@pytest.fixture
def fetch(here, gate, opened):
    adapters = {}

    def ask(source_name, request):
        source = registry.source(source_name)
        if source.provider not in adapters:
            adapters[source.provider] = opened(registry.adapter(source.provider, gate))
        return adapters[source.provider].fetch_bars(source, request)

    return ask


def truth(sandbox, request, interval="1m"):
    rows = []
    for owner, instrument in enumerate(request.instruments):
        true = sandbox.truth(
            instrument.ticker, request.range.start_at, request.range.end_at, interval
        )
        columns = (true[name] for name in "tohlcv")
        rows += [(owner, *row) for row in zip(*columns, strict=True)]
    return sorted(rows)


HOUR = minutes("2025-11-21T18:00", "2025-11-21T19:00", *STOCKS)
BEFORE_DAWN = minutes("2025-11-21T09:00", "2025-11-21T15:00", stock("AAPL"), stock("THIN"))
COINS = minutes("2025-11-20T22:00", "2025-11-21T02:00", crypto("BTC-USD"), crypto("ETH-USD"))
WEEK = days("2025-11-14", "2025-11-21", *STOCKS)
ONE_DAY = days("2025-11-20", "2025-11-21", *STOCKS)
COIN_DAYS = days("2025-11-14", "2025-11-21", crypto("BTC-USD"), crypto("ETH-USD"))


@pytest.mark.parametrize("request_", [HOUR, BEFORE_DAWN, COINS])
@pytest.mark.parametrize("source", EXACT)
def test_minutes_are_the_truth(here, fetch, source, request_):
    answer = fetch(source, request_)
    assert table(answer.bars) == truth(here, request_)
    assert answer.origin == "synthetic"
    assert answer.failures == {}
    for index in range(len(request_.instruments)):
        assert answer.coverage[index].range == request_.range


@pytest.mark.parametrize("request_", [WEEK, ONE_DAY, COIN_DAYS])
@pytest.mark.parametrize("source", EXACT)
def test_days_are_the_truth(here, fetch, source, request_):
    answer = fetch(source, request_)
    assert table(answer.bars) == truth(here, request_, "1d")
    assert counted(answer.dropped) == {}


@pytest.mark.parametrize("request_", [HOUR, COINS])
@pytest.mark.parametrize("source", ["finnhub", "yahoo"])
def test_minutes_of_others_are_true_but_not_all_there(here, fetch, source, request_):
    answer = fetch(source, request_)
    true, said = truth(here, request_), table(answer.bars)
    assert set(said) <= set(true)
    assert len(true) * 0.9 < len(said)


@pytest.mark.parametrize("request_", [WEEK, COIN_DAYS])
@pytest.mark.parametrize("source", ["finnhub", "yahoo"])
def test_days_of_others_are_true_where_nothing_was_split(here, fetch, source, request_):
    assert table(fetch(source, request_).bars) == truth(here, request_, "1d")


def test_a_venues_minutes_are_some_of_the_truths(here, fetch):
    true = {row[:2]: row for row in truth(here, HOUR)}
    for source in ("alpaca:iex", "iex"):
        said = table(fetch(source, HOUR).bars)
        assert 0 < len(said) < len(true)
        for owner, ts, *_, volume in said:
            assert volume < true[owner, ts][-1]


def test_a_venues_days_are_there(here, fetch):
    assert [row[:2] for row in table(fetch("iex", WEEK).bars)] == [
        row[:2] for row in truth(here, WEEK, "1d")
    ]


def test_a_long_range_comes_over_many_pages(here, fetch):
    request = minutes("2025-10-01T00:00", "2025-11-15T00:00", stock("AAPL"), stock("SPY"))
    answer = fetch("alpaca:sip", request)
    assert answer.calls > 3
    assert table(answer.bars) == truth(here, request)


def test_short_pages_of_one_bar_are_followed_to_their_end(here, fetch):
    short = minutes("2025-11-21T18:00", "2025-11-21T18:05", *STOCKS[:2])
    for provider in ("polygon", "alpaca"):
        here.fault(provider=provider, kind="short_pages", size=1)
    for source in EXACT:
        assert table(fetch(source, short).bars) == truth(here, short)


def test_a_poll_up_to_now_ends_with_the_last_finished_minute(here, fetch, at):
    at("2025-11-21T20:00:41")
    request = minutes("2025-11-21T19:50", "2025-11-21T20:01", stock("AAPL"))
    for source in ("polygon", "alpaca:sip", "yahoo", "finnhub"):
        answer = fetch(source, request)
        assert answer.coverage[0].range.end == epoch("2025-11-21T20:00")
        assert answer.bars.ts.max() <= epoch("2025-11-21T19:59")


def test_yahoos_live_row_is_counted_and_nothing_more(here, fetch, at):
    at("2025-11-21T20:00:41")
    answer = fetch("yahoo", minutes("2025-11-21T19:00", "2025-11-21T19:30", stock("AAPL")))
    assert set(answer.dropped) <= {"off_grid", "outside_range", "null_row", "unfinished"}
    assert sum(answer.dropped.values()) >= 1
    assert answer.bars.ts.max() < epoch("2025-11-21T19:30")


def test_polygons_delayed_plan_does_not_speak_for_the_last_quarter_of_an_hour(here, fetch):
    here.quirk(polygon_delayed=True)
    answer = fetch("polygon", minutes("2025-11-21T19:30", "2025-11-21T20:00", stock("AAPL")))
    assert answer.coverage[0].range.end == epoch("2025-11-21T19:44")
    assert answer.bars.ts.max() < epoch("2025-11-21T19:45")


@pytest.mark.parametrize("null_results", [False, True])
def test_polygons_empty_answers_prove_nothing(here, fetch, null_results):
    here.quirk(polygon_null_results=null_results)
    saturday = minutes("2025-11-15T15:00", "2025-11-15T16:00", stock("AAPL"))
    assert not fetch("polygon", saturday).coverage[0].complete


def test_an_expired_crumb_is_renewed(here, fetch, opened, gate):
    fetch("yahoo", HOUR)
    adapter: Any = registry.adapter("yahoo", gate)
    adapter._session._credentials = Credentials("A3=d=old", "oldcrumb")
    assert len(fetch("yahoo", HOUR).bars) > 200


@pytest.mark.parametrize("source", SOURCES)
def test_every_call_is_made_in_a_slot_and_counted(here, fetch, gate, source):
    answer = fetch(source, HOUR)
    provider = registry.source(source).provider
    assert here.stats(provider)["calls"] == answer.calls == gate.slots
    assert set(here.stats(provider)["statuses"]) <= {"200", "404"}  # 404: yahoo's cookie page


@pytest.mark.parametrize("provider", ["polygon", "alpaca", "finnhub", "iex"])
def test_a_wrong_key_is_refused(here, fetch, gate, opened, provider, monkeypatch):
    monkeypatch.setattr(registry, "_SANDBOX_KEY", "wrong")
    with pytest.raises(AuthFailed):
        fetch(FIRST_SOURCE[provider], HOUR)
    assert gate.blocks == []


UNKNOWN = {"yahoo": UnknownSymbol, "iex": UnknownSymbol}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_symbol_that_nobody_knows(here, fetch, provider):
    request = minutes("2025-11-20T18:00", "2025-11-20T19:00", stock("NOPE"))
    if provider in UNKNOWN:
        with pytest.raises(UNKNOWN[provider]):
            fetch(provider, request)
    else:  # they say nothing, and that is no proof of anything but for alpaca
        answer = fetch(FIRST_SOURCE[provider], request)
        assert len(answer.bars) == 0
        assert answer.coverage[0].complete == (provider == "alpaca")


FAULTS = [
    ({"kind": "rate_limit", "retry_after": 3}, RateLimited),
    ({"kind": "rate_limit"}, RateLimited),
    ({"kind": "status", "status": 500}, ServerError),
    ({"kind": "status", "status": 503}, ServerError),
    ({"kind": "html"}, Malformed),
    ({"kind": "huge"}, Malformed),
    ({"kind": "truncate"}, (ConnectionFailed, Malformed)),
    ({"kind": "reset"}, ConnectionFailed),
    ({"kind": "mute"}, Timeout),
    ({"kind": "absurd", "what": "nan"}, Malformed),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=str)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_faults(here, fetch, gate, timeout_s, provider, fault, kind):
    timeout_s(1.0 if fault["kind"] == "mute" else 10.0)
    source = FIRST_SOURCE[provider]
    if provider == "yahoo":
        fetch(source, HOUR)  # the session is there already
    here.fault(provider=provider, **fault)
    with pytest.raises(kind):
        fetch(source, HOUR)
    if kind is RateLimited:
        ((blocked, seconds, code),) = gate.blocks
        assert (blocked, code) == (provider, "rate_limited")
        if "retry_after" in fault:
            assert seconds == 3
        else:
            assert seconds >= 20
    here.lift_faults()
    assert len(fetch(source, HOUR).bars) > 0


@pytest.mark.parametrize("provider", ["polygon", "finnhub", "yahoo", "iex"])
def test_a_bar_from_the_future_is_an_error(here, fetch, provider):
    # Not alpaca, whose sandbox serves nothing past `end`, however far a fault moved it.
    here.fault(provider=provider, kind="absurd", what="future")
    with pytest.raises(Malformed, match="future"):
        fetch(provider, HOUR)


FORBIDDEN = {
    "polygon": NotEntitled,
    "alpaca": NotEntitled,
    "finnhub": NotEntitled,
    "yahoo": Banned,
    "iex": AuthFailed,
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_403_in_each_vendors_words(here, fetch, gate, provider):
    here.fault(provider=provider, kind="forbidden")
    with pytest.raises(ProviderError) as raised:
        fetch(FIRST_SOURCE[provider], HOUR)
    assert type(raised.value) is FORBIDDEN[provider]


@pytest.mark.parametrize("what", ["negative_volume", "ohlc_order", "jump"])
@pytest.mark.parametrize("source", EXACT)
def test_absurd_bars_are_passed_on_for_the_quality_rules_to_reject(here, fetch, source, what):
    here.fault(provider=registry.source(source).provider, kind="absurd", what=what)
    answer = fetch(source, HOUR)
    assert len(answer.bars) == len(truth(here, HOUR))
    assert table(answer.bars) != truth(here, HOUR)


def test_bars_off_the_grid_reach_the_quality_rules_except_yahoos(here, fetch):
    here.fault(provider="*", kind="absurd", what="off_grid")
    for source in ("polygon", "alpaca:sip", "finnhub"):
        answer = fetch(source, HOUR)
        assert set(answer.bars.ts % 60) == {17}
    answer = fetch("yahoo", HOUR)
    assert len(answer.bars) == 0
    assert answer.dropped["off_grid"] > 0


def test_half_an_answer_cannot_be_told_from_a_whole_one(here, fetch):
    here.fault(provider="alpaca", kind="partial", share=0.5)
    answer = fetch("alpaca:sip", HOUR)
    assert set(table(answer.bars)) < set(truth(here, HOUR))


def test_duplicated_rows_are_passed_on(here, fetch):
    here.fault(provider="alpaca", kind="duplicated")
    said = table(fetch("alpaca:sip", HOUR).bars)
    assert len(said) == 2 * len(truth(here, HOUR))
    assert set(said) == set(truth(here, HOUR))


def test_a_clock_that_runs_fast_puts_no_honest_bar_into_the_future(settings, opened, gate):
    started = clock.system()
    market_time = datetime(2025, 11, 21, 15, 0, tzinfo=UTC)
    clock.install(clock.scaled(market_time, 600.0, started))  # ten minutes a second
    with serve_sandbox(_MARKET) as sandbox:
        settings.ENVIRONMENT = environment.load({"SANDBOX_URL": sandbox.url})
        here = clock.now()
        for name in ("polygon", "alpaca:sip", "yahoo", "finnhub"):
            source = registry.source(name)
            adapter = opened(registry.adapter(source.provider, gate))
            start = (here - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M")
            end = (clock.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
            answer = adapter.fetch_bars(source, minutes(start, end, stock("AAPL")))
            assert len(answer.bars) > 10
            assert answer.bars.ts.max() + Interval.MINUTE.seconds <= answer.observed_at
