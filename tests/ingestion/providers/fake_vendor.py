"""A real HTTP server that answers as a test says, however badly."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson


@dataclass(frozen=True)
class Call:
    """A request as it arrived. `path` is decoded no further than the wire has it."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What to send: a dict or list as JSON, anything else as it is.

    `cut` leaves so many bytes of the declared body (or the end of a chunked one) unsent;
    `reset` breaks the connection after that; `drip_s` sends a byte at a time with a pause;
    `drip_headers` does so from the status line on; `chunks` sends the body so many times in
    chunks of unknown total.
    """

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    cut: int = 0
    reset: bool = False
    drip_s: float = 0
    drip_headers: bool = False
    chunks: int = 0

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


Script = Callable[[Call], Any]


class FakeVendor:
    """Answers by the first script whose path prefix fits; 404 for anything else."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.sent = 0
        """Body bytes that left us."""
        self.finished = 0
        """Answers that were sent to their end."""
        self.stop = threading.Event()
        self.on_call: Callable[[], None] = lambda: None
        self._scripts: list[tuple[str, Script]] = []
        self._lock = threading.Lock()
        vendor = self

        class Handler(_Handler):
            fake = vendor

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    def on(self, prefix: str, script: Script | Answer | dict[str, Any] | list[Any]) -> None:
        """Answer requests whose path begins with `prefix` so; a later word beats an earlier."""
        self._scripts.insert(0, (prefix, script if callable(script) else lambda _: script))

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [call.path for call in self.calls]

    def take(self, call: Call) -> Answer:
        with self._lock:
            self.calls.append(call)
        self.on_call()
        for prefix, script in self._scripts:
            if call.path.startswith(prefix):
                answer = script(call)
                return answer if isinstance(answer, Answer) else Answer(answer)
        return Answer("no such page", 404, content_type="text/plain")

    @contextmanager
    def running(self) -> Iterator[FakeVendor]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """A connection that broke is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeVendor

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = self.fake.take(Call(parts.path, query, headers))
        with suppress(ConnectionError):
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        head = f"HTTP/1.1 {answer.status} Scripted\r\nContent-Type: {answer.content_type}\r\n"
        if answer.chunks:
            head += "Transfer-Encoding: chunked\r\n"
        else:
            head += f"Content-Length: {len(answer.data)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()) + "\r\n"
        body = answer.data[: len(answer.data) - answer.cut]
        if answer.drip_headers:
            self._drip(head.encode() + body, answer.drip_s)
        else:
            self.wfile.write(head.encode())
            if answer.chunks:
                self._chunks(answer)
            elif answer.drip_s:
                self._drip(body, answer.drip_s)
            else:
                self._count(body)
        if answer.cut or answer.reset:
            self.close_connection = True
            if answer.reset:
                # Linger of zero: the peer sees a reset, not an orderly end.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
        self.fake.finished += 1

    def _chunks(self, answer: Answer) -> None:
        for _ in range(answer.chunks):
            self.wfile.write(f"{len(answer.data):x}\r\n".encode())
            self._count(answer.data)
            self.wfile.write(b"\r\n")
        if not answer.cut:
            self.wfile.write(b"0\r\n\r\n")

    def _drip(self, data: bytes, pause_s: float) -> None:
        for place in range(len(data)):
            if self.fake.stop.is_set():
                raise ConnectionAbortedError
            self._count(data[place : place + 1])
            self.wfile.flush()
            time.sleep(pause_s)  # the pause is the fault itself

    def _count(self, data: bytes) -> None:
        self.wfile.write(data)
        self.fake.sent += len(data)

    def log_message(self, *args: Any) -> None:
        """Quiet."""
