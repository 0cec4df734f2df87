"""Look-ups that every request needs, remembered by the process for a moment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import cast

from django.conf import settings
from django.core.cache import caches

from ingestion.api.errors import NoSuchSymbol
from ingestion.models import IngestCommit
from universe.models import Symbol
from universe.services import symbology

FRESH_FOR_S = 2.0
"""What the universe says is believed for this long."""

_IMPORT = "import"
_TICKER = re.compile(r"[A-Za-z0-9.\-_^=:$]{1,32}")


def find(ticker: str, on: date | None = None) -> Symbol:
    """The symbol that `ticker` names on the date `on` (None: today). Raises NoSuchSymbol."""
    if not _TICKER.fullmatch(ticker):
        raise NoSuchSymbol("No symbol has this ticker.")
    cache, name = caches["local"], f"symbol:{ticker.upper()}:{on or ''}"
    known: Symbol | None = cache.get(name)
    if known is None:
        try:
            known = symbology.resolve(ticker, on)
        except symbology.UnknownSymbol as error:
            raise NoSuchSymbol(f"{error}.") from None
        cache.set(name, known, FRESH_FOR_S)
    return known


def find_many(tickers: Sequence[str]) -> tuple[dict[str, Symbol], list[str]]:
    """The symbols that `tickers` name today, by ticker, and the tickers that name none; both
    in the order given."""
    found: dict[str, Symbol] = {}
    unknown: list[str] = []
    known = symbology.resolve_many([text for text in tickers if _TICKER.fullmatch(text)])
    for ticker in tickers:
        if ticker in known:
            found[ticker] = known[ticker]
        else:
            unknown.append(ticker)
    return found, unknown


def origin(sources: tuple[str, ...]) -> str:
    """Where bars of these sources come from: `vendor`, `synthetic`, `replayed`, or `import`
    for files. A store never mixes the first three."""
    if sources and all(source.partition(":")[0] == _IMPORT for source in sources):
        return _IMPORT
    return cast(str, caches["local"].get_or_set("origin", _stored_origin, FRESH_FOR_S))


def _stored_origin() -> str:
    commits = IngestCommit.objects.exclude(origin=_IMPORT).order_by("-as_of")
    stored: str | None = commits.values_list("origin", flat=True).first()
    return stored or settings.DATA_ORIGIN
