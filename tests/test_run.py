"""`make run`, as a newcomer uses it: through the real launcher and all its processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.processes import (
    RunningProcess,
    eventually,
    free_port,
    processes_of,
    running,
    service_environment,
)

pytestmark = pytest.mark.timeout(600)
LAUNCH = [sys.executable, "-m", "deploy.launch"]
READY = "Market Data Service is running at"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with service_environment(tmp_path / "data", PORT=str(free_port())) as variables:
        yield variables


def get(environment: Mapping[str, str], path: str) -> Any:
    url = f"http://127.0.0.1:{environment['PORT']}{path}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def keeper_of(name: str, process: RunningProcess) -> int:
    process.wait_for_output(f"{name} started")
    found = re.search(rf"{name} started \(pid=(\d+)\)", process.output)
    assert found, process.output
    return int(found[1])


def kept_by(keeper: int) -> list[int]:
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return [int(pid) for pid in children]


def curl_lines(output: str) -> list[str]:
    """The commands under "Try:", each on one line."""
    return re.findall(r"^ +(curl .+)$", output.replace("\\\n", ""), re.MULTILINE)


def test_a_newcomers_first_and_second_start(environment: dict[str, str], tmp_path: Path) -> None:
    data_dir = environment["DATA_DIR"]
    with running(LAUNCH, environment, tmp_path / "first") as process:
        process.wait_for_output(READY, seconds=300)
        assert "SYNTHETIC DATA" in process.output

        password = Path(data_dir) / "admin_password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        assert f"password {password.read_text().strip()}, kept in" in process.output

        lines = curl_lines(process.output)
        assert len(lines) == 3
        for line in lines if shutil.which("curl") else ():
            done = subprocess.run(
                [*shlex.split(line), "--fail", "--silent"], capture_output=True, check=True
            )
            assert json.loads(done.stdout)

        assert get(environment, "/health")
        first = get(environment, "/stocks/BTC-USD/intraday")
        assert first["origin"] == "synthetic"
        assert first["bars"]["t"]

        process.send(signal.SIGINT)
        assert process.wait() == 0
        eventually(lambda: not processes_of(data_dir), "no process is left")

    with running(LAUNCH, environment, tmp_path / "second") as process:
        process.wait_for_output(READY, seconds=300)
        assert password.read_text().strip() not in process.output
        assert str(password) in process.output
        again = get(environment, f"/stocks/BTC-USD/intraday?as_of={first['as_of']}")
        stored = dict(zip(again["bars"]["t"], again["bars"]["c"], strict=True))
        for t, close in zip(first["bars"]["t"], first["bars"]["c"], strict=True):
            assert stored[t] == close

        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not processes_of(data_dir), "a killed launcher leaves no orphans")


@pytest.mark.sqlite  # a replay keeps to files of its own
def test_recorded_sessions_go_through_the_whole_service(
    environment: dict[str, str], market_data_dir: Path, tmp_path: Path
) -> None:
    """The first ten minutes of SPY on 2013-10-07, at sixty times their speed, in the SQLite
    files that a replay keeps to."""
    servers = ("DATABASE_URL", "REDIS_URL")
    variables = {
        **{name: value for name, value in environment.items() if name not in servers},
        "REPLAY": str(market_data_dir / "lean"),
        "START": "2013-10-07T13:29:00Z",
        "SPEED": "60",
    }
    with running(LAUNCH, variables, tmp_path / "log") as process:
        process.wait_for_output(READY, seconds=300)
        assert "REPLAYED DATA" in process.output
        path = "/stocks/SPY/intraday?limit=10&start=2013-10-07T13:30:00Z&end=2013-10-07T20:00:00Z"
        served = process.wait_until(
            lambda: answer if len((answer := get(variables, path))["bars"]["t"]) == 10 else None,
            "ten bars are served",
            seconds=120,
        )
        process.send(signal.SIGINT)
        process.wait()
    assert served["origin"] == "replayed"
    assert served["bars"] == lean_minutes(market_data_dir, "spy", "20131007", 9 * 60 + 30, 10)


def lean_minutes(
    market_data_dir: Path, ticker: str, day: str, first_minute: int, count: int
) -> dict[str, list[float]]:
    """Rows of a recorded session: milliseconds since New York's midnight, prices × 10,000."""
    file = market_data_dir / "lean/equity/usa/minute" / ticker / f"{day}_trade.zip"
    with zipfile.ZipFile(file) as archive:
        rows = archive.read(archive.namelist()[0]).decode().split()
    midnight = datetime.strptime(day, "%Y%m%d").replace(tzinfo=ZoneInfo("America/New_York"))
    bars: dict[str, list[float]] = {name: [] for name in "tohlcv"}
    for row in rows:
        milliseconds, *prices, volume = map(int, row.split(","))
        minute = milliseconds // 60_000
        if first_minute <= minute < first_minute + count:
            bars["t"].append(int(midnight.timestamp()) + minute * 60)
            for name, price in zip("ohlc", prices, strict=True):
                bars[name].append(price / 10_000)
            bars["v"].append(volume)
    return bars


