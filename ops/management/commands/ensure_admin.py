"""`manage.py ensure_admin --password-file FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops import first_admin


class Command(BaseCommand):
    """Makes the first admin user, with a generated password."""

    help = "Make the user 'admin' unless there is a superuser. Its password is put in a file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the password goes."""
        parser.add_argument(
            "--password-file",
            required=True,
            type=Path,
            help="made for its owner alone to read; one that exists is taken as it is",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what was done, never the password."""
        file: Path = options["password_file"]
        try:
            made = first_admin.ensure(file)
        except OSError as error:
            raise CommandError(f"cannot keep the password in {file}: {error.strerror}") from error
        if made:
            self.stdout.write(f"User {first_admin.USERNAME} made; the password is in {file}")
        else:
            self.stdout.write("There is a superuser already: nothing to do")
