"""Files with mistakes in them: all are listed, and nothing of the file is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from django.core.management import CommandError
from pyarrow import parquet

from ingestion.models import CandleIntraday, IngestCommit, QuarantinedBar
from marketdata_site import clock
from tests.ingestion.files import truth
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import MINUTES, stored
from universe.models import Symbol

TOLD = ("--basis", "raw", "--label", "open", "--interval", "1m")
GOOD = "AAPL,2014-06-05T13:30:00Z,90,91,89,90.5,100"


def refused(run: Run, *arguments: object) -> tuple[str, str]:
    """The error, and what was printed before it."""
    printed: list[str] = []
    with pytest.raises(CommandError) as error:
        run(*arguments, _printed=printed)
    assert not IngestCommit.objects.exists()
    return str(error.value), printed[0]


@pytest.mark.usefixtures("june")
def test_every_mistake_is_listed_with_its_place(tmp_path: Path, import_bars: Run) -> None:
    file = tmp_path / "bars.csv"
    rows = [
        "symbol,time,open,high,low,close,volume",
        GOOD,
        "AAPL,2014-06-05T13:31:00Z,90,9l,89,90.5,100",
        "",
        "AAPL,2014-06-05T13:32:00Z,90,91,,90.5,100",
        "AAPL,half past nine,90,91,89,90.5,100",
        "AAPL,2014-06-05T13:33:00Z,90,91,89,90.5",
        "NOPE,2014-06-05T13:34:00Z,90,91,89,90.5,100",
        "AAPL,2031-06-05T13:34:00Z,90,91,89,90.5,100",
        "AAPL,1999-06-04T13:34:00Z,90,91,89,90.5,100",
        ",2014-06-05T13:35:00Z,90,91,89,90.5,100",
        "AAPL,2014-06-05T13:36:00.500Z,90,91,89,90.5,100",
        "AAPL,2014-06-05T13:37:00Z,90,91,89,90.5,many",
    ]
    file.write_text("\n".join(rows))
    error, printed = refused(import_bars, file, *TOLD)
    assert "10 rows cannot be used, so nothing was written" in error
    for problem in (
        "bars.csv:3, high '9l': is no number",
        "bars.csv:5, low '': is empty",
        "bars.csv:6, time 'half past nine': is no time in the file's format",
        "bars.csv:7: has 6 columns where 7 are expected",
        "bars.csv:8, symbol 'NOPE': is no ticker of the universe",
        "bars.csv:9, time '2031-06-05T13:34:00': is in the future",
        "bars.csv:10, time '1999-06-04T13:34:00': is outside the calendar's sessions;",
        "bars.csv:11, symbol '': is empty",
        "bars.csv:12, time '2014-06-05T13:36:00.500Z': is not on a whole second",
        "bars.csv:13, volume 'many': is no number",
    ):
        assert problem in printed


def test_bad_rows_can_be_left_out(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    file = tmp_path / "bars.csv"
    header = "symbol,time,open,high,low,close,volume"
    file.write_text(f"{header}\n{GOOD}\n{GOOD.replace(':30:', ':31:').replace('91', 'x')}\n")
    printed = import_bars(file, *TOLD, "--skip-bad-rows")
    assert "bars.csv:3, high 'x': is no number" in printed
    assert "Stored: 1 bars new" in printed
    assert stored(june["AAPL"].id) == [(MINUTES[0][0], 90.0, 91.0, 89.0, 90.5, 100.0)]


@pytest.mark.usefixtures("june")
def test_a_flood_of_mistakes_is_counted(tmp_path: Path, import_bars: Run) -> None:
    file = tmp_path / "bars.csv"
    rows = [f"NOPE{number % 2},2014-06-05T13:30:00Z,1,1,1,1,1" for number in range(5_000)]
    file.write_text("\n".join(["symbol,time,open,high,low,close,volume", *rows]))
    _, printed = refused(import_bars, file, *TOLD, "--max-errors", "3")
    assert printed.count("is no ticker of the universe") == 4
    assert "… and 4997 more. In all:" in printed
    assert "5000 × bars.csv, symbol: is no ticker of the universe" in printed


def test_broken_bars_go_to_quarantine_not_to_the_errors(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    file = tmp_path / "AAPL.csv"
    rows = ["time,open,high,low,close,volume"]
    rows += [f"{bar[0]},{','.join(map(str, bar[1:]))}" for bar in MINUTES]
    rows[5] = f"{MINUTES[4][0]},90,nan,89,90.5,100"
    rows[6] = f"{MINUTES[5][0]},90,91,89,95,100"
    rows[7] = f"{MINUTES[6][0]},90,91,89,90.5,-1"
    rows[8] = f"{MINUTES[7][0]},7000,7001,6999,7000,1"
    rows[9] = f"{MINUTES[8][0] + 7},90,91,89,90,1"
    rows.append("1402185600,90,91,89,90,1")  # 2014-06-08, a Sunday
    rows.append(f"{MINUTES[0][0]},{','.join(map(str, MINUTES[0][1:]))}")
    file.write_text("\n".join(rows))
    printed = import_bars(file, *TOLD)
    reasons = dict(QuarantinedBar.objects.values_list("reason", "source"))
    assert reasons == dict.fromkeys(
        ("non_finite", "ohlc_order", "non_positive", "absurd_jump", "off_grid", "outside_hours"),
        "import:csv",
    )
    assert "left out: 1 duplicate" in printed
    assert stored(june["AAPL"].id) == MINUTES[:4] + MINUTES[9:]


def test_a_new_level_is_believed_when_the_next_file_confirms_it(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    """AAPL's 7:1 split of 2014-06-09, a file a day, while nobody has told of the split."""
    days = {
        "2014-06-05": "646.25,649.35,642.61,647.35",
        "2014-06-06": "650,651.25,644.48,645.57",
        "2014-06-09": "92.69,93.88,91.75,93.7",
        "2014-06-10": "94.64,95.05,93.57,94.25",
    }
    for day, prices in days.items():
        file = tmp_path / f"{day}.csv"
        file.write_text(f"symbol,date,o,h,l,c,v\nAAPL,{day},{prices},1\n")
        import_bars(file, "--basis", "raw", "--interval", "1d")
    bars = stored(june["AAPL"].id, daily=True)
    assert [bar[4] for bar in bars] == [647.35, 645.57, 94.25]
    (doubted,) = QuarantinedBar.objects.values_list("reason", "close")
    assert doubted == ("split_like", 93.7)


