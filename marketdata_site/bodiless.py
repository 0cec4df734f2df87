"""Responses that have no body: those to HEAD, and 304."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

_NOT_MODIFIED = 304


class BodilessMiddleware:
    """Takes the body off where HTTP has none; Django leaves that to the server. Outermost,
    so that the length and the tags of the body are known by then."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """HEAD keeps GET's headers; a 304 says nothing of a body."""
        response = self._get_response(request)
        if response.status_code == _NOT_MODIFIED:
            for name in ("Content-Type", "Content-Length"):
                response.headers.pop(name, None)
        if request.method == "HEAD" and isinstance(response, HttpResponse):
            response.content = b""
        return response
