"""Comparing an answer's shape with a recorded one's."""

from __future__ import annotations

from typing import Any

Shape = dict[str, set[str]]


def shape(document: Any, path: str = "") -> Shape:
    """Where there is a value in a JSON document, and of which kinds; list items are one place.

    `{"a": [{"b": 1}, {"b": None}]}` has the shape `{"": {"object"}, ".a": {"array"}, …,
    ".a[].b": {"number", "null"}}`.
    """
    found: Shape = {path: {_kind(document)}}
    children: list[tuple[str, Any]] = []
    if isinstance(document, dict):
        children = [(f"{path}.{name}", value) for name, value in document.items()]
    elif isinstance(document, list):
        children = [(f"{path}[]", value) for value in document]
    for place, value in children:
        for where, kinds in shape(value, place).items():
            found.setdefault(where, set()).update(kinds)
    return found


def _kind(value: Any) -> str:
    for kind, name in ((bool, "flag"), (int | float, "number"), (str, "text"), (list, "array")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "object"


def strangers(document: Any, recorded: Any, ignoring: str = "\0") -> dict[str, set[str]]:
    """What in `document` the recording does not have: places, and kinds of value there."""
    known = shape(recorded)
    return {
        place: kinds - known.get(place, set())
        for place, kinds in shape(document).items()
        if not place.startswith(ignoring) and kinds - known.get(place, set())
    }
