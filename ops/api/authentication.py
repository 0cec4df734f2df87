"""Who is asking: the owner of an API key, or staff with a session."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from ops import keys
from ops.api import throttling


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer KEY` or `X-API-Key: KEY`. A wrong key is 401, never anonymous:
    whoever sends one wants to know. Wrong keys count against the sender's address."""

    def authenticate(self, request: Request) -> tuple[keys.KeyOwner, keys.KeyOwner] | None:
        """The key's owner; None without a key."""
        key = _sent_key(request.META)
        if key is None:
            return None
        owner = keys.recognise(key)
        if owner is None:
            wait = throttling.charge(f"wrong-key:{throttling.address(request.META)}")
            if wait is not None:
                raise Throttled(wait)
            raise AuthenticationFailed("This API key is not valid.")
        return owner, owner

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return 'Bearer realm="market data"'


def _sent_key(meta: dict[str, Any]) -> str | None:
    scheme, _, credentials = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return str(credentials).strip()
    return cast(str | None, meta.get("HTTP_X_API_KEY"))


class StaffSessionAuthentication(SessionAuthentication):
    """The session of a staff user, with Django's CSRF check on unsafe methods."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, None] | None:
        """The user; None for anybody else, and no look-up without a session cookie."""
        http: HttpRequest = request._request  # DRF's own classes reach through it the same way
        if settings.SESSION_COOKIE_NAME not in http.COOKIES:
            return None
        user = http.user
        if not (user.is_authenticated and user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        return user, None
