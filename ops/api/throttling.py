"""How often a caller may ask: `THROTTLE_READ` requests a minute, by key or by address.

A window starts with a caller's first request and lasts a minute. With Redis all processes
count together (one round trip a request); without it each process counts for itself.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ops.keys import KeyOwner

if TYPE_CHECKING:  # DRF's views name this module in their defaults, and import it
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

WINDOW_S = 60
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


class LocalWindows:
    """This process's counts, in its bounded cache."""

    def hit(self, caller: str) -> tuple[int, float]:
        """Count one request; how many the window has now, and the seconds left of it."""
        cache = caches["local"]
        count_name, end_name = f"throttle:{caller}", f"throttle-end:{caller}"
        if not cache.add(count_name, 1, WINDOW_S):
            try:
                count = cache.incr(count_name)
            except ValueError:  # the window ended just now
                cache.set(count_name, 1, WINDOW_S)
            else:
                end = cache.get(end_name, 0.0)
                return count, max(end - time.monotonic(), 0.0)
        cache.set(end_name, time.monotonic() + WINDOW_S, WINDOW_S)
        return 1, WINDOW_S


class SharedWindows:
    """The counts of all processes, in Redis. While Redis does not answer, each process
    counts for itself: a throttle must not take the service down with it."""

    RETRY_S = 5.0

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._fallback = LocalWindows()
        self._down_until = 0.0

    def hit(self, caller: str) -> tuple[int, float]:
        """Count one request; how many the window has now, and the seconds left of it."""
        if time.monotonic() < self._down_until:
            return self._fallback.hit(caller)
        name = f"marketdata:throttle:{caller}"
        try:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.set(name, 0, ex=WINDOW_S, nx=True)
                pipe.incr(name)
                pipe.pttl(name)
                _, count, left_ms = pipe.execute()
        except redis.RedisError as error:
            self._down_until = time.monotonic() + self.RETRY_S
            logger.warning("Redis does not answer, throttling by process: %s", error)
            return self._fallback.hit(caller)
        return int(count), max(int(left_ms), 0) / 1000


@cache
def windows() -> LocalWindows | SharedWindows:
    """This process's counter."""
    url = settings.ENVIRONMENT.redis_url
    if not url:
        return LocalWindows()
    return SharedWindows(
        redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
    )


def charge(caller: str) -> float | None:
    """Count one request of `caller`: None when it has room, or the seconds it must wait."""
    count, left = windows().hit(caller)
    return left if count > settings.ENVIRONMENT.throttle_read else None


class CallerThrottle(BaseThrottle):
    """Counts requests for market data: those of views with scope `read`."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the caller has room."""
        if getattr(view, "required_scope", None) == "read":
            self._wait = charge(_caller(request))
        return self._wait is None

    def wait(self) -> float | None:
        """How many seconds to wait, after a refusal."""
        return self._wait


def _caller(request: Request) -> str:
    if isinstance(request.auth, KeyOwner):
        return f"key:{request.auth.key_id}"
    user: Any = request.user  # None for an anonymous caller, as the settings say
    return f"address:{address(request.META)}" if user is None else f"user:{user.pk}"


def address(meta: Mapping[str, Any]) -> str:
    """The sender's address. Behind `TRUSTED_PROXIES` proxies it is the entry that the
    outermost of them appended to X-Forwarded-For; what a client writes there itself, or
    without such proxies, is not believed."""
    proxies: int = settings.ENVIRONMENT.trusted_proxies
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")
    told = forwarded[-proxies].strip() if 0 < proxies <= len(forwarded) else ""
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return str(meta.get("REMOTE_ADDR") or "local")


def is_loopback(meta: Mapping[str, Any]) -> bool:
    """Whether the request was made on this host, and not forwarded by a proxy on it."""
    if any(name in meta for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(meta.get("REMOTE_ADDR") or "").is_loopback
    except ValueError:
        return False
