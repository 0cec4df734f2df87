"""Where the next page of a query begins: opaque to the caller, and not to be forged.

A token holds the range and the moment that the first page was answered for, so that all
pages are of one moment whatever is written in between, and only fits the query it came from.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from django.conf import settings

from ingestion.api.errors import InputInvalid
from universe.domain.time_range import TimeRange

_FORM = struct.Struct(">qqqq")
_SEAL_BYTES = 13  # with the 32 bytes before it, 60 characters and no padding


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which bar (`after`, epoch seconds) of which range and moment (epoch µs)."""

    range: TimeRange
    as_of: int
    after: int


def write(position: Position, query: tuple[str, ...]) -> str:
    """The token of `position` in `query`."""
    span = position.range
    held = _FORM.pack(span.start, span.end, position.as_of, position.after)
    return urlsafe_b64encode(held + _seal(held, query)).decode()


def read(token: str, query: tuple[str, ...]) -> Position:
    """The position that `token` holds. Raises InputInvalid for one that was not written by
    this service, or for another query."""
    try:
        data = urlsafe_b64decode(token.encode())
    except ValueError:
        data = b""
    held, seal = data[: _FORM.size], data[_FORM.size :]
    if len(data) != _FORM.size + _SEAL_BYTES or not hmac.compare_digest(seal, _seal(held, query)):
        raise InputInvalid(
            "page", token, "the `next` of an answer to this very query, its dates and all"
        )
    start, end, as_of, after = _FORM.unpack(held)
    return Position(TimeRange(start, end), as_of, after)


def _seal(held: bytes, query: tuple[str, ...]) -> bytes:
    key = hashlib.sha256(settings.SECRET_KEY.encode()).digest()
    text = held + b"\0".join(part.encode("utf-8", "replace") for part in query)
    return hashlib.blake2b(text, key=key, digest_size=_SEAL_BYTES, person=b"md-page").digest()
