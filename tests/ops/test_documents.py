"""The OpenAPI document, its pages, and whether the service keeps to it."""

from __future__ import annotations

import re
import subprocess
import sys

import hypothesis
import pytest
import schemathesis
from django.conf import settings as site
from django.core.wsgi import get_wsgi_application
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ops import keys
from tests.ingestion.api.conftest import _evening, market  # noqa: F401 (fixtures)

OFFLINE = re.compile(r'(?:src|href)="(?!/static/|/api/)([^"]+)"')


def test_the_document_is_valid_and_made_without_a_warning(tmp_path):
    command = [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn"]
    command += ["--file", str(tmp_path / "schema.yaml")]
    done = subprocess.run(command, cwd=site.BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "schema.yaml").stat().st_size > 10_000


@pytest.fixture
def document(client):
    return client.get("/api/schema").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_operation_is_described(document):
    found = dict(operations(document))
    assert {"GET /stocks/{symbol}/intraday", "POST /stocks/batch", "GET /health"} <= set(found)
    for name, operation in found.items():
        assert operation["summary"], name
        assert operation["description"], name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], (name, parameter["name"])


def test_parameters_state_their_bounds_and_defaults(document):
    operation = dict(operations(document))["GET /stocks/{symbol}/history"]
    schemas = {one["name"]: one["schema"] for one in operation["parameters"]}
    assert schemas["limit"] == {
        "type": "integer", "minimum": 1, "maximum": 100_000, "default": 10_000,
    }  # fmt: skip
    assert schemas["interval"]["enum"] == ["1d", "1m"]
    assert schemas["interval"]["default"] == "1d"
    assert schemas["layout"]["enum"] == ["columns", "rows"]
    assert schemas["format"]["enum"] == ["arrow", "csv", "json"]
    examples = {one["name"]: one.get("examples") for one in operation["parameters"]}
    assert examples["start"]
    assert examples["as_of"]


def test_operations_state_their_scopes_and_problems(document, settings):
    found = dict(operations(document))
    cursor = found["GET /ops/cursor/{symbol}/{interval}/{source}"]
    assert "`ops`" in cursor["description"]
    assert {} not in cursor["security"]
    assert {"bearerKey": []} in cursor["security"]
    for status in ("400", "401", "403", "404"):
        assert "application/problem+json" in cursor["responses"][status]["content"]
    assert found["GET /health"]["security"] == [{}]
    assert "429" in found["POST /stocks/batch"]["responses"]


def test_the_document_comes_as_yaml_too(client):
    response = client.get("/api/schema?format=yaml")
    assert response.content.startswith(b"openapi: 3.1")


def test_the_pages_need_no_network_and_no_inline_script(client):
    response = client.get("/api/docs")
    html = response.content.decode()
    assert response.status_code == 200
    assert not OFFLINE.findall(html)
    policy = response["Content-Security-Policy"]
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts
    assert scripts[1] == "'self'"
    for address in re.findall(r'(?:src|href)="(/[^"]+)"', html):
        loaded = client.get(address.replace("&amp;", "&"))
        assert loaded.status_code == 200, address
        loaded.close()


@pytest.mark.django_db(transaction=True)
def test_the_service_keeps_to_its_document(market, settings):
    """Generated requests, right and wrong ones: no answer that the document does not allow."""
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"throttle_read": 10**9})
    schema = schemathesis.openapi.from_wsgi("/api/schema", get_wsgi_application())
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(found) >= 9
    every_scope = {"X-API-Key": keys.create("generated requests", keys.Scope)}
    for operation in found:
        _drive(operation, every_scope)


def _drive(operation, headers: dict[str, str]) -> None:
    modes = [schemathesis.GenerationMode.POSITIVE]
    if operation.query or operation.body:  # any text is a ticker's right form
        modes.append(schemathesis.GenerationMode.NEGATIVE)
    for mode in modes:

        @hypothesis.settings(max_examples=25, deadline=None, database=None)
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def check(case) -> None:
            # A range may be well-formed and still reversed, or outside the calendar.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        check()
