"""`/ops/cursor/…`: how far a source has delivered a series."""

from __future__ import annotations

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from ingestion.api import documents, lookup
from ingestion.api.answers import iso_us
from ingestion.api.errors import InputInvalid, NoSuchCursor
from ingestion.api.parameters import epoch_us
from ingestion.models import Cursor
from universe.domain.interval import Interval, UnknownInterval, parse_interval


class CursorView(APIView):
    """One source's cursor. Information: nothing is planned by it."""

    required_scope = "ops"

    @extend_schema(
        operation_id="cursor",
        summary="How far a source has delivered a series",
        description="The newest bar that one source delivered for one symbol and interval.",
        parameters=[
            documents.SYMBOL,
            OpenApiParameter(
                "interval", str, OpenApiParameter.PATH, enum=list(Interval), description="1m or 1d"
            ),
            OpenApiParameter(
                "source",
                str,
                OpenApiParameter.PATH,
                description="provider, or provider:feed",
                examples=[OpenApiExample("alpaca:sip", "alpaca:sip")],
            ),
        ],
        responses=documents.CursorState,
        tags=["Operations"],
    )
    def get(self, request: Request, symbol: str, interval: str, source: str) -> HttpResponse:
        """The cursor."""
        try:
            width = parse_interval(interval)
        except UnknownInterval:
            raise InputInvalid("interval", interval, "one of 1m, 1d") from None
        found = lookup.find(symbol)
        cursor = Cursor.objects.filter(symbol=found, interval=width, source=source).first()
        if cursor is None:
            raise NoSuchCursor("This source has delivered no bar of this series.")
        body = {
            "symbol": symbol.upper(),
            "interval": width,
            "source": cursor.source,
            "newest_ts": int(cursor.newest_ts.timestamp()),
            "as_of": iso_us(epoch_us(cursor.as_of)),
        }
        return HttpResponse(
            orjson.dumps(body),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
