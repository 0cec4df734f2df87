"""The house's conventions that no linter knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.house

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("marketdata_site", "universe", "ingestion", "backfill", "ops", "deploy", "benchmarks")
CODE = sorted(
    file
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
    if "migrations" not in file.parts
)
COMMANDS = sorted(
    file.stem for file in ROOT.glob("*/management/commands/*.py") if file.stem != "__init__"
)
LONGEST = 400


def test_no_file_has_outgrown_its_name() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in CODE
        if (lines := len(file.read_text().splitlines())) > LONGEST
    }
    assert not long, f"over {LONGEST} lines: two rooms with two names would be clearer"


def test_no_room_is_named_for_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "common", "misc"}
    named = [
        str(file.relative_to(ROOT)) for file in CODE if nothing & set(file.with_suffix("").parts)
    ]
    assert named == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_without_a_test(command: str) -> None:
    mention = re.compile(rf"[\"']{command}[\"']")
    tests = [file for file in (ROOT / "tests").rglob("test_*.py") if file != Path(__file__)]
    assert any(mention.search(file.read_text()) for file in tests)


def test_every_exemption_says_why() -> None:
    """`# noqa: X (reason)` and `# type: ignore[x]  # reason`, or a comment line above."""
    bare = []
    for file in [*CODE, *(ROOT / "tests").rglob("*.py")]:
        before = ""
        for number, line in enumerate(file.read_text().splitlines(), 1):
            mark = re.search(r"# (?:noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\])(.*)$", line)
            explained = mark and (re.search(r"\w{3}", mark[1]) or before.strip().startswith("#"))
            if mark and not explained:
                bare.append(f"{file.relative_to(ROOT)}:{number}")
            before = line
    assert bare == []


def test_the_pinned_requirements_are_complete_and_name_no_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [
            line
            for line in (ROOT / name).read_text().splitlines()
            if line[:1] not in ("#", " ", "")
        ]
        assert lines
        assert all(re.match(r"[\w.\[\],-]+==[\w.!+]+", line) for line in lines), name
        assert "://" not in (ROOT / name).read_text()


def _wanted(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    wanted = {re.split(r"[<>=\[ ]", line)[0] for line in lines if re.match(r"[a-z]", line)}
    return {package.lower().replace("_", "-") for package in wanted}


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_every_hand_written_requirement_is_pinned(name: str) -> None:
    pinned = {
        line.split("==")[0]
        for line in (ROOT / f"{name}.txt").read_text().splitlines()
        if "==" in line
    }
    assert _wanted(f"{name}.in") <= {package.split("[")[0].strip() for package in pinned}
