"""The one clock and its three kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from marketdata_site import clock

OPEN = datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
ANCHOR = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_the_system_clock_is_the_machines_time_in_utc() -> None:
    with time_machine.travel(ANCHOR, tick=False):
        assert clock.system() == ANCHOR
        assert clock.system().tzinfo is UTC


@pytest.mark.parametrize(
    ("rate", "passed", "reads"),
    [
        (1, timedelta(0), OPEN),
        (1, timedelta(seconds=90), OPEN + timedelta(seconds=90)),
        (60, timedelta(seconds=1), OPEN + timedelta(minutes=1)),
        (60, timedelta(minutes=6, seconds=30), OPEN + timedelta(hours=6, minutes=30)),
        (0.5, timedelta(minutes=1), OPEN + timedelta(seconds=30)),
        (60, timedelta(seconds=-2), OPEN - timedelta(minutes=2)),
    ],
)
def test_a_scaled_clock_runs_from_its_start(
    rate: float, passed: timedelta, reads: datetime
) -> None:
    with time_machine.travel(ANCHOR + passed, tick=False):
        assert clock.scaled(OPEN, rate, ANCHOR)() == reads


def test_a_stepped_clock_reads_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "time"
    read = clock.stepped(file)
    file.write_text("2013-10-07T13:30:00Z\n")
    assert read() == OPEN
    file.write_text("2013-10-07T09:31:00-04:00")
    assert read() == OPEN + timedelta(minutes=1)
    assert read().tzinfo is UTC


def test_whole_seconds_are_rounded_down_before_and_after_1970() -> None:
    clock.install(lambda: datetime(2013, 10, 7, 13, 30, 0, 999_999, tzinfo=UTC))
    assert clock.now_epoch() == 1_381_152_600
    clock.install(lambda: datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC))
    assert clock.now_epoch() == -1


def test_installing_gives_back_the_clock_before() -> None:
    first = clock.install(lambda: OPEN)
    mine = clock.install(first)
    assert mine() == OPEN


def test_every_process_of_a_replay_reads_the_same_time(tmp_path: Path) -> None:
    """Two processes started apart agree, as they share `CLOCK_ANCHOR`."""
    anchor = clock.system()
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "CLOCK_START": OPEN.isoformat(),
        "CLOCK_RATE": "1000",
        "CLOCK_ANCHOR": anchor.isoformat(),
    }
    program = (
        "import marketdata_site.settings; from marketdata_site import clock;"
        "print(clock.now().isoformat(), clock.system().isoformat())"
    )
    for _ in range(2):
        printed = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True
        ).stdout.decode()
        read, real = map(datetime.fromisoformat, printed.split())
        expected = OPEN + (real - anchor) * 1000
        assert abs(read - expected) < timedelta(seconds=10)  # 10 ms between the two calls
