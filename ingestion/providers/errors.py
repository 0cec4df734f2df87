"""All that can go wrong when a vendor is asked, and what follows from it.

Each class fixes `code` (the `code` label of `provider_errors_total`) and whether the same
call may be tried again; the rest of the code asks the error and never its text.
"""

from __future__ import annotations

from typing import ClassVar


class ProviderError(Exception):
    """A vendor did not give a usable answer.

    `retry_after` is how many seconds the vendor asked us to wait, or None.
    `detail` never holds a secret.
    """

    code: ClassVar[str]
    permanent: ClassVar[bool] = False
    """True: the same call to the same source will fail again until somebody acts."""

    def __init__(
        self, provider: str, endpoint: str, detail: str, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{provider} {endpoint}: {self.code}: {detail}")
        self.provider = provider
        self.endpoint = endpoint
        self.detail = detail
        self.retry_after = retry_after


class Timeout(ProviderError):
    """No answer, or not all of it, in time."""

    code = "timeout"


class ConnectionFailed(ProviderError):
    """The vendor could not be reached, or hung up."""

    code = "connection"


class ServerError(ProviderError):
    """The vendor answered 5xx."""

    code = "http_5xx"


class RateLimited(ProviderError):
    """429, or our own limiter has no room in time: wait, and count no failure."""

    code = "rate_limited"


class NotEntitled(ProviderError):
    """The plan does not include this endpoint or range."""

    code = "not_entitled"
    permanent = True


class AuthFailed(ProviderError):
    """The key is missing or wrong."""

    code = "auth"
    permanent = True


class Banned(ProviderError):
    """The vendor refuses this key or address for good: stop calling it."""

    code = "ban"
    permanent = True


class UnknownSymbol(ProviderError):
    """The vendor does not know the symbol."""

    code = "unknown_symbol"
    permanent = True


class Malformed(ProviderError):
    """The answer is not what the vendor documents: not JSON, too large, impossible values."""

    code = "malformed"


class Incomplete(ProviderError):
    """The answer is well formed but does not cover what was asked."""

    code = "incomplete"


CODES = tuple(
    error.code
    for error in (
        Timeout,
        ConnectionFailed,
        ServerError,
        RateLimited,
        NotEntitled,
        AuthFailed,
        Banned,
        UnknownSymbol,
        Malformed,
        Incomplete,
    )
)
