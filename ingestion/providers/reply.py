"""What came back over the wire, before anybody has understood it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from ingestion.providers.errors import Malformed

_EXCERPT_CHARS = 160


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer.

    `headers` has lower-case names. `asked_at` and `received_at` are epoch seconds of the
    service's clock, just before the request and just after the last byte. `origin` is
    `vendor`, `synthetic` or `replayed`. `cookies` are `name=value` pairs. `clean` takes
    secrets out of a text.
    """

    provider: str
    endpoint: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: str
    asked_at: float
    received_at: float
    cookies: tuple[str, ...] = field(default=(), repr=False)
    clean: Callable[[str], str] = field(default=str, repr=False)

    def malformed(self, detail: str) -> Malformed:
        """The error that says this answer is not what the vendor documents."""
        return Malformed(self.provider, self.endpoint, detail)

    @property
    def text(self) -> str:
        """The beginning of the body, without secrets."""
        return self.clean(self.body[:4096].decode("utf-8", "replace"))

    @property
    def html(self) -> bool:
        """Whether it is a page for people rather than an answer for programs."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind in ("text/html", "application/xhtml+xml") or looks_like_markup(self.body)

    def document(self) -> object:
        """The decoded JSON body. Raises Malformed for HTML, nothing at all, or no JSON
        (which includes NaN, Infinity and a body that was cut off)."""
        if self.html:
            raise self.malformed(f"an HTML page, not JSON: {excerpt(self.text)}")
        if not self.body.strip():
            raise self.malformed("an empty body")
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            place = f"{error.msg} at character {error.pos} of {len(self.body)} bytes"
            raise self.malformed(f"not JSON: {place}: {excerpt(self.text)}") from None


def looks_like_markup(body: bytes) -> bool:
    """Whether a body begins like HTML or XML."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def excerpt(text: str) -> str:
    """The first few characters, escaped so that they are one harmless line of ASCII."""
    return ascii(text[:_EXCERPT_CHARS]) + ("…" if len(text) > _EXCERPT_CHARS else "")
