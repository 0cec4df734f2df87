"""What the service says of itself: the landing page, its health and its metrics."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from csp.constants import NONE, SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from ops import console, health, metrics
from ops.api import documents
from ops.api.permissions import PUBLIC, HasScopeOrIsLocal, may
from universe.domain.interval import Interval


def _json(body: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@cache
def _examiner() -> health.Examiner:
    return health.Examiner()


_USUAL = ("AAPL", "SPY", "BTC-USD")


def _examples(base: str, tickers: tuple[str, ...]) -> list[dict[str, str]]:
    """Three things to try, with symbols that are there."""
    first, second, *_ = *tickers, *_USUAL
    both = f'["{first}", "{second}"]'
    return [
        {"about": about, "command": command}
        for about, command in (
            ("The latest session's minutes", f"curl '{base}/stocks/{first}/intraday'"),
            ("The same as a file", f"curl '{base}/stocks/{second}/intraday?format=csv'"),
            (
                "The latest prices of many symbols",
                f"""curl '{base}/stocks/batch' --json '{{"symbols": {both}}}'""",
            ),
        )
    ]


_LANDING_POLICY = {"default-src": [NONE], "style-src": [SELF], "img-src": [SELF, "data:"]}


@method_decorator(csp_replace({**_LANDING_POLICY, "script-src": [NONE]}), name="dispatch")
class LandingView(APIView):
    """The front door: a page for people, JSON for programs."""

    required_scope = PUBLIC

    @extend_schema(
        operation_id="landing",
        summary="What this service is and holds",
        description="HTML for a browser (`Accept: text/html`). The live counts need scope `read`.",
        responses=documents.Landing,
        tags=["Service"],
    )
    def get(self, request: Request) -> HttpResponse:
        """What this service is and holds."""
        glance = console.overview() if may(request, "read") else None
        http: HttpRequest = request._request
        if http.accepts("text/html") and "text/html" in http.headers.get("Accept", ""):
            response = render(http, "landing.html", _landing(http, glance))
        else:
            response = _json(_landing_json(http, glance))
        response["Vary"] = "Accept"
        response["Cache-Control"] = "no-store"
        return response


def _links() -> dict[str, str]:
    names = {"docs": "docs", "schema": "schema", "health": "health", "metrics": "metrics"}
    return {link: reverse(name) for link, name in names.items()} | {"admin": reverse("admin:index")}


def _landing(request: HttpRequest, glance: console.Overview | None) -> dict[str, Any]:
    base = f"{request.scheme}://{request.get_host()}"
    return {
        "glance": glance,
        "symbol_count": glance and sum(glance.symbols.values()),
        "newest_minute": glance and glance.newest_bar[Interval.MINUTE],
        "newest_day": glance and glance.newest_bar[Interval.DAY],
        "origin": settings.DATA_ORIGIN,
        "origin_note": console.ORIGINS[settings.DATA_ORIGIN],
        "public_read": settings.PUBLIC_READ,
        "links": _links(),
        "examples": _examples(base, glance.tickers if glance else ()),
    }


def _landing_json(request: HttpRequest, glance: console.Overview | None) -> dict[str, Any]:
    base = f"{request.scheme}://{request.get_host()}"
    return {
        "service": "Market Data Service",
        "origin": settings.DATA_ORIGIN,
        "links": {name: base + path for name, path in _links().items()},
        "holds": glance and glance.as_json(),
    }


class HealthView(APIView):
    """Whether the service can do its work."""

    required_scope = PUBLIC

    @extend_schema(
        operation_id="health",
        summary="Ready?",
        description=(
            "Tries everything that the service stands on, each in at most"
            f" {health.TIMEOUT_S:g} s. 503 when something is down; `down` lists it."
        ),
        responses={200: documents.Health, 503: documents.Health},
        tags=["Service"],
    )
    def get(self, request: Request) -> HttpResponse:
        """The checks; 503 when one of them failed."""
        report = _examiner().report()
        body = {
            "status": "down" if report.down else "ready",
            "down": report.down,
            "checks": report.checks,
        }
        return _json(body, 503 if report.down else 200)


class LiveView(APIView):
    """Whether this process answers at all: no database, no network."""

    required_scope = PUBLIC
    authentication_classes = []

    @extend_schema(
        operation_id="live",
        summary="Alive?",
        description="Answers whenever the process does, without any I/O.",
        responses=documents.Live,
        tags=["Service"],
    )
    def get(self, request: Request) -> HttpResponse:
        """Always `{"status": "live"}`."""
        return _json({"status": "live"})


class MetricsView(APIView):
    """Metrics for Prometheus."""

    required_scope = "ops"
    permission_classes: list[type[BasePermission]] = [HasScopeOrIsLocal]

    @extend_schema(
        operation_id="metrics",
        summary="Metrics for Prometheus",
        description="Open to requests from the same host, and to scope `ops`.",
        responses={(200, "text/plain"): OpenApiTypes.STR},
        tags=["Service"],
    )
    def get(self, request: Request) -> HttpResponse:
        """Counters of the processes, then gauges of the fleet."""
        fleet = metrics.fleet_text()  # first: its failure is one of the counters
        return HttpResponse(metrics.process_text() + fleet, content_type=metrics.CONTENT_TYPE)
