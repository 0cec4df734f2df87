"""Databases that a benchmark makes for itself and takes away again."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

DEFAULT_SERVER = "postgres://postgres@127.0.0.1:5432/postgres"


def server() -> str | None:
    """The URL of a PostgreSQL server that answers: that of `DATABASE_URL`, else the local
    one; None when there is none."""
    import psycopg

    configured = os.environ.get("DATABASE_URL", "")
    url = configured if configured.startswith("postgres") else DEFAULT_SERVER
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return None
    return url


@contextmanager
def postgres(name: str) -> Iterator[str]:
    """Create a database `md_bench_<name>_<pid>`, set Django up on it, migrate; drop it at the
    end. Gives its URL. To be called before anything of Django is imported."""
    import psycopg
    from psycopg import sql

    url = server()
    if url is None:
        raise ConnectionError("no PostgreSQL server answers; set DATABASE_URL")
    database = f"md_bench_{name}_{os.getpid()}"
    scratch = urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        try:
            with tempfile.TemporaryDirectory() as folder:
                _set_up(folder, scratch)
                yield scratch
        finally:
            _close()
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
            admin.execute(drop)


@contextmanager
def sqlite() -> Iterator[str]:
    """The same with an SQLite file in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/bench.sqlite3"
        _set_up(folder, url)
        try:
            yield url
        finally:
            _close()


def _set_up(folder: str, url: str) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "DATA_DIR": folder,
        "DATABASE_URL": url,
        "SECRET_KEY": "only-for-benchmarks-of-nothing-secret",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _close() -> None:
    from django.db import connections

    connections.close_all()
