"""Yahoo's answers, recorded and hand-made, through its parser, session and adapter."""

import threading

import orjson
import pytest

from ingestion.domain.source import Basis, Scope
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    Incomplete,
    Malformed,
    NotEntitled,
    RateLimited,
    ServerError,
    UnknownSymbol,
)
from ingestion.providers.yahoo.client import SOURCE, YahooAdapter
from ingestion.providers.yahoo.parse import parse_chart
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
COLUMNS = ("open", "high", "low", "close", "volume")


@pytest.fixture
def adapter(vendor, gate, opened):
    vendor.on("/", Answer("nothing here", 404, {"Set-Cookie": "A3=d=abc; Path=/; Secure"}))
    vendor.on("/v1/test/getcrumb", Answer("cRuMb.12/3x", content_type="text/plain"))
    return opened(YahooAdapter(gate, vendor.url))


def chart(*rows, meta=None, **more):
    """A chart of (time, open, high, low, close, volume) rows."""
    quote = {name: [row[n + 1] for row in rows] for n, name in enumerate(COLUMNS)}
    result = {
        "meta": {"symbol": "AAPL", "exchangeTimezoneName": NEW_YORK, **(meta or {})},
        "timestamp": [row[0] for row in rows],
        "indicators": {"quote": [quote]},
        **more,
    }
    return {"chart": {"result": [result], "error": None}}


def row(text, **values):
    base = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 100, **values}
    return (epoch(text), *(base[name] for name in COLUMNS))


def nulls(text):
    return (epoch(text), None, None, None, None, None)


def parse(body, request=ONE_HOUR, now=NOW, zone=NEW_YORK, symbol="AAPL"):
    return parse_chart(body, symbol, window(request, now, zone))


def recorded(market_data_dir, name):
    file = market_data_dir / f"recorded/yahoo/chart-{name}.json"
    return orjson.loads(file.read_bytes())["response"]["bodyJson"]


# ---- recorded ----------------------------------------------------------------------------


def test_a_recorded_day_has_its_exchanges_date(market_data_dir):
    body = recorded(market_data_dir, "AAPL-2020-01-01-to-2020-01-03")
    request = days("2020-01-01", "2020-01-03", stock("AAPL"))
    parsed = parse(body, request, "2025-02-20T11:47:40")
    assert table(parsed.bars) == [
        (
            0,
            epoch("2020-01-02"),
            74.05999755859375,
            75.1500015258789,
            73.79750061035156,
            75.0875015258789,
            135480400.0,
        )
    ]


def test_the_recorded_days_of_a_quarter(market_data_dir):
    body = recorded(market_data_dir, "AAPL-2020-08-31-to-2020-11-07")
    request = days("2020-08-31", "2020-11-07", stock("AAPL"))
    parsed = parse(body, request, "2025-02-20T11:47:42")
    quote = body["chart"]["result"][0]["indicators"]["quote"][0]
    assert parsed.bars.close.tolist() == quote["close"]
    assert parsed.bars.volume.tolist() == quote["volume"]
    calendar = (market_data_dir / "calendar/xnys.csv").read_text().splitlines()[1:]
    dates = [line.split(",")[0][:10] for line in calendar]
    sessions = [date for date in dates if "2020-08-31" <= date < "2020-11-07"]
    # Clocks went back on 2020-11-01; every session of the answer sheet is there.
    assert parsed.bars.ts.tolist() == [epoch(date) for date in sessions]


def test_recorded_crypto_days_are_utc_and_the_row_at_period2_is_left_out(market_data_dir):
    body = recorded(market_data_dir, "BTC-USD-2020-01-01-to-2020-01-03")
    request = days("2020-01-01", "2020-01-03", crypto("BTC-USD"))
    parsed = parse(body, request, "2025-02-20T11:47:41", "UTC", "BTC-USD")
    assert [(r[1], r[5], r[6]) for r in table(parsed.bars)] == [
        (epoch("2020-01-01"), 7200.17431640625, 18565664997.0),
        (epoch("2020-01-02"), 6985.47021484375, 20802083465.0),
    ]
    assert counted(parsed.dropped) == {"outside_range": 1}


