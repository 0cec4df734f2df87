"""What has to be there before the processes start: tables, sessions, symbols, an admin."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psycopg

from deploy.plan import ROOT, SAMPLE_UNIVERSE, CannotRun, Plan


def prepare(plan: Plan) -> str | None:
    """Bring the plan's data directory and database up to date; again is harmless.

    Returns the admin's password when it was made just now. Raises CannotRun when a step
    fails; the step itself has said why.
    """
    _reach_database(plan)
    _empty_folder(Path(plan.environment["PROMETHEUS_MULTIPROC_DIR"]))
    (plan.data_dir / "static").mkdir(exist_ok=True)
    password_file = password_path(plan)
    had_password = password_file.exists()
    for what, *command in _steps(plan, password_file):
        print(f"Preparing: {what} ...", flush=True)
        manage = [sys.executable, str(ROOT / "manage.py"), *command]
        if subprocess.run(manage, env=_environment(plan), cwd=ROOT, check=False).returncode:
            raise CannotRun(f"preparing the {what} failed: manage.py {' '.join(command)}")
    if had_password or not password_file.exists():
        return None
    return password_file.read_text().strip()


def password_path(plan: Plan) -> Path:
    """The file that keeps the admin's generated password, readable by its owner only."""
    return plan.data_dir / "admin_password"


def _steps(plan: Plan, password_file: Path) -> list[list[str]]:
    universe = SAMPLE_UNIVERSE
    sessions = ["exchange sessions", "sync_sessions"]
    if plan.replay is not None:
        universe = plan.data_dir / "universe.csv"
        plan.replay.write_universe(universe)
        sessions += ["--last", plan.replay.calendars_until.isoformat()]
    return [
        ["tables", "migrate", "--verbosity", "0"],
        sessions,
        # Only where there is none: an operator's own universe is not ours to replace.
        ["symbols", "load_universe", str(universe), "--if-empty"],
        ["admin user", "ensure_admin", "--password-file", str(password_file)],
    ]


def _reach_database(plan: Plan) -> None:
    url = plan.environment.get("DATABASE_URL", "")
    if url.startswith("postgres"):
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            raise CannotRun(f"the database at DATABASE_URL cannot be used: {error}") from error


def _environment(plan: Plan) -> dict[str, str]:
    """While a replay is prepared its clock stands at the start, give or take a minute."""
    if plan.replay is None:
        return plan.environment
    return {**plan.environment, "CLOCK_START": plan.replay.start.isoformat()}


def _empty_folder(folder: Path) -> None:
    """Counters of processes that are gone would be added to those of this run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
