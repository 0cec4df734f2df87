"""Alpaca: bars of many symbols in one call, page after page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.alpaca.parse import Page, parse_bars
from ingestion.providers.base import BarAnswer, BarRequest, CallGate
from ingestion.providers.dates import first_label, last_label, local_midnight, rfc3339
from ingestion.providers.enquiry import Enquiry
from ingestion.providers.errors import NotEntitled, ProviderError, UnknownSymbol
from ingestion.providers.http import HttpClient, VendorRules
from ingestion.providers.refusal import Refusal
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Window
from ingestion.providers.tickers import CRYPTO, NEW_YORK, crypto_pair
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

_RAW = {Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW}
SIP = Source(
    name="alpaca:sip",
    provider="alpaca",
    scope=Scope.CONSOLIDATED,
    basis=_RAW,
    confirms_no_trade=True,
    settle_lag_s=60,
)
IEX = Source(
    name="alpaca:iex",
    provider="alpaca",
    scope=Scope.VENUE,
    basis=_RAW,
    confirms_no_trade=False,
    settle_lag_s=60,
    asset_classes=frozenset({"equity", "etf"}),
)

_ROWS = 10_000
_MAX_SYMBOLS = 1_000
_MAX_QUERY = 6_000  # characters of symbols in a URL; servers commonly take 8,000 in all
_GOOD_PAGES = 10
_MAX_PAGES = 1_000
_MINUTES_A_DAY = 960  # 04:00 to 20:00

Owners = dict[str, int]


def classify(refusal: Refusal) -> type[ProviderError] | None:
    """Alpaca's errors by their `message`."""
    message = refusal.field("message").lower()
    if refusal.status == 403 and "subscription" in message:
        return NotEntitled
    if refusal.status == 400 and "invalid symbol" in message:
        return UnknownSymbol
    return None


class AlpacaAdapter:
    """Minute and daily bars, raw. Safe to use from many threads."""

    name = "alpaca"

    def __init__(self, gate: CallGate, base_url: str, key_id: str, secret: str) -> None:
        headers = {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
        rules = VendorRules(self.name, classify)
        self._http = HttpClient(rules, gate, base_url, headers, [key_id, secret])

    def sources(self) -> tuple[Source, ...]:
        """The consolidated tape, and IEX alone."""
        return (SIP, IEX)

    def batch_size(
        self,
        source: Source,
        interval: Interval,
        range: TimeRange,
    ) -> int:
        """As many symbols as fit ten pages, at most 1,000."""
        days = -(-range.seconds // 86_400)
        rows = days if interval is Interval.DAY else min(range.seconds // 60, days * _MINUTES_A_DAY)
        return max(1, min(_MAX_SYMBOLS, _GOOD_PAGES * _ROWS // max(rows, 1)))

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        """See Adapter. Stocks and crypto have paths of their own and are asked apart."""
        enquiry = Enquiry(self._http, source, request)
        if enquiry.too_early:
            return enquiry.nothing_yet()
        stocks: Owners = {}
        crypto: Owners = {}
        for index, instrument in enumerate(request.instruments):
            if instrument.asset_class not in source.asset_classes:
                detail = f"{source.name} has no {instrument.asset_class}"
                enquiry.fail([index], UnknownSymbol(self.name, "bars", detail))
            elif instrument.asset_class == CRYPTO:
                try:
                    crypto["/".join(crypto_pair(instrument, self.name))] = index
                except UnknownSymbol as error:
                    enquiry.fail([index], error)
            else:
                stocks[instrument.ticker] = index
        self._ask_all(enquiry, stocks, is_crypto=False)
        self._ask_all(enquiry, crypto, is_crypto=True)
        return enquiry.answer()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _ask_all(self, enquiry: Enquiry, owners: Owners, *, is_crypto: bool) -> None:
        for part in _in_urls(owners):
            self._ask_part(enquiry, part, is_crypto=is_crypto)

    def _ask_part(self, enquiry: Enquiry, owners: Owners, *, is_crypto: bool) -> None:
        """Read all pages about these symbols.

        One symbol that the vendor refuses makes it refuse all: they are asked in halves then.
        When a later page fails, the symbols before the last one seen are whole already, as
        rows come sorted by symbol and time.
        """
        if enquiry.hopeless is not None:
            enquiry.fail(owners.values(), enquiry.hopeless)
            return
        seen: list[int] = []
        try:
            for page in self._pages(enquiry, owners, is_crypto=is_crypto):
                enquiry.keep(page.parsed)
                seen += [owner for owner in page.owners if owner not in seen[-1:]]
        except UnknownSymbol as error:
            if len(owners) == 1:
                enquiry.fail(owners.values(), error)
                return
            symbols = list(owners)
            for half in (symbols[: len(symbols) // 2], symbols[len(symbols) // 2 :]):
                self._ask_part(enquiry, {s: owners[s] for s in half}, is_crypto=is_crypto)
        except ProviderError as error:
            whole = set(seen[:-1])
            enquiry.cover(whole, enquiry.range, complete=True)
            enquiry.fail((index for index in owners.values() if index not in whole), error)
        else:
            enquiry.cover(owners.values(), enquiry.range, complete=True)

    def _pages(self, enquiry: Enquiry, owners: Owners, *, is_crypto: bool) -> Iterator[Page]:
        zone = "UTC" if is_crypto else NEW_YORK
        endpoint, path = (
            ("crypto_bars", "/v1beta3/crypto/us/bars")
            if is_crypto
            else ("stock_bars", "/v2/stocks/bars")
        )
        params = [*_params(enquiry, zone).items(), ("symbols", ",".join(owners))]
        if not is_crypto:
            feed = enquiry.source.name.partition(":")[2]
            # Renames are ours to follow: a fetch is cut where a ticker changes.
            params += [("adjustment", "raw"), ("feed", feed), ("asof", "-")]

        def read(reply: Reply, window: Window) -> Page:
            return parse_bars(reply.document(), owners, window, quotes_too=is_crypto)

        tokens: list[tuple[str, str]] = []
        used: set[str] = set()
        while True:
            page = enquiry.ask(endpoint, path, read, [*params, *tokens], zone)
            yield page
            if page.next_token is None:
                return
            if page.next_token in used or len(used) >= _MAX_PAGES:
                raise enquiry.malformed(endpoint, "its pages lead in a circle")
            used.add(page.next_token)
            tokens = [("page_token", page.next_token)]


def _params(enquiry: Enquiry, zone: str) -> Mapping[str, str]:
    """Both ends are inclusive on the bars' `t`."""
    request = enquiry.request
    if request.interval is Interval.DAY:
        timeframe = "1Day"
        start = local_midnight(first_label(request.range), zone)
        end = local_midnight(last_label(request.range), zone)
    else:
        timeframe, start, end = "1Min", enquiry.range.start, enquiry.range.end - 1
    return {
        "timeframe": timeframe,
        "start": rfc3339(start),
        "end": rfc3339(end),
        "limit": str(_ROWS),
        "sort": "asc",
    }


def _in_urls(owners: Owners) -> Iterator[Owners]:
    """The symbols in parts that fit into a URL."""
    part: Owners = {}
    length = 0
    for symbol, owner in owners.items():
        if part and (length + len(symbol) + 3 > _MAX_QUERY or len(part) == _MAX_SYMBOLS):
            yield part
            part, length = {}, 0
        part[symbol] = owner
        length += len(symbol) + 3
    if part:
        yield part
