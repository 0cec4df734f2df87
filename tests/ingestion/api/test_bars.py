"""What `/history` and `/intraday` answer, number by number."""

from __future__ import annotations

import csv
import io
from datetime import date

import orjson
import pyarrow as pa
import pytest

from tests.ingestion.api.conftest import Market, touch_series
from tests.ingestion.api.rows import CLOSED, OPENED, add_days, add_minutes, values
from tests.ingestion.market_week import at
from tests.universe_rows import add_symbols
from universe.models import SymbolTicker

MINUTES = list(range(OPENED, CLOSED, 60))


def get(client, path, expect=200, **query):
    response = client.get(path, query)
    assert response.status_code == expect, response.content
    return response


def test_intraday_answers_the_latest_session_in_columns(client, market):
    body = get(client, "/stocks/AAPL/intraday").json()

    assert list(body) == [
        "symbol", "interval", "basis", "as_of", "bars", "completeness", "sources", "origin", "next",
    ]  # fmt: skip
    assert (body["symbol"], body["interval"], body["basis"]) == ("AAPL", "1m", "raw")
    assert list(body["bars"]) == ["t", "o", "h", "l", "c", "v"]
    assert body["bars"]["t"] == MINUTES
    for name, column in (
        ("o", "open"),
        ("h", "high"),
        ("l", "low"),
        ("c", "close"),
        ("v", "volume"),
    ):
        assert body["bars"][name] == [values(ts)[column] for ts in MINUTES]
    assert body["completeness"] == {"expected": 390, "stored": 390, "no_trade": 0, "missing": 0}
    assert body["sources"] == ["polygon"]
    assert body["origin"] == "synthetic"
    assert body["next"] is None


def test_the_ticker_may_be_in_any_case(client, market):
    assert get(client, "/stocks/aapl/intraday").json()["symbol"] == "AAPL"


def test_an_answer_is_of_the_newest_commit(client, market):
    assert get(client, "/stocks/AAPL/intraday").json()["as_of"] == "2014-06-12T20:20:00.123456Z"


def test_as_of_above_the_newest_commit_is_answered_at_it_and_says_so(client, market):
    body = get(client, "/stocks/AAPL/intraday", as_of="2014-06-12T22:00:00Z").json()
    assert body["as_of"] == "2014-06-12T20:20:00.123456Z"
    assert body["as_of_requested"] == "2014-06-12T22:00:00.000000Z"


def test_as_of_an_earlier_moment_gives_what_was_known_then(client, market):
    then = "2014-06-12T20:15:00Z"
    early = get(client, "/stocks/THIN/intraday", as_of=then).json()
    assert early["bars"]["t"] == []
    assert early["as_of"] == "2014-06-12T20:15:00.000000Z"
    assert "as_of_requested" not in early
    aapl = get(client, "/stocks/AAPL/intraday", as_of=then).json()
    assert aapl["bars"]["t"] == MINUTES


def test_the_as_of_of_an_answer_can_be_sent_back(client, market):
    first = get(client, "/stocks/THIN/intraday").json()
    again = get(client, "/stocks/THIN/intraday", as_of=first["as_of"]).json()
    assert again["bars"] == first["bars"]
    assert again["as_of"] == first["as_of"]


def test_extended_hours_are_regular_and_extended_bars(client, market):
    body = get(client, "/stocks/AAPL/intraday", hours="extended").json()
    assert body["bars"]["t"] == [OPENED - 600, *MINUTES, CLOSED]
    assert body["completeness"]["stored"] == 390


def test_rows_have_iso_times(client, market):
    rows = get(client, "/stocks/AAPL/intraday", layout="rows").json()["bars"]
    assert len(rows) == 390
    assert rows[0]["t"] == "2014-06-12T13:30:00Z"
    assert rows[-1]["t"] == "2014-06-12T19:59:00Z"
    assert rows[0]["c"] == values(OPENED)["close"]


