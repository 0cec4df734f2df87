"""Ask one provider for one symbol's bars, by hand, and show (or store) what it says."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from ingestion.collection import by_hand
from ingestion.collection.by_hand import Fetched, MayNotStore
from ingestion.domain.source import Source
from ingestion.management.shown_answers import as_json, as_text
from ingestion.providers import registry
from ingestion.providers.errors import ProviderError
from ingestion.store.writer import OriginMismatch
from marketdata_site import clock
from universe.domain.interval import Interval, UnknownInterval, parse_interval
from universe.domain.session import DateNotCovered, date_of, label_of
from universe.domain.time_range import TimeRange, iso
from universe.models import Symbol
from universe.services import sessions, symbology
from universe.services.sessions import UnknownCalendar

MAX_DAYS = {Interval.MINUTE: 366, Interval.DAY: 36_600}
_DAY = 86_400
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
Bound = date | int
"""A session date, or epoch seconds."""


class Command(BaseCommand):
    """`fetch_bars SYMBOL --provider NAME`"""

    help = "Ask one provider for a symbol's bars and show what it says."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose bars, from whom, of when, and what to do with them."""
        parser.add_argument("symbol", metavar="SYMBOL", help="a ticker of the universe")
        parser.add_argument(
            "--provider", required=True, type=_source, metavar="NAME",
            help="a provider or one of its feeds: " + ", ".join(s.name for s in registry.sources()),
        )  # fmt: skip
        parser.add_argument("--interval", default=Interval.MINUTE, type=_interval, metavar="1m|1d")
        when = "session date, or ISO time with a zone"
        parser.add_argument("--start", required=True, type=_bound, help=when)
        parser.add_argument(
            "--end", required=True, type=_bound, help=f"{when}; a date is included, a time is not"
        )
        parser.add_argument("--json", action="store_true", help="for machines")
        parser.add_argument("--store", action="store_true", help="store the bars as well")

    def handle(self, *_: Any, **options: Any) -> None:
        """Fetch, show, and store if asked to."""
        source, interval = options["provider"], options["interval"]
        symbol = _symbol(options["symbol"], options["end"])
        wanted = _range(symbol, interval, options["start"], options["end"])
        _require_key(source)
        try:
            if options["store"]:
                by_hand.require_storable(symbol, source, interval)
            fetched = by_hand.fetch(symbol, source, interval, wanted)
        except (ProviderError, MayNotStore) as error:
            raise CommandError(str(error)) from error
        stored = _store(fetched) if options["store"] else None
        shown = as_json(fetched, stored) if options["json"] else as_text(fetched, stored)
        self.stdout.write(shown)


def _store(fetched: Fetched) -> dict[str, int]:
    try:
        return dict(by_hand.store(fetched))
    except (ProviderError, OriginMismatch, DateNotCovered, DatabaseError) as error:
        raise CommandError(f"fetched, but not stored: {error}") from error


# ---- what was asked ----------------------------------------------------------------------


def _source(name: str) -> Source:
    """The source, or the first one of the provider, called `name`."""
    for source in registry.sources():
        if name in (source.name, source.provider):
            return source
    known = ", ".join(source.name for source in registry.sources())
    raise ArgumentTypeError(f"there is no provider {name!r}; there are {known}")


def _interval(text: str) -> Interval:
    try:
        return parse_interval(text)
    except UnknownInterval as error:
        raise ArgumentTypeError(str(error)) from None


def _bound(text: str) -> Bound:
    example = "2026-01-02 (a session date) or 2026-01-02T14:30:00Z"
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time; write {example}") from None
    if moment.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} names no time zone; write {example}")
    seconds = int(moment.timestamp() // 1)
    if seconds < 0:
        raise ArgumentTypeError(f"{text!r} is before 1970-01-01")
    return seconds


def _require_key(source: Source) -> None:
    if not registry.has_key(source.provider):
        variables = " and ".join(registry.key_variables(source.provider))
        raise CommandError(f"--provider {source.name}: {variables} must be set in the environment")


def _symbol(ticker: str, end: Bound) -> Symbol:
    """The symbol that had the ticker at the range's end."""
    last = end if isinstance(end, date) else date_of(end - 1)
    try:
        return symbology.resolve(ticker, last if last < clock.now().date() else None)
    except symbology.UnknownSymbol as error:
        raise CommandError(f"SYMBOL: {error}") from error


def _range(symbol: Symbol, interval: Interval, start: Bound, end: Bound) -> TimeRange:
    """The minutes' opens, or the session labels, from `start` to `end`."""
    try:
        first, last = _first(symbol, interval, start), _last(symbol, interval, end)
    except (DateNotCovered, UnknownCalendar) as error:
        raise CommandError(str(error)) from error
    if first >= last:
        raise CommandError(
            f"--start {_shown(start)} leaves nothing before --end {_shown(end)}"
            f" for {interval} bars of {symbol.ticker}"
        )
    days = (last - first) / _DAY
    if days > MAX_DAYS[interval]:
        raise CommandError(
            f"--start {_shown(start)} to --end {_shown(end)} is {days:,.1f} days; {interval} bars"
            f" are fetched for at most {MAX_DAYS[interval]:,}"
        )
    if first > clock.now_epoch():
        now = clock.now().isoformat(timespec="seconds")
        raise CommandError(f"--start {_shown(start)} is in the future: it is {now}")
    return TimeRange(first, last)


def _first(symbol: Symbol, interval: Interval, start: Bound) -> int:
    if interval is Interval.DAY:
        return label_of(start) if isinstance(start, date) else -(-start // _DAY) * _DAY
    if isinstance(start, int):
        return -(-start // 60) * 60
    session = sessions.grid(symbol.calendar_id).first_session_from(start)
    if session is None:
        raise CommandError(f"--start {start}: no session of {symbol.calendar_id} follows")
    return session.extended_open


def _last(symbol: Symbol, interval: Interval, end: Bound) -> int:
    if interval is Interval.DAY:
        return label_of(end) + _DAY if isinstance(end, date) else -(-end // _DAY) * _DAY
    if isinstance(end, int):
        return -(-end // 60) * 60
    session = sessions.grid(symbol.calendar_id).last_session_until(end)
    if session is None:
        raise CommandError(f"--end {end}: no session of {symbol.calendar_id} comes before")
    return session.extended_close


def _shown(bound: Bound) -> str:
    return str(bound) if isinstance(bound, date) else iso(bound)