def test_a_recorded_empty_window_has_no_rows(market_data_dir, adapter, vendor, at):
    at("2025-02-20T11:47:42")
    name = "AAPL-2025-02-01-to-2025-02-02-includePrePost-false-interval-1m"
    vendor.on("/v8/finance/chart", recorded(market_data_dir, name))
    request = minutes("2025-02-01T00:00", "2025-02-02T00:00", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert len(answer.bars) == 0
    assert answer.coverage[0].range == request.range
    assert not answer.coverage[0].complete


def test_a_recorded_chart_through_the_adapter(market_data_dir, adapter, vendor, at):
    at("2025-02-20T11:47:40")
    vendor.on("/v8/finance/chart", recorded(market_data_dir, "AAPL-2020-01-01-to-2020-01-03"))
    answer = adapter.fetch_bars(SOURCE, days("2020-01-01", "2020-01-03", stock("AAPL")))
    assert vendor.paths() == ["/", "/v1/test/getcrumb", "/v8/finance/chart/AAPL"]
    call = vendor.calls[-1]
    assert call.query == {
        "interval": "1d",
        "period1": str(epoch("2020-01-01T05:00")),  # midnight in New York
        "period2": str(epoch("2020-01-03T05:00")),
        "includePrePost": "false",
        "crumb": "cRuMb.12/3x",
    }
    assert call.headers["cookie"] == "A3=d=abc"
    assert "market-data-service" in call.headers["user-agent"]
    assert answer.bars.close.tolist() == [75.0875015258789]
    assert answer.basis is Basis.SPLIT
    assert answer.calls == 3


# ---- rows --------------------------------------------------------------------------------


def test_rows_with_nulls_are_left_out_and_counted():
    half = row("2026-01-05T15:02", volume=None)
    parsed = parse(chart(row("2026-01-05T15:00"), nulls("2026-01-05T15:01"), half))
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"null_row": 2}


def test_a_live_row_between_minutes_is_left_out_and_counted():
    parsed = parse(chart(row("2026-01-05T15:00"), row("2026-01-05T15:00:41")))
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"off_grid": 1}


def test_a_live_row_past_the_range_is_left_out_and_counted():
    parsed = parse(chart(row("2026-01-05T15:00"), row("2026-01-05T19:59")))
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"outside_range": 1}


def test_the_minute_still_forming_is_left_out_and_counted():
    parsed = parse(
        chart(row("2026-01-05T15:00"), row("2026-01-05T15:01")), now="2026-01-05T15:01:50"
    )
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05T15:00")]
    assert counted(parsed.dropped) == {"unfinished": 1}


def test_a_row_from_the_future_makes_the_answer_unbelievable():
    rows = chart(row("2026-01-05T15:00"), nulls("2026-01-05T15:10"))
    with pytest.raises(Malformed, match="future"):
        parse(rows, now="2026-01-05T15:01:50")


def test_rows_of_extended_hours_that_come_unasked_are_kept():
    request = minutes("2026-01-05T12:00", "2026-01-05T16:00", stock("AAPL"))
    parsed = parse(chart(row("2026-01-05T12:30"), row("2026-01-05T15:00")), request)
    assert len(parsed.bars) == 2


SESSION = {
    "currentTradingPeriod": {
        "regular": {"start": epoch("2026-01-05T14:30"), "end": epoch("2026-01-05T21:00")}
    }
}
TWO_DAYS = days("2026-01-02", "2026-01-06", stock("AAPL"))


@pytest.mark.parametrize(
    ("last", "now", "kept", "dropped"),
    [
        # During the session: the day's bar, then a live row at the last trade.
        (["2026-01-05T14:30", "2026-01-05T18:03:12"], "2026-01-05T18:05", 2, {"unfinished": 1}),
        (["2026-01-05T18:03:12"], "2026-01-05T18:05", 1, {"unfinished": 1}),
        # After the close the live row is at the last trade, a second past the hour.
        (["2026-01-05T21:00:01"], "2026-01-05T21:30", 2, {}),
        (["2026-01-05T14:30", "2026-01-05T21:00:01"], "2026-01-05T21:30", 2, {"off_grid": 1}),
        (["2026-01-05T14:30"], "2026-01-05T21:30", 2, {}),
    ],
)
def test_the_day_under_way_counts_once(last, now, kept, dropped):
    rows = [row("2026-01-02T14:30"), *map(row, last)]
    parsed = parse(chart(*rows, meta=SESSION), TWO_DAYS, now)
    assert parsed.bars.ts.tolist() == [epoch("2026-01-02"), epoch("2026-01-05")][:kept]
    assert counted(parsed.dropped) == dropped


