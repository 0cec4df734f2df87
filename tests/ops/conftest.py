"""Callers of every kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from ops import keys
from ops.api import throttling


@pytest.fixture(autouse=True)
def _counts_of_its_own() -> None:
    """Tests share an address; none counts what the one before it asked."""
    throttling.windows.cache_clear()
    if url := settings.ENVIRONMENT.redis_url:
        with redis.Redis.from_url(url) as client:
            for name in client.scan_iter("marketdata:throttle:*"):
                client.delete(name)


@pytest.fixture
def key(db) -> Callable[..., dict[str, str]]:
    """`key("read", "ops")`: the header of a new key with these scopes."""

    def make(*scopes: str, name: str = "") -> dict[str, str]:
        return {"X-API-Key": keys.create(name or f"key with {scopes}", scopes)}

    return make


@pytest.fixture
def staff(db) -> Client:
    """A browser that somebody of the staff has logged in with."""
    client = Client()
    client.force_login(get_user_model().objects.create_user("op", is_staff=True))
    return client


@pytest.fixture
def superuser(db) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client
