"""The addresses of market data."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from ingestion.api.bars import HistoryView, IntradayView
from ingestion.api.cursors import CursorView
from ingestion.api.prices import BatchView, PriceView

urlpatterns: list[URLPattern | URLResolver] = [
    path("stocks/batch", BatchView.as_view(), name="batch"),
    path("stocks/<str:symbol>/price", PriceView.as_view(), name="price"),
    path("stocks/<str:symbol>/history", HistoryView.as_view(), name="history"),
    path("stocks/<str:symbol>/intraday", IntradayView.as_view(), name="intraday"),
    path(
        "ops/cursor/<str:symbol>/<str:interval>/<str:source>", CursorView.as_view(), name="cursor"
    ),
]
