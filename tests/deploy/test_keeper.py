"""The keeper: restarts what fails, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import RunningProcess, eventually, free_port, running

pytestmark = pytest.mark.house

# Prints its own process id, and starts a child that would outlive it if nobody cared.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", os.getpid(), child.pid, flush=True)
time.sleep(600)
"""


def keeper(*command: str, restart: bool = False) -> list[str]:
    options = ["--restart"] if restart else []
    return [sys.executable, "-m", "deploy.keeper", *options, "--", *command]


def alive(pid: int) -> bool:
    """Neither gone nor a zombie that only waits to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def family(process: RunningProcess) -> list[int]:
    """The process ids that the last `up` line names."""
    process.wait_for_output("up ")
    lines = [line for line in process.output.splitlines() if line.startswith("up ")]
    return [int(pid) for pid in lines[-1].split()[1:]]


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "LAUNCHER_PID"}


def test_it_ends_as_its_process_did(environment: dict[str, str]) -> None:
    done = subprocess.run(keeper("sh", "-c", "exit 3"), env=environment, check=False)
    assert done.returncode == 3


def test_a_process_that_must_not_end_ends_the_keeper_with_an_error(
    environment: dict[str, str],
) -> None:
    done = subprocess.run(keeper("true"), env=environment, check=False)
    assert done.returncode == 1


def test_a_process_may_wait_for_what_it_needs(environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "deploy.keeper", "--after", str(port), "--", "echo", "started"]
    with running(command, environment, tmp_path / "log") as process, socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        assert "started" not in process.output
        listener.listen()
        process.wait_for_output("started")


def test_what_fails_is_started_again(environment: dict[str, str], tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    command = keeper("sh", "-c", f"echo x >> {counter}; exit 1", restart=True)
    with running(command, environment, tmp_path / "log") as process:
        process.wait_until(
            lambda: counter.exists() and len(counter.read_text().split()) >= 3, "three starts"
        )
        assert "ended with code 1; starting again in 1 s" in process.output
        assert "starting again in 2 s" in process.output
        assert process.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_ends_the_whole_family(
    number: signal.Signals, environment: dict[str, str], tmp_path: Path
) -> None:
    command = keeper(sys.executable, "-c", PARENT, restart=True)
    with running(command, environment, tmp_path / "log") as process:
        pids = family(process)
        process.send(number)
        assert process.wait() == 0
        eventually(lambda: not any(map(alive, pids)), "the family is gone")


def test_a_crashed_process_leaves_no_children_to_meet_the_next_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = keeper(sys.executable, "-c", PARENT, restart=True)
    with running(command, environment, tmp_path / "log") as process:
        parent, child = family(process)
        os.kill(parent, signal.SIGKILL)
        eventually(lambda: not alive(child), "the orphan is gone")
        process.wait_until(lambda: family(process)[0] != parent, "a new process is up")
        process.stop()


def test_when_the_launcher_is_killed_the_family_goes(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with running(["sleep", "600"], environment, tmp_path / "launcher") as launcher:
        own = {**environment, "LAUNCHER_PID": str(launcher.pid)}
        command = keeper(sys.executable, "-c", PARENT, restart=True)
        with running(command, own, tmp_path / "log") as process:
            pids = family(process)
            os.kill(launcher.pid, signal.SIGKILL)  # and nobody collects it
            process.wait()
            eventually(lambda: not any(map(alive, pids)), "the family is gone")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process of its parent's death")
def test_when_the_keeper_is_killed_its_process_ends(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = keeper(sys.executable, "-c", PARENT)
    with running(command, environment, tmp_path / "log") as process:
        parent, child = family(process)
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: not alive(parent), "the kept process is gone")
        os.kill(child, signal.SIGKILL)
