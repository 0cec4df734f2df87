"""HEAD as a server sees it: the test client would take the body off itself."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.handlers.wsgi import WSGIHandler

_Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
_Write = Callable[[bytes], object]


def ask(method: str, path: str) -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, object] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "testserver",
    }
    setup_testing_defaults(environ)
    told: list[tuple[str, dict[str, str]]] = []

    def start(status: str, headers: list[tuple[str, str]], error: _Error = None, /) -> _Write:
        told.append((status, dict(headers)))
        return lambda _: None

    body = b"".join(WSGIHandler()(environ, start))
    return *told[0], body


@pytest.mark.django_db  # every request looks after the old connections
def test_head_is_get_without_the_body() -> None:
    for path in ("/health/live", "/nowhere"):
        status, headers, body = ask("GET", path)
        assert body
        assert ask("HEAD", path) == (status, headers, b"")
        assert int(headers["Content-Length"]) == len(body)
