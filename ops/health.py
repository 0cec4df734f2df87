"""Whether the service can do its work: what it stands on, each thing tried in bounded time."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import cast

import redis
from django.conf import settings
from django.core.cache import caches
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from marketdata_site import clock
from universe.models import ExchangeCalendar, ExchangeSession, Symbol

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
FRESH_FOR_S = 1.0
"""An answer is given again for this long, so that asking often costs little."""
_FREE_BYTES = 100_000_000


class NotReady(Exception):
    """A check's finding, fit to be shown to anyone."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. `detail` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def down(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if not check.ok]


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    client = redis.Redis.from_url(
        settings.ENVIRONMENT.redis_url or "",
        socket_timeout=TIMEOUT_S / 2,
        socket_connect_timeout=TIMEOUT_S / 2,
    )
    try:
        client.ping()
    except redis.RedisError as error:
        logger.warning("Redis does not answer: %s", error)
        raise NotReady("does not answer") from None
    finally:
        client.close()


@cache  # a process that has seen its last migration applied need not look again
def _migrations() -> None:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        raise NotReady(f"{len(pending)} pending: run manage.py migrate")


def _sessions() -> None:
    if not ExchangeSession.objects.exists():
        raise NotReady("none known: run manage.py sync_sessions")
    used = ExchangeCalendar.objects.filter(symbol__active=True).distinct()
    ended = list(used.filter(covered_to__lt=clock.now().date()).values_list("name", flat=True))
    if ended:
        raise NotReady(f"{', '.join(ended)} end before today: run manage.py sync_sessions")


def _universe() -> None:
    if not Symbol.objects.active().exists():
        raise NotReady("no active symbol: run manage.py load_universe")


def _disk() -> None:
    if shutil.disk_usage(settings.DATA_DIR).free < _FREE_BYTES:
        raise NotReady("the data directory is nearly full")


class Probe:
    """One check in a thread of its own. While a try hangs no second one is started."""

    def __init__(self, name: str, check: Callable[[], None]) -> None:
        self.name = name
        self._check = check
        self._done: threading.Event | None = None
        self._finding = ""
        self._began = 0.0

    def start(self) -> None:
        """Begin a try, unless one is under way."""
        if self._done is None or self._done.is_set():
            self._done, self._began = threading.Event(), time.perf_counter()
            threading.Thread(target=self._try, args=[self._done], daemon=True).start()

    def finish(self) -> Check:
        """What the try found, or that it has not ended TIMEOUT_S after it began."""
        assert self._done is not None, "finish() follows start()"  # noqa: S101 (a caller's bug)
        left = self._began + TIMEOUT_S - time.perf_counter()
        ended = self._done.wait(max(left, 0.0))
        finding = self._finding if ended else f"no answer within {TIMEOUT_S:g} s"
        took = (time.perf_counter() - self._began) * 1000
        return Check(self.name, not finding, finding, round(took, 1))

    def _try(self, done: threading.Event) -> None:
        try:
            self._finding = self._look()
        finally:
            connection.close()  # this thread's own
            done.set()

    def _look(self) -> str:
        try:
            self._check()
        except NotReady as finding:
            return str(finding)
        except (DatabaseError, OSError) as error:
            logger.warning("Health check %s failed: %s", self.name, error)
            return "does not answer"
        return ""


def _probes() -> tuple[list[Probe], list[Probe]]:
    """The independent checks, and those that need a database."""
    first = [Probe("database", _database), Probe("disk", _disk)]
    if settings.ENVIRONMENT.redis_url:
        first.append(Probe("redis", _redis))
    needy = [
        Probe("migrations", _migrations),
        Probe("sessions", _sessions),
        Probe("universe", _universe),
    ]
    return first, needy


class Examiner:
    """Runs the checks and gives their last report for FRESH_FOR_S."""

    def __init__(self) -> None:
        self._first, self._needy = _probes()
        self._lock = threading.Lock()

    def report(self) -> Report:
        """The state of everything, at most FRESH_FOR_S old."""
        with self._lock:
            report = caches["local"].get_or_set("health", self._examine, FRESH_FOR_S)
            return cast(Report, report)

    def _examine(self) -> Report:
        checks = _run(self._first)
        if checks[0].ok:
            checks += _run(self._needy)
        else:
            checks += [Check(probe.name, False, "needs the database", 0.0) for probe in self._needy]
        return Report(tuple(checks))


def _run(probes: Iterable[Probe]) -> list[Check]:
    probes = list(probes)
    for probe in probes:
        probe.start()
    return [probe.finish() for probe in probes]
