"""Our tickers in the vendors' spelling."""

from __future__ import annotations

from urllib.parse import quote

from ingestion.providers.base import Instrument
from ingestion.providers.errors import UnknownSymbol

CRYPTO = "crypto"
NEW_YORK = "America/New_York"


def crypto_pair(instrument: Instrument, provider: str) -> tuple[str, str]:
    """`BTC-USD` as ("BTC", "USD"). Raises UnknownSymbol for a ticker of another shape."""
    base, dash, currency = instrument.ticker.partition("-")
    if not (base.isalnum() and dash and currency.isalnum()):
        detail = f"{instrument.ticker!r} is no crypto pair such as BTC-USD"
        raise UnknownSymbol(provider, "bars", detail)
    return base, currency


def in_path(ticker: str) -> str:
    """`ticker` as one segment of a URL's path."""
    return quote(ticker, safe=":")
