"""Loading a universe file: all of it as one new version, or nothing."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import transaction

from marketdata_site import clock
from universe.domain.tier import Tier
from universe.models import ExchangeCalendar, Symbol, SymbolTicker, UniverseVersion
from universe.services import sessions
from universe.services.exchange_hours import UnknownCalendar, canonical_name
from universe.services.identity import former_tickers, match
from universe.services.listing_row import Listing, RowError
from universe.services.universe_file import UniverseInvalid, parse

__all__ = ["UniverseInvalid", "load_universe"]

logger = logging.getLogger(__name__)

_FIELDS = (
    "ticker", "name", "calendar_id", "tier", "asset_class", "currency", "listed_on",
    "delisted_on", "active",
)  # fmt: skip
_BATCH = 500


def load_universe(
    file: Path,
    by: str,
    *,
    sync_missing: bool = True,
    progress: Callable[[str], None] | None = None,
) -> UniverseVersion | None:
    """Make the universe what the CSV `file` says (columns: universe_file) and record who
    loaded it as a new version; None when the newest version came from the same bytes.

    Symbols that the file does not name become inactive; nothing is deleted. A symbol keeps
    its id when its ticker changes (`former_tickers`). Calendars without sessions are synced
    first, with the default span, or refused when `sync_missing` is false; `progress` is told
    which. All rows are written in one transaction or none is.

    Raises UniverseInvalid with every error in the file, and OSError when it cannot be read.
    """
    data = file.read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    if _is_newest(checksum):
        return None
    parsed = parse(data)
    names, errors = _calendars(parsed.calendars, sync_missing=sync_missing)
    if parsed.errors or errors:
        raise UniverseInvalid(parsed.errors + errors)
    missing = [name for name in dict.fromkeys(names.values()) if not _is_synced(name)]
    if missing:
        sessions.sync(missing, progress=progress)
    with transaction.atomic():
        # One load at a time: the second one sees the first one's symbols.
        list(ExchangeCalendar.objects.select_for_update(no_key=True).order_by("pk"))
        if _is_newest(checksum):
            return None
        change = _Change(parsed.listings, names)
        change.write()
        version = UniverseVersion.objects.create(
            loaded_at=clock.now(),
            loaded_by=by[:150],
            source=str(file)[-500:],
            checksum=checksum,
            tier_counts=_tier_counts(),
            added=change.added,
            changed=change.changed,
            deactivated=change.deactivated,
        )
    logger.info("%s loaded by %s: %s", version, by, version.tier_counts)
    return version


def _is_newest(checksum: str) -> bool:
    newest = UniverseVersion.objects.order_by("-pk").first()
    return newest is not None and newest.checksum == checksum


def _is_synced(calendar: str) -> bool:
    return ExchangeCalendar.objects.filter(pk=calendar).exists()


def _calendars(
    lines: dict[int, str], *, sync_missing: bool
) -> tuple[dict[str, str], list[RowError]]:
    """The canonical name of each calendar named in `lines`, and the lines whose calendar does
    not exist, or (unless missing ones may be synced) has no sessions here."""
    names: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for name in dict.fromkeys(lines.values()):
        try:
            names[name] = name if _is_synced(name) else canonical_name(name)
        except UnknownCalendar:
            wrong[name] = "is no calendar of exchange_calendars; XNYS and 24/7 are"
            continue
        if not sync_missing and not _is_synced(names[name]):
            wrong[name] = (
                f"has no sessions here; run manage.py sync_sessions --calendars {names[name]}"
            )
    return names, [
        RowError(line, "calendar", name, wrong[name])
        for line, name in lines.items()
        if name in wrong
    ]


def _tier_counts() -> dict[str, int]:
    counts = Counter(Symbol.objects.active().values_list("tier", flat=True))
    return {tier.value: counts[tier.value] for tier in Tier}


class _Change:
    """What a file changes in the universe. Raises UniverseInvalid when a row's symbol cannot
    be told."""

    def __init__(self, listings: list[Listing], calendars: dict[str, str]) -> None:
        symbols = list(Symbol.objects.prefetch_related("tickers"))
        matched, errors = match(listings, symbols)
        if errors:
            raise UniverseInvalid(errors)
        self.added: list[str] = []
        self.changed: dict[str, dict[str, list[object]]] = {}
        self._new: list[Symbol] = []
        self._updated: list[Symbol] = []
        self._names: list[tuple[Symbol, Listing]] = []
        for listing in listings:
            self._plan(listing, calendars[listing.calendar], matched.get(listing.ticker))
        named = {symbol.pk for symbol in matched.values()}
        self._dropped = [one for one in symbols if one.active and one.pk not in named]
        self.deactivated = sorted(symbol.ticker for symbol in self._dropped)

    def _plan(self, listing: Listing, calendar: str, symbol: Symbol | None) -> None:
        plain = [name for name in _FIELDS if name != "calendar_id"]
        after = {name: getattr(listing, name) for name in plain} | {"calendar_id": calendar}
        if symbol is None:
            symbol = Symbol(**after)
            self._new.append(symbol)
            self._names.append((symbol, listing))
            self.added.append(listing.ticker)
        else:
            self._update(symbol, listing, after)

    def _update(self, symbol: Symbol, listing: Listing, after: dict[str, Any]) -> None:
        before = {name: getattr(symbol, name) for name in _FIELDS}
        differs = {name: (before[name], after[name]) for name in _FIELDS}
        differs = {name: pair for name, pair in differs.items() if pair[0] != pair[1]}
        names = former_tickers(symbol), ";".join(map(str, listing.former_tickers))
        if differs:
            self._updated.append(symbol)
            for name, (_, value) in differs.items():
                setattr(symbol, name, value)
        if names[0] != names[1] or "ticker" in differs or not symbol.tickers.all():
            self._names.append((symbol, listing))
        if names[0] != names[1]:
            differs["former_tickers"] = names
        if differs:
            self.changed[listing.ticker] = {
                name.removesuffix("_id"): [_plain(value) for value in pair]
                for name, pair in differs.items()
            }

    def write(self) -> None:
        """Bring the tables to what the file says."""
        # Tickers are unique among active symbols at every step, not just at the end; and an
        # upsert by id costs a tenth of bulk_update.
        for symbols in (self._dropped, self._updated):
            _deactivate(symbols)
        Symbol.objects.bulk_create(
            self._updated,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=_FIELDS,
        )
        Symbol.objects.bulk_create(self._new, batch_size=_BATCH)
        known = [symbol.pk for symbol, _ in self._names]
        for at in range(0, len(known), _BATCH):
            SymbolTicker.objects.filter(symbol__in=known[at : at + _BATCH]).delete()
        SymbolTicker.objects.bulk_create(
            [
                SymbolTicker(symbol=symbol, ticker=ticker, valid_from=start, valid_to=end)
                for symbol, listing in self._names
                for ticker, start, end in listing.names()
            ],
            batch_size=_BATCH,
        )


def _deactivate(symbols: list[Symbol]) -> None:
    for at in range(0, len(symbols), _BATCH):
        chunk = [symbol.pk for symbol in symbols[at : at + _BATCH]]
        Symbol.objects.filter(pk__in=chunk).update(active=False)


def _plain(value: object) -> object:
    """A value as the version's JSON keeps it."""
    return value if value is None or isinstance(value, bool) else str(value)
