"""Real processes for scenario tests: the service's commands, started, watched and stopped.

Nothing here waits a fixed time. A test waits for what it needs to see, up to a deadline, and
a failure shows what the process printed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.conf import settings
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_S) -> T:
    """What `look` answers as soon as it is true; AssertionError naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := look():
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningProcess:
    """One process in a group of its own; its output goes to a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as handle:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        """True when the process is gone."""
        return self._process.poll() is not None

    def wait_until(
        self, look: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_S
    ) -> T:
        """`eventually`, failing at once when the process ends, and showing its output."""

        def look_while_it_runs() -> T | None:
            answer = look()
            assert answer or not self.ended, f"ended with {self._process.returncode}"
            return answer

        try:
            return eventually(look_while_it_runs, what, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it printed:\n{self.output[-4000:]}") from None

    def wait_for_output(self, text: str, *, seconds: float = PATIENCE_S) -> None:
        """Wait until it has printed `text`."""
        self.wait_until(lambda: text in self.output, f"printing {text!r}", seconds=seconds)

    def send(self, number: signal.Signals) -> None:
        """One signal to this process, not to its children."""
        self._process.send_signal(number)

    def wait(self, *, seconds: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"did not end within {seconds:.0f} s; it printed:\n{self.output[-4000:]}"
            ) from None

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it and its group at once, as a crash would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[RunningProcess]:
    """A process for the time of a `with` block; what is left of it then is killed."""
    process = RunningProcess(command, environment, log)
    try:
        yield process
    finally:
        process.kill()


def manage(*arguments: str) -> list[str]:
    """The command line of a manage.py command."""
    return [sys.executable, str(ROOT / "manage.py"), *arguments]


def run_manage(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a manage.py command to its end and return its output; it must succeed."""
    done = subprocess.run(
        manage(*arguments),
        env=dict(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(arguments)} failed:\n{done.stdout}"
    return done.stdout


@contextmanager
def service_environment(data_dir: Path, **variables: str) -> Iterator[dict[str, str]]:
    """Variables for a service with a data directory and a database of its own.

    In the production lane the database is PostgreSQL, made empty here and dropped at the end,
    and Redis is the test worker's; in the embedded lane it is SQLite in `data_dir`.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "DATA_DIR": str(data_dir),
        "SECRET_KEY": "only-for-tests, where nothing is secret",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    url: str | None = settings.ENVIRONMENT.database_url
    if url is None or not settings.ENVIRONMENT.production:
        environment.pop("DATABASE_URL", None)
        yield environment
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{urlsplit(url).path.strip('/')}_{worker}_{time.monotonic_ns()}"
    with _database(url, name):
        yield {**environment, "DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{name}"))}


@contextmanager
def _database(url: str, name: str) -> Iterator[None]:
    server = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield
        finally:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


def processes_of(marker: str) -> set[int]:
    """Processes of this machine whose environment holds `marker`, such as a data directory."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if marker.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found - {os.getpid()}
