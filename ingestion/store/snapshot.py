"""One consistent view of the database for several reading queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """All queries inside see the same commits, and wait for no writer.

    Inside a transaction that is open already it is that one, with what its isolation level
    promises. On SQLite the transaction is a deferred one, which takes no lock that a writer
    needs (`atomic()` would: the settings make it `BEGIN IMMEDIATE`); in WAL mode it reads
    what was committed when its first query began.
    """
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        with _deferred():
            yield
    elif connection.in_atomic_block:
        yield
    else:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


@contextmanager
def _deferred() -> Iterator[None]:
    raw = connection.connection
    if raw.in_transaction:
        yield
        return
    with connection.wrap_database_errors:
        raw.execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        raw.rollback()
