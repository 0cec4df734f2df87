"""`make test`: one test code, run in every lane that this machine has what it takes for.

    embedded     SQLite and nothing else; always
    production   PostgreSQL and Redis over real connections, when both answer
    browser      the pages in Chromium (tests marked `browser`), when it is installed

Servers are looked for at `TEST_DATABASE_URL` and `TEST_REDIS_URL`, or else on this machine.
Databases are made for the run and dropped after it; a Redis database is used only when it is
empty, unless `TEST_REDIS_URL` names one. With `TEST_STRICT=1` a lane that cannot run, or a
test that no lane ran, is a failure. Arguments are handed to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.servers import Absent, find_chromium, find_postgresql, find_redis

# More than there are cores: the longest tests wait for other processes most of their time.
WORKERS = int(os.environ.get("TEST_WORKERS") or min(6, 2 * (os.cpu_count() or 1)))
STRICT = os.environ.get("TEST_STRICT") == "1"
NO_TESTS_COLLECTED = 5


@dataclass
class Outcome:
    """What came of one lane. `absent` says why it did not run."""

    lane: str
    absent: str = ""
    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    """Test → reason."""
    seconds: float = 0.0

    def line(self) -> str:
        """The lane's line in the closing table."""
        if self.absent:
            return f"{self.lane:<12} did not run: {self.absent}"
        return (
            f"{self.lane:<12} ran: {len(self.passed)} passed, {len(self.failed)} failed,"
            f" {len(self.skipped)} skipped in {self.seconds:.0f} s"
        )


def run(
    lane: str,
    marks: str,
    environment: Mapping[str, str],
    arguments: list[str],
    *,
    workers: int = WORKERS,
) -> Outcome:
    """Run pytest once, in a data directory of its own, and read what it reports."""
    print(f"\n=== {lane} lane ===", flush=True)
    outcome = Outcome(lane)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"marketdata-{lane}-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-m", marks]
        command += ["-n", str(workers), "--dist", "loadgroup", "--no-loadscope-reorder", *arguments]
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL")
        }
        own = {**inherited, "DATA_DIR": folder, **environment}
        code = subprocess.run(command, env=own, check=False).returncode
        _read(report, outcome)
    if code not in (0, NO_TESTS_COLLECTED) and not outcome.failed:
        outcome.failed.add(f"pytest itself (exit code {code})")
    outcome.seconds = time.monotonic() - started
    return outcome


def _read(report: Path, outcome: Outcome) -> None:
    if not report.exists():
        return
    # S314: pytest wrote this file a moment ago.
    for case in ET.parse(report).iter("testcase"):  # noqa: S314
        name = f"{case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.add(name)
        elif (skip := case.find("skipped")) is not None:
            outcome.skipped[name] = skip.get("message") or "no reason given"
        else:
            outcome.passed.add(name)
    outcome.passed -= outcome.failed  # a test that passed and then failed to clean up


def run_all(arguments: list[str]) -> list[Outcome]:
    """Every lane in turn, whether or not the one before it passed."""
    outcomes = [run("embedded", "not browser", {}, arguments)]
    try:
        with find_postgresql() as database_url, find_redis(WORKERS) as redis_url:
            servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
            outcomes.append(run("production", "not browser and not house", servers, arguments))
    except Absent as why:
        outcomes.append(Outcome("production", absent=str(why)))
    try:
        chromium = {"CHROMIUM": find_chromium()}
        # One worker: all pages are of one running service.
        outcomes.append(run("browser", "browser", chromium, arguments, workers=0))
    except Absent as why:
        outcomes.append(Outcome("browser", absent=str(why)))
    return outcomes


def strict_failures(outcomes: list[Outcome]) -> list[str]:
    """What strict mode does not let pass: lanes that did not run, tests that no lane ran."""
    lost = [f"the {outcome.lane} lane did not run" for outcome in outcomes if outcome.absent]
    lost += [
        f"the {outcome.lane} lane ran no test"
        for outcome in outcomes
        if not outcome.absent and not outcome.passed | outcome.failed
    ]
    ran = set().union(*(outcome.passed | outcome.failed for outcome in outcomes))
    for outcome in outcomes:
        lost += [
            f"{test} was skipped in the {outcome.lane} lane: {reason}"
            for test, reason in outcome.skipped.items()
            if test not in ran or "MARKETDATA_TEST_DATA" in reason
        ]
    return lost


def report(outcomes: list[Outcome]) -> int:
    """Print the closing lines; return the process's exit code."""
    print("\n=== lanes ===")
    reasons = Counter(reason for o in outcomes for reason in o.skipped.values())
    for reason, count in reasons.most_common():
        print(f"{count} skipped: {reason}")
    lost = strict_failures(outcomes) if STRICT else []
    for line in lost:
        print(f"not allowed in strict mode: {line}")
    for outcome in outcomes:
        print(outcome.line())
    failed = sum(len(o.failed) for o in outcomes) + len(lost)
    passed = sum(len(o.passed) for o in outcomes)
    skipped = sum(len(o.skipped) for o in outcomes)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(report(run_all(sys.argv[1:])))
