"""A database that is away: told from a bug, and told of without flooding the log."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable

from django.core.exceptions import DisallowedHost
from django.db.utils import InterfaceError, OperationalError

_LONGEST_S = 60.0
_HOST_SHOWN = 200
# SQLite also calls a missing table or wrong SQL "operational"; these are of the file itself.
_OF_THE_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}


def is_outage(error: BaseException | None) -> bool:
    """Whether `error` says that the database cannot be used now; False for one that says the
    statement is wrong, and for None."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    cause = error.__cause__
    if not isinstance(cause, sqlite3.Error):
        return True
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _OF_THE_FILE


def one_line(error: BaseException) -> str:
    """The error's text without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


class BriefOutages(logging.Filter):
    """An outage or a foreign Host header is one line of the log, without a traceback: the
    place in the code where it was met says nothing, and it comes with every request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True, for every record."""
        error = record.exc_info[1] if record.exc_info else None
        if is_outage(error):
            assert error is not None  # noqa: S101 (None is no outage)
            message = f"{record.getMessage()}: {one_line(error)}"
        elif isinstance(error, DisallowedHost):
            message = record.getMessage()[:_HOST_SHOWN]
        else:
            return True
        record.msg, record.args = message, ()
        record.exc_info = record.exc_text = None
        return True


class OutageLog:
    """Tells of a lasting outage: at once, then after 1 s, 2 s, 4 s … at most 60 s, and when
    it is over. One for each loop that goes on trying."""

    def __init__(
        self, logger: logging.Logger, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger, self._monotonic = logger, monotonic
        self._since: float | None = None
        self._silent_until = 0.0
        self._pause = 1.0

    def away(self, error: Exception) -> None:
        """The database failed; with its traceback only where it is not an outage."""
        now = self._monotonic()
        if self._since is None:
            self._since, self._pause = now, 1.0
        elif now < self._silent_until:
            return
        else:
            self._pause = min(self._pause * 2, _LONGEST_S)
        self._silent_until = now + self._pause
        self._logger.error(
            "the database does not answer (for %.0f s); going on when it does: %s",
            now - self._since,
            one_line(error),
            exc_info=None if is_outage(error) else error,
        )

    def back(self) -> None:
        """The database answered; says so if it had been away."""
        if self._since is None:
            return
        self._logger.warning(
            "the database answers again, after %.0f s", self._monotonic() - self._since
        )
        self._since = None
