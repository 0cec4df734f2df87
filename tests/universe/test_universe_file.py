"""A universe file is read whole, and everything wrong with it is said at once."""

from __future__ import annotations

from datetime import date

import pytest

from universe.services.listing_row import Former
from universe.services.universe_file import MAX_BYTES, parse

HEADER = "ticker,calendar,tier,asset_class\n"
FULL = (
    "ticker,name,calendar,tier,asset_class,currency,listed_on,delisted_on,active,former_tickers\n"
)


def errors(text: str | bytes) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return [str(error) for error in parse(data).errors]


def test_all_columns() -> None:
    parsed = parse(
        (
            FULL + '"foxa","Fox, Class A",XNYS,T1,equity,EUR,2004-11-12,2030-01-02,False,'
            "NWSA:2013-07-01\n"
        ).encode()
    )
    assert parsed.errors == []
    [row] = parsed.listings
    assert (row.line, row.ticker, row.name, row.calendar) == (2, "FOXA", "Fox, Class A", "XNYS")
    assert (row.tier, row.asset_class, row.currency) == ("T1", "equity", "EUR")
    assert (row.listed_on, row.delisted_on) == (date(2004, 11, 12), date(2030, 1, 2))
    assert row.active is False
    assert row.former_tickers == (Former("NWSA", date(2013, 7, 1)),)
    assert row.names() == [
        ("NWSA", None, date(2013, 7, 1)),
        ("FOXA", date(2013, 7, 1), None),
    ]


def test_optional_columns_may_be_absent_or_empty() -> None:
    short = parse((HEADER + "BTC-USD,24/7,T0,crypto\n").encode())
    empty = parse((FULL + "BTC-USD,,24/7,T0,crypto,,,,,\n").encode())
    assert short.errors == empty.errors == []
    for [row] in (short.listings, empty.listings):
        assert (row.name, row.currency, row.active) == ("", "USD", True)
        assert (row.listed_on, row.delisted_on, row.former_tickers) == (None, None, ())


def test_columns_in_any_order_blank_lines_crlf_and_a_byte_order_mark() -> None:
    text = "\ufeff\r\ntier,asset_class,ticker,calendar\r\n\r\n T0 , etf, SPY ,XNYS\r\n,,,\r\n"
    parsed = parse(text.encode())
    assert parsed.errors == []
    assert [(row.line, row.ticker) for row in parsed.listings] == [(4, "SPY")]


def test_former_tickers_are_put_in_order() -> None:
    [row] = parse(
        (FULL + "QQQ,,XNYS,T0,etf,,,,, QQQQ:2011-03-23 ; qqq:2004-12-01\n").encode()
    ).listings
    assert [former.ticker for former in row.former_tickers] == ["QQQ", "QQQQ"]


def test_a_row_of_several_lines_is_named_by_its_first() -> None:
    text = FULL + 'SPY,"two\nlines",XNYS,T9,etf,,,,,\nIBM,,XNYS,T9,equity,,,,,\n'
    assert [error.split(":")[0] for error in errors(text)] == ["line 2", "line 4"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (",,XNYS,T0,etf,,,,,", "ticker: '' must be 1 to 32 letters, digits, dots or dashes"),
        ("A B,,XNYS,T0,etf,,,,,", "ticker: 'A B' must be 1 to 32"),
        ("A/B,,XNYS,T0,etf,,,,,", "ticker: 'A/B' must be 1 to 32"),
        ("ÄÖ,,XNYS,T0,etf,,,,,", "ticker: 'ÄÖ' must be 1 to 32"),
        (f"{'A' * 33},,XNYS,T0,etf,,,,,", "must be 1 to 32"),
        ("SPY,,,T0,etf,,,,,", "calendar: '' must be an exchange_calendars name"),
        ("SPY,,XNYS,T3,etf,,,,,", "tier: 'T3' must be one of T0, T1, T2"),
        ("SPY,,XNYS,,etf,,,,,", "tier: '' must be one of T0, T1, T2"),
        ("SPY,,XNYS,T0,bond,,,,,", "asset_class: 'bond' must be one of equity, etf, crypto"),
        (f"SPY,{'n' * 201},XNYS,T0,etf,,,,,", "must have at most 200 characters; has 201"),
        ("SPY,,XNYS,T0,etf,usd,,,,", "currency: 'usd' must be 3 to 8 capital letters"),
        ("SPY,,XNYS,T0,etf,,1.2.2003,,,", "listed_on: '1.2.2003' must be a date like 2013-07-01"),
        ("SPY,,XNYS,T0,etf,,20030102,,,", "listed_on: '20030102' must be a date"),
        ("SPY,,XNYS,T0,etf,,,2019-02-30,,", "delisted_on: '2019-02-30' is no date"),
        (
            "SPY,,XNYS,T0,etf,,2003-01-02,2003-01-01,,",
            "delisted_on: '2003-01-01' must be listed_on (2003-01-02) or later",
        ),
        ("SPY,,XNYS,T0,etf,,,,maybe,", "active: 'maybe' must be true or false"),
        ("SPY,,XNYS,T0,etf,,,,,NWSA", "former_tickers: 'NWSA' must be like NWSA:2013-07-01"),
        ("SPY,,XNYS,T0,etf,,,,,N A:2013-07-01", "former_tickers: 'N A:2013-07-01' must be like"),
        ("SPY,,XNYS,T0,etf,,,,,N:2013-13-01", "is no date"),
        ("SPY,,XNYS,T0,etf,,,,,A:2013-07-01;B:2013-07-01", "must not name one date twice"),
        ("SPY,,XNYS,T0,etf,,,,,SPY:2013-07-01", "must differ from the ticker that follows"),
        ("SPY,,XNYS,T0,etf,,,,,A:2010-01-04;A:2013-07-01", "must differ from the ticker"),
        (
            "SPY,,XNYS,T0,etf,,2013-07-01,,,A:2013-07-01",
            "must end after listed_on (2013-07-01); A:2013-07-01 does not",
        ),
        (
            "SPY,,XNYS,T0,etf,,,2013-06-30,,A:2013-07-01",
            "must end by delisted_on (2013-06-30); A:2013-07-01 does not",
        ),
        ("SPY,,XNYS,T0,etf,,,,", "row: 'SPY,,XNYS,T0,etf,,,,' has 9 fields; the header has 10"),
        ("SPY,,XNYS,T0,etf,,,,,,", "has 11 fields; the header has 10"),
    ],
)
def test_what_is_wrong_with_a_row(row: str, problem: str) -> None:
    [error] = errors(f"{FULL}{row}\n")
    assert error.startswith("line 2: ")
    assert problem in error


