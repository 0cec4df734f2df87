"""`manage.py load_universe FILE.csv`: make the universe what a file says."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from universe.models import UniverseVersion
from universe.services.listing import UniverseInvalid, load_universe
from universe.services.listing_row import OPTIONAL, REQUIRED
from universe.services.sessions import HoursUnavailable


class Command(BaseCommand):
    """Load a universe file as a new version, or say everything that is wrong with it."""

    help = (
        "Make the universe what a CSV file says: all of it or, when any row is wrong, nothing."
        " Symbols that the file does not name become inactive; nothing is deleted."
        f" Columns: {', '.join(REQUIRED)}; optional {', '.join(OPTIONAL)}"
        " (former_tickers: NWSA:2013-07-01 says that it was NWSA until that date, exclusive)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and who answers for it."""
        parser.add_argument("file", type=Path, help="CSV, UTF-8, with a header line")
        parser.add_argument(
            "--by", metavar="NAME", help="who loads it (the operating system's user)"
        )
        parser.add_argument(
            "--no-sync",
            action="store_true",
            help="refuse calendars that have no sessions yet, instead of syncing them",
        )

        parser.add_argument(
            "--if-empty",
            action="store_true",
            help="do nothing when a universe was ever loaded here",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Load, and print what changed."""
        if options["if_empty"] and (latest := UniverseVersion.objects.first()) is not None:
            self.stdout.write(f"{latest} is loaded: it stays as it is")
            return
        try:
            version = load_universe(
                options["file"],
                options["by"] or _user(),
                sync_missing=not options["no_sync"],
                progress=lambda name: self.stdout.write(f"syncing the sessions of {name}"),
            )
        except UniverseInvalid as error:
            count = f"{len(error.errors)} error{'s' * (len(error.errors) != 1)}"
            raise CommandError(f"{options['file']}: {count}, nothing loaded\n{error}") from error
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        except HoursUnavailable as error:
            raise CommandError(f"{options['file']}: nothing loaded: {error}") from error
        if version is None:
            self.stdout.write(f"{options['file']} is what was loaded last: nothing to do")
        else:
            self.stdout.write(_summary(version))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _summary(version: UniverseVersion) -> str:
    tiers = ", ".join(f"{tier} {count}" for tier, count in version.tier_counts.items())
    return (
        f"universe version {version.pk}: {sum(version.tier_counts.values())} active symbols"
        f" ({tiers}); {len(version.added)} new, {len(version.changed)} changed,"
        f" {len(version.deactivated)} deactivated"
    )