def test_history_answers_days_by_default(client, market):
    body = get(client, "/stocks/AAPL/history").json()
    assert body["interval"] == "1d"
    assert body["bars"]["t"] == [at(f"2014-06-{day}") for day in ("09", "10", "11", "12")]
    assert body["sources"] == ["alpaca:sip"]
    # The calendar's five sessions that are over: 5, 6, 9, 10, 11 and 12 June.
    assert body["completeness"] == {"expected": 6, "stored": 4, "no_trade": 0, "missing": 2}


def test_history_of_minutes_over_a_range_of_moments(client, market):
    body = get(
        client,
        "/stocks/AAPL/history",
        interval="1m",
        start="2014-06-12T10:00:00-04:00",
        end="2014-06-12T14:05:00Z",
    ).json()
    assert body["bars"]["t"] == [at(f"2014-06-12T14:0{minute}") for minute in range(5)]
    assert body["completeness"]["expected"] == 5


def test_a_bare_date_is_a_session_date_and_included(client, market):
    body = get(client, "/stocks/AAPL/history", start="2014-06-10", end="2014-06-11").json()
    assert body["bars"]["t"] == [at("2014-06-10"), at("2014-06-11")]
    body = get(
        client, "/stocks/AAPL/history", interval="1m", start="2014-06-12", end="2014-06-12"
    ).json()
    assert body["bars"]["t"] == MINUTES
    body = get(
        client,
        "/stocks/BTC-USD/history",
        interval="1m",
        start="2014-06-12",
        end="2014-06-12",
    ).json()
    assert body["bars"]["t"][0] == at("2014-06-12")


def test_dates_without_a_session_hold_no_bars(client, market):
    weekend = {"start": "2014-06-07", "end": "2014-06-08", "interval": "1m", "hours": "extended"}
    body = get(client, "/stocks/AAPL/history", **weekend).json()
    assert body["bars"]["t"] == []
    assert body["completeness"]["expected"] == 0


def test_a_symbol_without_bars_is_answered_with_what_is_missing(client, market):
    body = get(client, "/stocks/BARE/intraday").json()
    assert body["bars"]["t"] == []
    assert body["sources"] == []
    assert body["completeness"] == {"expected": 390, "stored": 0, "no_trade": 0, "missing": 390}


def test_an_empty_store_has_no_moment(client, market):
    from ingestion.models import CandleDaily, CandleIntraday, IngestCommit

    for model in (CandleIntraday, CandleDaily, IngestCommit):
        model.objects.all().delete()
    assert get(client, "/stocks/AAPL/intraday").json()["as_of"] is None


def test_bars_from_files_are_called_imported(client, market: Market):
    add_minutes(market.bare, MINUTES[:2], as_of="2014-06-12T20:10", source="import:csv")
    assert get(client, "/stocks/BARE/intraday").json()["origin"] == "import"


# ---- whose bars ----------------------------------------------------------------------------


@pytest.fixture
def renamed(market: Market) -> None:
    """THIN was OLD until 2014-06-11, when another company took that ticker."""
    SymbolTicker.objects.create(symbol=market.thin, ticker="OLD", valid_to=date(2014, 6, 11))
    SymbolTicker.objects.create(symbol=market.thin, ticker="THIN", valid_from=date(2014, 6, 11))
    (taker,) = add_symbols(market.thin.calendar, "OLD")
    SymbolTicker.objects.create(symbol=taker, ticker="OLD", valid_from=date(2014, 6, 11))
    add_minutes(taker, MINUTES[:5], as_of="2014-06-12T20:10")
    add_days(market.thin, ["2014-06-09", "2014-06-10"])


def test_a_ticker_means_whom_it_meant_at_the_ranges_end(client, renamed):
    then = get(client, "/stocks/OLD/history", start="2014-06-09", end="2014-06-10").json()
    assert then["bars"]["t"] == [at("2014-06-09"), at("2014-06-10")]
    assert then["symbol"] == "OLD"
    now = get(client, "/stocks/OLD/history", start="2014-06-09", end="2014-06-12").json()
    assert now["bars"]["t"] == []
    moment = "2014-06-11T00:00:00Z"  # exclusive: the range ends with the 10th
    assert get(client, "/stocks/OLD/history", end=moment).json()["bars"]["t"]


