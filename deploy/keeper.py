"""Keeps one process of the service going, and never outlives the launcher.

    python -m deploy.keeper [--restart] [--after PORT] -- COMMAND ...

With `--after`, the process is started once something listens on that port of this machine, or
after a minute all the same. With `--restart`, a process that ends by itself is started again,
after a pause that grows while it keeps failing. Without it, the keeper ends as its process did.
When the keeper is told to stop, or the launcher (`LAUNCHER_PID`) is gone however it went, the
process is asked to stop, and after a grace period it and everything it started is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
"""A process that ran this long had no trouble starting: the pauses begin anew."""
GRACE_S = 10.0
LOOK_EVERY_S = 0.25
AFTER_AT_MOST_S = 60.0
_PR_SET_PDEATHSIG = 1


class Launcher:
    """The process that started all keepers, watched however it may end."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._file = None
        with contextlib.suppress(ProcessLookupError):
            # A process's file also tells of a killed one that nobody has collected yet, and
            # is not fooled when another process gets the number.
            self._file = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None

    def gone(self) -> bool:
        """True once it has ended."""
        if self._file is not None:
            return bool(select.select([self._file], [], [], 0)[0])
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        return False


class Keeper:
    """One command, kept."""

    def __init__(self, command: list[str], *, restart: bool, launcher: Launcher | None) -> None:
        self._command = command
        self._restart = restart
        self._launcher = launcher
        self._stopping = False

    def run(self, *, after: int | None = None) -> int:
        """Keep the command going until told to stop; return the exit code to end with."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        if after is not None and not self._rest(AFTER_AT_MOST_S, lambda: _listens(after)):
            return 0
        pause = FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            code = self._run_once()
            if self._must_stop():
                return 0
            if not self._restart:
                return code or 1
            if time.monotonic() - started > STEADY_AFTER_S:
                pause = FIRST_PAUSE_S
            print(f"ended with code {code}; starting again in {pause:.0f} s", flush=True)
            if not self._rest(pause):
                return 0
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _must_stop(self) -> bool:
        return self._stopping or (self._launcher is not None and self._launcher.gone())

    def _run_once(self) -> int:
        # A group of its own, so that whatever it starts can be found and ended with it.
        process = subprocess.Popen(
            self._command,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (the keeper has one thread)
        )
        try:
            while not self._must_stop():
                try:
                    return process.wait(timeout=LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    continue
            process.terminate()
            try:
                return process.wait(timeout=GRACE_S)
            except subprocess.TimeoutExpired:
                return -signal.SIGKILL
        finally:
            _kill_group(process)

    def _rest(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Pause, until `enough`; False when it is time to stop."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not enough():
            if self._must_stop():
                return False
            time.sleep(LOOK_EVERY_S)
        return True


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(LOOK_EVERY_S)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end_with_parent() -> None:
    """In the new process: be told to stop when the keeper is killed outright (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing of it is left, as it should be
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def main(arguments: list[str]) -> int:
    """The command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="deploy.keeper")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--after", type=int, metavar="PORT")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    pid = os.environ.get("LAUNCHER_PID")
    launcher = Launcher(int(pid)) if pid else None
    return Keeper(options.command, restart=options.restart, launcher=launcher).run(
        after=options.after
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
