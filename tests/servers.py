"""Finds what the lanes run on: PostgreSQL, Redis, Chromium."""

from __future__ import annotations

import getpass
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OLDEST_POSTGRESQL = 15


class Absent(Exception):
    """A server or program is not to be had; the message says why and what would help."""


def _database_urls() -> list[str]:
    if given := os.environ.get("TEST_DATABASE_URL"):
        return [given]
    socket = "%2Fvar%2Frun%2Fpostgresql"
    return [
        "postgres://postgres@127.0.0.1:5432/postgres",
        f"postgres://{getpass.getuser()}@{socket}/postgres",
    ]


@contextmanager
def find_postgresql() -> Iterator[str]:
    """The URL of a database that nobody else uses; whatever was made under its name is
    dropped at the end. The database itself does not exist yet. Raises Absent.
    """
    refusals = []
    for url in _database_urls():
        try:
            _check_postgresql(url)
        except (psycopg.Error, Absent) as error:
            refusals.append(f"{_without_password(url)}: {str(error).strip().splitlines()[0]}")
            continue
        name = f"marketdata_tests_{os.getpid()}"
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            _drop_databases(url, name)
        return
    raise Absent(f"no PostgreSQL to test on ({'; '.join(refusals)}): see TEST_DATABASE_URL")


def _check_postgresql(url: str) -> None:
    with psycopg.connect(url, connect_timeout=3) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version_num')::int / 10000, rolcreatedb OR rolsuper"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    version, may_create = row or (0, False)
    if version < _OLDEST_POSTGRESQL:
        raise Absent(f"version {version} is older than {_OLDEST_POSTGRESQL}")
    if not may_create:
        raise Absent("this role may not create databases")


def _drop_databases(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        left = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s OR datname LIKE %s",
            (f"{name}%", f"test_{name}%"),
        ).fetchall()
        for (database,) in left:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(database)))


@contextmanager
def find_redis(count: int) -> Iterator[str]:
    """The URL of the first of `count` neighbouring databases that tests may empty.

    They are empty, and claimed in database 0 until the end, so that two runs at once do not
    empty each other's; the one that `TEST_REDIS_URL` names is taken as it is. Raises Absent.
    """
    given = os.environ.get("TEST_REDIS_URL")
    url = given or "redis://127.0.0.1:6379"
    client = redis.Redis.from_url(url, db=0, socket_connect_timeout=3)
    with closing(client):
        try:
            used = {int(name.removeprefix("db")) for name in client.info("keyspace")}
            databases = int(client.config_get("databases")["databases"] or 0)
        except redis.RedisError as error:
            raise Absent(
                f"no Redis to test on ({_without_password(url)}: {error}): see TEST_REDIS_URL"
            ) from error
        if given and urlsplit(given).path.strip("/"):
            yield given
            return
        for first in range(databases - count, 0, -1):
            wanted = range(first, first + count)
            if used.isdisjoint(wanted) and (claims := _claim(client, wanted)):
                try:
                    yield f"{url.rstrip('/')}/{first}"
                finally:
                    _empty(url, wanted)
                    client.delete(*claims)
                return
    raise Absent(f"Redis has no {count} neighbouring databases that are empty and unclaimed")


def _claim(client: redis.Redis, databases: range) -> list[str]:
    """Keys that claim all of `databases`, or none when one is taken. A run that died loses
    its claims after an hour."""
    keys = [f"marketdata-tests:{number}" for number in databases]
    claims = [key for key in keys if client.set(key, os.getpid(), nx=True, ex=3600)]
    if len(claims) < len(keys):
        if claims:
            client.delete(*claims)
        return []
    return claims


def _empty(url: str, databases: range) -> None:
    for number in databases:
        with closing(redis.Redis.from_url(url, db=number)) as client:
            client.flushdb()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or ''}"


def find_chromium() -> str:
    """The path of a Chromium or Chrome. Raises Absent."""
    if given := os.environ.get("CHROMIUM"):
        return given
    for name in _BROWSERS:
        if path := shutil.which(name):
            return path
    raise Absent("no Chromium to test with: install it, or name it in CHROMIUM")
