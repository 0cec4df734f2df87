"""The service's own addresses."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from ops.api import docs, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.LandingView.as_view(), name="landing"),
    path("health", views.HealthView.as_view(), name="health"),
    path("health/live", views.LiveView.as_view(), name="live"),
    path("metrics", views.MetricsView.as_view(), name="metrics"),
    path("api/schema", docs.SchemaView.as_view(), name="schema"),
    path("api/docs", docs.DocsView.as_view(), name="docs"),
]
