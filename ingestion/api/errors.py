"""What can be wrong with a request for market data."""

from __future__ import annotations

from rest_framework.exceptions import APIException

_SHOWN = 100


class InputInvalid(APIException):
    """One input is not acceptable: which, what was given, and what would be accepted."""

    status_code = 400
    default_code = "invalid_input"
    problem_type = "invalid-input"

    def __init__(self, field: str, value: object, bound: str) -> None:
        text = value if isinstance(value, str) else repr(value)
        self.field = field
        self.value = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        self.bound = bound
        super().__init__(f"{field}={self.value} is not accepted: {bound}.")


class NoSuchSymbol(APIException):
    """The universe has no such ticker, or had none at that time."""

    status_code = 404
    default_code = "unknown_symbol"
    problem_type = "unknown-symbol"


class NoSuchCursor(APIException):
    """The source has not delivered a bar of this series."""

    status_code = 404
    default_code = "no_cursor"
    problem_type = "no-cursor"


class CalendarEnded(APIException):
    """The sessions table does not reach the present: the operator must sync it."""

    status_code = 503
    default_code = "calendar_ended"
    problem_type = "calendar-ended"