def test_the_exchanges_zone_beats_the_requests():
    request = days("2026-01-05", "2026-01-06", stock("7203.T"))
    body = chart(
        row("2026-01-05T00:00"), meta={"symbol": "7203.T", "exchangeTimezoneName": "Asia/Tokyo"}
    )
    # 09:00 in Tokyo on the 5th, which in New York is still the 4th.
    parsed = parse(body, request, "2026-01-06T00:00", NEW_YORK, "7203.T")
    assert parsed.bars.ts.tolist() == [epoch("2026-01-05")]


@pytest.mark.parametrize(
    "body",
    [
        chart((epoch("2026-01-05T15:00"), 1, 2, 3, 4, "5")),
        chart((epoch("2026-01-05T15:00"), 1, 2, 3, True, 5)),
        chart((None, 1, 2, 3, 4, 5)),
        chart(("15:00", 1, 2, 3, 4, 5)),
        chart((1.5, 1, 2, 3, 4, 5)),
        chart(row("2026-01-05T15:00"), timestamp=[]),
        chart(row("2026-01-05T15:00"), timestamp=None),
        chart(row("2026-01-05T15:00"), timestamp=[1, 2]),
        chart(row("2026-01-05T15:00"), indicators={"quote": [{}]}),
        chart(row("2026-01-05T15:00"), indicators={"quote": []}),
        chart(row("2026-01-05T15:00"), indicators={}),
        chart(row("2026-01-05T15:00"), meta={"symbol": "MSFT"}),
        chart(row("2026-01-05T15:00"), meta={"dataGranularity": "1d"}),
        {"chart": {"result": [], "error": None}},
        {"chart": {"result": None, "error": None}},
        {"chart": {"result": [{}, {}], "error": None}},
        {"chart": {"result": ["x"], "error": None}},
        {"chart": []},
        {},
        [],
        None,
    ],
)
def test_wrong_types_and_ragged_arrays_are_malformed(body):
    with pytest.raises(Malformed):
        parse(body)


@pytest.mark.parametrize(
    "meta",
    [
        {"exchangeTimezoneName": "Mars/Olympus"},
        {"exchangeTimezoneName": "../../etc/passwd"},
        {"exchangeTimezoneName": "America"},
        {"exchangeTimezoneName": ""},
        {"exchangeTimezoneName": 5},
        {"currentTradingPeriod": []},
        {"currentTradingPeriod": {"regular": 7}},
        {"currentTradingPeriod": {"regular": {"start": "x"}}},
    ],
)
def test_nonsense_about_the_exchange_is_malformed(meta):
    body = chart(row("2026-01-02T14:30"), meta=meta)
    if meta.get("currentTradingPeriod") == []:
        assert len(parse(body, TWO_DAYS).bars) == 1  # nothing said is nothing wrong
        return
    with pytest.raises(Malformed):
        parse(body, TWO_DAYS)


# ---- requests ----------------------------------------------------------------------------


def test_minutes_as_they_are_asked_for(adapter, vendor, at):
    at(NOW)
    vendor.on("/v8/finance/chart", chart(row("2026-01-05T15:00")))
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    query = vendor.calls[-1].query
    assert query["interval"] == "1m"
    assert query["period1"] == str(ONE_HOUR.range.start)
    assert query["period2"] == str(ONE_HOUR.range.end)
    assert answer.coverage[0].complete


def test_more_than_a_week_of_minutes_takes_several_calls(adapter, vendor, at):
    at("2026-02-01T00:00")
    request = minutes("2026-01-05T00:00", "2026-01-25T00:00", stock("AAPL"))

    def serve(call):
        return chart((int(call.query["period1"]), 1, 2, 1, 2, 3))

    vendor.on("/v8/finance/chart", serve)
    answer = adapter.fetch_bars(SOURCE, request)
    asked = [(int(c.query["period1"]), int(c.query["period2"])) for c in vendor.calls[2:]]
    assert asked[0][0] == request.range.start
    assert asked[-1][1] == request.range.end
    assert all(end - start <= 8 * 86_400 for start, end in asked)
    assert len(answer.bars) == len(asked) == 3
    assert answer.coverage[0].range == request.range