def test_a_ticker_means_whom_it_meant_as_of_then(client, renamed):
    assert len(get(client, "/stocks/OLD/intraday").json()["bars"]["t"]) == 5
    query = {"as_of": "2014-06-10T21:00:00Z", "start": "2014-06-09", "end": "2014-06-12"}
    assert get(client, "/stocks/OLD/history", **query).json()["bars"]["t"] == []
    get(client, "/stocks/THIN/history", expect=404, **query)
    get(client, "/stocks/THIN/history")


# ---- the same in other formats ---------------------------------------------------------------

ABOUT = ("symbol", "interval", "basis", "as_of", "completeness", "sources", "origin")


@pytest.mark.parametrize("query", [{}, {"hours": "extended"}, {"limit": "100"}])
def test_csv_says_what_json_says(client, market, query):
    body = get(client, "/stocks/AAPL/intraday", layout="rows", **query).json()
    response = get(client, "/stocks/AAPL/intraday", format="csv", **query)

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    numbers = [
        {name: text if name == "t" else float(text) for name, text in row.items()} for row in rows
    ]
    assert numbers == body["bars"]
    assert_headers_say(response, body)


@pytest.mark.parametrize("query", [{}, {"hours": "extended"}, {"limit": "100"}])
def test_arrow_says_what_json_says(client, market, query):
    body = get(client, "/stocks/AAPL/intraday", **query).json()
    response = get(client, "/stocks/AAPL/intraday", format="arrow", **query)

    assert response["Content-Type"] == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(response.content).read_all()
    assert str(table.schema.field("t").type) == "timestamp[s, tz=UTC]"
    assert table.column("t").cast(pa.int64()).to_pylist() == body["bars"]["t"]
    for name in ("o", "h", "l", "c", "v"):
        assert table.column(name).to_pylist() == body["bars"][name]
    metadata = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
    for name in ABOUT:
        assert as_text(body[name]) == metadata[name]
    assert_headers_say(response, body)


def as_text(value):
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def assert_headers_say(response, body):
    for name in ABOUT:
        header = f"X-Market-{name.replace('_', '-')}"
        assert response[header] == as_text(body[name])


# ---- asking again --------------------------------------------------------------------------


def test_an_unchanged_answer_is_304(client, market):
    first = get(client, "/stocks/AAPL/intraday", start="2014-06-12", end="2014-06-12")
    assert first["ETag"].startswith('W/"')
    assert first["Cache-Control"] == "public, max-age=0"
    query = {"start": "2014-06-12", "end": "2014-06-12"}
    again = client.get(
        "/stocks/AAPL/intraday", query, headers={"If-None-Match": f'"x", {first["ETag"]}'}
    )
    assert again.status_code == 304
    assert again.content == b""
    assert not again.has_header("Content-Type")
    assert again["ETag"] == first["ETag"]


def test_a_changed_series_is_answered_anew(client, market: Market):
    first = get(client, "/stocks/AAPL/intraday")
    touch_series(market.aapl, "2014-06-12T20:20")
    again = client.get("/stocks/AAPL/intraday", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    "other",
    [
        {"format": "csv"},
        {"layout": "rows"},
        {"hours": "extended"},
        {"limit": "10"},
        {"start": "2014-06-11"},
    ],
)
def test_another_query_has_another_etag(client, market, other):
    first = get(client, "/stocks/AAPL/intraday")
    again = client.get("/stocks/AAPL/intraday", other, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200


def test_answers_to_keys_alone_are_private(client, market, settings):
    from ops import keys

    settings.PUBLIC_READ = False
    key = keys.create("reader", ["read"])
    response = client.get("/stocks/AAPL/intraday", headers={"X-API-Key": key})
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("private")
