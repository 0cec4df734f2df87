"""How often one provider may be called: the value, and how people write it."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field


class CallLimits(BaseModel):
    """How often one provider may be called, by all processes together. None: no limit.

    A call takes its place in a window from its start until one window after its end.
    `burst` bounds calls in any 100 ms; `concurrency` bounds calls under way at once.
    """

    model_config = ConfigDict(frozen=True)

    per_second: int | None = Field(None, ge=1)
    per_minute: int | None = Field(None, ge=1)
    per_day: int | None = Field(None, ge=1)
    burst: int | None = Field(None, ge=1)
    concurrency: int | None = Field(None, ge=1)

    @classmethod
    def parse(cls, text: str) -> CallLimits:
        """Read `200/minute 10/second burst=5 concurrency=8`. Raises ValueError naming the part."""
        values: dict[str, int] = {}
        for part in text.replace(",", " ").split():
            rate = re.fullmatch(r"(\d+)/(second|minute|day)", part)
            bound = re.fullmatch(r"(burst|concurrency)=(\d+)", part)
            if rate:
                values[f"per_{rate[2]}"] = int(rate[1])
            elif bound:
                values[bound[1]] = int(bound[2])
            else:
                raise ValueError(
                    f"{part!r} is no limit: write 5/second, 200/minute, 10000/day, burst=5"
                    " or concurrency=8"
                )
        return cls(**values)
