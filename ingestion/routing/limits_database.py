"""The limiter's state in the database: one row a provider, changed under its lock.

Every change is a transaction of its own that ends before the call is made. Time is the
database server's on PostgreSQL; on SQLite, which one host has to itself, that host's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import Error, connection, transaction

from ingestion.models import ProviderLimit
from ingestion.routing.call_gate import StoreUnavailable
from ingestion.routing.limits import CallBook, Refused, Verdict
from marketdata_site import clock
from marketdata_site.call_limits import CallLimits


class DatabaseLimits:
    """A LimitStore in table `provider_limits`. `now_ms` replaces the time in tests."""

    name = "database"

    def __init__(self, now_ms: Callable[[], int] | None = None) -> None:
        self._now_ms = now_ms or _now_ms

    def ask(self, provider: str, limits: CallLimits, token: str, lease_ms: int) -> Verdict:
        """See LimitStore. Who waits only reads: the lock is taken when there seems to be room."""
        with _reported():
            book = CallBook.from_json(_read(provider))
            verdict = book.ask(limits, token, lease_ms, self._now_ms())
            if isinstance(verdict, Refused):
                return verdict
            with _changing(provider) as book:
                return book.ask(limits, token, lease_ms, self._now_ms())

    def finish(self, provider: str, token: str) -> bool:
        """See LimitStore."""
        with _reported(), _changing(provider) as book:
            return book.finish(token, self._now_ms())

    def block(self, provider: str, code: str, duration_ms: int) -> None:
        """See LimitStore."""
        with _reported(), _changing(provider) as book:
            book.block(code, duration_ms, self._now_ms())


@contextmanager
def _changing(provider: str) -> Iterator[CallBook]:
    with transaction.atomic(durable=True):
        rows = ProviderLimit.objects.select_for_update().filter(pk=provider)
        row = rows.first()
        if row is None:
            ProviderLimit.objects.bulk_create(
                [ProviderLimit(provider=provider, state={})], ignore_conflicts=True
            )
            row = rows.get()
        book = CallBook.from_json(row.state)
        yield book
        row.state = book.to_json()
        row.save(update_fields=["state"])


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except Error as error:
        # A broken connection would stay broken: threads of a worker have no request after
        # which Django looks at it. The next call opens a new one.
        connection.close()
        raise StoreUnavailable(f"{type(error).__name__}: {error}".strip()) from error


def _read(provider: str) -> dict[str, object]:
    state = ProviderLimit.objects.filter(pk=provider).values_list("state", flat=True).first()
    return state or {}


def _now_ms() -> int:
    if connection.vendor != "postgresql":
        return int(clock.system().timestamp() * 1000)
    # A query of its own, after the lock: within the locking one it may be older than the wait.
    with connection.cursor() as cursor:
        cursor.execute("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        return int(cursor.fetchone()[0])
