"""Headers, hosts, cookies, and what Django's own inspection says of a deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings as site

ADDRESSES = ["/", "/health/live", "/api/docs", "/admin/login/", "/nowhere"]


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_the_headers(client, address):
    response = client.get(address)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    policy = response["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy or "default-src 'none'" in policy
    assert "http:" not in policy
    assert "*" not in policy


def settings_with(tmp_path, **variables: str) -> dict[str, object]:
    """What the settings say in an environment."""
    names = (
        "DEBUG", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS", "SESSION_COOKIE_HTTPONLY", "PUBLIC_READ",
    )  # fmt: skip
    code = (
        "import json, django; django.setup(); from django.conf import settings;"
        f"print(json.dumps({{name: getattr(settings, name, None) for name in {names}}}))"
    )
    done = run(tmp_path, [sys.executable, "-c", code], **variables)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told


def run(tmp_path, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in type(site.ENVIRONMENT).model_fields
    }
    environment = {
        **clean,
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "DATA_DIR": str(tmp_path),
        **variables,
    }
    return subprocess.run(
        command, cwd=site.BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )


PRODUCTION = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "SECRET_KEY": "kYc7Qh2m-9fLx_TzBv4Rj8WnPd3Ss6Gu1Ea5Xo0Hi-qZyKtMbNrCwVlJgDfUeOpA",
    "ALLOWED_HOSTS": "data.example.com",
}


def test_production_behind_tls_passes_djangos_inspection(tmp_path):
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = run(tmp_path, command, SECURE_SSL="1", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_without_tls_the_inspection_says_what_is_missing(tmp_path):
    done = run(tmp_path, [sys.executable, "manage.py", "check", "--deploy"], **PRODUCTION)
    assert "security.W008" in done.stderr
    assert "security.W012" in done.stderr
    assert "SECRET_KEY" not in done.stderr


def test_production_is_closed_and_careful(tmp_path):
    told = settings_with(tmp_path, SECURE_SSL="1", **PRODUCTION)
    assert told["DEBUG"] is False
    assert told["PUBLIC_READ"] is False
    assert told["SECURE_SSL_REDIRECT"] is True
    assert told["SESSION_COOKIE_SECURE"] is True
    assert told["CSRF_COOKIE_SECURE"] is True
    assert told["SESSION_COOKIE_HTTPONLY"] is True


def test_embedded_mode_works_over_plain_http(tmp_path):
    told = settings_with(tmp_path)
    assert told["DEBUG"] is False
    assert told["PUBLIC_READ"] is True
    assert not told["SESSION_COOKIE_SECURE"]


def test_the_web_process_needs_neither_pandas_nor_exchange_calendars(tmp_path):
    code = (
        "import sys, django; django.setup();"
        "from django.urls import get_resolver; get_resolver().url_patterns;"
        "from django.core.wsgi import get_wsgi_application; get_wsgi_application();"
        "print(sys.modules.keys() & {'pandas', 'exchange_calendars', 'pyarrow'})"
    )
    done = run(tmp_path, [sys.executable, "-c", code])
    assert done.stdout.strip() == "set()", done.stderr
