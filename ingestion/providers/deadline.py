"""HTTP connections on which a whole answer, headers and body, has one deadline.

The usual read timeout starts anew with every byte, so a server that drips one byte a second
would hold a thread for as long as it likes. Here every receive waits no longer than what is
left of the answer's budget.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_budget = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Answers begun in this block, on this thread, raise TimeoutError after `seconds`."""
    _budget.expires = time.monotonic() + seconds
    try:
        yield
    finally:
        del _budget.expires


class _DeadlineReader(io.RawIOBase):
    """A socket's bytes until the deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, expires: float) -> None:
        self._sock, self._raw, self._expires = sock, raw, expires
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._expires - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left if self._patience is None else min(left, self._patience))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        expires = getattr(_budget, "expires", None)
        if expires is not None:
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_DeadlineReader(sock, raw, expires))


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse


class _SecureConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """The transport to mount on a `requests.Session`: keep-alive, no retries of its own."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Build the pool manager on connections that know `deadline()`."""
        super().init_poolmanager(*args, **options)
        pools = {"http": _Pool, "https": _SecurePool}
        self.poolmanager.pool_classes_by_scheme = pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same for connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
