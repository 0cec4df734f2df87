"""Bars on the wire: JSON in columns or rows, CSV, Arrow. Straight from the store's arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
from django.http import HttpResponse

from ingestion.api.parameters import Format, Layout
from ingestion.domain.bar_batch import Int64s
from ingestion.domain.bar_series import BarPage
from ingestion.domain.source import Basis
from universe.domain.interval import Interval

ARROW_TYPE = "application/vnd.apache.arrow.stream"
COLUMNS = ("t", "o", "h", "l", "c", "v")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_us(moment: int | None) -> str | None:
    """Epoch µs as ISO 8601 with all six digits, fit to be sent back as `as_of`."""
    if moment is None:
        return None
    at = _EPOCH + timedelta(microseconds=moment)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of bars and what is to be said about it. `next` is the next page's token.

    `as_of_requested` (epoch µs) is what was asked for, where the answer had to be given at
    the watermark below it.
    """

    ticker: str
    interval: Interval
    page: BarPage
    origin: str
    next: str | None
    as_of_requested: int | None = None

    def heading(self) -> dict[str, Any]:
        """Which bars these are."""
        heading: dict[str, Any] = {
            "symbol": self.ticker,
            "interval": self.interval,
            "basis": Basis.RAW,
            "as_of": iso_us(self.page.as_of),
        }
        if self.as_of_requested is not None:
            heading["as_of_requested"] = iso_us(self.as_of_requested)
        return heading

    def knowledge(self) -> dict[str, Any]:
        """What is known about them."""
        return {
            "completeness": self.page.completeness,
            "sources": self.page.sources,
            "origin": self.origin,
            "next": self.next,
        }


def respond(answer: Answer, form: Format, layout: Layout) -> HttpResponse:
    """The answer as a response; CSV and Arrow say in headers or schema metadata what JSON
    says around the bars."""
    if form == "csv":
        return HttpResponse(
            _csv(answer.page), content_type="text/csv; charset=utf-8", headers=_headers(answer)
        )
    if form == "arrow":
        return HttpResponse(_arrow(answer), content_type=ARROW_TYPE, headers=_headers(answer))
    bars: object = list(_rows(answer.page)) if layout == "rows" else _columns(answer.page)
    body = {**answer.heading(), "bars": bars, **answer.knowledge()}
    return HttpResponse(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), content_type="application/json"
    )


def _columns(page: BarPage) -> dict[str, object]:
    return {name: getattr(page, name) for name in COLUMNS}


def _iso_times(t: Int64s) -> list[str]:
    return [f"{text}Z" for text in np.datetime_as_string(t.astype("datetime64[s]")).tolist()]


def _rows(page: BarPage) -> Iterator[dict[str, object]]:
    values = (getattr(page, name).tolist() for name in COLUMNS[1:])
    for row in zip(_iso_times(page.t), *values, strict=True):
        yield dict(zip(COLUMNS, row, strict=True))


def _csv(page: BarPage) -> str:
    values = (map(repr, getattr(page, name).tolist()) for name in COLUMNS[1:])
    lines = map(",".join, zip(_iso_times(page.t), *values, strict=True))
    return "\n".join((",".join(COLUMNS), *lines, ""))


def _texts(answer: Answer) -> dict[str, str]:
    """All but the bars as text; what is neither text nor unknown in JSON."""
    about = answer.heading() | answer.knowledge()
    return {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in about.items()
        if value is not None
    }


def _headers(answer: Answer) -> dict[str, str]:
    return {
        f"X-Market-{name.replace('_', '-').title()}": text for name, text in _texts(answer).items()
    }


def _arrow(answer: Answer) -> bytes:
    import pyarrow as pa  # 40 MB that only callers who want Arrow should cost

    page = answer.page
    schema = pa.schema(
        [("t", pa.timestamp("s", tz="UTC")), *((name, pa.float64()) for name in COLUMNS[1:])],
        metadata=_texts(answer),
    )
    arrays = [getattr(page, name) for name in COLUMNS]
    columns = [pa.array(array, field.type) for array, field in zip(arrays, schema, strict=True)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return bytes(sink.getvalue().to_pybytes())
