"""Request bodies: JSON, and not much of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser


class BodyTooLarge(APIException):
    """The body is longer than `DATA_UPLOAD_MAX_MEMORY_SIZE`."""

    status_code = 413
    default_code = "too_large"
    problem_type = "body-too-large"

    def __init__(self, bound: int) -> None:
        super().__init__(f"The body is longer than {bound} bytes.")
        self.bound = f"{bound} bytes"


class BoundedJsonParser(BaseParser):
    """Strict JSON (no NaN) of at most `DATA_UPLOAD_MAX_MEMORY_SIZE` bytes. Django enforces
    that setting for bodies that it reads itself, and DRF reads them on its own."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The document. Raises BodyTooLarge and ParseError."""
        bound: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(bound + 1)
        if len(body) > bound:
            raise BodyTooLarge(bound)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(f"The body is not JSON: {error}") from None
