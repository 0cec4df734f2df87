"""Errors as RFC 9457 problem details, whoever raised them: a view, DRF, Django itself.

A problem says `type`, `title`, `status`, `detail`, `instance`, and where one input is to
blame `field`, `value` and `bound`. Nothing in it tells how the service is built. Pages of
the admin keep Django's own HTML.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import csrf, defaults
from rest_framework.exceptions import APIException, NotFound, Throttled
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.views import set_rollback

from marketdata_site.outage import is_outage

CONTENT_TYPE = "application/problem+json"
_ADMIN = "/admin/"
_LANDING = "/"
_RETRY_AFTER_S = 5
_BLAME = ("field", "value", "bound")


def problem(
    request: HttpRequest,
    status: int,
    detail: str,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> HttpResponse:
    """A problem response. `code` names its type; without one the status says it all."""
    body = {
        "type": f"urn:marketdata:problem:{code}" if code else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        **members,
    }
    # The path and a value may hold lone surrogates, which JSON cannot.
    text = orjson.dumps(_encodable(body))
    return HttpResponse(text, status=status, content_type=CONTENT_TYPE, headers=headers)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value


# ---- raised in an API view ---------------------------------------------------------------


def problem_response(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's exception handler. None: the exception is unforeseen, and Django's business."""
    if isinstance(exc, Http404):
        exc = NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = Forbidden()
    if not isinstance(exc, APIException):
        return None
    set_rollback()
    return problem(
        context["request"]._request,
        exc.status_code,
        _detail(exc),
        _code(exc),
        _headers(exc),
        **{name: getattr(exc, name) for name in _BLAME if hasattr(exc, name)},
        **_errors(exc),
    )


def _detail(exc: APIException) -> str:
    if isinstance(exc, Throttled):
        return f"Too many requests: wait {_seconds(exc)} s."
    if isinstance(exc.detail, str):
        return str(exc.detail)
    if isinstance(exc.detail, list):
        return " ".join(str(part) for part in exc.detail)
    return "The request is not valid; `errors` says why."


def _seconds(exc: Throttled) -> str:
    wait: float | None = getattr(exc, "wait", None)
    return str(math.ceil(wait or 1))


def _code(exc: APIException) -> str | None:
    """The problem's type: that of an exception which is blamed on an input or names itself."""
    code = getattr(exc, "problem_type", None)
    return code if isinstance(code, str) else None


def _headers(exc: APIException) -> dict[str, str]:
    headers = {}
    if isinstance(exc, Throttled):
        headers["Retry-After"] = _seconds(exc)
    # DRF's dispatch puts the first authentication class's challenge here on a 401.
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    return headers


def _errors(exc: APIException) -> dict[str, Any]:
    if not isinstance(exc.detail, dict):
        return {}
    return {
        "errors": [
            {"field": field, "detail": " ".join(map(str, _listed(told)))}
            for field, told in exc.detail.items()
        ]
    }


def _listed(told: Any) -> list[Any]:
    return told if isinstance(told, list) else [told]


# ---- Django's own handlers ---------------------------------------------------------------


def _in_admin(request: HttpRequest) -> bool:
    return request.path.startswith(_ADMIN)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a host, a path or a body that Django refuses."""
    if _in_admin(request):
        return defaults.bad_request(request, exception)
    return problem(request, 400, "The request is not acceptable.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if _in_admin(request):
        return defaults.permission_denied(request, exception)
    return problem(request, 403, "This is closed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such address."""
    if _in_admin(request):
        return defaults.page_not_found(request, exception)
    return problem(request, 404, "Nothing is served at this address; see /api/docs.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a bug; 503: the database is away. The log has the exception. DRF leaves both to
    this handler, as Django calls it: while the exception is being handled."""
    if is_outage(sys.exc_info()[1]):
        return _unavailable(request)
    if _in_admin(request):
        return defaults.server_error(request)
    return problem(request, 500, "The service failed to answer; its log says why.")


def _unavailable(request: HttpRequest) -> HttpResponse:
    detail = "The database does not answer; try again in a moment."
    headers = {"Retry-After": str(_RETRY_AFTER_S), "Cache-Control": "no-store"}
    for_people = _in_admin(request) or request.path == _LANDING
    if for_people and "text/html" in request.headers.get("Accept", ""):
        page = render_to_string("unavailable.html", {"detail": detail})
        return HttpResponse(page, status=503, headers=headers)
    return problem(request, 503, detail, headers=headers)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form or a session's request without its CSRF token."""
    if _in_admin(request):
        return csrf.csrf_failure(request, reason)
    return problem(request, 403, "The CSRF token is missing or wrong.")
