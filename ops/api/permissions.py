"""What a caller may reach. Every view says so: `required_scope = "read"`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ops.api.throttling import is_loopback
from ops.keys import KeyOwner, Scope

if TYPE_CHECKING:  # DRF's views name this module in their defaults, and import it
    from rest_framework.views import APIView

PUBLIC = "public"
"""The scope of a view that is open to everyone."""


def may(request: Request, scope: str | None) -> bool:
    """Whether the caller holds `scope`. Nobody holds None or a word that is no scope."""
    if scope == PUBLIC or (scope == Scope.READ and settings.PUBLIC_READ):
        return True
    if scope not in set(Scope):
        return False
    if isinstance(request.auth, KeyOwner):
        return scope in request.auth.scopes
    user: Any = request.user  # None for an anonymous caller, as the settings say
    return user is not None and bool(user.is_staff)


class HasScope(BasePermission):
    """The view's `required_scope` is public or the caller's; a view that states none is
    closed to everyone."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the caller may come in."""
        scope = getattr(view, "required_scope", None)
        self.message = f"This needs the scope {scope!r}." if scope else "This is closed."
        return may(request, scope)


class HasScopeOrIsLocal(HasScope):
    """HasScope, or the request was made on this host (and not forwarded by a proxy on it)."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether the caller may come in."""
        return is_loopback(request.META) or super().has_permission(request, view)