def test_every_error_of_every_row_is_told_in_the_order_of_the_file() -> None:
    found = errors(HEADER + "a b,XNYS,T9,bond\nIBM,XNYS,T0,equity\nIBM,,T0,equity\nX,Y\n")
    assert [error.split(":")[:2] for error in found] == [
        ["line 2", " ticker"],
        ["line 2", " tier"],
        ["line 2", " asset_class"],
        ["line 4", " calendar"],
        ["line 5", " row"],
    ]


def test_a_ticker_stands_once() -> None:
    text = HEADER + "IBM,XNYS,T0,equity\nSPY,XNYS,T0,etf\nibm,XNYS,T0,equity\n"
    assert errors(text) == ["line 4: ticker: 'IBM' is on line 2 already"]


def test_ten_thousand_repetitions_are_told_quickly() -> None:
    assert len(errors(HEADER + "IBM,XNYS,T0,equity\n" * 10_000)) == 9_999


def test_two_symbols_cannot_have_had_a_ticker_at_once() -> None:
    text = (
        FULL
        + "FOXA,,XNYS,T0,equity,,,,,NWSA:2013-07-01\n"
        + "NWSA,,XNYS,T0,equity,,{},,,\n"
        + "OTHER,,XNYS,T0,equity,,,,,NWSA:2000-01-03\n"
    )
    found = errors(text.format(""))
    assert len(found) == 2
    assert "line 3: ticker: 'NWSA' is FOXA's on line 2 at the same time" in found[0]
    assert "line 4: former_tickers: 'NWSA' is FOXA's on line 2 at the same time" in found[1]
    # With the date from which it was listed, the second one is told apart.
    assert [error[:6] for error in errors(text.format("2013-07-01"))] == ["line 4"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["ticker", "calendar", "tier", "asset_class"]),
        ("\n\n", ["ticker", "calendar", "tier", "asset_class"]),
        ("ticker,tier,asset_class\nIBM,T0,equity\n", ["calendar"]),
        ("ticker,calendar,tier,asset_class,price\n", ["price"]),
        ("ticker,ticker,calendar,tier,asset_class\n", ["ticker"]),
        ("IBM,XNYS,T0,equity\n", ["IBM", "XNYS", "T0", "equity", "ticker", "calendar"]),
    ],
)
def test_the_header_must_be_right(text: str, problems: list[str]) -> None:
    found = parse(text.encode()).errors
    assert [error.value for error in found][: len(problems)] == problems
    assert {error.field for error in found} == {"header"}


def test_a_file_without_symbols_is_refused() -> None:
    assert "would deactivate the whole universe" in errors(HEADER)[0]


def test_bytes_that_are_no_text() -> None:
    assert errors(HEADER.encode() + b"IBM,XNYS,T0,equity\nCAF\xc9,XNYS,T0,equity\n") == [
        "line 3: file: '0xc9' is not UTF-8"
    ]


def test_what_is_no_csv() -> None:
    found = errors(HEADER + 'IBM,XNYS,T0,"equity\nSPY,XNYS,T0,etf\n')
    assert len(found) == 1
    assert "line 2: file: '' is no CSV from here on" in found[0]


def test_a_huge_file_is_not_even_read() -> None:
    [error] = errors(b"x" * (MAX_BYTES + 1))
    assert f"must be at most {MAX_BYTES} bytes" in error