def test_an_unfinished_session_waits(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    clock.install(lambda: datetime(2014, 6, 6, 20, 10, tzinfo=UTC))  # ten minutes after the close
    file = tmp_path / "AAPL.csv"
    file.write_text("date,o,h,l,c,v\n2014-06-05,90,91,89,90,1\n2014-06-06,90,91,89,90,1\n")
    printed = import_bars(file, "--basis", "raw")
    assert "left out: 1 unfinished" in printed
    assert [bar[0] for bar in stored(june["AAPL"].id, daily=True)] == [1401926400]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"t,o,h,l,c,v\n1402320600,1,1,1,1,1\n\xff\xfe,1,1,1,1,1\n", "byte 0xff is no UTF-8 text"),
        (b"t,o,h,l,c,v\n1402320600,1,1,1,1,1\n\0,1,1,1,1,1\n", "a zero byte: this is no text"),
        (b"t,o,h,l,c,v\n" + b"1" * 9_000_000, "no delimiter|longer than a megabyte"),
    ],
)
@pytest.mark.usefixtures("june")
def test_what_is_no_text_is_refused(
    tmp_path: Path, import_bars: Run, data: bytes, complaint: str
) -> None:
    file = tmp_path / "AAPL.csv"
    file.write_bytes(data)
    error, printed = refused(import_bars, file, *TOLD)
    assert any(words in error + printed for words in complaint.split("|"))


@pytest.mark.usefixtures("june")
def test_a_truncated_gzip_is_refused(tmp_path: Path, import_bars: Run) -> None:
    whole = truth.epoch_milliseconds_without_header(tmp_path, MINUTES)
    whole.write_bytes(whole.read_bytes()[:-2000])
    error, printed = refused(import_bars, whole, *TOLD)
    assert "AAPL.csv.gz: damaged" in error + printed


@pytest.mark.usefixtures("june")
def test_a_truncated_parquet_file_is_refused(tmp_path: Path, import_bars: Run) -> None:
    whole = truth.parquet_epoch(tmp_path, MINUTES)
    whole.write_bytes(whole.read_bytes()[:-10])
    error, _ = refused(import_bars, whole, *TOLD)
    assert "AAPL.parquet: damaged or no Parquet file" in error


@pytest.mark.usefixtures("june")
def test_a_parquet_file_with_a_broken_page_is_refused(tmp_path: Path, import_bars: Run) -> None:
    whole = truth.parquet_epoch(tmp_path, MINUTES)
    data = bytearray(whole.read_bytes())
    data[4:400] = b"\xff" * 396
    whole.write_bytes(data)
    error, printed = refused(import_bars, whole, *TOLD)
    assert "damaged" in error + printed


@pytest.mark.usefixtures("june")
def test_a_parquet_file_can_have_mistakes_in_its_rows_too(tmp_path: Path, import_bars: Run) -> None:
    file = tmp_path / "AAPL.parquet"
    times = pa.array([bar[0] for bar in MINUTES[:3]])
    names = ("open", "high", "low", "close", "volume")
    columns = {
        name: pa.array([bar[at + 1] for bar in MINUTES[:3]]) for at, name in enumerate(names)
    }
    columns["low"] = pa.array([89.5, None, 89.5])
    parquet.write_table(pa.table({"time": times, **columns}), file)
    _, printed = refused(import_bars, file, *TOLD)
    assert "AAPL.parquet:2, low '': is empty" in printed
    assert not CandleIntraday.objects.exists()
