"""IEX Cloud, which shut down on 2024-08-31: for hosts that still speak its format."""

from __future__ import annotations

from datetime import date

from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest, CallGate, Instrument
from ingestion.providers.dates import first_label, local_days
from ingestion.providers.enquiry import Enquiry
from ingestion.providers.errors import (
    AuthFailed,
    NotEntitled,
    ProviderError,
    UnknownSymbol,
)
from ingestion.providers.http import HttpClient, VendorRules
from ingestion.providers.iex.parse import Batch, parse_batch, parse_days, parse_minutes
from ingestion.providers.refusal import Refusal
from ingestion.providers.reply import Reply
from ingestion.providers.screening import Parsed, Window
from ingestion.providers.tickers import NEW_YORK, in_path
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

SOURCE = Source(
    name="iex",
    provider="iex",
    scope=Scope.VENUE,
    basis={Interval.MINUTE: Basis.RAW, Interval.DAY: Basis.RAW},
    confirms_no_trade=False,
    settle_lag_s=120,
    asset_classes=frozenset({"equity", "etf"}),
)

_BATCH = 100  # of more, the rest is left out without a word
_DAY_S = 86_400
# How far back a daily chart reaches, by its name in the path; here "1m" is one MONTH.
_CHARTS = ((28, "1m"), (88, "3m"), (178, "6m"), (364, "1y"), (729, "2y"), (1_824, "5y"))


def classify(refusal: Refusal) -> type[ProviderError] | None:
    """IEX's errors: plain text as often as JSON."""
    text = refusal.text.lower()
    if refusal.status == 404 and "unknown symbol" in text:
        return UnknownSymbol
    if refusal.status == 403 and "key" in text:
        return AuthFailed
    if refusal.status == 451:
        return NotEntitled
    return None


class IexAdapter:
    """Minute bars of trades on IEX, daily bars raw. Safe to use from many threads."""

    name = "iex"

    def __init__(self, gate: CallGate, base_url: str, token: str) -> None:
        self._http = HttpClient(VendorRules(self.name, classify), gate, base_url, None, [token])
        self._token = ("token", token)

    def sources(self) -> tuple[Source, ...]:
        """The one source."""
        return (SOURCE,)

    def batch_size(
        self,
        source: Source,
        interval: Interval,
        range: TimeRange,
    ) -> int:
        """A hundred for a day's minutes, which may be today's; charts are of one symbol."""
        return _BATCH if interval is Interval.MINUTE and range.seconds <= _DAY_S else 1

    def fetch_bars(self, source: Source, request: BarRequest) -> BarAnswer:
        """See Adapter."""
        enquiry = Enquiry(self._http, source, request)
        if enquiry.too_early:
            return enquiry.nothing_yet()
        known: dict[int, Instrument] = {}
        for index, instrument in enumerate(request.instruments):
            if instrument.asset_class in source.asset_classes:
                known[index] = instrument
            else:
                detail = f"it has no {instrument.asset_class}"
                enquiry.fail([index], UnknownSymbol(self.name, "bars", detail))
        if request.interval is Interval.DAY:
            enquiry.each(known, lambda index, it: self._ask_days(enquiry, index, it))
        else:
            self._ask_minutes(enquiry, known)
        return enquiry.answer()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    # ---- minutes --------------------------------------------------------------------

    def _ask_minutes(self, enquiry: Enquiry, known: dict[int, Instrument]) -> None:
        days = [day for day in local_days(enquiry.range, NEW_YORK) if day.weekday() < 5]
        today = next(local_days(TimeRange(int(enquiry.began), int(enquiry.began) + 1), NEW_YORK))
        if days == [today] and len(known) > 1:
            self._ask_today(enquiry, known)
            return
        enquiry.each(known, lambda index, it: self._ask_charts(enquiry, index, it, days, today))

    def _ask_today(self, enquiry: Enquiry, known: dict[int, Instrument]) -> None:
        indices = list(known)
        for first in range(0, len(indices), _BATCH):
            owners = {known[index].ticker: index for index in indices[first : first + _BATCH]}
            if enquiry.hopeless is not None:
                enquiry.fail(owners.values(), enquiry.hopeless)
                continue
            try:
                parsed, failures = self._batch(enquiry, owners)
            except ProviderError as error:
                enquiry.fail(owners.values(), error)
                continue
            for index, part in parsed.items():
                enquiry.keep(part, index)
                enquiry.cover([index], enquiry.range, complete=len(part.bars) > 0)
            for index, failure in failures.items():
                enquiry.fail([index], enquiry.http.noted(failure))

    def _batch(self, enquiry: Enquiry, owners: dict[str, int]) -> Batch:
        def read(reply: Reply, window: Window) -> Batch:
            return parse_batch(reply.document(), owners, window)

        params = [("symbols", ",".join(owners)), ("types", "intraday-prices"), self._token]
        return enquiry.ask("batch", "/stock/market/batch", read, params, NEW_YORK)

    def _ask_charts(
        self, enquiry: Enquiry, index: int, instrument: Instrument, days: list[date], today: date
    ) -> None:
        complete = True
        for day in days:
            part = f"chart/date/{day:%Y%m%d}" if day != today else "intraday-prices"
            parsed = self._chart(enquiry, instrument, part)
            complete = complete and len(parsed.bars) > 0
            enquiry.keep(parsed, index)
        enquiry.cover([index], enquiry.range, complete=complete)

    # ---- days -----------------------------------------------------------------------

    def _ask_days(self, enquiry: Enquiry, index: int, instrument: Instrument) -> None:
        age_days = (enquiry.began - first_label(enquiry.request.range)) / _DAY_S
        chart = next((name for reach, name in _CHARTS if age_days <= reach), "max")
        parsed = self._chart(enquiry, instrument, f"chart/{chart}")
        enquiry.keep(parsed, index)
        enquiry.cover([index], enquiry.range, complete=len(parsed.bars) > 0)

    def _chart(self, enquiry: Enquiry, instrument: Instrument, part: str) -> Parsed:
        def read(reply: Reply, window: Window) -> Parsed:
            parse = parse_days if window.interval is Interval.DAY else parse_minutes
            return parse(reply.document(), window)

        path = f"/stock/{in_path(instrument.ticker)}/{part}"
        endpoint = "intraday_prices" if part == "intraday-prices" else "chart"
        return enquiry.ask(endpoint, path, read, [self._token], NEW_YORK)
