"""The whole collecting service in real processes, on a clock that the test moves.

with live_service(folder, universe_csv) as service:
    service.start()
    service.step("2014-06-09T13:35:03Z")    # returns when the work due then is done
    service.rows("candles_intraday", "symbol_id", "ts", "close")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.processes import (
    RunningProcess,
    eventually,
    manage,
    run_manage,
    running,
    service_environment,
)
from tests.sandbox_server import RunningSandbox, start_sandbox

Row = tuple[Any, ...]

_POSITIONS = {"id", "as_of", "superseded_at", "opened_at"}
_BAR_TABLES = (
    "candles_intraday",
    "candles_daily",
    "candles_intraday_revisions",
    "candles_daily_revisions",
    "series",
    "ingestion_cursor",
    "gaps",
    "no_trade",
    "quarantined_bars",
)


@dataclass
class LiveService:
    """A service of its own: sandbox, sweepers, live cluster, database."""

    folder: Path
    environment: dict[str, str]
    clock_file: Path
    sandbox: RunningSandbox
    _stack: ExitStack = field(default_factory=ExitStack)
    _started: int = 0

    def start(self, *, sweepers: int = 1, clusters: int = 1) -> None:
        """Start sweepers and live clusters; `step` gives them something to do."""
        for _ in range(sweepers):
            self.process("sweep")
        for _ in range(clusters):
            self.cluster()

    def cluster(self) -> RunningProcess:
        """One live cluster."""
        return self.process("qcluster", Q_CLUSTER_NAME="live")

    def process(self, *arguments: str, **variables: str) -> RunningProcess:
        """A manage.py command that runs until the service ends."""
        self._started += 1
        log = self.folder / f"{arguments[0]}-{self._started}.log"
        return self._stack.enter_context(
            running(manage(*arguments), {**self.environment, **variables}, log)
        )

    def set_clock(self, text: str) -> None:
        """Move every process's clock; it must not go back."""
        moving = self.clock_file.with_suffix(".new")
        moving.write_text(text)
        moving.replace(self.clock_file)

    def step(self, text: str, *, seconds: float = 60.0) -> None:
        """Move the clock and wait until all that is due then is planned and done."""
        self.set_clock(text)
        at = datetime.fromisoformat(text)
        due = at.replace(second=0, microsecond=0)
        try:
            eventually(lambda: self._quiet(due), f"the work due at {due} is done", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.unfinished()}\n{self._logs()}") from None

    def _logs(self) -> str:
        ends = [f"== {log.name}\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log")]
        return "\n".join(ends)

    def _quiet(self, due: datetime) -> bool:
        planned = self.query(
            "SELECT count(*) FROM collection_jobs WHERE interval = '1m' AND due_at = ?", due
        )
        return planned[0][0] > 0 and not self.unfinished()

    def unfinished(self) -> list[Row]:
        """The jobs that are still to be done, and whose time has not passed."""
        return self.query(
            "SELECT key, state, error_code, error FROM collection_jobs"
            " WHERE state IN ('queued', 'running') AND expires_at > ?",
            datetime.fromisoformat(self.clock_file.read_text()),
        )

    def query(self, statement: str, *parameters: object) -> list[Row]:
        """Ask the service's database; `?` marks parameters, datetimes are UTC."""
        url = self.environment.get("DATABASE_URL")
        if url:
            with psycopg.connect(url) as connection:
                return connection.execute(statement.replace("?", "%s"), parameters).fetchall()
        texts = [_as_text(value) for value in parameters]
        file = self.folder / "data" / "marketdata.sqlite3"
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30) as lite:
            return lite.execute(statement, texts).fetchall()

    def execute(self, statement: str) -> None:
        """Change the service's database behind its back."""
        url = self.environment.get("DATABASE_URL")
        if url:
            with psycopg.connect(url) as connection:
                connection.execute(statement)
            return
        with sqlite3.connect(self.folder / "data" / "marketdata.sqlite3", timeout=30) as lite:
            lite.execute(statement)

    def dump(self) -> dict[str, list[Row]]:
        """Every row of the bar tables, without positions and surrogate keys."""
        return {table: self._all(table) for table in _BAR_TABLES}

    def _all(self, table: str) -> list[Row]:
        if self.environment.get("DATABASE_URL"):
            names = self.query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
                " ORDER BY ordinal_position",
                table,
            )
        else:
            names = [(row[1],) for row in self.query(f"PRAGMA table_info({table})")]
        kept = ", ".join(f'"{name}"' for (name,) in names if name not in _POSITIONS)
        rows = self.query(f"SELECT {kept} FROM {table}")
        return sorted((tuple(map(_plain, row)) for row in rows), key=repr)


def _as_text(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return value


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


@contextmanager
def live_service(
    folder: Path,
    universe: Path,
    begin: str,
    *sandbox_options: str,
    sessions_until: str = "",
    **variables: str,
) -> Iterator[LiveService]:
    """A migrated service with the symbols of `universe`, its clock standing at `begin`."""
    clock_file = folder / "clock"
    folder.mkdir(parents=True, exist_ok=True)
    clock_file.write_text(begin)
    settings = {"CLOCK_FILE": str(clock_file), "REDIS_URL": _redis(), **variables}
    with ExitStack() as stack:
        own = service_environment(folder / "data", **settings)
        environment = stack.enter_context(own)
        if not environment["REDIS_URL"]:
            environment.pop("REDIS_URL")
        run_manage(environment, "migrate", "-v0")
        run_manage(environment, "load_universe", str(universe))
        if sessions_until:
            run_manage(environment, "sync_sessions", "--last", sessions_until)
        sandbox = stack.enter_context(start_sandbox(*sandbox_options, env=environment))
        environment["SANDBOX_URL"] = sandbox.url
        service = LiveService(folder, environment, clock_file, sandbox)
        stack.enter_context(service._stack)
        yield service


def _redis() -> str:
    from django.conf import settings

    return settings.ENVIRONMENT.redis_url or ""
