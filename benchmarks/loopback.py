"""A plain HTTP client for servers on this host: cheap enough not to be what is measured."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

_TIMEOUT_S = 30.0


class Connection:
    """One persistent connection that asks the same thing again and again."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._socket: socket.socket | None = None

    def ask(self) -> tuple[int, bytes]:
        """Status and body. A connection that the server closed is made again, once."""
        try:
            return self._ask()
        except ConnectionError:
            self.close()
            return self._ask()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._request)
        head, body = self._head()
        status, fields = _parse(head)
        if fields.get(b"transfer-encoding") == b"chunked":
            while not body.endswith(b"\r\n0\r\n\r\n"):  # the last chunk; its sizes stay in the body
                body += self._receive()
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += self._receive()
        if fields.get(b"connection") == b"close":
            self.close()
        return status, bytes(body)

    def _head(self) -> tuple[bytes, bytearray]:
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        return bytes(received[:end]), received[end + 4 :]

    def _receive(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(262_144)
        if not data:
            raise ConnectionResetError("the server hung up")
        return data


def _parse(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    fields = (line.partition(b":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}


def ask(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of one request."""
    connection = Connection(url, headers or {})
    try:
        return connection.ask()
    finally:
        connection.close()


class Load:
    """Some connections that ask for the same thing at once."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, expect: int = 200, connections: int = 4
    ) -> None:
        self._connections = [Connection(url, headers) for _ in range(connections)]
        self._expect = expect

    def run(self, requests: int) -> None:
        """Make `requests` requests, shared out among the connections. Raises AssertionError
        for an answer with another status."""
        each = -(-requests // len(self._connections))

        def work(connection: Connection) -> None:
            for _ in range(each):
                status, body = connection.ask()
                assert status == self._expect, (status, body)

        with ThreadPoolExecutor(len(self._connections)) as pool:
            list(pool.map(work, self._connections))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, seconds: float = 30.0) -> None:
    """Return when something answers at `url`. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 (our own address)
                return
        except (URLError, OSError):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing answers at {url}") from None
            time.sleep(0.05)
