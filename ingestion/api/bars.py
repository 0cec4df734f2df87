"""`/stocks/{symbol}/history` and `/intraday`: stored bars, with what is known about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from ingestion.api import answers, lookup, page_token, parameters, spans
from ingestion.api.documents import bar_operation
from ingestion.api.errors import CalendarEnded
from ingestion.api.page_token import Position
from ingestion.api.parameters import BarParameters
from ingestion.domain.bar_series import BarPage
from ingestion.store import reader
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.session import DateNotCovered, date_of
from universe.domain.session_grid import SessionGrid
from universe.models import Symbol
from universe.services import sessions

_SETTLED_MAX_AGE_S = 60


class BarQuery:
    """One request for bars, resolved: whose, which range, at which moment."""

    def __init__(self, ticker: str, asked: BarParameters, now: int) -> None:
        self.ticker, self.asked, self.now = ticker.upper(), asked, now
        self.symbol: Symbol = lookup.find(ticker, spans.resolve_on(asked, date_of(now)))
        self.grid: SessionGrid = sessions.grid(self.symbol.calendar_id)
        self.identity = (str(self.symbol.pk), *asked.identity())
        self.as_of = asked.as_of
        self.after: int | None = None
        if asked.page is None:
            self.range = spans.span(asked, self.grid, now)
        else:
            position = page_token.read(asked.page, self.identity)
            self.range, self.as_of = position.range, position.as_of
            self.after = position.after

    def read(self) -> BarPage:
        """The page of bars."""
        return reader.read(
            self.symbol,
            self.asked.interval,
            self.grid,
            self.range,
            as_of=self.as_of,
            hours=self.asked.hours,
            limit=self.asked.limit,
            after=self.after,
        )

    def next_token(self, page: BarPage) -> str | None:
        """The token of the page after this one."""
        if page.next is None or page.as_of is None:
            return None
        return page_token.write(Position(self.range, page.as_of, page.next), self.identity)

    def etag(self, changed_at: int | None) -> str:
        """Weak: the same bars and completeness, if perhaps with a newer watermark.

        They change when the series does, when the calendar or the listing does, and while
        the range reaches into the present, with every minute.
        """
        asked, symbol = self.asked, self.symbol
        minute = self.now // 60 if self.range.end > self.now - 60 else None
        known = (
            self.identity, self.range, self.as_of, self.after, asked.limit, asked.layout,
            asked.format, self.ticker, changed_at, self.grid.version, symbol.listed_on,
            symbol.delisted_on, minute,
        )  # fmt: skip
        return f'W/"{hashlib.blake2b(repr(known).encode(), digest_size=12).hexdigest()}"'


class BarsView(APIView):
    """Stored bars of one symbol over one range, as they are known now or were at a moment."""

    required_scope = "read"
    other_problems = {
        "503": (
            "The database does not answer, or the exchange's calendar does not reach the present."
        )
    }
    default_interval: Interval
    intervals: Sequence[Interval]

    def get(self, request: Request, symbol: str) -> HttpResponse:
        """The bars."""
        asked = parameters.parse(request.query_params, self.default_interval, self.intervals)
        try:
            return self._answer(request, BarQuery(symbol, asked, clock.now_epoch()))
        except DateNotCovered as error:
            raise CalendarEnded(f"{error}.") from None

    def _answer(self, request: Request, query: BarQuery) -> HttpResponse:
        wanted = request.META.get("HTTP_IF_NONE_MATCH")
        if wanted:
            etag = query.etag(reader.stamp(query.symbol.pk, query.asked.interval).changed_at)
            if _matches(wanted, etag):
                return _cacheable(HttpResponse(status=304), query, etag)
        page = query.read()
        asked_as_of = query.asked.as_of
        late = asked_as_of is not None and (page.as_of is None or asked_as_of > page.as_of)
        answer = answers.Answer(
            ticker=query.ticker,
            interval=query.asked.interval,
            page=page,
            origin=lookup.origin(page.sources),
            next=query.next_token(page),
            as_of_requested=asked_as_of if late else None,
        )
        response = answers.respond(answer, query.asked.format, query.asked.layout)
        if answer.next:
            response["Link"] = f'<{_next_address(request, answer.next)}>; rel="next"'
        return _cacheable(response, query, query.etag(page.changed_at))


def _matches(wanted: str, etag: str) -> bool:
    return wanted.strip() == "*" or etag in (tag.strip() for tag in wanted.split(","))


def _next_address(request: Request, token: str) -> str:
    query = request.query_params.copy()
    query["page"] = token
    return f"{request.path}?{query.urlencode()}"


def _cacheable(response: HttpResponse, query: BarQuery, etag: str) -> HttpResponse:
    """Whoever keeps the answer asks again whether it holds; one of the past, asked `as_of` a
    moment, may be believed for a while."""
    who = "public" if settings.PUBLIC_READ else "private"
    settled = query.as_of is not None and query.as_of // 1_000_000 < query.now
    response["Cache-Control"] = f"{who}, max-age={_SETTLED_MAX_AGE_S if settled else 0}"
    response["ETag"] = etag
    return response


@bar_operation("history", Interval.DAY, tuple(Interval))
class HistoryView(BarsView):
    """Daily bars, or minutes, over any range."""

    default_interval = Interval.DAY
    intervals = tuple(Interval)


@bar_operation("intraday", Interval.MINUTE, (Interval.MINUTE,))
class IntradayView(BarsView):
    """Minutes; without a range those of the latest session."""

    default_interval = Interval.MINUTE
    intervals = (Interval.MINUTE,)
