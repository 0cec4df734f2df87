"""The shapes of market-data requests and answers, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from ingestion.api import parameters, spans
from ingestion.api.answers import ARROW_TYPE
from ingestion.domain.bar_series import Hours
from universe.domain.interval import Interval

TAG = "Market data"
MAX_BATCH = 1_000

_Origin = Literal["vendor", "synthetic", "replayed", "import"]
_Time = Field(description="epoch seconds, UTC: a minute's open, or 00:00Z of the session date")


class BarColumns(BaseModel):
    """Parallel arrays, ascending in time."""

    t: list[int] = _Time
    o: list[float] = Field(description="open")
    h: list[float] = Field(description="high")
    l: list[float] = Field(description="low")  # noqa: E741 (the wire's own name)
    c: list[float] = Field(description="close")
    v: list[float] = Field(description="volume; may be fractional")


class BarRow(BaseModel):
    """One bar, with `layout=rows`."""

    t: AwareDatetime = Field(description="UTC: a minute's open, or 00:00Z of the session date")
    o: float
    h: float
    l: float  # noqa: E741 (the wire's own name)
    c: float
    v: float


class CompletenessShape(BaseModel):
    """Of the regular bars expected in the part of the range that this page covers, as known
    today. The counts add up, and over all pages of a query they sum to the range's."""

    model_config = ConfigDict(title="Completeness")

    expected: int
    stored: int
    no_trade: int = Field(description="confirmed not to exist: nothing was traded")
    missing: int = Field(description="in the gap ledger, not settled yet, or never collected")


class Bars(BaseModel):
    """Stored bars, and what is known about them."""

    symbol: str
    interval: Interval
    basis: Literal["raw"] = Field(description="price adjustment")
    as_of: AwareDatetime | None = Field(
        description=(
            "the moment the bars are of: asked again with `as_of` set to it, they are the same"
            " forever. null: nothing was ever stored"
        )
    )
    as_of_requested: AwareDatetime | None = Field(
        None, description="only where `as_of` was asked above the newest commit"
    )
    bars: BarColumns | list[BarRow] = Field(description="columns, or with `layout=rows` rows")
    completeness: CompletenessShape
    sources: list[str] = Field(description="where this page's bars came from")
    origin: _Origin = Field(description="whether the data is real")
    next: str | None = Field(description="send it as `page` for the next page; null: no more")


class Price(BaseModel):
    """The latest price of a symbol: the close of its newest stored bar."""

    symbol: str
    price: float | None = Field(description="null: no bar is stored")
    ts: int | None = Field(description="the bar's time, epoch seconds")
    age_s: int | None = Field(description="seconds since `ts`")
    interval: Interval | None
    source: str | None
    session: str | None = Field(description="the session date that the bar belongs to")
    hours: Hours | None = Field(description="whether it is a bar of regular hours")
    quote: None = Field(description="no quotes are collected yet")


class SymbolPrice(Price):
    """The latest price of one symbol, and where its data is from."""

    origin: _Origin = Field(description="whether the data is real")


class Batch(BaseModel):
    """Latest prices, in the order they were asked for; tickers that nobody knows apart."""

    origin: _Origin
    prices: list[Price]
    unknown: list[str]


class BatchRequest(BaseModel):
    """Whose latest prices."""

    model_config = ConfigDict(extra="forbid")

    symbols: list[str] = Field(
        description="tickers in any case; a repeated one counts once",
        min_length=1,
        max_length=MAX_BATCH,
    )


class CursorState(BaseModel):
    """How far one source has delivered one series."""

    symbol: str
    interval: Interval
    source: str
    newest_ts: int = Field(description="the newest bar it delivered, epoch seconds")
    as_of: AwareDatetime = Field(description="the commit that last moved it")


# ---- parameters --------------------------------------------------------------------------

SYMBOL = OpenApiParameter(
    "symbol",
    str,
    OpenApiParameter.PATH,
    description=(
        "A ticker, in any case. It is looked up as of `as_of`, or of the range's end, so that a"
        " ticker means whom it meant then."
    ),
    examples=[OpenApiExample("AAPL", "AAPL")],
)


