"""`manage.py sync_sessions`: fill the sessions table from exchange_calendars."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from universe.models import ExchangeCalendar
from universe.services.sessions import HoursUnavailable, SyncResult, UnknownCalendar, sync

_FIRST_TIME = ("XNYS", "24/7")


class Command(BaseCommand):
    """Sync calendars and show what came of it."""

    help = (
        "Fill the sessions table (opens, closes, breaks, half days) from exchange_calendars."
        " Doing it again changes only what differs; overrides stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The calendars and the dates."""
        parser.add_argument(
            "--calendars",
            nargs="+",
            metavar="NAME",
            help="exchange_calendars names or aliases; without it, all that the table holds,"
            f" or {' and '.join(_FIRST_TIME)} when it is empty",
        )
        parser.add_argument("--first", type=_day, help="first date, inclusive (1990-01-01)")
        parser.add_argument("--last", type=_day, help="last date, inclusive (a year from now)")

    def handle(self, *_: Any, **options: Any) -> None:
        """Sync and print one line a calendar."""
        stored = ExchangeCalendar.objects.values_list("name", flat=True)
        names = options["calendars"] or list(stored) or list(_FIRST_TIME)
        with tqdm(total=len(names), unit="calendar", disable=None) as bar:

            def progress(name: str) -> None:
                bar.set_description(name)
                bar.update()

            try:
                results = sync(names, options["first"], options["last"], progress)
            except (UnknownCalendar, HoursUnavailable, ValueError) as error:
                raise CommandError(str(error)) from error
        self.stdout.write("\n".join(_table(results)))


def _day(text: str) -> date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text} is no date: {error}") from None
    raise ArgumentTypeError(f"{text!r} must be a date like 2013-07-01")


def _table(results: Iterable[SyncResult]) -> Iterable[str]:
    yield (
        f"{'calendar':<12}{'from':<12}{'to':<12}{'sessions':>9}"
        f"{'added':>8}{'changed':>9}{'removed':>9}{'version':>9}"
    )
    for one in results:
        yield (
            f"{one.calendar:<12}{one.first!s:<12}{one.last!s:<12}{one.sessions:>9}"
            f"{one.added:>8}{one.changed:>9}{one.removed:>9}{one.version:>9}"
        )
