"""What it means when no HTTP answer comes, or not all of one."""

from __future__ import annotations

from collections.abc import Callable

import requests
import urllib3

from ingestion.providers.errors import ConnectionFailed, Malformed, ProviderError, Timeout
from ingestion.providers.reply import excerpt

TRANSPORT_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""All that a request and the reading of its answer may raise."""

_TIMEOUTS = (
    requests.Timeout,
    urllib3.exceptions.ReadTimeoutError,
    urllib3.exceptions.ConnectTimeoutError,
    TimeoutError,
)
_NO_CONNECTION = urllib3.exceptions.NewConnectionError  # which calls itself a timeout


def transport_error(
    provider: str, endpoint: str, error: BaseException, clean: Callable[[str], str]
) -> ProviderError:
    """The provider error that `error`, one of TRANSPORT_ERRORS, stands for. `clean` takes
    secrets out of a text."""
    cause = _cause(error)
    if isinstance(cause, urllib3.exceptions.DecodeError):
        return Malformed(provider, endpoint, "the compressed body is damaged")
    if isinstance(cause, _TIMEOUTS) and not isinstance(cause, _NO_CONNECTION):
        return Timeout(provider, endpoint, "no complete answer in time")
    detail = type(cause).__name__
    # Others, such as a header or a URL that cannot be sent, may quote what is secret in it.
    if isinstance(cause, (OSError, urllib3.exceptions.HTTPError)) and not isinstance(
        cause, requests.RequestException
    ):
        detail += f": {excerpt(clean(str(cause)))}"
    return ConnectionFailed(provider, endpoint, detail)


def _cause(error: BaseException) -> BaseException:
    """The innermost thing that went wrong: the outer ones quote whole URLs."""
    for _ in range(5):
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error
