"""API keys: made once, kept as hashes, recognised, revoked."""

from __future__ import annotations

import hashlib
import re
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ops import keys
from ops.models import ApiKey

pytestmark = pytest.mark.django_db


def test_only_a_hash_is_kept():
    key = keys.create("reader", ["ops", "read"])
    row = ApiKey.objects.get()
    assert re.fullmatch(r"mds_[0-9a-f]{8}_[\w-]{43}", key)
    assert row.digest == hashlib.sha256(key.encode()).hexdigest()
    assert row.prefix == key[:12]
    assert row.scopes == ["read", "ops"]
    secret = key[13:]
    assert secret not in str([getattr(row, field.name) for field in ApiKey._meta.fields])


def test_a_key_is_recognised_and_no_other():
    key = keys.create("reader", ["read"])
    owner = keys.recognise(key)
    assert owner is not None
    assert owner.name == "reader"
    assert owner.scopes == {"read"}
    for other in (key[:-1] + ("A" if key[-1] != "A" else "B"), key[:-1], key + "A", "", key[:12]):
        assert keys.recognise(other) is None


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_a_key_needs_a_name(name):
    with pytest.raises(CommandError, match="needs a name"):
        call_command("create_api_key", name=name, scopes=["read"])
    assert not ApiKey.objects.exists()


def test_two_keys_differ():
    assert keys.create("one", ["read"])[13:] != keys.create("two", ["read"])[13:]


def test_a_revoked_key_is_no_longer_recognised():
    key = keys.create("reader", ["read"])
    assert keys.recognise(key)
    assert keys.revoke(ApiKey.objects.all()) == 1
    assert keys.recognise(key) is None
    assert keys.revoke(ApiKey.objects.all()) == 0


def test_a_revocation_elsewhere_is_seen_within_seconds(monkeypatch):
    key = keys.create("reader", ["read"])
    assert keys.recognise(key)
    ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z")  # by another process
    later = time.monotonic() + keys.KNOWN_FOR_S + 0.1
    monkeypatch.setattr("ops.keys.time.monotonic", lambda: later)
    assert keys.recognise(key) is None


def test_a_known_key_costs_no_query(django_assert_num_queries):
    key = keys.create("reader", ["read"])
    keys.recognise(key)
    with django_assert_num_queries(0):
        keys.recognise(key)
        keys.recognise("mds_not_a_key")


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "admin"]])
def test_scopes_must_exist(scopes):
    with pytest.raises(keys.UnknownScope, match="read, stream, ops"):
        keys.create("reader", scopes)


def test_a_name_is_given_once():
    keys.create("reader", ["read"])
    with pytest.raises(keys.KeyNameTaken, match="reader"):
        keys.create("reader", ["read"])


def test_the_command_prints_the_key_alone_and_once():
    out, err = StringIO(), StringIO()
    call_command(
        "create_api_key", "--name", "ci", "--scopes", "read", "ops", stdout=out, stderr=err
    )
    owner = keys.recognise(out.getvalue().strip())
    assert owner is not None
    assert owner.scopes == {"read", "ops"}
    assert "cannot be shown again" in err.getvalue()


def test_the_command_says_what_is_wrong():
    with pytest.raises(CommandError, match="scopes"):
        call_command("create_api_key", "--name", "ci", "--scopes", "write")
    call_command("create_api_key", "--name", "ci", "--scopes", "read", stdout=StringIO())
    with pytest.raises(CommandError, match="'ci' already"):
        call_command("create_api_key", "--name", "ci", "--scopes", "read")
