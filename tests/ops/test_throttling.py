"""How often a caller may ask."""

from __future__ import annotations

import pytest
import redis
from django.conf import settings as django_settings

from ops.api import throttling

READ = "/stocks/NOPE/price"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _three_a_minute(settings):
    settings.PUBLIC_READ = True
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"throttle_read": 3})


def ask(client, times, path=READ, **extra) -> list[int]:
    return [client.get(path, **extra).status_code for _ in range(times)]


def test_a_caller_past_the_limit_is_told_when_to_come_back(client):
    assert ask(client, 5) == [404, 404, 404, 429, 429]
    response = client.get(READ)
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["Content-Type"] == "application/problem+json"
    assert "wait" in response.json()["detail"]


def test_callers_are_counted_apart(client, key):
    assert ask(client, 4, REMOTE_ADDR="203.0.113.1")[-1] == 429
    assert ask(client, 3, REMOTE_ADDR="203.0.113.2")[-1] == 404
    one, two = key("read", name="one"), key("read", name="two")
    assert ask(client, 4, headers=one, REMOTE_ADDR="203.0.113.1")[-1] == 429
    assert ask(client, 3, headers=two, REMOTE_ADDR="203.0.113.1")[-1] == 404


def test_a_key_is_counted_wherever_it_comes_from(client, key):
    header = key("read")
    statuses = [
        client.get(READ, headers=header, REMOTE_ADDR=f"203.0.113.{n}").status_code for n in range(4)
    ]
    assert statuses[-1] == 429


def test_what_is_not_market_data_is_not_counted(client, key):
    assert set(ask(client, 6, "/health/live")) == {200}
    assert set(ask(client, 6, "/ops/cursor/NOPE/1m/polygon", headers=key("ops"))) == {404}


def test_wrong_keys_are_counted_against_the_address(client):
    wrong = {"headers": {"X-API-Key": "wrong"}}
    assert ask(client, 5, **wrong) == [401, 401, 401, 429, 429]
    assert ask(client, 1) == [404]


def test_a_window_ends(client, monkeypatch):
    monkeypatch.setattr(throttling, "WINDOW_S", 1)
    throttling.windows.cache_clear()
    assert ask(client, 4)[-1] == 429
    import time

    deadline = time.monotonic() + 20
    while client.get(READ).status_code == 429:
        assert time.monotonic() < deadline


def test_the_window_says_how_much_of_it_is_left():
    windows = throttling.windows()
    assert windows.hit("somebody")[0] == 1
    count, left = windows.hit("somebody")
    assert count == 2
    assert 50 < left <= 60


@pytest.mark.redis
def test_processes_count_together_in_redis():
    url = django_settings.ENVIRONMENT.redis_url or ""
    one = throttling.SharedWindows(redis.Redis.from_url(url))
    two = throttling.SharedWindows(redis.Redis.from_url(url))
    assert [one.hit("x")[0], two.hit("x")[0], one.hit("x")[0]] == [1, 2, 3]


def test_without_redis_each_process_counts_for_itself():
    nobody = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    windows = throttling.SharedWindows(nobody)
    assert [windows.hit("y")[0] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.7", "10.0.0.1"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "6.6.6.6, 203.0.113.7", "203.0.113.7"),
        (2, "6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "unknown", "10.0.0.1"),
        (1, "2001:DB8::7", "2001:db8::7"),
    ],
)
def test_a_forwarded_address_is_believed_from_known_proxies_only(
    settings, proxies, forwarded, address
):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"trusted_proxies": proxies})
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert throttling.address(meta) == address
