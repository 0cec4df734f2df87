"""Every environment variable the service reads, typed, with its default.

`load()` reads all of them at once and, when any is wrong, stops the process with one
message that names every variable, its value (never a secret's) and what was expected.
Secrets may also come from a file: `POLYGON_API_KEY_FILE=/run/secrets/polygon`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
Url = Annotated[str | None, BeforeValidator(_blank_is_none)]
Moment = Annotated[datetime | None, BeforeValidator(_blank_is_none)]


class Environment(BaseModel):
    """The environment as values; field `port` is variable `PORT`, and so on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    # Where we listen and who may come in
    port: int = Field(8000, ge=1, le=65535)
    debug: bool = False
    secret_key: Secret = None
    allowed_hosts: Names = ("127.0.0.1", "localhost", "[::1]")
    public_read: bool | None = None
    throttle_read: int = Field(1200, ge=1, description="market-data requests a minute and caller")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    # What we run on
    data_dir: Path = Path("var")
    database_url: Url = None
    redis_url: Url = None
    prometheus_multiproc_dir: Annotated[Path | None, BeforeValidator(_blank_is_none)] = None

    # Vendors
    sandbox_url: Url = None
    sandbox_origin: Literal["synthetic", "replayed"] = "synthetic"
    polygon_api_key: Secret = None
    finnhub_api_key: Secret = None
    alpaca_api_key_id: Secret = None
    alpaca_api_secret_key: Secret = None
    iex_token: Secret = None
    fred_api_key: Secret = None
    polygon_base_url: str = "https://api.polygon.io"
    alpaca_base_url: str = "https://data.alpaca.markets"
    finnhub_base_url: str = "https://finnhub.io/api/v1"
    yahoo_base_url: str = "https://query2.finance.yahoo.com"
    iex_base_url: str = "https://cloud.iexapis.com/stable"
    providers_enabled: Names = ("polygon", "alpaca", "finnhub", "yahoo")
    vendor_timeout_s: float = Field(10.0, gt=0, le=120)

    # Policies, cadences, limits: the seed of the runtime configuration
    policy_bars_1m: Names = ("alpaca:sip", "polygon", "finnhub", "yahoo")
    policy_bars_1d: Names = ("polygon", "alpaca:sip", "finnhub", "yahoo")
    cadence_1m_t0_s: int = Field(60, ge=60)
    cadence_1m_t1_s: int = Field(60, ge=60)
    cadence_1m_t2_s: int = Field(300, ge=60)
    live_lookback_minutes: int = Field(10, ge=1, le=390)
    live_concurrency: int = Field(16, ge=1, le=128)
    limit_polygon: str = ""
    limit_alpaca: str = ""
    limit_finnhub: str = ""
    limit_yahoo: str = ""
    limit_iex: str = ""

    # Time: a clock that starts elsewhere or runs faster, for replays
    clock_start: Moment = None
    clock_rate: float = Field(1.0, gt=0, le=100_000)
    clock_anchor: Moment = None
    clock_file: Annotated[Path | None, BeforeValidator(_blank_is_none)] = None

    @property
    def production(self) -> bool:
        """True with a PostgreSQL database; otherwise embedded mode on SQLite."""
        return bool(self.database_url) and not str(self.database_url).startswith("sqlite")

    @model_validator(mode="after")
    def _check_together(self) -> Environment:
        problems = []
        if self.production and self.secret_key is None:
            problems.append("SECRET_KEY: required when DATABASE_URL names a server")
        if self.database_url and urlsplit(self.database_url).scheme not in _DATABASES:
            problems.append(f"DATABASE_URL: the scheme must be one of {', '.join(_DATABASES)}")
        if self.redis_url and urlsplit(self.redis_url).scheme not in ("redis", "rediss", "unix"):
            problems.append("REDIS_URL: the scheme must be redis, rediss or unix")
        for name in ("clock_start", "clock_anchor"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                problems.append(f"{name.upper()}: needs a time zone, such as 2026-01-02T09:30:00Z")
        if bool(self.alpaca_api_key_id) != bool(self.alpaca_api_secret_key):
            problems.append("ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY: set both or neither")
        if problems:
            raise ValueError("\n".join(problems))
        return self


_DATABASES = ("postgres", "postgresql", "sqlite")


class EnvironmentInvalid(Exception):
    """The environment cannot be used; the message lists every problem, one a line."""


def load(environ: Mapping[str, str]) -> Environment:
    """Read every variable from `environ`. Raises EnvironmentInvalid naming all problems."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in Environment.model_fields:
        variable = name.upper()
        if variable in environ:
            values[name] = environ[variable]
        elif f"{variable}_FILE" in environ:
            try:
                values[name] = Path(environ[f"{variable}_FILE"]).read_text().strip()
            except OSError as error:
                problems.append(f"{variable}_FILE: {error}")
    try:
        environment = Environment.model_validate(values)
    except ValidationError as error:
        problems += _describe(error)
    if problems:
        raise EnvironmentInvalid("\n".join(problems))
    return environment


def _describe(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            lines += str(problem["ctx"]["error"]).splitlines()
            continue
        name = str(problem["loc"][0])
        secret = Environment.model_fields[name].annotation == Secret or "key" in name
        got = "" if secret else f" (got {problem['input']!r})"
        lines.append(f"{name.upper()}: {problem['msg'].lower()}{got}")
    return lines


def load_or_exit() -> Environment:
    """`load(os.environ)`, or end the process with the list of problems on standard error."""
    try:
        return load(os.environ)
    except EnvironmentInvalid as error:
        sys.exit(f"The environment is not usable:\n  {str(error).replace(chr(10), chr(10) + '  ')}")
