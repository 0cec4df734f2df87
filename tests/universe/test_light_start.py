"""Slow libraries stay out of every process that does not compute sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "exchange_calendars")
WEB = """
from django.contrib import admin
from django.test import Client
from django.urls import get_resolver
def walk(resolver):
    for one in resolver.url_patterns:
        walk(one) if hasattr(one, "url_patterns") else one.callback
walk(get_resolver())
assert admin.site.is_registered(__import__("universe.models").models.Symbol)
from universe.services import sessions, symbology
Client().get("/health/live")
"""


def imported_after(script: str, tmp_path: Path) -> str:
    """Which of the heavy modules a fresh process has imported once it ran `script`."""
    report = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    environ = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", f"{script}\n{report}"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_a_web_process_imports_neither_pandas_nor_exchange_calendars(
    server: str, tmp_path: Path
) -> None:
    script = f"from marketdata_site.{server} import application\n{WEB}"
    assert imported_after(script, tmp_path) == "[]"


def test_the_test_would_notice(tmp_path: Path) -> None:
    script = (
        "import django; django.setup()\n"
        "from universe.services.exchange_hours import canonical_name\n"
        "assert canonical_name('XNAS') == 'XNYS'"
    )
    assert imported_after(script, tmp_path) == str(list(HEAVY))