def test_minutes_of_more_than_a_month_ago_are_not_covered(adapter, vendor, at):
    at("2026-02-20T00:00")
    vendor.on("/v8/finance/chart", lambda c: chart((int(c.query["period1"]), 1, 2, 1, 2, 3)))
    request = minutes("2026-01-01T00:00", "2026-01-25T00:00", stock("AAPL"))
    answer = adapter.fetch_bars(SOURCE, request)
    assert answer.coverage[0].range == between("2026-01-22T00:00", "2026-01-25T00:00")
    with pytest.raises(NotEntitled, match="30 days"):
        adapter.fetch_bars(SOURCE, minutes("2025-01-01T00:00", "2025-01-02T00:00", stock("AAPL")))


def test_tickers_are_spelt_as_yahoo_spells_them(adapter, vendor, at):
    at(NOW)
    vendor.on("/v8/finance/chart", Answer("{}", 500))
    for instrument in (stock("BRK.B"), crypto("BTC-USD")):
        with pytest.raises(ServerError):
            adapter.fetch_bars(SOURCE, minutes("2026-01-05T15:00", "2026-01-05T16:00", instrument))
    assert vendor.paths()[2:] == ["/v8/finance/chart/BRK-B", "/v8/finance/chart/BTC-USD"]


# ---- the session -------------------------------------------------------------------------


def invalid_crumb(market_data_dir):
    file = market_data_dir / "recorded/yahoo/error-bodies-quoted/invalid_crumb_401.json"
    return Answer(file.read_bytes(), 401)


def test_a_session_is_kept(adapter, vendor, at):
    at(NOW)
    vendor.on("/v8/finance/chart", chart(row("2026-01-05T15:00")))
    answers = [adapter.fetch_bars(SOURCE, ONE_HOUR) for _ in range(3)]
    assert vendor.paths().count("/v1/test/getcrumb") == 1
    assert [answer.calls for answer in answers] == [3, 1, 1]


def test_an_invalid_crumb_is_renewed_once(market_data_dir, adapter, vendor, at):
    at(NOW)
    crumbs = iter(("first.crumb", "second.crmb"))
    vendor.on("/v1/test/getcrumb", lambda _: Answer(next(crumbs), content_type="text/plain"))

    def serve(call):
        if call.query["crumb"] == "first.crumb":
            return invalid_crumb(market_data_dir)
        return chart(row("2026-01-05T15:00"))

    vendor.on("/v8/finance/chart", serve)
    answer = adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(answer.bars) == 1
    assert answer.calls == 6


def test_a_crumb_that_stays_invalid_is_a_refusal(market_data_dir, adapter, vendor, at):
    at(NOW)
    vendor.on("/v8/finance/chart", invalid_crumb(market_data_dir))
    with pytest.raises(AuthFailed, match="Invalid Crumb"):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert vendor.paths().count("/v8/finance/chart/AAPL") == 2


def test_many_threads_renew_a_crumb_together_but_once(market_data_dir, adapter, vendor, at):
    at(NOW)
    crumbs = iter(f"crumb.{n}.abc" for n in range(99))
    vendor.on("/v1/test/getcrumb", lambda _: Answer(next(crumbs), content_type="text/plain"))
    together = threading.Barrier(4)

    def serve(call):
        if call.query["crumb"] == "crumb.0.abc":
            together.wait(20)
            return invalid_crumb(market_data_dir)
        return chart(row("2026-01-05T15:00"))

    vendor.on("/v8/finance/chart", serve)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(adapter.fetch_bars(SOURCE, ONE_HOUR)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len(answer.bars) for answer in answers] == [1, 1, 1, 1]
    assert vendor.paths().count("/v1/test/getcrumb") == 2


def test_the_text_of_a_429_is_no_crumb(market_data_dir, adapter, vendor, gate, at):
    at(NOW)
    text = (market_data_dir / "recorded/yahoo/error-bodies-quoted/getcrumb_429.txt").read_bytes()
    vendor.on("/v1/test/getcrumb", Answer(text, 429, content_type="text/plain"))
    with pytest.raises(RateLimited):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert not any(path.startswith("/v8") for path in vendor.paths())
    assert gate.blocks == [("yahoo", 900, "rate_limited")]


