"""Yahoo's session: a cookie and the crumb that belongs to it, shared by all threads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from ingestion.providers.errors import AuthFailed
from ingestion.providers.http import HttpClient
from ingestion.providers.reply import Reply, excerpt

# Eleven characters as a rule. What an error says in one word has none of the marks either,
# so such words are refused by name.
_CRUMB = re.compile(r"[A-Za-z0-9._~/\\-]{4,64}")
_NO_CRUMBS = {"unauthorized", "forbidden", "null", "none", "undefined", "error", "false", "true"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to send: the `Cookie` header and the `crumb` parameter."""

    cookie: str = field(repr=False)
    crumb: str = field(repr=False)


class CrumbSession:
    """Gets credentials when first needed, and new ones when the old are refused."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        host = urlsplit(http.base_url).hostname or ""
        real = host == "yahoo.com" or host.endswith(".yahoo.com")
        self._cookie_url = "https://fc.yahoo.com/" if real else "/"
        self._crumb_base = "https://query1.finance.yahoo.com" if real else ""

    def credentials(
        self, count_call: Callable[[], None], refused: Credentials | None = None
    ) -> Credentials:
        """The credentials in use; new ones if those in use are the `refused` ones.

        `count_call` is called for every HTTP request it takes. Raises ProviderError.
        """
        with self._lock:
            if self._credentials is None or self._credentials is refused:
                self._credentials = None
                self._credentials = self._obtain(count_call)
            return self._credentials

    def _obtain(self, count_call: Callable[[], None]) -> Credentials:
        get = partial(self._http.get, on_request=count_call)
        cookie = get("cookie", self._cookie_url, self._read_cookie, any_status=True)
        headers = {"Accept": "*/*", **({"Cookie": cookie} if cookie else {})}
        path = f"{self._crumb_base}/v1/test/getcrumb"
        return get("crumb", path, lambda reply: _read_crumb(reply, cookie), headers=headers)

    def _read_cookie(self, reply: Reply) -> str:
        """The page itself may well be a 404; the cookie comes with it."""
        if reply.status in (401, 403, 429, 999) or reply.status >= 500:
            if reply.status >= 500 and reply.cookies:
                return "; ".join(reply.cookies)
            raise self._http.refusal(reply)
        return "; ".join(reply.cookies)


def _read_crumb(reply: Reply, cookie: str) -> Credentials:
    """A crumb is one short word; anything else is an error's text, whatever its status."""
    text = reply.body[:200].decode("utf-8", "replace").strip().strip('"')
    if not _CRUMB.fullmatch(text) or text.lower() in _NO_CRUMBS or reply.html:
        detail = f"no crumb but {excerpt(text)}" if text else "no crumb but an empty body"
        raise AuthFailed(reply.provider, reply.endpoint, detail)
    return Credentials("; ".join(filter(None, (cookie, *reply.cookies))), text)
