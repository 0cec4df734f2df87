"""The README's table of environment variables, made from the code that reads them.

python -m deploy.configuration      writes it anew; a test says when that is due
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from deploy.plan import ROOT
from marketdata_site.call_limits import CallLimits
from marketdata_site.environment import Environment

README = ROOT / "README.md"
BEGIN, END = "<!-- configuration: begin -->", "<!-- configuration: end -->"
_KINDS: dict[Any, str] = {
    bool: "yes or no",
    int: "number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
    datetime: "time with zone",
    CallLimits: "limits",
    tuple: "names",
}


def table() -> str:
    """One row a variable: name, kind, default, meaning."""
    rows = ["| variable | kind | default | what it is |", "|---|---|---|---|"]
    for name, field in Environment.model_fields.items():
        cells = (f"`{name.upper()}`", _kind(field), _default(field), field.description or "")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _kind(field: FieldInfo) -> str:
    """What a value looks like, in a word or two."""
    annotation = field.annotation
    choices = get_args(annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(choices)
    if get_origin(annotation) is tuple:
        return _KINDS[tuple]
    types = [choice for choice in choices if choice is not type(None)] or [annotation]
    return _KINDS[types[0]]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


def with_table(readme: str) -> str:
    """The README's text with the table as it should be."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