def test_a_worker_that_dies_is_started_again_and_the_web_process_ends_all(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running(LAUNCH, environment, tmp_path / "log") as process:
        process.wait_for_output(" started (pid=", seconds=300)
        sweeper = keeper_of("sweeper", process)
        (first,) = process.wait_until(lambda: kept_by(sweeper), "the sweeper runs")
        os.kill(first, signal.SIGKILL)
        process.wait_for_output("ended with code -9; starting again in 1 s")
        process.wait_until(lambda: kept_by(sweeper) not in ([], [first]), "a new sweeper runs")

        (web,) = kept_by(keeper_of("web", process))
        os.kill(web, signal.SIGTERM)
        assert process.wait() != 0
        assert "A process ended for good, so everything was stopped" in process.output
        eventually(lambda: not processes_of(environment["DATA_DIR"]), "no process is left")


@pytest.mark.house
def test_a_cluster_that_lost_its_queue_to_a_killed_worker_is_started_anew(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """An idle worker waits for work with the queue's lock in its hands. When it is killed
    there, the lock is never given back, and the cluster lives on without ever working."""
    variables = {**environment, "STALLED_AFTER_S": "5"}
    with running(LAUNCH, variables, tmp_path / "log") as process:
        process.wait_for_output(READY, seconds=300)
        keeper = keeper_of("live", process)
        (cluster,) = kept_by(keeper)
        (guard,) = kept_by(cluster)
        helpers = set(sorted(kept_by(guard))[2:])  # the two workers are started first
        killed_at = 0.0

        def stalled() -> bool:
            """Kills idle workers, again when they happened to be at work the first time."""
            nonlocal killed_at
            if time.monotonic() - killed_at > 20 and kept_by(keeper) == [cluster]:
                killed_at = time.monotonic()
                for worker in set(kept_by(guard)) - helpers:
                    os.kill(worker, signal.SIGKILL)
            return "this cluster takes none: ending it" in process.output

        process.wait_until(stalled, "the stall is noticed", seconds=300)
        process.wait_until(lambda: kept_by(keeper) not in ([], [cluster]), "a new cluster runs")
        before = get(variables, "/stocks/BTC-USD/price")["ts"]
        process.wait_until(
            lambda: get(variables, "/stocks/BTC-USD/price")["ts"] > before,
            "bars come in again",
            seconds=240,
        )
        process.send(signal.SIGINT)
        assert process.wait() == 0


def test_a_port_in_use_is_an_error_that_says_so(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", int(environment["PORT"])))
        listener.listen()
        with running(LAUNCH, environment, tmp_path / "log") as process:
            assert process.wait() == 1
            assert f"port {environment['PORT']} is in use" in process.output
            assert "Traceback" not in process.output


def test_two_services_do_not_share_a_data_directory(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running(LAUNCH, environment, tmp_path / "first") as first:
        first.wait_for_output("Preparing")
        other = {**environment, "PORT": str(free_port())}
        with running(LAUNCH, other, tmp_path / "second") as second:
            assert second.wait() == 1
            assert "already runs in" in second.output
        first.send(signal.SIGINT)
        first.wait()


def test_every_problem_with_the_environment_is_named_before_anything_starts(
    environment: dict[str, str], tmp_path: Path
) -> None:
    wrong = {**environment, "LIMIT_POLYGON": "much", "CADENCE_1M_T0_S": "1"}
    with running(LAUNCH, wrong, tmp_path / "log") as process:
        assert process.wait() == 1
        assert "LIMIT_POLYGON" in process.output
        assert "CADENCE_1M_T0_S" in process.output
        assert "Preparing" not in process.output