def _word(name: str, words: Sequence[str], default: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, enum=list(words), default=default, description=description)


def _bar_parameters(default: Interval, allowed: Sequence[Interval]) -> list[OpenApiParameter]:
    longest = ", ".join(f"{days} days of {name}" for name, days in spans.MAX_DAYS.items())
    without = (
        "Without it, the last session at the end."
        if default is Interval.MINUTE
        else f"Without it, {spans.DEFAULT_DAYS} days before the end for 1d, and the last session"
        " at the end for 1m."
    )
    return [
        _word("interval", allowed, default, "A bar's width."),
        OpenApiParameter(
            "start",
            {"type": "string", "pattern": parameters.BOUND_PATTERN},
            description=(
                "Where the range begins, inclusive: an ISO 8601 time with a zone, or a session"
                " date. For minutes a date is the beginning of that session (or the next one),"
                f" extended hours included. {without} A range is at most {longest}, and within"
                " the dates that the exchange's calendar covers."
            ),
            examples=[
                OpenApiExample("a session date", "2026-01-02"),
                OpenApiExample("a moment", "2026-01-02T09:30:00-05:00"),
            ],
        ),
        OpenApiParameter(
            "end",
            {"type": "string", "pattern": parameters.BOUND_PATTERN},
            description=(
                "Where the range ends: a time with a zone, exclusive, or a session date, whose"
                " session is still included. Without it, now. For 1d a time is compared with the"
                " bars' labels, 00:00Z of the session date."
            ),
            examples=[
                OpenApiExample("a session date", "2026-01-02"),
                OpenApiExample("a moment", "2026-01-02T21:00:00Z"),
            ],
        ),
        OpenApiParameter(
            "as_of",
            {"type": "string", "pattern": parameters.MOMENT_PATTERN},
            description=(
                "The bars as they stood at this moment (ISO 8601 with a zone). Above the newest"
                " commit the answer is given at that commit: its `as_of` says so."
            ),
            examples=[OpenApiExample("a moment", "2026-01-02T21:30:00.000000Z")],
        ),
        _word("adjustment", ["raw"], "raw", "The price basis; others follow with split data."),
        _word("hours", get_args(Hours), "regular", "extended: bars outside regular hours as well."),
        _word("fill", ["none"], "none", "What stands for an absent bar: nothing."),
        OpenApiParameter(
            "limit",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": parameters.MAX_LIMIT,
                "default": parameters.DEFAULT_LIMIT,
            },
            description="Most bars of one page.",
        ),
        OpenApiParameter(
            "page",
            {"type": "string", "pattern": parameters.PAGE_PATTERN},
            description=(
                "The `next` of the page before (also `Link: rel=next`), with the other"
                " parameters unchanged. All pages are of one moment."
            ),
        ),
        _word("layout", get_args(parameters.Layout), "columns", "How JSON lays the bars out."),
        _word(
            "format",
            get_args(parameters.Format),
            "json",
            "csv and arrow (an IPC stream) carry the rest in `X-Market-…` headers, arrow in its"
            " schema's metadata too.",
        ),
    ]


_View = TypeVar("_View", bound=type)

_ABOUT = {
    "history": ("Bars of a range", "Stored bars of one symbol, ascending, with completeness."),
    "intraday": (
        "Minutes of a session",
        "The same for minutes: without a range, those of the latest session.",
    ),
}


def bar_operation(
    name: str, default: Interval, allowed: Sequence[Interval]
) -> Callable[[_View], _View]:
    """Describes a view that answers with bars."""
    summary, description = _ABOUT[name]
    responses: dict[Any, Any] = {
        (200, "application/json"): Bars,
        (200, "text/csv"): OpenApiTypes.STR,
        (200, ARROW_TYPE): OpenApiTypes.BINARY,
        304: OpenApiResponse(description="What `If-None-Match` names is still right."),
    }
    return extend_schema_view(
        get=extend_schema(
            operation_id=name,
            summary=summary,
            description=description,
            parameters=[SYMBOL, *_bar_parameters(default, allowed)],
            responses=responses,
            tags=[TAG],
        )
    )
