"""API keys: made, recognised, revoked. The key itself is known to its owner only.

A key is `mds_` + 8 hex digits (its prefix, by which it is found and named) + `_` + 43
characters of secret: 256 random bits. The database holds the prefix and the SHA-256 of the
whole key; a digest without salt or stretching is enough for a secret that nobody can guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db import IntegrityError, transaction

from marketdata_site import clock
from ops.models import ApiKey

PREFIX_LENGTH = 12
KNOWN_FOR_S = 2.0
"""How long a process trusts what it last read about a key: a revocation made in another
process takes effect within this time."""

_FORM = re.compile(r"mds_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a caller may reach."""

    READ = "read"
    STREAM = "stream"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The caller behind a valid key, in the place of a user."""

    key_id: int
    name: str
    prefix: str
    scopes: frozenset[str]
    is_authenticated: bool = True
    is_staff: bool = False


class KeyNameBlank(ValueError):
    """The name has nothing to read in it."""


class KeyNameTaken(ValueError):
    """A key of this name exists, in force or revoked."""


class UnknownScope(ValueError):
    """The text names no scope."""


def create(name: str, scopes: Iterable[str]) -> str:
    """Make a key and return it: the only time that it can be seen.

    Raises KeyNameBlank, KeyNameTaken, and UnknownScope (also when `scopes` is empty) listing
    those that exist.
    """
    if not name.strip():
        raise KeyNameBlank("a key needs a name that says whose it is; got a blank one")
    wanted = set(scopes)
    if not wanted or not wanted <= set(Scope):
        unknown = ", ".join(sorted(wanted - set(Scope))) or "none given"
        raise UnknownScope(f"scopes are {', '.join(Scope)}; got {unknown}")
    prefix = f"mds_{secrets.token_hex(4)}"
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    try:
        with transaction.atomic():
            ApiKey.objects.create(
                name=name,
                prefix=prefix,
                digest=_digest(key),
                scopes=[scope for scope in Scope if scope in wanted],
                created_at=clock.now(),
            )
    except IntegrityError:
        raise KeyNameTaken(f"there is a key named {name!r} already") from None
    return key


_known: dict[str, tuple[float, str, KeyOwner]] = {}


def recognise(key: str) -> KeyOwner | None:
    """The owner of `key`, or None when it is no valid key. Cost: one look-up by its prefix,
    or none within KNOWN_FOR_S of the last; the secret is compared in constant time."""
    if not _FORM.fullmatch(key):
        return None
    prefix = key[:PREFIX_LENGTH]
    known = _known.get(prefix)
    if known is None or known[0] < time.monotonic():
        row = ApiKey.objects.filter(prefix=prefix, revoked_at__isnull=True).first()
        if row is None:
            _known.pop(prefix, None)
            return None
        owner = KeyOwner(row.pk, row.name, row.prefix, frozenset(row.scopes))
        known = _known[prefix] = (time.monotonic() + KNOWN_FOR_S, row.digest, owner)
    return known[2] if hmac.compare_digest(known[1], _digest(key)) else None


def revoke(keys: Iterable[ApiKey]) -> int:
    """End the life of `keys`; how many of them were in force."""
    chosen = {key.pk: key.prefix for key in keys}
    count = ApiKey.objects.filter(pk__in=chosen, revoked_at__isnull=True).update(
        revoked_at=clock.now()
    )
    for prefix in chosen.values():
        _known.pop(prefix, None)
    return count


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
