"""Real sessions through the command: what is stored equals the files, number by number."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError

from ingestion.models import CandleIntraday, IngestCommit, QuarantinedBar, Series
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import Bar, stored
from tests.ingestion.market_week import at
from tests.universe_rows import add_symbols
from universe.models import Symbol, SymbolTicker

US = Path("lean/equity/usa")
NEW_YORK = ZoneInfo("America/New_York")


def minutes_in(file: Path) -> list[Bar]:
    """A Lean file of minutes, read by hand."""
    midnight = datetime.strptime(file.name[:8], "%Y%m%d").replace(tzinfo=NEW_YORK)
    return [
        (int(midnight.timestamp()) + int(row[0]) // 1000, *_numbers(row[1:])) for row in _rows(file)
    ]


def days_in(file: Path) -> list[Bar]:
    """A Lean file of days, read by hand."""
    return [(at(row[0][:8]), *_numbers(row[1:])) for row in _rows(file)]


def _rows(file: Path) -> list[list[str]]:
    with ZipFile(file) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return [line.split(",") for line in text.splitlines()]


def _numbers(row: list[str]) -> tuple[float, float, float, float, float]:
    o, h, l, c = (float(value) / 10_000 for value in row[:4])  # noqa: E741 (the columns' names)
    return o, h, l, c, float(row[4])


def test_five_sessions_of_spy(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    folder = market_data_dir / US / "minute" / "spy"
    printed = import_bars(folder)
    files = sorted(folder.glob("*_trade.zip"))
    expected = [bar for file in files for bar in minutes_in(file)]
    spy = lean["SPY"].id
    assert stored(spy) == expected
    regular = CandleIntraday.objects.filter(symbol_id=spy, extended=False)
    for day in range(7, 12):
        opens = datetime(2013, 10, day, 9, 30, tzinfo=NEW_YORK)
        session = regular.filter(ts__gte=opens, ts__lt=opens.replace(hour=16, minute=0))
        assert session.count() == 390
    assert regular.count() == 5 * 390
    assert "4,128 rows: 4,128 bars (2,178 in extended hours) of 1 symbols in 5 sessions" in printed
    assert "Not bars of trades, left alone: 1 files" in printed  # the quotes
    assert "Stored: 4,128 bars new" in printed


def test_the_half_day_of_goog(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    file = market_data_dir / US / "minute" / "goog" / "20151224_trade.zip"
    import_bars(file)
    assert stored(lean["GOOG"].id) == minutes_in(file)
    candles = CandleIntraday.objects.all()
    assert (candles.count(), candles.filter(extended=False).count()) == (227, 210)
    closing = datetime(2015, 12, 24, 13, 0, tzinfo=NEW_YORK)
    assert not candles.filter(extended=False, ts__gte=closing).exists()


def test_the_bad_print_of_aapl(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    file = market_data_dir / US / "minute" / "aapl" / "20140609_trade.zip"
    printed = import_bars(file)
    assert "rejected: 1 split_like" in printed
    bad: dict[str, Any] = dict(QuarantinedBar.objects.values().get())
    assert (
        bad.items()
        >= {
            "symbol_id": lean["AAPL"].id,
            "interval": "1m",
            "ts": datetime(2014, 6, 9, 8, 0, tzinfo=UTC),
            "source": "import:lean",
            "reason": "split_like",
            "detail": "high 645.57 over low 92.23: a factor of 6.9996, within 1% of a 7:1 split",
            "open": 645.57,
            "high": 645.57,
            "low": 92.23,
            "close": 92.42,
            "volume": 600.0,
        }.items()
    )
    assert stored(lean["AAPL"].id) == minutes_in(file)[1:]
    assert CandleIntraday.objects.filter(extended=False).count() == 390


def test_days_from_1998_on(
    lean_days: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    folder = market_data_dir / US / "daily"
    import_bars(folder / "aapl.zip", folder / "spy.zip")
    assert stored(lean_days["SPY"].id, daily=True) == days_in(folder / "spy.zip")
    bad = {at("2009-09-21"), at("2010-08-31"), at("2011-01-03")}
    expected = [bar for bar in days_in(folder / "aapl.zip") if bar[0] not in bad]
    assert stored(lean_days["AAPL"].id, daily=True) == expected
    quarantined = QuarantinedBar.objects.values_list("ts", flat=True)
    assert {int(ts.timestamp()) for ts in quarantined} == bad


def test_one_company_under_two_tickers(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    """NWSA until 2013-06-28, FOXA from 2013-07-01: one symbol, one series."""
    folder = market_data_dir / US / "minute"
    import_bars(folder / "foxa", folder / "nwsa")
    files = [folder / "nwsa" / "20130627", folder / "nwsa" / "20130628",
             folder / "foxa" / "20130701", folder / "foxa" / "20130702"]  # fmt: skip
    expected = [
        bar for file in files for bar in minutes_in(file.with_name(f"{file.name}_trade.zip"))
    ]
    assert stored(lean["FOXA"].id) == expected


def test_a_ticker_that_passed_to_another_company_follows_the_date(
    lean_days: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    """GOOG named the class A shares (GOOGL since) until 2014-04-02, the class C shares after."""
    googl = add_symbols(lean_days["GOOG"].calendar, "GOOGL")[0]
    change = date(2014, 4, 3)
    rows = [(googl, "GOOG", None, change), (googl, "GOOGL", change, None),
            (lean_days["GOOG"], "GOOG", change, None)]  # fmt: skip
    for symbol, ticker, since, until in rows:
        SymbolTicker.objects.create(symbol=symbol, ticker=ticker, valid_from=since, valid_to=until)
    import_bars(market_data_dir / US / "daily" / "goog.zip")
    assert stored(googl.id, daily=True)[-1][0] == at("2014-04-02")
    assert stored(lean_days["GOOG"].id, daily=True)[0][0] == at("2014-04-03")


def test_a_folder_can_be_tried_first(
    lean_days: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    printed = import_bars(market_data_dir / "lean", "--dry-run")
    for words in (
        "28,569 rows: 28,563 bars (3,439 in extended hours) of 5 symbols in 5,849 sessions",
        "already stored: 0",
        "rejected: 4 absurd_jump",
        "rejected: 2 split_like",
        "Dry run: nothing was written.",
    ):
        assert words in printed
    assert not IngestCommit.objects.exists()
    import_bars(market_data_dir / US / "minute" / "foxa")
    again = import_bars(market_data_dir / US / "minute" / "foxa", "--dry-run")
    assert "812 rows: 812 bars" in again
    assert "already stored: 812" in again


def test_an_import_beside_live_collection_moves_no_settlement(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    import_bars(market_data_dir / US / "minute" / "foxa")
    series = Series.objects.get()
    assert (series.settled_to, series.history_from) == (None, None)
    assert series.newest_ts == datetime(2013, 7, 2, 21, 6, tzinfo=UTC)


def test_the_same_files_twice_change_nothing(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    folder = market_data_dir / US / "minute" / "foxa"
    import_bars(folder)
    commits = list(IngestCommit.objects.values_list("as_of", "job_id"))
    printed = import_bars(folder)
    assert "0 bars new, 0 corrected" in printed
    assert "812 were imported by an earlier run" in printed
    printed = import_bars(folder, "--again")
    assert "Stored: 0 bars new, 0 corrected, 812 as they were" in printed
    assert list(IngestCommit.objects.values_list("as_of", "job_id")) == commits


@pytest.mark.parametrize("cut", [100, 0.5, 0.98])
def test_a_damaged_zip_writes_nothing(
    lean: dict[str, Symbol],
    market_data_dir: Path,
    tmp_path: Path,
    import_bars: Run,
    cut: float,
) -> None:
    good = market_data_dir / US / "minute" / "foxa" / "20130701_trade.zip"
    folder = tmp_path / "minute" / "foxa"
    folder.mkdir(parents=True)
    data = good.read_bytes()
    size = int(cut) if cut > 1 else int(len(data) * cut)
    (folder / "20130701_trade.zip").write_bytes(data[:size])
    (folder / "20130702_trade.zip").write_bytes(good.with_name("20130702_trade.zip").read_bytes())
    with pytest.raises(CommandError, match=r"20130701_trade\.zip: damaged"):
        import_bars(folder)
    assert not CandleIntraday.objects.exists()


def test_a_zip_with_a_flipped_byte_writes_nothing(
    lean: dict[str, Symbol], market_data_dir: Path, tmp_path: Path, import_bars: Run
) -> None:
    data = bytearray((market_data_dir / US / "minute" / "foxa" / "20130701_trade.zip").read_bytes())
    data[len(data) // 2] ^= 0xFF
    file = tmp_path / "20130701_trade.zip"
    file.write_bytes(data)
    with pytest.raises(CommandError, match=r"rows cannot be used|damaged"):
        import_bars(file)
    assert not CandleIntraday.objects.exists()


def test_a_file_of_quotes_is_no_file_of_bars(
    lean: dict[str, Symbol], market_data_dir: Path, import_bars: Run
) -> None:
    file = market_data_dir / US / "minute" / "goog" / "20151224_quote.zip"
    with pytest.raises(CommandError, match="no known kind of file"):
        import_bars(file)
    with pytest.raises(CommandError, match="is no file of Lean's trade bars"):
        import_bars(file, "--format", "lean")
