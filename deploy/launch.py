"""`make run`: prepares, starts every process of the service, and stops them together.

    PORT=8000            where the service listens; the sandbox takes the next free port
    VENDORS=sandbox      or real: the vendors themselves, with the keys of the environment
    REPLAY=DIR           recorded sessions through the whole service, in a data directory of
    SPEED=60 START=DATE  their own that each replay begins anew
    DATA_DIR=var         where everything that this keeps is kept

The processes are those of the Procfile, run by honcho, each in the hands of a keeper
(deploy/keeper.py). Workers that fail are started again; when the web process ends,
everything stops.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import honcho.manager
from honcho.environ import parse_procfile

from deploy import keeper
from deploy.announce import Announcement
from deploy.plan import ROOT, CannotRun, Plan, in_use, make_plan
from deploy.preparation import password_path, prepare
from marketdata_site import clock
from marketdata_site.environment import EnvironmentInvalid, load

ENDS_EVERYTHING = {"web"}
ASKS_VENDORS = {"sweeper", "live"}
_LEFT_BY_A_REPLAY = ("marketdata.sqlite3", "marketdata.sqlite3-wal", "marketdata.sqlite3-shm")
STOPPED_BY_A_PERSON = (128 + signal.SIGINT, 128 + signal.SIGTERM)


def main() -> int:
    """Run until stopped; return the process's exit code."""
    try:
        plan = make_plan(os.environ)
        load(plan.environment)
        signal.signal(signal.SIGHUP, _end_as_told)
        with _alone_in(plan.data_dir):
            _check_port(plan.port)
            _begin_replay(plan)
            return _run(plan, prepare(plan))
    except CannotRun as error:
        print(f"make run: {error}", file=sys.stderr)
    except EnvironmentInvalid as error:
        problems = str(error).replace("\n", "\n  ")
        print(f"make run: the environment is not usable:\n  {problems}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped before it started.", file=sys.stderr)
    return 1


def _end_as_told(_signal: int, _frame: FrameType | None) -> None:
    """A terminal that closes ends the service in the orderly way, too."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _alone_in(data_dir: Path) -> Iterator[None]:
    """Hold the data directory: two services in one would fight over it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "launcher.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"it already runs in {data_dir}; stop that one first") from None
        yield


def _check_port(port: int) -> None:
    if in_use(port):
        raise CannotRun(f"port {port} is in use: stop what listens there, or choose PORT=")


def _begin_replay(plan: Plan) -> None:
    """A replay's past is the recording: what an earlier replay left goes."""
    if plan.replay is None:
        return
    for name in _LEFT_BY_A_REPLAY:
        (plan.data_dir / name).unlink(missing_ok=True)
    print(f"Recorded sessions:\n{plan.replay.describe()}")
    print(f"The clock starts at {plan.replay.start:%Y-%m-%d %H:%M} UTC (choose with START=).")


def _run(plan: Plan, new_password: str | None) -> int:
    environment = {
        **plan.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "LAUNCHER_PID": str(os.getpid()),
    }
    if plan.replay is not None:
        environment["CLOCK_START"] = plan.replay.start.isoformat()
        environment["CLOCK_RATE"] = str(plan.replay.speed)
        environment["CLOCK_ANCHOR"] = clock.system().isoformat()
    manager = _manager(plan, environment)
    with _announcer(plan, new_password):
        manager.loop()
    code = manager.returncode or 0
    if code in STOPPED_BY_A_PERSON:
        print(f"Stopped. The data stays in {plan.data_dir}.", flush=True)
        return 0
    print("A process ended for good, so everything was stopped; the lines above say which.")
    return code


def _manager(plan: Plan, environment: dict[str, str]) -> honcho.manager.Manager:
    # honcho kills what is slow to stop; keepers need their own grace period before that.
    honcho.manager.KILL_WAIT = keeper.GRACE_S + 5
    manager = honcho.manager.Manager()
    commands = parse_procfile((ROOT / "deploy" / "Procfile").read_text()).processes
    for name in plan.processes:
        keep = [sys.executable, "-m", "deploy.keeper"]
        keep += [] if name in ENDS_EVERYTHING else ["--restart"]
        if name in ASKS_VENDORS and "SANDBOX_PORT" in environment:
            keep += ["--after", environment["SANDBOX_PORT"]]
        keep += ["--", "sh", "-c", commands[name]]
        manager.add_process(name, f"exec {shlex.join(keep)}", env=environment, cwd=str(ROOT))
    return manager


@contextmanager
def _announcer(plan: Plan, new_password: str | None) -> Iterator[None]:
    what = Announcement(
        port=plan.port,
        origin=plan.origin,
        ticker=plan.curl_ticker,
        password_file=str(password_path(plan)),
        new_password=new_password,
        launcher=os.getpid(),
    )
    # A session of its own: Ctrl-C is the launcher's business alone.
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.announce"],
        env={**plan.environment, "ANNOUNCEMENT": what.to_json()},
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
