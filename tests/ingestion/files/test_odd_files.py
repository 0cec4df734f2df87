"""Files that are hardly files of bars, and a few odd rows in files that are: everything that
is wrong with any of them is said in one run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError

from ingestion.files import importing, spacing
from ingestion.files.layout import Declaration
from ingestion.files.problems import ImportRefused
from ingestion.models import IngestCommit, QuarantinedBar
from tests.ingestion.files.conftest import Run
from tests.ingestion.files.truth import DAYS, MINUTES, Bar, stored
from universe.domain.interval import Interval
from universe.models import Symbol

RAW = ("--basis", "raw")
HEADER = "time,open,high,low,close,volume"


def text_of(bars: list[Bar]) -> str:
    """The bars as a CSV whose interval, zone and label can be detected."""
    return "\n".join([HEADER, *(",".join(map(str, bar)) for bar in bars)]) + "\n"


def refused(run: Run, *arguments: object) -> str:
    """All that a refused import says, printed or as its error."""
    printed: list[str] = []
    with pytest.raises(CommandError) as error:
        run(*arguments, _printed=printed)
    assert not IngestCommit.objects.exists()
    return f"{printed[0]}\n{error.value}"


@pytest.mark.usefixtures("june")
def test_no_file_hides_the_problems_of_another(tmp_path: Path, import_bars: Run) -> None:
    good = text_of(MINUTES)
    contents = {
        "empty.csv": b"",
        "headeronly.csv": HEADER.encode(),
        "bin.csv": bytes(range(1, 256)) * 50,
        "nul.csv": good.replace("90.75", "90\0.75", 1).encode(),
        "wide.csv": good.encode("utf-16"),
        "widest.csv": good.encode("utf-32"),
        "mixed.csv": good.replace("\n", "\r", 9).encode(),
        "huge.csv": HEADER.encode() + b"\n" + b"x" * 200_000,
        "endless.csv": b"x" * 2_000_000,
        "narrow.csv": f"{HEADER}\n1401975000,90,91\n".encode(),
        "fake.parquet": b"no Parquet",
        "fake.zip": b"no zip",
        "20140605_trade.zip": b"no zip either",
        "AAPL.bom.csv": b"\xef\xbb\xbf" + good.replace(",90.75,", ",9o.75,", 1).encode(),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    words = refused(import_bars, *(tmp_path / name for name in [*contents, "nofile.csv"]), *RAW)
    for problem in (
        "empty.csv: empty",
        "headeronly.csv: no rows in it",
        "bin.csv:2: byte 0x80 is no UTF-8 text",
        "nul.csv:2: a zero byte: this is no text",
        "wide.csv: is UTF-16 text: save it as UTF-8",
        "widest.csv: is UTF-32 text: save it as UTF-8",
        "mixed.csv:1: a carriage return inside a line",
        "huge.csv: line 2 is no row of a CSV (field larger than field limit",
        "endless.csv: a line longer than a megabyte",
        "narrow.csv: no rows in it that can be read: narrow.csv:2: has 3 columns",
        "fake.parquet: damaged or no Parquet file",
        "fake.zip: no known kind of file",
        "20140605_trade.zip: damaged or unreadable",
        "AAPL.bom.csv:2, high '9o.75': is no number",
        "nofile.csv: no such file",
    ):
        assert problem in words
    assert "1 rows cannot be used" in words


@pytest.mark.usefixtures("june")
def test_files_are_not_left_out_like_rows(tmp_path: Path, import_bars: Run) -> None:
    (tmp_path / "AAPL.csv").write_text(text_of(MINUTES))
    files = tmp_path / "AAPL.csv", tmp_path / "gone.csv"
    assert "gone.csv: no such file" in refused(import_bars, *files, *RAW, "--skip-bad-rows")
    plan = importing.plan(files, Declaration("declared"))
    with pytest.raises(ImportRefused, match="gone"):
        importing.store(plan, lambda more: None)


@pytest.mark.parametrize(
    ("line_end", "mark"), [("\r", b""), ("\r\n", b""), ("\n", b"\xef\xbb\xbf")]
)
def test_other_line_ends_and_a_mark_are_read(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run, line_end: str, mark: bytes
) -> None:
    file = tmp_path / "AAPL.csv"
    file.write_bytes(mark + text_of(MINUTES).replace("\n", line_end).encode())
    import_bars(file, *RAW)
    assert stored(june["AAPL"].id) == MINUTES


@pytest.mark.usefixtures("june")
def test_the_lines_of_old_macs_are_numbered(tmp_path: Path, import_bars: Run) -> None:
    file = tmp_path / "AAPL.csv"
    lines = text_of(MINUTES).splitlines()
    lines[40] = lines[40].replace(",", ",x", 1)
    file.write_bytes("\r".join(lines).encode())
    assert "AAPL.csv:41, open 'x" in refused(import_bars, file, *RAW)


@pytest.mark.usefixtures("june")
@pytest.mark.parametrize("delimiter", ["", ";;", "§"])
def test_a_delimiter_is_one_character(tmp_path: Path, import_bars: Run, delimiter: str) -> None:
    file = tmp_path / "AAPL.csv"
    file.write_text(text_of(MINUTES))
    assert "must be one ASCII character" in refused(import_bars, file, "--delimiter", delimiter)


@pytest.mark.usefixtures("june")
def test_a_sidecar_that_is_no_text(tmp_path: Path, import_bars: Run) -> None:
    (tmp_path / "AAPL.csv").write_text(text_of(MINUTES))
    (tmp_path / "AAPL.csv.json").write_bytes(b"\xff\xfe")
    assert "AAPL.csv.json: unreadable" in refused(import_bars, tmp_path / "AAPL.csv", *RAW)


# ---- a few odd rows ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [8, 390])
def test_odd_rows_do_not_make_minutes_unclear(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run, count: int
) -> None:
    file = tmp_path / "AAPL.csv"
    rows = text_of(MINUTES[:count]).splitlines()
    rows.insert(4, f"{MINUTES[2][0] + 30},90,91,89,90,1")  # between two minutes
    rows[6] = f"{MINUTES[4][0]},90,9l,89,90,1"
    rows.append("half past nine,90,91,89,90,1")
    file.write_text("\n".join(rows))
    words = refused(import_bars, file, *RAW)
    assert "AAPL.csv:7, high '9l': is no number" in words
    assert f"AAPL.csv:{count + 3}, time 'half past nine': is no time" in words
    assert "rejected: 1 off_grid" in words
    assert "2014-06-05T13:32:30Z" in words  # 13:30 and two minutes and a half
    import_bars(file, *RAW, "--skip-bad-rows")
    assert stored(june["AAPL"].id) == MINUTES[:4] + MINUTES[5:count]
    assert list(QuarantinedBar.objects.values_list("reason", flat=True)) == ["off_grid"]


@pytest.mark.usefixtures("june")
def test_odd_rows_do_not_hide_the_zone(tmp_path: Path, import_bars: Run) -> None:
    """Times without a zone, one of them of another century and one still to come."""
    file = tmp_path / "AAPL.csv"
    odd = ["1999-06-04 10:00,1,1,1,1,1", "2031-06-05 10:00,1,1,1,1,1"]
    times = [f"2014-06-05 09:{minute},90,91,89,90,1" for minute in range(30, 60)]
    file.write_text("\n".join([HEADER, *times, *odd]))
    words = refused(import_bars, file, *RAW)
    assert "America/New_York" in words
    assert "AAPL.csv:32, time '1999-06-04T14:00:00': is outside the calendar's sessions" in words
    assert "AAPL.csv:33, time '2031-06-05T14:00:00': is in the future" in words


def test_an_odd_row_does_not_shift_the_days(
    june: dict[str, Symbol], tmp_path: Path, import_bars: Run
) -> None:
    file = tmp_path / "AAPL.csv"
    file.write_text(text_of(DAYS) + f"{DAYS[1][0] + 43_200},90,91,89,90,1\n")
    options = *RAW, "--interval", "1d"
    words = refused(import_bars, file, *options)
    assert f"AAPL.csv:7, time '{DAYS[1][0] + 43_200}': is not 00:00Z of a session date" in words
    import_bars(file, *options, "--skip-bad-rows")
    assert stored(june["AAPL"].id, daily=True) == DAYS


DAY = 86_400


@pytest.mark.parametrize(
    ("step", "count", "odd", "expected"),
    [
        (60, 390, [], Interval.MINUTE),
        (60, 390, [30, 95, 1234, 5001], Interval.MINUTE),
        (60, 4, [30], Interval.MINUTE),
        (30, 390, [], None),
        (15, 20, [], None),
        (300, 78, [], None),
        (300, 78, [60], None),  # one bar of another minute does not make them minutes
        (3600, 40, [1800], None),
        (DAY, 5, [], Interval.DAY),
        (DAY, 250, [DAY // 2, 3 * DAY + 1], Interval.DAY),
        (DAY // 2, 20, [], None),
        (7 * DAY, 52, [], None),
        (7 * DAY, 52, [DAY], None),
    ],
)
def test_the_great_majority_tells_the_interval(
    step: int, count: int, odd: list[int], expected: Interval | None
) -> None:
    seconds = np.unique(np.array([*range(0, step * count, step), *odd], np.int64))
    assert spacing.interval_of(seconds) is expected


def test_thin_minutes_are_minutes() -> None:
    drawn = np.random.default_rng(7).choice(2_000, 60, replace=False)
    minutes = np.unique(np.array([*drawn, 100, 101], np.int64)) * 60
    assert spacing.interval_of(minutes) is Interval.MINUTE
