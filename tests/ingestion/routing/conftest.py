"""The limiter's store on this lane's backend, emptied around every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from ingestion.routing.call_gate import LimitStore
from ingestion.routing.limits_database import DatabaseLimits
from ingestion.routing.limits_redis import PREFIX, RedisLimits


@pytest.fixture
def store(transactional_db: None) -> Iterator[LimitStore]:
    """The store that the service itself uses on this lane."""
    url = settings.ENVIRONMENT.redis_url
    if url is None:
        yield DatabaseLimits()
        return
    _forget(url)
    yield RedisLimits(url)
    _forget(url)


def _forget(url: str) -> None:
    client = redis.Redis.from_url(url)
    for key in client.scan_iter(f"{PREFIX}*"):
        client.delete(key)
    client.close()
