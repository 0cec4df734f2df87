"""The vendors' world as a whole: who is asked, what counts, what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ingestion.sandbox.exchange import HTML, Answer, Refused, Request
from ingestion.sandbox.faults import Fault, FaultBook
from ingestion.sandbox.market import Market
from ingestion.sandbox.meter import Meter, Standing
from ingestion.sandbox.quirks import Quirks
from ingestion.sandbox.tampering import spoil
from ingestion.sandbox.vendors.alpaca import Alpaca
from ingestion.sandbox.vendors.finnhub import Finnhub
from ingestion.sandbox.vendors.iex import Iex
from ingestion.sandbox.vendors.polygon import Polygon
from ingestion.sandbox.vendors.vendor import Vendor
from ingestion.sandbox.vendors.yahoo import Yahoo
from ingestion.sandbox.view import View
from marketdata_site import clock
from marketdata_site.call_limits import CallLimits

VENDORS: dict[str, Vendor] = {
    vendor.name: vendor for vendor in (Polygon(), Alpaca(), Finnhub(), Yahoo(), Iex())
}
_HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body>Bad gateway</body></html>"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer and how it travels. `answer` None: the connection is reset, or mute for
    `mute_s` real seconds first. `send_share` below 1 cuts the body short."""

    answer: Answer | None
    wait_s: float = 0.0
    mute_s: float = 0.0
    send_share: float = 1.0


class Simulation:
    """One market, shown by five vendors at the clock's time. Thread-safe."""

    def __init__(
        self,
        market: Market,
        limits: Mapping[str, CallLimits] | None = None,
        quirks: Quirks | None = None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self.market = market
        self.meter = Meter(limits)
        self.faults = FaultBook()
        self.quirks = quirks or Quirks()
        self._now = now

    def now(self) -> float:
        """The clock's time in epoch seconds."""
        return self._now().timestamp()

    def deliver(self, provider: str, request: Request, standing: Standing) -> Delivery:
        """What the provider answers, faults included."""
        vendor = VENDORS[provider]
        faults = {fault.kind: fault for fault in self.faults.draw(provider, request.path)}
        wait = faults["latency"].seconds if "latency" in faults else 0.0
        if "reset" in faults:
            return Delivery(None, wait)
        if "mute" in faults:
            return Delivery(None, wait, mute_s=faults["mute"].seconds)
        answer = _spoilt_answer(vendor, faults)
        if answer is None and standing.refused:
            answer = vendor.too_many
        if answer is None:
            answer = self._answer(vendor, request, list(faults.values()))
        if vendor.shows_limits and standing.limit is not None:
            answer = _with_limits(answer, standing, request.now)
        share = faults["truncate"].share if "truncate" in faults else 1.0
        return Delivery(answer, wait, send_share=share)

    def _answer(self, vendor: Vendor, request: Request, faults: list[Fault]) -> Answer:
        view = View(self.market, request.now, vendor.delay, self.quirks)
        try:
            return vendor.answer(request, spoil(view, faults))
        except Refused as refused:
            return refused.answer


def _with_limits(answer: Answer, standing: Standing, now: float) -> Answer:
    shown = {
        "X-RateLimit-Limit": str(standing.limit),
        "X-RateLimit-Remaining": str(standing.room),
        "X-RateLimit-Reset": str(int(now + standing.wait) + 1),
    }
    return replace(answer, headers={**answer.headers, **shown})


def _spoilt_answer(vendor: Vendor, faults: Mapping[str, Fault]) -> Answer | None:
    """The answer that a fault puts in place of the vendor's, or None."""
    if "rate_limit" in faults:
        wait = faults["rate_limit"].retry_after
        shown = {} if wait is None else {"Retry-After": f"{wait:g}"}
        return replace(vendor.too_many, headers=shown)
    if "forbidden" in faults:
        return vendor.forbidden
    if "status" in faults:
        return Answer(faults["status"].status, b'{"message":"internal server error"}')
    if "html" in faults:
        return Answer(faults["html"].status, _HTML, HTML)
    if "huge" in faults:
        size = faults["huge"].size
        return Answer(200, b'{"results":"' + b"x" * max(size - 14, 0) + b'"}')
    return None
