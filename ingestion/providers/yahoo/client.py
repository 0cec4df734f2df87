"""Yahoo Finance (unofficial, without a key): charts, one symbol a call."""

from __future__ import annotations

from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest, CallGate, Instrument
from ingestion.providers.dates import first_label, local_midnight, pieces
from ingestion.providers.enquiry import Enquiry
from ingestion.providers.errors import (
    AuthFailed,
    Banned,
    Incomplete,
    NotEntitled,
    ProviderError,
    UnknownSymbol,
)
from ingestion.providers.http import HttpClient, Params, VendorRules
from ingestion.providers.refusal import Refusal
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Parsed, Window
from ingestion.providers.tickers import CRYPTO, NEW_YORK, in_path
from ingestion.providers.yahoo.parse import parse_chart
from ingestion.providers.yahoo.session import CrumbSession
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

SOURCE = Source(
    name="yahoo",
    provider="yahoo",
    scope=Scope.CONSOLIDATED,
    basis={Interval.MINUTE: Basis.SPLIT, Interval.DAY: Basis.SPLIT},
    confirms_no_trade=False,  # rows are missing without a reason
    settle_lag_s=120,
)

_MINUTE_PIECE_S = 7 * 86_400  # it gives 8 days a call
_MINUTE_HISTORY_S = 29 * 86_400  # it gives about 30 days in all
_DAY_PIECE_S = 40 * 366 * 86_400


class InvalidCrumb(AuthFailed):
    """The session has expired: a new crumb will do."""


def classify(refusal: Refusal) -> type[ProviderError] | None:
    """Yahoo's errors, in `chart.error` or `finance.error`, or its bare status."""
    code, description = (
        refusal.field("chart", "error", name) or refusal.field("finance", "error", name)
        for name in ("code", "description")
    )
    if description.lower() in ("invalid crumb", "invalid cookie"):
        return InvalidCrumb
    if refusal.status in (403, 999):
        return Banned
    if code == "Unprocessable Entity":
        return NotEntitled  # minutes of too long ago, or too many of them
    if code == "Not Found":
        return UnknownSymbol
    if code == "Bad Request" and "data doesn't exist" in description.lower():
        return Incomplete
    if code == "Unauthorized":
        return AuthFailed
    return None


class YahooAdapter:
    """Minute and daily bars, split-adjusted. Safe to use from many threads."""

    name = "yahoo"

    def __init__(self, gate: CallGate, base_url: str) -> None:
        # Nobody promised us anything here, and blocks can last for more than a day.
        rules = VendorRules(
            self.name, classify, cooldown_s=900, cooldown_max_s=86_400, ban_s=86_400
        )
        agent = {"User-Agent": "Mozilla/5.0 (compatible; market-data-service)"}
        self._http = HttpClient(rules, gate, base_url, agent)
        self._session = CrumbSession(self._http)

    def sources(self) -> tuple[Source, ...]:
        """The one source."""
        return (SOURCE,)

    def batch_size(
        self,
        source: Source,
        interval: Interval,
        range: TimeRange,
    ) -> int:
        """A chart is of one symbol."""
        return 1

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        """See Adapter."""
        enquiry = Enquiry(self._http, source, request)
        if enquiry.too_early:
            return enquiry.nothing_yet()
        enquiry.each(
            range(len(request.instruments)),
            lambda index, instrument: self._ask(enquiry, index, instrument),
        )
        return enquiry.answer()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _ask(self, enquiry: Enquiry, index: int, instrument: Instrument) -> None:
        served = self._served(enquiry)
        interval = enquiry.request.interval
        complete = True
        for piece in pieces(
            served, _MINUTE_PIECE_S if interval is Interval.MINUTE else _DAY_PIECE_S
        ):
            parsed = self._chart(enquiry, instrument, piece)
            complete = complete and parsed is not None
            enquiry.keep(parsed or Parsed.nothing(), index)
            enquiry.cover([index], TimeRange(served.start, piece.end), complete=complete)

    def _served(self, enquiry: Enquiry) -> TimeRange:
        """The part of the range that Yahoo may still have."""
        if enquiry.request.interval is Interval.DAY:
            return enquiry.range
        oldest = int(enquiry.began - _MINUTE_HISTORY_S) // 60 * 60
        if enquiry.range.end <= oldest:
            detail = "it has minutes of the last 30 days only"
            raise NotEntitled(self.name, "chart", detail)
        return TimeRange(max(enquiry.range.start, oldest), enquiry.range.end)

    def _chart(self, enquiry: Enquiry, instrument: Instrument, piece: TimeRange) -> Parsed | None:
        symbol = _spelling(instrument)
        zone = "UTC" if instrument.asset_class == CRYPTO else instrument.timezone
        start, end = piece.start, piece.end
        if enquiry.request.interval is Interval.DAY:
            # Rows are dated at the open: from local midnight on, all of that date.
            start, end = (local_midnight(label, zone) for label in (first_label(piece), end))
        params = [
            ("interval", str(enquiry.request.interval)),
            ("period1", str(start)),
            ("period2", str(end)),
            ("includePrePost", "false"),
        ]

        def read(reply: Reply, window: Window) -> Parsed | None:
            document = reply.document()
            if _says_error(document):
                raise self._http.refusal(reply)
            return parse_chart(document, symbol, window)

        path = f"/v8/finance/chart/{in_path(symbol)}"
        credentials = self._session.credentials(enquiry.count_call)
        for last_try in (False, True):
            query: Params = [*params, ("crumb", credentials.crumb)]
            headers = {"Cookie": credentials.cookie}
            try:
                return enquiry.ask("chart", path, read, query, zone, headers)
            except InvalidCrumb:
                if last_try:
                    raise
                credentials = self._session.credentials(enquiry.count_call, credentials)
        raise AssertionError("unreachable: the last try returns or raises")


def _says_error(document: object) -> bool:
    if not isinstance(document, dict):
        return False
    chart = document.get("chart")
    return "finance" in document or (isinstance(chart, dict) and bool(chart.get("error")))


def _spelling(instrument: Instrument) -> str:
    """Yahoo writes share classes with a dash (BRK-B) and exchanges after a dot (7203.T)."""
    if instrument.asset_class != CRYPTO and instrument.timezone == NEW_YORK:
        return instrument.ticker.replace(".", "-")
    return instrument.ticker
