"""What the OpenAPI document says of every operation: scopes, keys, problems."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from ops.api import documents
from ops.api.permissions import PUBLIC, HasScopeOrIsLocal
from ops.api.problems import CONTENT_TYPE
from ops.keys import Scope


class ScopedSchema(AutoSchema):
    """Says of every operation which scope it needs and which problems it may answer: those
    that its kind may, and the view's `other_problems` (status → meaning)."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation with its problem responses."""
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if self._scope() != PUBLIC:
            operation["description"] += f"\n\nNeeds scope `{self._scope()}`."
        for status, meaning in self._problems(operation).items():
            if status not in operation["responses"]:
                operation["responses"][status] = self._problem(status, meaning)
        return operation

    def get_auth(self) -> list[dict[str, list[str]]]:
        """How to prove the scope; the empty one says that nothing need be proved."""
        known: list[dict[str, list[str]]] = super().get_auth()
        scope = self._scope()
        if scope == PUBLIC:
            return [{}]
        is_open = scope == Scope.READ and settings.PUBLIC_READ
        is_open |= HasScopeOrIsLocal in self.view.permission_classes
        return [*known, {}] if is_open else known

    def _scope(self) -> str:
        return str(getattr(self.view, "required_scope", None))

    def _problem(self, status: str, meaning: str) -> dict[str, Any]:
        responses: Any = self  # its part of drf-spectacular has no types
        shape = responses._get_response_for_code(documents.Problem, status, [CONTENT_TYPE])
        return {**shape, "description": meaning}

    def _problems(self, operation: dict[str, Any]) -> dict[str, str]:
        problems = {}
        if operation.get("parameters") or "requestBody" in operation:
            problems["400"] = "An input is wrong; `field`, `value` and `bound` say which and how."
        if self._scope() != PUBLIC:
            problems["401"] = "A wrong key, or none where one is needed."
            problems["403"] = "The caller lacks the scope."
            problems["503"] = "The database does not answer: wait for `Retry-After` seconds."
        if "{" in self.path:
            problems["404"] = "There is no such thing."
        if "requestBody" in operation:
            problems["413"] = "The body is too large."
            problems["415"] = "The body is not JSON."
        if self._scope() == Scope.READ:
            problems["429"] = "Too many requests: wait for `Retry-After` seconds."
        return problems | getattr(self.view, "other_problems", {})


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped
    """An API key, in either header."""

    target_class = "ops.api.authentication.ApiKeyAuthentication"
    name = ["bearerKey", "headerKey"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[str]]]:
        """Either header will do."""
        return [{scheme: []} for scheme in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        """`Authorization: Bearer KEY` and `X-API-Key: KEY`."""
        return [
            {"type": "http", "scheme": "bearer"},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # same
    """The session of somebody logged in to the admin."""

    target_class = "ops.api.authentication.StaffSessionAuthentication"
    name = "staffSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        """The session's cookie."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
