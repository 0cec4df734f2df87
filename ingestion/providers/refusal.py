"""Which error an answer other than 200 means, and how long the vendor wants to be left alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import orjson

from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    Malformed,
    NotEntitled,
    ProviderError,
    RateLimited,
    ServerError,
    Timeout,
)
from ingestion.providers.reply import Reply, excerpt, looks_like_markup

LONGEST_WAIT_S = 86_400.0
_LONGEST_RESET_S = 300.0
_LOGIN = re.compile(r"log-?in|sign-?in|auth|sso|consent|account", re.IGNORECASE)
_BY_STATUS: Mapping[int, type[ProviderError]] = {
    401: AuthFailed,
    402: NotEntitled,
    403: AuthFailed,
    407: AuthFailed,
    408: Timeout,
    418: Banned,
    429: RateLimited,
    999: Banned,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a vendor's own rule looks at: the status, the body as text, and as JSON or None."""

    status: int
    text: str
    document: object

    def field(self, *path: str) -> str:
        """The text at `path` inside the JSON document, or "" where there is none."""
        value = self.document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""


Classify = Callable[[Refusal], "type[ProviderError] | None"]


def by_status(_: Refusal) -> type[ProviderError] | None:
    """No rule of one's own: the status alone decides."""
    return None


def error_of(reply: Reply, classify: Classify) -> ProviderError:
    """The error that `reply`, which is not a usable 200, means.

    The vendor's rule is asked first; then the status decides: a page of HTML under 403 is a
    firewall's ban, other 4xx mean that the answer is no use to us.
    """
    if 300 <= reply.status < 400:
        return _redirected(reply)
    refusal = Refusal(reply.status, reply.text, _json(reply.body))
    kind = classify(refusal)
    if kind is None:
        kind = _BY_STATUS.get(reply.status)
        if reply.status == 403 and looks_like_markup(reply.body):
            kind = Banned
        elif kind is None:
            kind = ServerError if reply.status >= 500 else Malformed
    detail = f"HTTP {reply.status}" + (f": {excerpt(reply.text)}" if reply.body else "")
    return kind(reply.provider, reply.endpoint, detail, wanted_wait(reply))


def _redirected(reply: Reply) -> ProviderError:
    target = reply.headers.get("location", "")
    where = excerpt(reply.clean(target.partition("?")[0]))
    if _LOGIN.search(target):
        detail = f"HTTP {reply.status} sends us to a login page ({where}): the key was not accepted"
        return AuthFailed(reply.provider, reply.endpoint, detail)
    hint = "redirects are not followed: is the base URL right?"
    return reply.malformed(f"HTTP {reply.status} sends us to {where}; {hint}")


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def wanted_wait(reply: Reply) -> float | None:
    """The seconds that `Retry-After` (seconds or an HTTP date) asks us to wait, between 0
    and a day; or those to `X-RateLimit-Reset` (epoch seconds) where a 429 has only that.
    None when the headers are absent or mean nothing.

    A date is compared with the answer's own `Date`, so that neither clock has to be right.
    """
    text = reply.headers.get("retry-after", "").strip()
    answered_at = _http_date(reply.headers.get("date", "")) or reply.received_at
    if not text:
        return _to_reset(reply, answered_at) if reply.status == 429 else None
    try:
        seconds = float(text)
    except ValueError:
        moment = _http_date(text)
        if moment is None:
            return None
        seconds = moment - answered_at
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else None


def _to_reset(reply: Reply, answered_at: float) -> float | None:
    text = reply.headers.get("x-ratelimit-reset", "").strip()
    if not text.isdecimal():
        return None
    # The windows it speaks of are minutes: anything longer comes from another clock.
    seconds = int(text) - answered_at
    return seconds if 0 < seconds <= _LONGEST_RESET_S else None


def _http_date(text: str) -> float | None:
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
