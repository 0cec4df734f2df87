"""One HTTP exchange, freed from HTTP: what came in, what goes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import orjson

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A GET as a vendor sees it.

    `path` begins after the vendor's prefix and has single slashes; `base` is the address
    that the caller used for this vendor, prefix included, without a slash at its end.
    Header names are lower case. `now` is the clock's time in epoch seconds.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    base: str
    now: float

    @property
    def steps(self) -> list[str]:
        """The path's parts."""
        return [step for step in self.path.split("/") if step]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body and what describes them."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Raised to answer at once with something other than data."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(
    document: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    sloppy: bool = False,
) -> Answer:
    """A JSON answer; `sloppy` lets a NaN out as the literal NaN, which JSON does not have."""
    if sloppy:
        return Answer(status, json.dumps(document).encode(), JSON, headers or {})
    return Answer(status, orjson.dumps(document), JSON, headers or {})


def refuse(document: object, status: int, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer at once with this JSON document. Raises Refused."""
    raise Refused(json_answer(document, status, headers))


def refuse_text(text: str, status: int, content_type: str = TEXT) -> NoReturn:
    """Answer at once with this text. Raises Refused."""
    raise Refused(Answer(status, text.encode(), content_type))
