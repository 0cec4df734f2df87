"""The query string of a request for bars, read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeVar, get_args

from django.http import QueryDict

from ingestion.api.errors import InputInvalid
from ingestion.domain.bar_series import Hours
from universe.domain.interval import Interval, UnknownInterval, parse_interval

DEFAULT_LIMIT = 10_000
MAX_LIMIT = 100_000

Layout = Literal["columns", "rows"]
Format = Literal["json", "csv", "arrow"]
Bound = date | int
"""A session date, or epoch seconds (rounded up: no bar opens within a second)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_FORM = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME_FORM = r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_ZONE_FORM = "(Z|[+-][0-9]{2}:?[0-9]{2})"
MOMENT_PATTERN = f"^{_DAY_FORM}{_TIME_FORM}{_ZONE_FORM}$"
BOUND_PATTERN = f"^{_DAY_FORM}({_TIME_FORM}{_ZONE_FORM})?$"
PAGE_PATTERN = "^[A-Za-z0-9_-]{60}$"
_DATE = re.compile(_DAY_FORM)
_MOMENT = re.compile(f"{_DAY_FORM}{_TIME_FORM}{_ZONE_FORM}?")
_SPACED_ZONE = re.compile(r"(T[\d:.]+) (\d{2}:?\d{2})")  # a `+` that was not percent-encoded

_ZONED = "an ISO 8601 time with a zone, such as 2026-01-02T14:30:00Z"
_DATED = f"a session date, such as 2026-01-02, or {_ZONED}"


@dataclass(frozen=True, slots=True)
class BarParameters:
    """What was asked; `as_of` in epoch µs. `texts` has what was given, word for word."""

    interval: Interval
    start: Bound | None = None
    end: Bound | None = None
    as_of: int | None = None
    hours: Hours = "regular"
    limit: int = DEFAULT_LIMIT
    page: str | None = None
    layout: Layout = "columns"
    format: Format = "json"
    texts: Mapping[str, str] = field(default_factory=dict)

    def identity(self) -> tuple[str, ...]:
        """What tells queries for different bars apart."""
        return (self.interval, self.hours, *(self.texts.get(name, "") for name in _RANGING))


def parse(query: QueryDict, default: Interval, allowed: Sequence[Interval]) -> BarParameters:
    """The parameters of a request. Raises InputInvalid for the first that is unknown, given
    twice, malformed or out of bounds."""
    values: dict[str, object] = {"interval": default}
    for name, given in query.lists():
        reader = _READERS.get(name)
        if reader is None:
            raise InputInvalid(name, given[-1], f"the parameters are {', '.join(_READERS)}")
        if len(given) > 1:
            raise InputInvalid(name, ", ".join(given), "given once")
        values[name] = reader(name, given[0])
    if values["interval"] not in allowed:
        raise InputInvalid("interval", str(values["interval"]), _one_of(allowed))
    for fixed in _FIXED:
        values.pop(fixed, None)
    return BarParameters(**values, texts=query.dict())  # type: ignore[arg-type]  # as read


# ---- one parameter each ------------------------------------------------------------------


def epoch_us(moment: datetime) -> int:
    """An aware datetime in whole microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _one_of(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else f"only {words[0]}"


def _interval(name: str, text: str) -> Interval:
    try:
        return parse_interval(text)
    except UnknownInterval:
        raise InputInvalid(name, text, _one_of(list(Interval))) from None


def _moment(name: str, text: str, bound: str) -> datetime:
    text = _SPACED_ZONE.sub(r"\1+\2", text)
    shape = _MOMENT.fullmatch(text)
    if shape is None:
        raise InputInvalid(name, text, bound)
    if shape[3] is None:
        raise InputInvalid(name, text, f"{_ZONED}: this one names no zone")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputInvalid(name, text, f"{bound}: there is no such moment") from None
    if moment < _EPOCH:
        raise InputInvalid(name, text, "1970-01-01T00:00:00Z or later")
    return moment


def _bound(name: str, text: str) -> Bound:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise InputInvalid(name, text, f"{_DATED}: there is no such day") from None
    return -(-epoch_us(_moment(name, text, _DATED)) // 1_000_000)


def _as_of(name: str, text: str) -> int:
    return epoch_us(_moment(name, text, _ZONED))


def _limit(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise InputInvalid(name, text, f"a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _page(name: str, text: str) -> str:
    if not text:
        raise InputInvalid(name, text, "the `next` of an answer")
    return text


_Word = TypeVar("_Word", bound=str)


def _words(*words: _Word) -> Callable[[str, str], _Word]:
    def read(name: str, text: str) -> _Word:
        for word in words:
            if word == text:
                return word
        raise InputInvalid(name, text, _one_of(words))

    return read


def _adjustment(name: str, text: str) -> str:
    if text != "raw":
        raise InputInvalid(name, text, "only raw, until splits are known")
    return text


_READERS: dict[str, Callable[[str, str], object]] = {
    "interval": _interval,
    "start": _bound,
    "end": _bound,
    "as_of": _as_of,
    "adjustment": _adjustment,
    "hours": _words(*get_args(Hours)),
    "fill": _words("none"),
    "limit": _limit,
    "page": _page,
    "layout": _words(*get_args(Layout)),
    "format": _words(*get_args(Format)),
}
_FIXED = ("adjustment", "fill")  # accepted with the one value that there is so far
_RANGING = ("start", "end", "as_of")
