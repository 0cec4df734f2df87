"""Who may reach what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from ops.api.permissions import PUBLIC
from ops.keys import Scope

FAR = {"REMOTE_ADDR": "203.0.113.9"}
READ, OPS, OPEN = "/stocks/NOPE/price", "/ops/cursor/NOPE/1m/polygon", "/health/live"


def views(patterns=None, prefix="") -> Iterator[tuple[str, object]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            if pattern.namespace != "admin":  # Django's own, behind its own login
                yield from views(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, getattr(pattern.callback, "cls", pattern.callback)


@pytest.mark.parametrize(("path", "view"), list(views()))
def test_every_view_states_its_scope(path, view):
    assert getattr(view, "required_scope", None) in {PUBLIC, *Scope}, path
    if path.startswith(("ops/", "stats/", "providers/")):
        assert view.required_scope == Scope.OPS


def test_the_walk_finds_the_views():
    found = {path for path, _ in views()}
    assert {"", "metrics", "stocks/<str:symbol>/history", "api/schema"} <= found
    assert not any(path.startswith("admin/") for path in found)


@pytest.fixture
def status(client, key, staff):
    """The status that each caller gets at an address, from far away."""
    callers = {
        "nobody": (client, {}),
        "read": (client, key("read")),
        "stream": (client, key("stream")),
        "ops": (client, key("ops")),
        "all": (client, key("read", "stream", "ops")),
        "staff": (staff, {}),
    }

    def ask(path: str) -> dict[str, int]:
        return {
            name: browser.get(path, headers=headers, **FAR).status_code
            for name, (browser, headers) in callers.items()
        }

    return ask


# 404 is the view's own answer: the caller came in.
def test_scopes_where_reading_needs_a_key(status, settings):
    settings.PUBLIC_READ = False
    assert status(READ) == {
        "nobody": 401, "read": 404, "stream": 403, "ops": 403, "all": 404, "staff": 404,
    }  # fmt: skip


def test_scopes_where_reading_is_public(status, settings):
    settings.PUBLIC_READ = True
    assert set(status(READ).values()) == {404}


@pytest.mark.parametrize("public", [True, False])
def test_operators_addresses_are_never_public(status, settings, public):
    settings.PUBLIC_READ = public
    assert status(OPS) == {
        "nobody": 401, "read": 403, "stream": 403, "ops": 404, "all": 404, "staff": 404,
    }  # fmt: skip


def test_metrics_are_for_operators(status):
    assert status("/metrics") == {
        "nobody": 401, "read": 403, "stream": 403, "ops": 200, "all": 200, "staff": 200,
    }  # fmt: skip


@pytest.mark.parametrize("address", [OPEN, "/health", "/", "/api/schema", "/api/docs"])
@pytest.mark.django_db(transaction=True)
def test_what_is_public_is_open_to_everyone(client, address):
    assert client.get(address, **FAR).status_code in {200, 503}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("meta", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "127.9.9.9"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "10.0.0.1"}, 401),
        ({"REMOTE_ADDR": ""}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=203.0.113.9"}, 401),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1"}, 401),
    ],
)
def test_metrics_are_open_to_this_host_but_not_through_a_proxy_on_it(client, meta, status):
    assert client.get("/metrics", **meta).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "bearer"},
        {"X-API-Key": "mds_00000000_" + "A" * 43},
    ],
)
def test_a_wrong_key_is_401_even_where_none_is_needed(client, settings, headers, public):
    settings.PUBLIC_READ = public
    response = client.get(READ, headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response["Content-Type"] == "application/problem+json"


def test_a_key_may_come_as_a_bearer(client, key, settings):
    settings.PUBLIC_READ = False
    header = {"Authorization": f"Bearer {key('read')['X-API-Key']}"}
    assert client.get(READ, headers=header).status_code == 404


def test_a_missing_scope_is_named(client, key):
    response = client.get(OPS, headers=key("read"))
    assert response.status_code == 403
    assert "'ops'" in response.json()["detail"]


def test_a_session_that_is_not_of_the_staff_opens_nothing(client, django_user_model, settings):
    settings.PUBLIC_READ = False
    client.force_login(django_user_model.objects.create_user("visitor"))
    assert client.get(READ).status_code == 401


def test_a_staff_session_needs_its_csrf_token_to_post(django_user_model, settings):
    settings.PUBLIC_READ = False
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(django_user_model.objects.create_user("op", is_staff=True))
    response = browser.post("/stocks/batch", {"symbols": ["NOPE"]}, "application/json")
    assert response.status_code == 403
    assert "CSRF" in response.json()["detail"]


def test_a_key_needs_none(key, settings):
    settings.PUBLIC_READ = False
    machine = Client(enforce_csrf_checks=True)
    body = {"symbols": ["NOPE"]}
    response = machine.post("/stocks/batch", body, "application/json", headers=key("read"))
    assert response.status_code == 200


class Careless(APIView):
    """States no scope."""

    def get(self, request):
        raise AssertionError("nobody may come here")


class Mistaken(Careless):
    required_scope = "raed"


@pytest.mark.parametrize("view", [Careless, Mistaken])
def test_a_view_without_a_scope_is_closed_to_everyone(view, rf, key, django_user_model):
    request = rf.get("/", headers=key("read", "stream", "ops"))
    assert view.as_view()(request).status_code == 403
    request = rf.get("/")
    assert view.as_view()(request).status_code == 401
