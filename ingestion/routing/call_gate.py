"""The gate in front of every vendor call: it waits for room and holds it during the call.

    with call_gate().slot("polygon"):
        ...one HTTP request...

What counts as room is decided by `limits`; where the count is kept, by a LimitStore: the
database, or Redis where there is one. Time is the store's own real time, the same for every
process: vendors do not run on the service's clock.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Protocol

from django.conf import settings
from django.db import connection

from ingestion.metrics import limiter_errors
from ingestion.providers.errors import Banned, ProviderError, RateLimited
from ingestion.routing.limits import Refused, Verdict
from marketdata_site import runtime_config
from marketdata_site.call_limits import CallLimits

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long a live call may wait for room before another source is the better choice."""

ENDPOINT = "limiter"
"""What stands for the endpoint in errors of calls that were not made."""

_POLL_S = 0.01
_BLOCKS: dict[str, type[ProviderError]] = {error.code: error for error in (RateLimited, Banned)}


class StoreUnavailable(Exception):
    """The limiter's state cannot be read or written."""


class LimiterUnavailable(RateLimited):
    """Our own limiter does not answer, so no call may be made: no failure of the vendor's."""


class CallInsideTransaction(RuntimeError):
    """A vendor call was about to be made inside a database transaction: a mistake of ours.

    It would hold locks for as long as the vendor takes to answer, and the limiter's own
    transaction could not commit before the call.
    """


class LimitStore(Protocol):
    """Where the CallBooks are: each method is atomic over all processes and hosts.

    Raises StoreUnavailable. See CallBook for what the methods mean.
    """

    name: str

    def ask(self, provider: str, limits: CallLimits, token: str, lease_ms: int) -> Verdict:
        """CallBook.ask"""
        ...

    def finish(self, provider: str, token: str) -> bool:
        """CallBook.finish"""
        ...

    def block(self, provider: str, code: str, duration_ms: int) -> None:
        """CallBook.block"""
        ...


def configured_limits(provider: str) -> CallLimits:
    """The limits in force now; none for a provider the configuration does not name."""
    return runtime_config.current().limits.get(provider, CallLimits())


def configured_lease_s() -> float:
    """Longer than any call may last (a whole answer has three of the vendor's timeouts), so
    that only a dead process outlives it."""
    return max(30.0, 4 * runtime_config.current().vendor_timeout_s)


class SharedGate:
    """A CallGate over a LimitStore, for all threads of a process.

    `patience_s` bounds the wait for room. `limits` and `lease_s` are asked at every call;
    callers who must leave room for others get a gate of their own with smaller `limits`
    over the same store. `sleep` and `monotonic` are the machine's, or a test's.
    """

    def __init__(
        self,
        store: LimitStore,
        *,
        patience_s: float = PATIENCE_S,
        limits: Callable[[str], CallLimits] = configured_limits,
        lease_s: Callable[[], float] = configured_lease_s,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._patience_s = patience_s
        self._limits = limits
        self._lease_s = lease_s
        self._sleep = sleep
        self._monotonic = monotonic
        self._turns: defaultdict[str, Lock] = defaultdict(Lock)

    @contextmanager
    def slot(self, provider: str) -> Iterator[None]:
        """Wait for room at `provider` and hold it while the block runs.

        Raises RateLimited when room is certain not to come within the gate's patience, or
        has not come by then; Banned when the provider is blocked by a ban for longer than
        that; both with `retry_after`, the least wait. LimiterUnavailable when the store does
        not answer; CallInsideTransaction inside an atomic block.
        """
        if connection.in_atomic_block:
            raise CallInsideTransaction(f"{provider} was to be called inside a transaction")
        token = secrets.token_hex(8)
        self._enter(provider, token)
        try:
            yield
        finally:
            self._leave(provider, token)

    def block(self, provider: str, seconds: float, code: str) -> None:
        """No process calls `provider` for `seconds`. `code` is `rate_limited` or `ban`.

        A store that does not answer is logged and counted, not raised: the caller has the
        vendor's own error to report.
        """
        if code not in _BLOCKS:
            raise ValueError(f"code {code!r} blocks nothing: use one of {', '.join(_BLOCKS)}")
        logger.warning("%s: no calls for %.1f s (%s)", provider, seconds, code)
        try:
            self._store.block(provider, code, max(1, round(seconds * 1000)))
        except StoreUnavailable as error:
            self._count(error, f"the block of {provider} was not recorded")

    def _enter(self, provider: str, token: str) -> None:
        give_up_at = self._monotonic() + self._patience_s
        # One thread of a process at a time watches for room: the store is asked as often as
        # there are processes, not threads, and threads take turns.
        turn = self._turns[provider]
        in_turn = turn.acquire(timeout=self._patience_s)
        try:
            while isinstance(refused := self._ask(provider, token), Refused):
                wait_s = max(refused.wait_ms / 1000, _POLL_S)
                if self._monotonic() + wait_s > give_up_at:
                    raise self._refusal(provider, refused, wait_s)
                self._sleep(wait_s)
        finally:
            if in_turn:
                turn.release()

    def _ask(self, provider: str, token: str) -> Verdict:
        lease_ms = round(self._lease_s() * 1000)
        try:
            return self._store.ask(provider, self._limits(provider), token, lease_ms)
        except StoreUnavailable as error:
            self._count(error, f"no call to {provider} was made")
            detail = f"the limiter is unavailable, so no call was made: {error}"
            raise LimiterUnavailable(provider, ENDPOINT, detail, retry_after=1.0) from error

    def _leave(self, provider: str, token: str) -> None:
        try:
            in_time = self._store.finish(provider, token)
        except StoreUnavailable as error:
            self._count(error, f"the place of a call to {provider} frees when its lease ends")
        else:
            if not in_time:
                logger.warning("%s: a call outlived its lease in the limiter", provider)

    def _refusal(self, provider: str, refused: Refused, wait_s: float) -> ProviderError:
        error = _BLOCKS.get(refused.cause, RateLimited)
        what = "is blocked" if refused.cause in _BLOCKS else f"has no room ({refused.cause})"
        detail = f"{provider} {what} for at least {wait_s:.2f} s; no call was made"
        return error(provider, ENDPOINT, detail, retry_after=wait_s)

    def _count(self, error: StoreUnavailable, consequence: str) -> None:
        limiter_errors.labels(self._store.name).inc()
        logger.error("limiter in %s: %s; %s", self._store.name, error, consequence)


@cache
def shared_store() -> LimitStore:
    """The store of this mode: Redis where `REDIS_URL` is set, else the database."""
    url = settings.ENVIRONMENT.redis_url
    if url:
        from ingestion.routing.limits_redis import RedisLimits

        return RedisLimits(url)
    from ingestion.routing.limits_database import DatabaseLimits

    return DatabaseLimits()


@cache
def call_gate(patience_s: float = PATIENCE_S) -> SharedGate:
    """This process's gate with the configured limits, one for each `patience_s`."""
    return SharedGate(shared_store(), patience_s=patience_s)
