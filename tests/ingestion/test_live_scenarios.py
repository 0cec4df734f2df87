"""Live collection through real processes: whatever happens to them, the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.live_service import LiveService, live_service
from tests.processes import RunningProcess, eventually

pytestmark = pytest.mark.timeout(600)

UNIVERSE = """\
ticker,calendar,tier,asset_class
AAPL,XNYS,T0,equity
SPY,XNYS,T0,etf
IBM,XNYS,T1,equity
THIN,XNYS,T2,equity
BTC-USD,24/7,T0,crypto
"""
BEGIN = "2026-03-10T13:20:00Z"
STEPS = [
    f"2026-03-10T{hour:02}:{minute:02}:03Z"
    for hour, minute in [(13, 31), (13, 35), (13, 40), (13, 45), (13, 50), (13, 55)]
]


@pytest.fixture
def universe(tmp_path: Path) -> Path:
    file = tmp_path / "universe.csv"
    file.write_text(UNIVERSE)
    return file


@pytest.fixture
def clean(tmp_path: Path, universe: Path) -> dict[str, list[tuple[object, ...]]]:
    """What a run leaves in which nothing happens."""
    with live_service(tmp_path / "clean", universe, BEGIN) as service:
        only_final_bars(service)
        service.start()
        for moment in STEPS:
            service.step(moment)
        return service.dump()


def test_killed_workers_and_repeated_jobs_leave_the_rows_of_a_clean_run(
    tmp_path: Path, universe: Path, clean: dict[str, list[tuple[object, ...]]]
) -> None:
    assert clean["candles_intraday"]
    with live_service(tmp_path / "rough", universe, BEGIN) as service:
        only_final_bars(service)
        service.start(sweepers=2, clusters=0)
        cluster = service.cluster()
        for number, moment in enumerate(STEPS):
            # Never two in a row: past the look-back the service would rightly leave a gap.
            if number in (1, 3):
                cluster = kill_in_the_middle_of_a_write(service, cluster, moment)
            else:
                service.step(moment)
                deliver_everything_again(service)
                service.step(moment)
        rough = service.dump()
        for table, rows in clean.items():
            assert rough[table] == rows, table
        keys = service.query("SELECT key, count(*) FROM collection_jobs GROUP BY key")
        assert all(count == 1 for _, count in keys), "two sweepers planned the same work once"


def only_final_bars(service: LiveService) -> None:
    """A poll that was killed never saw the first word of a bar that the vendor revises half
    a minute later, so its revision is rightly absent: here the vendor does not revise."""
    service.sandbox.quirk(alpaca_revises=False)


def kill_in_the_middle_of_a_write(
    service: LiveService, cluster: RunningProcess, moment: str
) -> RunningProcess:
    """kill -9 the workers while they write; the next poll makes up for it."""
    if service.environment.get("DATABASE_URL"):
        with writes_held_up(service):
            service.set_clock(moment)
            eventually(lambda: waiting_for_a_lock(service), "a write waits at its last row")
            cluster.kill()
    else:
        # SQLite has one lock, so nothing can be held up but a whole transaction: the kill
        # comes as soon as one of the moment's writes shows.
        before = commits(service)
        service.set_clock(moment)
        eventually(lambda: commits(service) > before, "the first write of the moment")
        cluster.kill()
    return service.cluster()


@contextmanager
def writes_held_up(service: LiveService) -> Iterator[None]:
    """While it lasts a write stops before its last row, the commit's, after all the bars."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE ingest_commits IN SHARE MODE")
        yield
        connection.rollback()


def waiting_for_a_lock(service: LiveService) -> bool:
    """Whether a session of the service's waits for the table."""
    return bool(
        service.query(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
    )


def commits(service: LiveService) -> int:
    """How many writes there were."""
    return int(service.query("SELECT count(*) FROM ingest_commits")[0][0])


def deliver_everything_again(service: LiveService) -> None:
    """As a broker does that did not hear of a job's end."""
    service.execute("UPDATE collection_jobs SET state = 'queued', attempt = 0 WHERE state = 'done'")
    eventually(lambda: not service.unfinished(), "the repeated jobs are done")
