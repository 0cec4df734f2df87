"""Which column is what."""

from __future__ import annotations

import pytest

from ingestion.files.columns import (
    ColumnsUnclear,
    from_declared,
    from_names,
    from_values,
    has_header,
    sniff_delimiter,
)

PLAIN = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("time,open,high,low,close,volume", PLAIN),
        ("Date,Open,High,Low,Close,Volume", PLAIN),
        ("t,o,h,l,c,v,n,vw", {**PLAIN, "trades": 6, "vwap": 7}),
        (" Timestamp ,OPEN,HIGH,LOW,Last,Vol", PLAIN),
        ("date,time,open,high,low,close,volume",
         {"date": 0, "time": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6}),
        ("volume,close,low,high,open,timestamp,ticker",
         {"volume": 0, "close": 1, "low": 2, "high": 3, "open": 4, "time": 5, "symbol": 6}),
        ("Date,Open,High,Low,Close,Adj Close,Volume", {**PLAIN, "volume": 6}),
        ("Date,Open,High,Low,Close,Last,Volume", {**PLAIN, "volume": 6}),
        ("symbol,time,open,high,low,close,volume,vwap,trades,extended,source",
         {"symbol": 0, "time": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6,
          "vwap": 7, "trades": 8}),
    ],
)  # fmt: skip
def test_a_header_names_columns(header: str, found: dict[str, int]) -> None:
    names = header.split(",")
    assert has_header(names)
    assert from_names(names) == found


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("time,open,high,low,close", "has no column for volume"),
        ("when,open,high,low,close,volume", "has no column for time"),
        ("ts,timestamp,open,high,low,close,volume", r"has several for time \(ts, timestamp\)"),
    ],
)
def test_an_unclear_header_is_refused(header: str, complaint: str) -> None:
    with pytest.raises(ColumnsUnclear, match=complaint):
        from_names(header.split(","))


def test_numbers_are_no_header() -> None:
    assert not has_header(["20140609", "92.7", "93.88", "91.75", "93.7", "1e6"])
    assert not has_header(["2014-06-09", "a", "b", "c", "d", "e"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_cuts_evenly(delimiter: str) -> None:
    rows = ["2014-06-09 09:30", "92,7", "93", "91", "92", "5"]
    if delimiter == ",":
        rows[1] = "92.7"
    assert sniff_delimiter(f"{delimiter.join(rows)}\n" * 3) == delimiter


def test_without_a_delimiter_it_is_no_table() -> None:
    with pytest.raises(ColumnsUnclear, match="no delimiter"):
        sniff_delimiter("<html><body>Too Many Requests</body></html>")


def test_high_and_low_give_the_order_away() -> None:
    rows = [["1", "10", "12", "9", "11", "5"], ["2", "11", "11.5", "8", "9", "7"]]
    assert from_values(rows) == PLAIN
    swapped = [["1", "10", "11", "12", "9", "5"], ["2", "11", "9", "11.5", "8", "7"]]
    flat = [["1", "10", "10", "10", "10", "5"]]
    for unclear in (swapped, flat):
        with pytest.raises(ColumnsUnclear, match="do not tell"):
            from_values(unclear)
    with pytest.raises(ColumnsUnclear, match="7 columns"):
        from_values([[*rows[0], "1"]])
    with pytest.raises(ColumnsUnclear, match="'x' where a price could be"):
        from_values([["1", "x", "12", "9", "11", "5"]])


def test_declared_columns_are_checked() -> None:
    assert from_declared(("date", "-", "o", "h", "l", "c", "v")) == {
        "time": 0, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6,
    }  # fmt: skip
    with pytest.raises(ColumnsUnclear, match="volume missing"):
        from_declared(("time", "open", "high", "low", "close"))
    with pytest.raises(ColumnsUnclear, match="open repeated"):
        from_declared(("time", "open", "o", "high", "low", "close", "volume"))
    with pytest.raises(ColumnsUnclear, match="bid unknown"):
        from_declared(("time", "open", "high", "low", "close", "volume", "bid"))
