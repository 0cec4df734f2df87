"""What is asked of workers: the schemas of jobs, in our own tables and on Redis lists.

All times are ISO 8601 with a zone; windows are half-open. A job that does not fit its schema
raises pydantic's ValidationError, which lists every field that is wrong.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from universe.domain.interval import Interval
from universe.domain.tier import Tier
from universe.domain.time_range import TimeRange

JobId = Annotated[str, StringConstraints(min_length=1, max_length=96)]
Ticker = Annotated[str, StringConstraints(min_length=1, max_length=32, strip_whitespace=True)]
Tickers = Annotated[tuple[Ticker, ...], Field(min_length=1, max_length=1000)]
ProviderHint = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class _Job(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: JobId


class TimeWindow(BaseModel):
    """`[start, end)`, UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end {self.end.isoformat()} must be after {self.start.isoformat()}")
        return self

    @property
    def range(self) -> TimeRange:
        """The same window in epoch seconds."""
        return TimeRange.between(self.start, self.end)


class BarsFetchJob(_Job):
    """Collect the newest bars of up to 1,000 symbols."""

    symbols: Tickers
    interval: Interval
    time_window: TimeWindow
    tier: Tier
    provider_hint: ProviderHint | None = None


class QuotesFetchJob(_Job):
    """Collect the latest quote of up to 1,000 symbols."""

    symbols: Tickers
    tier: Tier
    provider_hint: ProviderHint | None = None


class BackfillJob(_Job):
    """Fetch one symbol's bars of a past range."""

    symbol: Ticker
    interval: Interval
    time_window: TimeWindow
    priority: Tier