@pytest.mark.parametrize(
    "text",
    [
        "Too Many Requests",
        "Edge: Too Many Requests",
        "Unauthorized",
        "null",
        "",
        "<html>consent</html>",
        '{"finance":{"result":null}}',
        "x" * 200,
        "abc",
    ],
)
def test_an_error_under_200_is_no_crumb(adapter, vendor, at, text):
    at(NOW)
    vendor.on("/v1/test/getcrumb", Answer(text, content_type="text/plain"))
    with pytest.raises(AuthFailed, match="no crumb"):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert not any(path.startswith("/v8") for path in vendor.paths())


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (403, Banned), (999, Banned), (503, ServerError)]
)
def test_a_cookie_that_is_refused_ends_it(adapter, vendor, at, status, kind):
    at(NOW)
    vendor.on("/", Answer("Edge: Too Many Requests", status, content_type="text/plain"))
    with pytest.raises(kind):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert len(vendor.calls) == 1


def test_without_a_cookie_the_crumb_is_asked_for_all_the_same(adapter, vendor, at):
    at(NOW)
    vendor.on("/", Answer("fine"))
    vendor.on("/v1/test/getcrumb", Answer("a.crumb.abc", headers={"Set-Cookie": "B=c; Path=/"}))
    vendor.on("/v8/finance/chart", chart(row("2026-01-05T15:00")))
    adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert vendor.calls[-1].headers["cookie"] == "B=c"


def test_yahoo_is_left_alone_for_longer_each_time(adapter, vendor, gate, at, monkeypatch):
    at(NOW)
    moment = [0.0]
    monkeypatch.setattr(adapter._http._cooldown, "_monotonic", lambda: moment[0])
    vendor.on("/v8/finance/chart", Answer("Edge: Too Many Requests", 429))
    for _ in range(9):
        with pytest.raises(RateLimited):
            adapter.fetch_bars(SOURCE, ONE_HOUR)
        moment[0] += 100_000
    pauses = [seconds for _, seconds, _ in gate.blocks]
    assert pauses == [900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400]


# ---- refusals ----------------------------------------------------------------------------


def says(code, description, where="chart"):
    return {where: {"result": None, "error": {"code": code, "description": description}}}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(says("Not Found", "No data found, symbol may be delisted"), 404), UnknownSymbol),
        (Answer(says("Not Found", "No data found, symbol may be delisted"), 200), UnknownSymbol),
        (Answer(says("Unauthorized", "User is unable to access this", "finance"), 401), AuthFailed),
        (
            Answer(says("Bad Request", "Invalid input - interval=1x is not supported"), 400),
            Malformed,
        ),
        (Answer(says("Bad Request", "Data doesn't exist for startDate = 1"), 400), Incomplete),
        (Answer(says("Internal Server Error", "oops"), 500), ServerError),
        (Answer("<html>404</html>", 404, content_type="text/html"), Malformed),
        (Answer("Edge: Too Many Requests", 429, content_type="text/plain"), RateLimited),
        (Answer("Forbidden", 403, content_type="text/plain"), Banned),
        (Answer("", 999), Banned),
    ],
)
def test_refusals(adapter, vendor, at, answer, kind):
    at(NOW)
    vendor.on("/v8/finance/chart", answer)
    with pytest.raises(kind) as raised:
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert type(raised.value) is kind


def test_a_range_of_minutes_that_yahoo_refuses_is_a_plan_limit(
    market_data_dir, adapter, vendor, at
):
    at(NOW)
    file = market_data_dir / "recorded/yahoo/error-bodies-quoted/one_minute_range_422.json"
    vendor.on("/v8/finance/chart", Answer(file.read_bytes(), 422))
    with pytest.raises(NotEntitled, match="8 days"):
        adapter.fetch_bars(SOURCE, ONE_HOUR)


def test_a_ban_keeps_everybody_away_for_a_day(adapter, vendor, gate, at):
    at(NOW)
    vendor.on("/v8/finance/chart", Answer("", 999))
    with pytest.raises(Banned):
        adapter.fetch_bars(SOURCE, ONE_HOUR)
    assert gate.blocks == [("yahoo", 86_400, "ban")]


def test_the_source():
    assert (SOURCE.name, SOURCE.scope, SOURCE.settle_lag_s) == ("yahoo", Scope.CONSOLIDATED, 120)
    assert SOURCE.basis == {Interval.MINUTE: Basis.SPLIT, Interval.DAY: Basis.SPLIT}
    assert not SOURCE.confirms_no_trade


def test_the_real_yahoo_has_hosts_for_cookie_and_crumb(gate, opened):
    session = opened(YahooAdapter(gate, "https://query2.finance.yahoo.com"))._session
    assert session._cookie_url == "https://fc.yahoo.com/"
    assert session._crumb_base == "https://query1.finance.yahoo.com"
