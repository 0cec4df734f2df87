"""The service with one more address: bytes that are ready, sent by the least that Django does.

Settings and addresses in one module, for `bench_intraday` only.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.urls import path

from marketdata_site.settings import *  # noqa: F403 (the service's settings, all of them)

ROOT_URLCONF = "benchmarks.static_view"

_BYTES = Path(os.environ["STATIC_VIEW_FILE"]).read_bytes()


def static_view(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 (a view's signature)
    """Always the same bytes."""
    return HttpResponse(_BYTES, content_type="application/json")


def _patterns() -> list[object]:
    from marketdata_site.urls import urlpatterns as service

    return [path("static-view", static_view), *service]


def __getattr__(name: str) -> object:
    # The service's addresses need its settings, and this module is those settings.
    if name == "urlpatterns":
        return _patterns()
    raise AttributeError(name)
