"""Finnhub: candles, one symbol a call."""

from __future__ import annotations

from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest, CallGate, Instrument
from ingestion.providers.dates import pieces
from ingestion.providers.enquiry import Enquiry
from ingestion.providers.errors import AuthFailed, NotEntitled, ProviderError, RateLimited
from ingestion.providers.finnhub.parse import parse_candles
from ingestion.providers.http import HttpClient, VendorRules
from ingestion.providers.refusal import Refusal
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Parsed, Window
from ingestion.providers.tickers import CRYPTO, crypto_pair
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

SOURCE = Source(
    name="finnhub",
    provider="finnhub",
    scope=Scope.CONSOLIDATED,
    basis={Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.SPLIT},
    confirms_no_trade=False,  # minutes that did trade are missing from its answers too
    settle_lag_s=120,
)

_PIECE_S = {Interval.MINUTE: 28 * 86_400, Interval.DAY: 20 * 366 * 86_400}
"""The range of one call: about a month of minutes is the most it gives."""


def classify(refusal: Refusal) -> type[ProviderError] | None:
    """Finnhub's errors by their words, which may be JSON or plain text."""
    text = refusal.text.lower()
    if "access to this resource" in text:
        return NotEntitled
    if "please sign up" in text or "invalid api key" in text:
        return AuthFailed  # the first is what an empty token gets, as a 429
    if "api limit reached" in text:
        return RateLimited
    return None


class FinnhubAdapter:
    """Minute bars raw, daily bars split-adjusted. Safe to use from many threads."""

    name = "finnhub"

    def __init__(self, gate: CallGate, base_url: str, key: str) -> None:
        headers = {"X-Finnhub-Token": key}
        self._http = HttpClient(VendorRules(self.name, classify), gate, base_url, headers, [key])

    def sources(self) -> tuple[Source, ...]:
        """The one source."""
        return (SOURCE,)

    def batch_size(
        self,
        source: Source,
        interval: Interval,
        range: TimeRange,
    ) -> int:
        """There is no endpoint for many symbols."""
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
        endpoint, symbol = "stock_candle", instrument.ticker
        if instrument.asset_class == CRYPTO:
            base, currency = crypto_pair(instrument, self.name)
            # Binance, where most crypto trades, quotes dollars as Tether.
            quoted = "USDT" if currency == "USD" else currency
            endpoint, symbol = "crypto_candle", f"BINANCE:{base}{quoted}"
        interval = enquiry.request.interval
        zone = "UTC" if instrument.asset_class == CRYPTO else instrument.timezone
        complete = True
        for piece in pieces(enquiry.range, _PIECE_S[interval]):
            params = [
                ("symbol", symbol),
                ("resolution", "1" if interval is Interval.MINUTE else "D"),
                ("from", str(piece.start)),
                ("to", str(piece.end - 1)),
            ]
            path = f"/{endpoint.replace('_', '/')}"
            parsed = enquiry.ask(endpoint, path, self._read, params, zone)
            complete = complete and parsed is not None
            enquiry.keep(parsed or Parsed.nothing(), index)
            covered = TimeRange(enquiry.range.start, piece.end)
            enquiry.cover([index], covered, complete=complete)

    def _read(self, reply: Reply, window: Window) -> Parsed | None:
        document = reply.document()
        if isinstance(document, dict) and "error" in document:
            raise self._http.refusal(reply)
        return parse_candles(document, window)
