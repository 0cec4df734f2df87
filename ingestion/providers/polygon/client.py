"""Polygon (renamed Massive): aggregates per ticker, or a whole day of the market at once."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest, CallGate, Instrument
from ingestion.providers.dates import first_label, last_label
from ingestion.providers.enquiry import Enquiry
from ingestion.providers.errors import (
    AuthFailed,
    NotEntitled,
    ProviderError,
    RateLimited,
    UnknownSymbol,
)
from ingestion.providers.http import HttpClient, VendorRules
from ingestion.providers.polygon.parse import Page, parse_aggs, parse_grouped
from ingestion.providers.refusal import Refusal
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Window
from ingestion.providers.tickers import CRYPTO, NEW_YORK, crypto_pair, in_path
from universe.domain.interval import Interval
from universe.domain.session import date_of
from universe.domain.time_range import TimeRange

SOURCE = Source(
    name="polygon",
    provider="polygon",
    scope=Scope.CONSOLIDATED,
    basis={Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW},
    # A minute without a trade is left out. An answer with no bars at all proves nothing
    # (nulls under load, dates before the plan's history): it is never `complete`.
    confirms_no_trade=True,
    settle_lag_s=120,
)

_ROWS = 50_000
_GROUPED_FROM = 3
"""So many symbols of one day are cheaper as one answer about the whole market."""
_DELAY_S = 16 * 60
"""What a plan with delayed data may be missing, a minute of grace included."""
_MAX_PAGES = 1_000
_DAY = 86_400


def classify(refusal: Refusal) -> type[ProviderError] | None:
    """Polygon's errors: the body's `status` and words, whatever the HTTP status."""
    if refusal.field("status") == "NOT_AUTHORIZED":
        return NotEntitled
    if refusal.field("status") == "NOT_FOUND":
        return UnknownSymbol
    if refusal.field("status") == "ERROR":
        if "exceeded the maximum requests" in refusal.field("error"):
            return RateLimited
        if "api key" in refusal.field("error").lower():
            return AuthFailed
    return None


class PolygonAdapter:
    """Minute and daily bars, raw. Safe to use from many threads."""

    name = "polygon"

    def __init__(self, gate: CallGate, base_url: str, key: str) -> None:
        rules = VendorRules(self.name, classify)
        headers = {"Authorization": f"Bearer {key}"}
        self._http = HttpClient(rules, gate, base_url, headers, [key])

    def sources(self) -> tuple[Source, ...]:
        """The one source."""
        return (SOURCE,)

    def batch_size(
        self,
        source: Source,
        interval: Interval,
        range: TimeRange,
    ) -> int:
        """Any number of symbols for one session's daily bars, else one."""
        return 10_000 if interval is Interval.DAY and range.seconds <= _DAY else 1

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        """See Adapter."""
        enquiry = Enquiry(self._http, source, request)
        if enquiry.too_early:
            return enquiry.nothing_yet()
        everyone = dict(enumerate(request.instruments))
        together = {i: each for i, each in everyone.items() if each.asset_class != CRYPTO}
        one_day = request.interval is Interval.DAY and request.range.seconds <= _DAY
        if not one_day or len(together) < _GROUPED_FROM:
            together = {}
        if together:
            self._ask_grouped(enquiry, together)
        enquiry.each(
            [index for index in everyone if index not in together],
            lambda index, instrument: self._ask_aggs(enquiry, index, instrument),
        )
        return enquiry.answer()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    # ---- one ticker -----------------------------------------------------------------

    def _ask_aggs(self, enquiry: Enquiry, index: int, instrument: Instrument) -> None:
        ticker, zone = _spelling(instrument)
        path = f"/v2/aggs/ticker/{in_path(ticker)}/range/1/{_span(enquiry.request, enquiry.range)}"
        params = [("adjusted", "false"), ("sort", "asc"), ("limit", str(_ROWS))]

        def read(reply: Reply, window: Window) -> Page:
            return parse_aggs(self._document(reply), ticker, window)

        rows = 0
        visited = {path}
        while True:
            page = enquiry.ask("aggs", path, read, params, zone)
            rows += page.rows
            enquiry.keep(page.parsed, index)
            if page.next_url is None:
                break
            path, params = self._own(page.next_url), []
            if path in visited or len(visited) >= _MAX_PAGES:
                raise enquiry.malformed("aggs", "its pages lead in a circle")
            visited.add(path)
            if len(page.parsed.bars):
                end = int(page.parsed.bars.ts.max()) + enquiry.request.interval.seconds
                enquiry.cover([index], TimeRange(enquiry.range.start, end), complete=True)
        enquiry.cover([index], _covered(enquiry, page), complete=rows > 0)

    def _own(self, next_url: str) -> str:
        """`next_url` below our own base URL: vendors move, and the key goes nowhere else."""
        parts = urlsplit(next_url)
        prefix = urlsplit(self._http.base_url).path
        path = parts.path.removeprefix(prefix) if prefix else parts.path
        query = "&".join(p for p in parts.query.split("&") if not p.startswith("apiKey="))
        return f"/{path.lstrip('/')}" + (f"?{query}" if query else "")

    # ---- the whole market -----------------------------------------------------------

    def _ask_grouped(self, enquiry: Enquiry, instruments: Mapping[int, Instrument]) -> None:
        owners = {_spelling(instrument)[0]: index for index, instrument in instruments.items()}
        day = date_of(first_label(enquiry.request.range))

        def read(reply: Reply, window: Window) -> Page:
            return parse_grouped(self._document(reply), owners, window)

        path = f"/v2/aggs/grouped/locale/us/market/stocks/{day}"
        params = [("adjusted", "false"), ("include_otc", "true")]
        try:
            page = enquiry.ask("grouped", path, read, params, NEW_YORK)
        except ProviderError as error:
            enquiry.fail(instruments, error)
            return
        enquiry.keep(page.parsed)
        enquiry.cover(instruments, enquiry.range, complete=page.rows > 0)

    def _document(self, reply: Reply) -> object:
        document = reply.document()
        status = document.get("status") if isinstance(document, dict) else None
        if status not in ("OK", "DELAYED"):
            raise self._http.refusal(reply)
        return document


def _spelling(instrument: Instrument) -> tuple[str, str]:
    """Polygon's ticker and the zone whose dates its daily bars have."""
    if instrument.asset_class == CRYPTO:
        return "X:" + "".join(crypto_pair(instrument, "polygon")), "UTC"
    return instrument.ticker, NEW_YORK


def _span(request: BarRequest, answerable: TimeRange) -> str:
    if request.interval is Interval.DAY:
        first, last = first_label(request.range), last_label(request.range)
        return f"day/{date_of(first)}/{date_of(last)}"
    # `to` snaps to the end of its minute: a millisecond less leaves the next bar out.
    return f"minute/{answerable.start * 1000}/{answerable.end * 1000 - 1}"


def _covered(enquiry: Enquiry, page: Page) -> TimeRange | None:
    covered = enquiry.range
    if not page.delayed or enquiry.request.interval is Interval.DAY:
        return covered
    end = int(enquiry.began - _DELAY_S) // 60 * 60
    return covered.intersection(TimeRange(min(covered.start, end - 60), end))
