"""The shapes of what the service says of itself, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field


class Problem(BaseModel):
    """RFC 9457 problem details: what went wrong, and where one input is to blame, which."""

    type: str = Field(description="a URI for the kind of problem; about:blank: see the status")
    title: str
    status: int
    detail: str = Field(description="for a person to read")
    instance: str = Field(description="the path that was asked")
    field: str | None = Field(None, description="the input to blame")
    value: str | None = Field(None, description="what was given, shortened")
    bound: str | None = Field(None, description="what is accepted")


class Holds(BaseModel):
    """What the store holds."""

    symbols: dict[str, int] = Field(description="tier → active symbols")
    newest_bar: dict[str, AwareDatetime | None] = Field(description="interval → the newest bar")
    commits: int = Field(description="the number of the newest commit")
    newest_commit: AwareDatetime | None


class Landing(BaseModel):
    """What this service is and holds."""

    service: str
    origin: Literal["vendor", "synthetic", "replayed"] = Field(
        description="whether the data is real, made up, or recorded and replayed"
    )
    links: dict[str, str]
    holds: Holds | None = Field(description="null without scope `read`")


class Check(BaseModel):
    """One thing that the service stands on."""

    name: str
    ok: bool
    detail: str = Field(description="empty when it is ok")
    ms: float = Field(description="how long the check took")


class Health(BaseModel):
    """Whether the service can do its work."""

    status: Literal["ready", "down"]
    down: list[str] = Field(description="the checks that failed")
    checks: list[Check]


class Live(BaseModel):
    """The process answers."""

    status: Literal["live"]
