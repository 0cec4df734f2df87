"""A process that calls a vendor through the service's own gate. Run by the tests beside it.

    python -m tests.ingestion.routing.caller hammer PORT SECONDS LIMITS
    python -m tests.ingestion.routing.caller hold LEASE_S LIMITS
    python -m tests.ingestion.routing.caller try

`hammer` calls as often as the gate lets it, from two threads; `hold` takes a place and keeps
it; `try` makes one call. Each says `ready` and waits for a line before it begins.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from threading import Thread
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from ingestion.routing.call_gate import SharedGate

PROVIDER = "vendor"


def main(verb: str, *arguments: str) -> None:
    django.setup()
    _say("ready")
    sys.stdin.readline()
    verbs: Mapping[str, Callable[..., None]] = {"hammer": hammer, "hold": hold, "try": try_once}
    verbs[verb](*arguments)


def hammer(port: str, seconds: str, limits: str) -> None:
    gate = _gate(limits, patience_s=float(seconds))
    stop_at = time.monotonic() + float(seconds)

    def call_on() -> None:
        from ingestion.providers.errors import RateLimited

        while time.monotonic() < stop_at:
            try:
                with gate.slot(PROVIDER), socket.create_connection(("127.0.0.1", int(port))) as s:
                    s.sendall(b"?")
                    s.recv(1)
            except RateLimited:
                return  # no room before the end

    threads = [Thread(target=call_on) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hold(lease_s: str, limits: str) -> None:
    with _gate(limits, lease_s=float(lease_s)).slot(PROVIDER):
        _say("held")
        sys.stdin.readline()


def try_once() -> None:
    from ingestion.providers.errors import ProviderError

    try:
        with _gate("").slot(PROVIDER):
            _say("called")
    except ProviderError as error:
        _say(error.code)


def _gate(limits: str, patience_s: float = 1.0, lease_s: float = 30.0) -> SharedGate:
    from ingestion.routing.call_gate import SharedGate, shared_store
    from marketdata_site.call_limits import CallLimits

    bounds = CallLimits.parse(limits)
    return SharedGate(
        shared_store(),
        patience_s=patience_s,
        limits={PROVIDER: bounds}.__getitem__,
        lease_s=lambda: lease_s,
    )


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
