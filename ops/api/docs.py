"""The OpenAPI document and the pages that show it."""

from __future__ import annotations

from functools import cache
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from ops.api.permissions import PUBLIC, HasScope


@cache
def _document() -> dict[str, Any]:
    """The document, the same for everyone: made once a process."""
    generator: Any = SchemaGenerator  # has no types
    document: dict[str, Any] = generator().get_schema(request=None, public=True)
    return document


class SchemaView(SpectacularAPIView):
    """The OpenAPI document: JSON, or YAML where the caller prefers it (`?format=yaml`)."""

    required_scope = PUBLIC
    permission_classes = [HasScope]
    authentication_classes = []
    content_negotiation_class = DefaultContentNegotiation
    renderer_classes = [
        OpenApiJsonRenderer2,
        OpenApiJsonRenderer,
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
    ]

    def _get_schema_response(self, request: Request) -> Response:
        return Response(_document(), headers={"Cache-Control": "max-age=60"})


_DOCS_POLICY = {
    "script-src": [SELF],
    "style-src": [SELF, UNSAFE_INLINE],  # Swagger UI sets styles on its elements
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
}


@method_decorator(csp_replace(_DOCS_POLICY), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """The document as pages to read and try, from files of our own."""

    required_scope = PUBLIC
    permission_classes = [HasScope]
    authentication_classes = []
