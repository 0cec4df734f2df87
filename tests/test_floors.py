"""The import contracts in pyproject.toml catch what they are there for.

Each case adds one forbidden import to a copy of the code; the contract that it names, and no
argument about it, must break.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.house

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("marketdata_site", "universe", "ingestion", "backfill", "ops")
LINT = Path(sys.executable).with_name("lint-imports")

VIOLATIONS = {
    "floors": ("universe/models.py", "from ingestion.domain import source"),
    "ground": ("marketdata_site/clock.py", "from universe.domain import interval"),
    "wiring": ("ops/keys.py", "from marketdata_site import settings"),
    "universe-rooms": ("universe/models.py", "from universe.services import sessions"),
    "ingestion-rooms": ("ingestion/store/writer.py", "from ingestion.collection import intake"),
    "ops-rooms": ("ops/models.py", "from ops import keys"),
    "pure-domain": ("ingestion/domain/quality.py", "from django.db import models"),
    "pure-parse": ("ingestion/providers/polygon/parse.py", "import requests"),
    "vendor-io": ("ingestion/collection/intake.py", "import requests"),
    "sandbox": ("ingestion/providers/base.py", "from ingestion.sandbox import market"),
}


def contracts() -> dict[str, str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {c["id"]: c["name"] for c in config["tool"]["importlinter"]["contracts"]}


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(LINT), "--no-cache", "--no-logo", "--contract", contract],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_has_a_violation_here() -> None:
    assert set(VIOLATIONS) == set(contracts())


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_violation_breaks_its_contract(contract: str, copy: Path) -> None:
    kept = lint(copy, contract)
    assert kept.returncode == 0, kept.stdout
    file, line = VIOLATIONS[contract]
    with (copy / file).open("a") as handle:
        handle.write(f"\n{line}\n")
    broken = lint(copy, contract)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert f"{contracts()[contract]} BROKEN" in broken.stdout


def test_a_new_room_must_be_given_its_place(copy: Path) -> None:
    (copy / "ingestion" / "attic.py").write_text('"""A room that no layer names."""\n')
    broken = lint(copy, "ingestion-rooms")
    assert broken.returncode == 1
    assert "attic" in broken.stdout
