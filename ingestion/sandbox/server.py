"""The sandbox on a socket: HTTP/1.1 with keep-alive, one thread a connection."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import traceback
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ingestion.sandbox.control import control
from ingestion.sandbox.exchange import TEXT, Answer, Request
from ingestion.sandbox.meter import Standing
from ingestion.sandbox.simulation import VENDORS, Delivery, Simulation

_MOST_BODY = 1_000_000
_AT_ONCE_RESET = struct.pack("ii", 1, 0)  # linger on, for no time: close() sends a reset


class SandboxServer(ThreadingHTTPServer):
    """Serves a simulation on `host`:`port` (0: any free port) until `stop()`."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, simulation: Simulation, host: str = "127.0.0.1", port: int = 0) -> None:
        self.simulation = simulation
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((host, port), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def start(self) -> SandboxServer:
        """Serve from a thread of its own."""
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everybody, mute connections included."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                _hang_up(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that stop() can end it."""
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has gone already


class Handler(BaseHTTPRequestHandler):
    """Reads a request, lets the simulation answer, writes it in one piece."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: SandboxServer

    def do_GET(self) -> None:
        """Serve a vendor's path, or the sandbox's own."""
        self._serve()

    do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names given by the library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's
        """Stay quiet: /_sandbox/stats has the counts."""

    def _serve(self) -> None:
        target = urlsplit(self.path)
        steps = [step for step in target.path.split("/") if step]
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > _MOST_BODY:
            self.close_connection = True  # as what follows is not the next request
            self._send(Answer(413, b'{"error":"the body is too large"}'))
            return
        body = self.rfile.read(int(length))
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        if not steps or steps[0] not in VENDORS:
            answer = control(self.server.simulation, self.command, steps, query, body)
            self._send(answer)
            return
        self._serve_vendor(steps[0], "/" + "/".join(steps[1:]), query, self.headers)

    def _serve_vendor(
        self, provider: str, path: str, query: dict[str, str], headers: Message
    ) -> None:
        simulation = self.server.simulation
        with simulation.meter.call(provider, path) as standing:
            request = Request(
                path=path,
                query=query,
                headers={name.lower(): value for name, value in headers.items()},
                base=f"http://{headers.get('Host') or self.server.url[7:]}/{provider}",
                now=simulation.now(),
            )
            delivery = self._deliver(provider, request, standing)
            simulation.meter.answered(provider, _outcome(delivery))
            if delivery.wait_s:
                self.server.stopping.wait(delivery.wait_s)
            self._hand_over(delivery)

    def _deliver(self, provider: str, request: Request, standing: Standing) -> Delivery:
        try:
            return self.server.simulation.deliver(provider, request, standing)
        except Exception:  # noqa: BLE001 - a bug of the sandbox must not look like a network's
            traceback.print_exc()
            return Delivery(Answer(500, b"The sandbox itself failed; see its log.", TEXT))

    def _hand_over(self, delivery: Delivery) -> None:
        if delivery.answer is not None:
            self._send(delivery.answer, delivery.send_share)
            return
        self.close_connection = True
        if delivery.mute_s:
            self.server.stopping.wait(delivery.mute_s)
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_RESET)

    def _send(self, answer: Answer, share: float = 1.0) -> None:
        self.send_response_only(answer.status, _phrase(answer.status))
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("X-Market-Origin", self.server.simulation.market.origin)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: int(len(answer.body) * share)])
        if share < 1.0:
            self.close_connection = True


def _outcome(delivery: Delivery) -> str:
    if delivery.answer is not None:
        return str(delivery.answer.status)
    return "mute" if delivery.mute_s else "reset"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
