"""How every adapter talks to its vendor: one HTTP client that trusts nothing it is sent.

One `requests` session per thread with keep-alive; connect and read timeouts and a deadline
for the whole answer; a cap on the body; no redirects. Every request is made inside a slot of
the call gate, every outcome is counted, and every failure is one ProviderError and one log
line, without secrets.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests
import urllib3

from ingestion import metrics
from ingestion.providers.base import CallGate
from ingestion.providers.cooldown import Cooldown
from ingestion.providers.deadline import deadline
from ingestion.providers.errors import Banned, ProviderError, RateLimited
from ingestion.providers.refusal import Classify, by_status, error_of
from ingestion.providers.reply import Reply, excerpt
from ingestion.providers.sessions import ThreadSessions
from ingestion.providers.transport import TRANSPORT_ERRORS, transport_error
from marketdata_site import clock, runtime_config

logger = logging.getLogger(__name__)

BODY_CAP = 32 * 1024 * 1024
"""Decompressed bytes. The largest honest answer, 50,000 polygon bars, has about 6 MB."""
_REFUSAL_CAP = 64 * 1024
_CHUNK = 64 * 1024
_DEADLINE_FACTOR = 3
"""A whole answer may take this many read timeouts."""
_ORIGINS = ("synthetic", "replayed")
T = TypeVar("T")
E = TypeVar("E", bound=ProviderError)
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class VendorRules:
    """What is particular about one vendor's HTTP.

    `classify` sees each refusal before the general rules. `cooldown_s` is the pause after a
    429 that names no time, doubled up to `cooldown_max_s` for each one in a row; `ban_s` the
    pause after a ban.
    """

    provider: str
    classify: Classify = by_status
    cooldown_s: float = 60.0
    cooldown_max_s: float = 300.0
    ban_s: float = 3_600.0


class HttpClient:
    """One vendor's HTTP. Safe to use from many threads.

    `secrets` are texts that must appear in no error and no log line.
    """

    def __init__(
        self,
        rules: VendorRules,
        gate: CallGate,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.provider = rules.provider
        self.base_url = base_url.rstrip("/")
        self._rules, self._gate = rules, gate
        self._sessions = ThreadSessions(
            self.base_url,
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "market-data-service",
                **(headers or {}),
            },
        )
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._cooldown = Cooldown(rules.cooldown_s, rules.cooldown_max_s)

    def get(
        self,
        endpoint: str,
        path: str,
        read: Callable[[Reply], T],
        params: Params = (),
        headers: Mapping[str, str] | None = None,
        *,
        any_status: bool = False,
        on_request: Callable[[], None] = lambda: None,
    ) -> T:
        """GET `path` (below the base URL, or a whole URL) and give the answer to `read`.

        `endpoint` names the call in metrics and errors. `read` gets answers with status 200
        (every answer with `any_status`) and raises ProviderError for those it cannot use;
        such errors are counted like all others. `on_request` is called when the gate has let
        us through. Raises ProviderError; the gate's own is passed on uncounted, as nobody was
        called.
        """
        url = path if "://" in path else f"{self.base_url}{path}"
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params, safe=",:", quote_via=quote)
        with self._gate.slot(self.provider):
            on_request()
            began = time.perf_counter()
            try:
                reply = self._exchange(endpoint, url, headers or {})
                if reply.status != 200 and not any_status:
                    raise error_of(reply, self._rules.classify)
            except ProviderError as error:
                self._failed(error)
                raise
            finally:
                took_ms = (time.perf_counter() - began) * 1000
                metrics.provider_latency_ms.labels(self.provider, endpoint).observe(took_ms)
        try:
            answer = read(reply)
        except ProviderError as error:
            self._failed(error)
            raise
        self._cooldown.over()
        return answer

    def refusal(self, reply: Reply) -> ProviderError:
        """The error that `reply` means, for answers that say no under status 200."""
        return error_of(reply, self._rules.classify)

    def noted(self, error: E) -> E:
        """Count and log an error found after the calls it is about; gives it back."""
        self._failed(error)
        return error

    def close(self) -> None:
        """Close every thread's connections."""
        self._sessions.close()

    # ---- one exchange ---------------------------------------------------------------

    def _exchange(self, endpoint: str, url: str, headers: Mapping[str, str]) -> Reply:
        patience = runtime_config.current().vendor_timeout_s
        asked_at = clock.now().timestamp()
        try:
            with (
                deadline(patience * _DEADLINE_FACTOR),
                closing(
                    self._sessions.current().get(
                        url,
                        headers=dict(headers),
                        timeout=(patience, patience),
                        stream=True,
                        allow_redirects=False,
                    )
                ) as response,
            ):
                body = self._body(response)
        except TRANSPORT_ERRORS as error:
            # Not "from error": what requests raises quotes whole URLs, keys and all.
            raise transport_error(self.provider, endpoint, error, self._clean) from None
        reply = Reply(
            provider=self.provider,
            endpoint=endpoint,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body or b"",
            origin=response.headers.get("X-Market-Origin", "vendor"),
            asked_at=asked_at,
            received_at=clock.now().timestamp(),
            cookies=_cookies(response),
            clean=self._clean,
        )
        if body is None:
            raise reply.malformed(f"more than {BODY_CAP // 2**20} MB")
        if reply.origin != "vendor" and reply.origin not in _ORIGINS:
            raise reply.malformed(f"X-Market-Origin {excerpt(reply.origin)} is none we know")
        return reply

    def _body(self, response: requests.Response) -> bytes | None:
        """The decompressed body, or None when there is more than we take.

        Of a refusal the first part will do, and the status counts even when that is cut off.
        """
        if response.status_code != 200:
            return _head(response.raw, _REFUSAL_CAP)
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) > BODY_CAP:
            return None
        parts: list[bytes] = []
        size = 0
        for part in response.raw.stream(_CHUNK, decode_content=True):
            size += len(part)
            if size > BODY_CAP:
                return None
            parts.append(part)
        return b"".join(parts)

    # ---- what went wrong ------------------------------------------------------------

    def _failed(self, error: ProviderError) -> None:
        metrics.provider_errors.labels(self.provider, error.endpoint, error.code).inc()
        pause = None
        if isinstance(error, RateLimited):
            pause = error.retry_after
            if pause is None:
                pause = self._cooldown.next()
        elif isinstance(error, Banned):
            pause = max(error.retry_after or 0.0, self._rules.ban_s)
        if pause is not None:
            self._gate.block(self.provider, pause, error.code)
        logger.warning(
            "%s",
            error,
            extra={
                "provider": self.provider,
                "endpoint": error.endpoint,
                "code": error.code,
                "pause_s": pause,
            },
        )

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text


def _head(raw: urllib3.BaseHTTPResponse, size: int) -> bytes:
    try:
        return raw.read(size, decode_content=True)
    except (urllib3.exceptions.HTTPError, OSError):
        return b""


def _cookies(response: requests.Response) -> tuple[str, ...]:
    lines = response.raw.headers.getlist("Set-Cookie")
    return tuple(line.partition(";")[0].strip() for line in lines)
