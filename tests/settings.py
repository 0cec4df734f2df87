"""The service's settings, in an environment that belongs to the tests.

What decides a lane (`DATABASE_URL`, `REDIS_URL`, `DATA_DIR`) is taken as it is given; every
other variable of the service is left out, so that a developer's own keys and limits change
no result. Each xdist worker has a data directory and a Redis database of its own.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from marketdata_site.environment import Environment

_OF_THE_LANE = {"DATABASE_URL", "REDIS_URL", "DATA_DIR", "LOG_LEVEL"}
_WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)


def _data_dir() -> Path:
    if given := os.environ.get("DATA_DIR"):
        return Path(given) / f"worker{_WORKER}"
    made = tempfile.mkdtemp(prefix="marketdata-tests-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _redis_url(url: str) -> str:
    """The Redis database that lies as many places after `url`'s as this worker's number."""
    server, _, number = url.partition("://")[2].partition("/")
    return f"{url.partition('://')[0]}://{server}/{int(number or 0) + _WORKER}"


for _name in Environment.model_fields:
    if _name.upper() not in _OF_THE_LANE:
        os.environ.pop(_name.upper(), None)
        os.environ.pop(f"{_name.upper()}_FILE", None)
os.environ["DATA_DIR"] = str(_data_dir())
os.environ["SECRET_KEY"] = "only-for-tests, where nothing is secret"
if "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = _redis_url(os.environ["REDIS_URL"])

from marketdata_site.settings import *  # noqa: E402, F403 (the tests' are the service's)
from marketdata_site.settings import DATA_DIR, DATABASES  # noqa: E402 (after the environment)

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in the service: SQLite in memory locks differently and knows no WAL.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
