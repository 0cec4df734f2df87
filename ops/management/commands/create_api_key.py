"""`manage.py create_api_key --name NAME --scopes read ops`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops import keys


class Command(BaseCommand):
    """Makes an API key and prints it once."""

    help = "Make an API key. It is printed once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name and scopes."""
        parser.add_argument("--name", required=True, help="whose key it is; unique")
        parser.add_argument(
            "--scopes",
            nargs="+",
            required=True,
            choices=[scope.value for scope in keys.Scope],
            help="read: market data; stream: wildcards; ops: operators' endpoints",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """The key alone on standard output, the explanation on standard error."""
        try:
            key = keys.create(options["name"], options["scopes"])
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stderr.write("Keep this key: it is stored as a hash and cannot be shown again.")
        self.stdout.write(key)
