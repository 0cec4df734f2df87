"""What an exported file says of itself: in a Parquet file's schema, or in a JSON file beside
a CSV. A file that says it is ours needs nothing declared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.domain.source import Basis
from ingestion.files.layout import Declaration, Label
from ingestion.files.problems import FileUnreadable
from universe.domain.interval import Interval

KEY = b"marketdata"
"""The key in a Parquet schema's metadata."""

FORMAT = "marketdata-bars/1"


def sidecar_of(path: Path) -> Path:
    """Where the description of the file at `path` is."""
    return path.with_name(path.name + ".json")


def dump(about: Mapping[str, Any]) -> str:
    """The description as JSON text."""
    return json.dumps({"format": FORMAT, **about}, indent=2)


def load(text: str, where: str) -> Declaration | None:
    """What a description declares, None when it is not one of ours. Raises FileUnreadable for
    one of ours that cannot be read."""
    try:
        about = json.loads(text)
        if not isinstance(about, dict) or about.get("format") != FORMAT:
            return None
        return Declaration(
            why=where,
            interval=Interval(about["interval"]),
            label=Label(about["label"]),
            timezone="UTC",
            basis=Basis(about["basis"]),
            price_scale=1.0,
        )
    except ValueError as error:
        if FORMAT not in text:
            return None
        raise FileUnreadable(f"{where}: {error}") from error
    except KeyError as error:
        raise FileUnreadable(f"{where}: {error} is missing") from error


def beside(path: Path) -> Declaration | None:
    """What the file's sidecar declares, None without one. Raises FileUnreadable."""
    file = sidecar_of(path)
    try:
        text = file.read_text("utf-8") if file.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadable(f"{file}: unreadable: {error}") from error
    return None if text is None else load(text, file.name)
