"""The documents say what the code does, where that can be checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.apps import apps

from deploy.configuration import with_table

pytestmark = pytest.mark.house

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
    missing = [str(target) for target in targets if not target.exists()]
    missing += [path for path in paths if not re.search("acme|var/|<|:", path) and not _room(path)]
    assert missing == []


def _room(path: str) -> bool:
    """Whether there is such a file or folder, in the root or on a floor."""
    return any((ROOT / floor / path).exists() for floor in ("", "universe", "ingestion", "ops"))


def test_every_table_is_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    ours = {"universe", "ingestion", "backfill", "ops"}
    models = [model for model in apps.get_models() if model._meta.app_label in ours]
    assert models
    assert [m._meta.db_table for m in models if f"`{m._meta.db_table}`" not in text] == []


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
