"""The documents say what the code does, where that can be checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.configuration import with_table

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_table_of_variables_is_that_of_the_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme == with_table(readme), "run: python -m deploy.configuration"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    targets = [document.parent / link for link in links if link and "://" not in link]
    paths = re.findall(r"`([a-z_]+(?:/[a-z_.<>]+)*/(?:[a-z_0-9]+\.[a-z]+)?)`", text)
    targets += [ROOT / path for path in paths if not re.search("acme|var/|resources", path)]
    assert [str(target) for target in targets if not target.exists()] == []


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = {
        file.stem for file in ROOT.glob("*/management/commands/*.py") if file.stem != "__init__"
    }
    assert {name for name in commands if name not in readme} == set()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z]+)", document.read_text()))
        assert named <= targets, document
