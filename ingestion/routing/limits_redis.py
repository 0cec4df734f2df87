"""The limiter's state in Redis: one JSON text a provider, changed by one atomic script.

The script says what `CallBook` says, in Lua; a property test holds the two together. Keys
have no expiry, so that a server short of memory does not take them for a cache's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingestion.routing.call_gate import StoreUnavailable
from ingestion.routing.limits import WINDOWS, Admitted, Refused, Verdict
from marketdata_site.call_limits import CallLimits

PREFIX = "marketdata:limits:"
_SCRIPT = Path(__file__).with_name("limits_redis.lua").read_text(encoding="utf-8")
_UNLIMITED = -1
_TIMEOUT_S = 2.0


class RedisLimits:
    """A LimitStore under keys `marketdata:limits:<provider>`.

    Time is the server's; `now_ms` replaces it in tests, as `prefix` does the keys' names.
    """

    name = "redis"

    def __init__(
        self, url: str, prefix: str = PREFIX, now_ms: Callable[[], int] | None = None
    ) -> None:
        client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            # A connection that went stale is replaced; a server that is away is reported.
            retry=Retry(NoBackoff(), 1),
        )
        self._prefix = prefix
        self._now_ms = now_ms
        self._run = client.register_script(_SCRIPT)

    def ask(self, provider: str, limits: CallLimits, token: str, lease_ms: int) -> Verdict:
        """See LimitStore."""
        bounds = [getattr(limits, window) or _UNLIMITED for window in WINDOWS]
        refusal = self._call(
            provider, "ask", token, lease_ms, *bounds, limits.concurrency or _UNLIMITED
        )
        if refusal is None:
            return Admitted()
        wait_ms, cause = refusal
        return Refused(int(wait_ms), cause.decode())

    def finish(self, provider: str, token: str) -> bool:
        """See LimitStore."""
        return bool(self._call(provider, "finish", token))

    def block(self, provider: str, code: str, duration_ms: int) -> None:
        """See LimitStore."""
        self._call(provider, "block", code, duration_ms)

    def _call(self, provider: str, verb: str, *arguments: str | int) -> Any:
        now = "" if self._now_ms is None else self._now_ms()
        try:
            return self._run(keys=[self._prefix + provider], args=[verb, now, *arguments])
        except redis.RedisError as error:
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error
