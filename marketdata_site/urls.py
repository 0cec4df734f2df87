"""Every address of the service, app by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("", include("ingestion.api.urls")),
    path("", include("ops.api.urls")),
]

handler400 = "ops.api.problems.bad_request"
handler403 = "ops.api.problems.permission_denied"
handler404 = "ops.api.problems.not_found"
handler500 = "ops.api.problems.server_error"
