"""A bar's width."""

from __future__ import annotations

from enum import StrEnum


class Interval(StrEnum):
    """The stored bar widths."""

    MINUTE = "1m"
    DAY = "1d"

    @property
    def seconds(self) -> int:
        """The width in seconds. A daily bar is labelled, not timed: 86,400 between labels."""
        return 60 if self is Interval.MINUTE else 86_400


class UnknownInterval(ValueError):
    """The text names no stored interval."""


def parse_interval(text: str) -> Interval:
    """The interval that `text` names. Raises UnknownInterval listing those that exist."""
    try:
        return Interval(text)
    except ValueError:
        known = ", ".join(Interval)
        raise UnknownInterval(f"interval {text!r} is not stored; use one of {known}") from None
