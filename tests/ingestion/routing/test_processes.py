"""What the limiter promises holds between processes, counted at the vendor."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.db import connection

from ingestion.routing.call_gate import LimitStore, SharedGate, StoreUnavailable
from ingestion.routing.limits import Admitted, Refused
from ingestion.routing.limits_redis import RedisLimits
from marketdata_site.call_limits import CallLimits
from tests.ingestion.routing.caller import PROVIDER

Caller = subprocess.Popen[str]
Start = Callable[..., Caller]


class Vendor(socketserver.ThreadingTCPServer):
    """Answers every call after 5 ms and writes down when it came and how many were there."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), VendorCall)
        self.lock = Lock()
        self.arrivals: list[float] = []
        self.present = 0
        self.most_present = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class VendorCall(socketserver.BaseRequestHandler):
    server: Vendor

    def handle(self) -> None:
        self.request.recv(1)
        with self.server.lock:
            self.server.arrivals.append(time.monotonic())
            self.server.present += 1
            self.server.most_present = max(self.server.most_present, self.server.present)
        time.sleep(0.005)  # the vendor's latency
        with self.server.lock:
            self.server.present -= 1
        self.request.sendall(b"!")


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        yield _serving(server)
        server.shutdown()


@pytest.fixture
def start(store: LimitStore, tmp_path: Path) -> Iterator[Start]:
    """Starts a caller, ready to begin, on this lane's backend."""
    with ExitStack() as callers:

        def begin(*arguments: object) -> Caller:
            command = [sys.executable, "-m", "tests.ingestion.routing.caller"]
            caller = callers.enter_context(
                subprocess.Popen(
                    [*command, *map(str, arguments)],
                    env={**os.environ, **_environment(), "DATA_DIR": str(tmp_path)},
                    cwd=settings.BASE_DIR,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            callers.callback(caller.kill)
            return caller

        yield begin


def test_eight_processes_never_exceed_a_limit_and_use_it_well(start: Start, vendor: Vendor) -> None:
    seconds, per_second, burst, concurrency = 3.0, 20, 5, 4
    limits = f"{per_second}/second burst={burst} concurrency={concurrency}"
    callers = [start("hammer", vendor.port, seconds, limits) for _ in range(8)]
    for caller in callers:
        assert _heard(caller) == "ready"
    for caller in callers:
        _tell(caller)
    for caller in callers:
        assert caller.wait(60) == 0
    arrivals = sorted(vendor.arrivals)
    assert _fullest(arrivals, 1.0) <= per_second
    assert _fullest(arrivals, 0.1) <= burst
    assert vendor.most_present <= concurrency
    in_time = [at for at in arrivals if at < arrivals[0] + seconds]
    assert len(in_time) >= 0.8 * per_second * seconds


def test_the_place_of_a_killed_process_frees_when_its_lease_ends(
    start: Start, store: LimitStore
) -> None:
    one = CallLimits(concurrency=1)
    holder = start("hold", 3.0, "concurrency=1")
    assert _heard(holder) == "ready"
    _tell(holder)
    assert _heard(holder) == "held"
    holder.kill()
    holder.wait(10)
    assert store.ask(PROVIDER, one, "too early", 30_000) == Refused(0, "concurrency")
    gate = SharedGate(store, patience_s=30.0, limits={PROVIDER: one}.__getitem__)
    with gate.slot(PROVIDER):
        assert store.ask(PROVIDER, one, "another", 30_000) == Refused(0, "concurrency")


@pytest.mark.parametrize("code", ["rate_limited", "ban"])
def test_a_block_stops_the_other_processes_at_once(
    start: Start, store: LimitStore, code: str
) -> None:
    before, after = start("try"), start("try")
    assert _heard(before) == _heard(after) == "ready"
    _tell(before)
    assert _heard(before) == "called"
    SharedGate(store).block(PROVIDER, 600.0, code)
    _tell(after)
    assert _heard(after) == code


@pytest.mark.redis
def test_calls_go_on_by_themselves_when_redis_comes_back(store: LimitStore) -> None:
    url = urlsplit(str(settings.ENVIRONMENT.redis_url))
    with Vendor() as placeholder:
        port = placeholder.port
    away = RedisLimits(url._replace(netloc=f"127.0.0.1:{port}").geturl())
    with pytest.raises(StoreUnavailable):
        away.ask(PROVIDER, CallLimits(), "a", 1000)
    with Forwarder(port, (url.hostname or "localhost", url.port or 6379)) as forwarder:
        _serving(forwarder)
        assert away.ask(PROVIDER, CallLimits(), "a", 1000) == Admitted()
        assert store.finish(PROVIDER, "a")
        forwarder.shutdown()


class Forwarder(socketserver.ThreadingTCPServer):
    """Passes bytes on to a server, both ways."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", port), Forwarded)
        self.target = target


class Forwarded(socketserver.BaseRequestHandler):
    server: Forwarder

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as upstream:
            Thread(target=_pump, args=(upstream, self.request), daemon=True).start()
            _pump(self.request, upstream)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


S = TypeVar("S", bound=socketserver.BaseServer)


def _serving(server: S) -> S:
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _environment() -> dict[str, str]:
    """The variables that put another process on this lane's test database and Redis."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{at['NAME']}"
    else:
        user = f"{at['USER']}:{at['PASSWORD']}" if at["PASSWORD"] else at["USER"]
        url = f"postgres://{user}@{quote(at['HOST'], safe='')}:{at['PORT']}/{at['NAME']}"
    return {
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "DATABASE_URL": url,
        "SECRET_KEY": "only-for-tests, where nothing is secret",
    }


def _heard(caller: Caller) -> str:
    """The next word a caller says; "" when it ended without one."""
    assert caller.stdout is not None
    line: str = caller.stdout.readline()
    return line.strip()


def _tell(caller: Caller) -> None:
    assert caller.stdin is not None
    caller.stdin.write("go\n")
    caller.stdin.flush()


def _fullest(arrivals: list[float], length_s: float) -> int:
    """The most arrivals in any window `[t, t + length_s)`."""
    return max(sum(at <= other < at + length_s for other in arrivals) for at in arrivals)
