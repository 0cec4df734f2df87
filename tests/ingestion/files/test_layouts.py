"""The same bars from files of many layouts: declared, detected, or refused with a question."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError

from ingestion.models import CandleIntraday
from tests.ingestion.files import truth
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import DAYS, MINUTES, Writer, stored
from universe.models import Symbol

RAW = ("--basis", "raw")
GERMAN = (
    "--columns", "time,open,close,high,low,-,volume", "--timezone", "Europe/Berlin",
    "--price-scale", "10000", "--symbol", "aapl", "--label", "open",
)  # fmt: skip


@pytest.mark.parametrize(
    ("write", "options", "shown"),
    [
        (truth.iso_with_symbol, (), ["ISO 8601 with offset", "bar's open", "a column"]),
        (truth.new_york_opens, (), ["America/New_York", "(the exchange's hours)", "bar's open"]),
        (truth.new_york_closes, (), ["America/New_York", "bar's close", "AAPL"]),
        (truth.naive_utc_backwards, (), ["UTC", "bar's open"]),
        (truth.epoch_milliseconds_without_header, (), ["epoch milliseconds", "high and low bound"]),
        (truth.date_and_time_apart, (), ["'%Y/%m/%d %H:%M', America/New_York"]),
        (truth.german_and_scaled, GERMAN, ["Europe/Berlin", "(declared)", "10000"]),
        (truth.parquet_with_zone, (), ["parquet", "a column"]),
        (truth.parquet_naive, (), ["America/New_York", "(its schema)"]),
        (truth.parquet_epoch, (), ["epoch seconds"]),
    ],
)
def test_minutes_of_every_layout(
    june: dict[str, Symbol],
    tmp_path: Path,
    import_bars: Run,
    write: Writer,
    options: tuple[str, ...],
    shown: list[str],
) -> None:
    printed = import_bars(write(tmp_path, MINUTES), *RAW, *options)
    for words in shown:
        assert words in printed
    assert stored(june["AAPL"].id) == MINUTES
    assert not CandleIntraday.objects.filter(extended=True).exists()


@pytest.mark.parametrize(
    ("header", "times"),
    [
        ("date", ["2014-06-05", "2014-06-06", "2014-06-09", "2014-06-10", "2014-06-11"]),
        ("date", ["20140605", "20140606", "20140609", "20140610", "20140611"]),
        ("t", [f"2014-06-{day}T00:00:00Z" for day in ("05", "06", "09", "10", "11")]),
        # Midnight in New York, as some vendors label days; and the close.
        ("t", [f"2014-06-{day}T04:00:00Z" for day in ("05", "06", "09", "10", "11")]),
        ("t", [f"2014-06-{day} 16:00" for day in ("05", "06", "09", "10", "11")]),
        ("t", [1401926400000 + day * 86_400_000 for day in (0, 1, 4, 5, 6)]),
    ],
)
def test_days_of_every_layout(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run, header: str, times: list[object]
) -> None:
    file = tmp_path / "AAPL.csv"
    rows = (
        f"{time},{bar[1]},{bar[2]},{bar[3]},{bar[4]},{bar[5]}"
        for time, bar in zip(times, DAYS, strict=True)
    )
    file.write_text("\n".join([f"{header},o,h,l,c,v", *rows]))
    printed = import_bars(file, *RAW)
    assert "session date" in printed
    assert stored(june["AAPL"].id, daily=True) == DAYS


def test_what_is_declared_beats_what_would_be_detected(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    file = truth.new_york_opens(tmp_path, MINUTES[:30])
    import_bars(
        file, *RAW, "--label", "close", "--timezone", "America/New_York", "--symbol", "MSFT"
    )
    assert [bar[0] for bar in stored(june["MSFT"].id)] == [bar[0] - 60 for bar in MINUTES[:30]]


# ---- what cannot be told is asked, all at once ---------------------------------------------


def refusal(run: Run, *arguments: object) -> str:
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert not CandleIntraday.objects.exists()
    return str(refused.value)


@pytest.mark.usefixtures("june")
def test_every_question_of_every_file_is_asked_at_once(tmp_path: Path, import_bars: Run) -> None:
    # The middle of a morning, in a zone that nothing tells, of nobody.
    (tmp_path / "a.csv").write_text(
        "time,open,high,low,close,volume\n2014-06-05 11:01,1,1,1,1,1\n2014-06-05 11:02,1,1,1,1,1\n"
    )
    (tmp_path / "b.csv").write_text("<html><body>Too Many Requests</body></html>\n")
    (tmp_path / "c.parquet").write_text("PAR1 or not")
    words = refusal(import_bars, tmp_path)
    name = tmp_path.name
    for question in (
        f"{name}/a.csv: whose bars are these?",
        f"{name}/a.csv: which time zone are its times in? Declare --timezone",
        f"{name}/a.csv: does a time name the minute's open or its close? Declare --label",
        f"{name}/a.csv: are its prices as traded, or adjusted? Declare --basis",
        f"{name}/b.csv: no delimiter",
        "c.parquet: damaged or no Parquet file",
    ):
        assert question in words


@pytest.mark.parametrize(
    ("text", "options", "question"),
    [
        ("t,o,h,l,c,v\n06/09/2014 09:30,1,1,1,1,1\n", (), r"Declare it with --time-format"),
        ("t,o,h,l,c,v\n2014-06-05T13:30Z,1,1,1,1,1\n2014-06-05T13:35Z,1,1,1,1,1\n", (),
         "its bars are 300 s apart; only 1m and 1d are stored"),
        ("t,o,h,l,c,v\n2014-06-05T13:30Z,1,1,1,1,1\n", (), "it has one time only"),
        ("1402320600,1,1,1,1,1\n", (), "the numbers do not tell open, high, low and close"),
        ("t,o,h,l,c\n1402320600,1,1,1,1\n", (), "no delimiter|no column for volume"),
        ("t,o,h,l,c,v\n", (), "no rows in it"),
        ("", (), "empty"),
        ("t,o,h,l,c,v\n2014-06-05,910000,920000,900000,915000,1\n2014-06-06,1,1,1,1,1\n", (),
         "whole numbers up to 920000: are they scaled"),
        ("t,o,h,l,c,v\n2014-06-05,1,1,1,1,1\n2014-06-06,1,1,1,1,1\n", ("--columns", "t,o,h"),
         "low, close, volume missing"),
        ("t,o,h,l,c,v\n2014-06-05,1,1,1,1,1\n2014-06-06,1,1,1,1,1\n", ("--basis", "split"),
         "its basis is split, and stored series are raw"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("june")
def test_an_unclear_file_is_refused(
    tmp_path: Path, import_bars: Run, text: str, options: tuple[str, ...], question: str
) -> None:
    file = tmp_path / "AAPL.csv"
    file.write_text(text)
    words = refusal(import_bars, file, *(options or RAW))
    assert any(part in words for part in question.split("|")), words


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--timezone", "New York"), "no such time zone"),
        (("--price-scale", "0"), "must be above 0"),
        (("--source", "x" * 40), "at most"),
        (("--interval", "5m"), "invalid choice"),
    ],
)
@pytest.mark.usefixtures("june")
def test_a_wrong_option_is_named(
    tmp_path: Path, import_bars: Run, options: tuple[str, str], complaint: str
) -> None:
    assert complaint in refusal(import_bars, tmp_path / "x.csv", *options)


@pytest.mark.usefixtures("june")
def test_what_is_no_bar_file_is_named(tmp_path: Path, import_bars: Run) -> None:
    (tmp_path / "notes.doc").write_text("x")
    (tmp_path / "empty").mkdir()
    words = refusal(import_bars, tmp_path / "gone.csv", tmp_path / "notes.doc", tmp_path / "empty")
    assert "gone.csv: no such file" in words
    assert "notes.doc: no known kind of file; declare it with --format" in words
    assert "empty: no bar file in this folder" in words
