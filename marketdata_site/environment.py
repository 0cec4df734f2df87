"""Every environment variable the service reads, typed, with its default.

`load()` reads all of them at once and, when any is wrong, stops the process with one
message that names every variable, its value (never a secret's) and what was expected.
An empty variable counts as not set.
Secrets may also come from a file: `POLYGON_API_KEY_FILE=/run/secrets/polygon`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, get_args
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

from marketdata_site.call_limits import CallLimits


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _parse_limits(value: object) -> object:
    return CallLimits.parse(value) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Limits = Annotated[CallLimits | None, BeforeValidator(_parse_limits)]

SHORTEST_SECRET_KEY = 32
"""In characters, where a server is used: it also signs what the service gives to others."""


class Environment(BaseModel):
    """The environment as values; field `port` is variable `PORT`, and so on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    # Where we listen and who may come in
    port: int = Field(8000, ge=1, le=65535, description="where the web process listens")
    bind_address: str = Field("127.0.0.1", description="and on which address; 0.0.0.0 for all")
    web_workers: int | None = Field(
        None, ge=1, le=64, description="web processes; unset: 1 embedded, else 2 a core"
    )
    debug: bool = Field(False, description="Django's error pages; never where others can come")
    secret_key: SecretStr | None = Field(
        None, description="signs sessions; embedded makes one and keeps it in DATA_DIR"
    )
    allowed_hosts: Names = Field(
        ("127.0.0.1", "localhost", "[::1]"), description="Host headers that are answered"
    )
    public_read: bool | None = Field(
        None, description="market data without a key; unset: embedded only"
    )
    throttle_read: int = Field(1200, ge=1, description="market-data requests a minute and caller")
    secure_ssl: bool = Field(False, description="TLS ends in front of us: cookies, HSTS, redirects")
    trusted_proxies: int = Field(0, ge=0, le=8, description="proxies that add to X-Forwarded-For")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="what is logged, to standard error"
    )
    log_format: Literal["text", "json"] = Field("text", description="for people or for machines")

    # What we run on
    data_dir: Path = Field(Path("var"), description="SQLite, keys and caches of this host")
    database_url: str | None = Field(
        None, description="postgres://user:password@host/name makes it the production service"
    )
    redis_url: str | None = Field(
        None, description="redis://host:6379/0 for call limits, throttling and caches"
    )
    prometheus_multiproc_dir: Path | None = Field(
        None, description="where processes add up their metrics; make run sets it"
    )

    # Vendors
    sandbox_url: str | None = Field(
        None, description="asked instead of every vendor; make run sets it"
    )
    sandbox_origin: Literal["synthetic", "replayed"] = Field(
        "synthetic", description="what the sandbox serves, as answers label it"
    )
    polygon_api_key: SecretStr | None = Field(None, description="polygon's key")
    finnhub_api_key: SecretStr | None = Field(None, description="finnhub's key")
    alpaca_api_key_id: SecretStr | None = Field(None, description="alpaca's key, first half")
    alpaca_api_secret_key: SecretStr | None = Field(None, description="alpaca's key, second half")
    iex_token: SecretStr | None = Field(None, description="iex's token (legacy)")
    fred_api_key: SecretStr | None = Field(None, description="FRED's key, for macro factors")
    polygon_base_url: str = Field("https://api.polygon.io", description="polygon's address")
    alpaca_base_url: str = Field("https://data.alpaca.markets", description="alpaca's address")
    finnhub_base_url: str = Field("https://finnhub.io/api/v1", description="finnhub's address")
    yahoo_base_url: str = Field("https://query2.finance.yahoo.com", description="yahoo's address")
    iex_base_url: str = Field("https://cloud.iexapis.com/stable", description="iex's address")
    providers_enabled: Names = Field(
        ("polygon", "alpaca", "finnhub", "yahoo"), description="providers that may be asked"
    )
    vendor_timeout_s: float = Field(
        10.0, gt=0, le=120, description="seconds until a vendor's silence is an error"
    )

    # Policies, cadences, limits: the seed of the runtime configuration
    policy_bars_1m: Names = Field(
        ("alpaca:sip", "polygon", "finnhub", "yahoo"),
        description="sources for minute bars, best first",
    )
    policy_bars_1d: Names = Field(
        ("polygon", "alpaca:sip", "finnhub", "yahoo"),
        description="sources for daily bars, best first",
    )
    cadence_1m_t0_s: int = Field(60, ge=60, description="seconds between polls of tier T0")
    cadence_1m_t1_s: int = Field(60, ge=60, description="the same of tier T1")
    cadence_1m_t2_s: int = Field(300, ge=60, description="the same of tier T2")
    live_lookback_minutes: int = Field(
        10, ge=1, le=390, description="a series further behind leaves a gap and jumps"
    )
    live_concurrency: int = Field(
        16, ge=1, le=128, description="vendor calls that one worker makes at once"
    )
    stalled_after_s: float = Field(
        60.0, gt=0, description="a live cluster that leaves waiting jobs so long is ended"
    )
    limit_polygon: Limits = Field(
        None, description="calls, as `5/minute burst=2`; unset: free plan"
    )
    limit_alpaca: Limits = Field(None, description="the same for alpaca")
    limit_finnhub: Limits = Field(None, description="the same for finnhub")
    limit_yahoo: Limits = Field(None, description="the same for yahoo")
    limit_iex: Limits = Field(None, description="the same for iex")

    # Time: a clock that starts elsewhere or runs faster, for replays
    clock_start: datetime | None = Field(None, description="what the clock reads at CLOCK_ANCHOR")
    clock_rate: float = Field(1.0, gt=0, le=100_000, description="how many times as fast it runs")
    clock_anchor: datetime | None = Field(
        None, description="real time at which it read CLOCK_START; unset: the process's start"
    )
    clock_file: Path | None = Field(None, description="holds the time; whoever writes it moves it")

    @property
    def production(self) -> bool:
        """True with a PostgreSQL database; otherwise embedded mode on SQLite."""
        return bool(self.database_url) and not str(self.database_url).startswith("sqlite")

    @model_validator(mode="after")
    def _check_together(self) -> Environment:
        problems = [*self._url_problems(), *self._clock_problems(), *self._provider_problems()]
        if self.production and self.secret_key is None:
            problems.append("SECRET_KEY: required when DATABASE_URL names a server")
        elif self.production and len(_text(self.secret_key)) < SHORTEST_SECRET_KEY:
            problems.append(
                f"SECRET_KEY: must have at least {SHORTEST_SECRET_KEY} characters when"
                " DATABASE_URL names a server"
            )
        if bool(self.alpaca_api_key_id) != bool(self.alpaca_api_secret_key):
            problems.append("ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY: set both or neither")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _url_problems(self) -> Iterator[str]:
        for name in type(self).model_fields:
            if not name.endswith("_url") or not (url := getattr(self, name)):
                continue
            schemes = _SCHEMES.get(name, ("http", "https"))
            try:
                parts = urlsplit(url)
                _ = parts.port
            except ValueError:  # its message may quote a password
                yield f"{name.upper()}: is no URL, or its port is no number"
            else:
                if parts.scheme not in schemes:
                    yield f"{name.upper()}: the scheme must be one of {', '.join(schemes)}"

    def _clock_problems(self) -> Iterator[str]:
        for name in ("clock_start", "clock_anchor"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                yield f"{name.upper()}: needs a time zone, such as 2026-01-02T09:30:00Z"

    def _provider_problems(self) -> Iterator[str]:
        known = {
            name.removeprefix("limit_")
            for name in type(self).model_fields
            if name.startswith("limit_")
        }
        for name in ("providers_enabled", "policy_bars_1m", "policy_bars_1d"):
            for source in getattr(self, name):
                if source.partition(":")[0] not in known:
                    yield (
                        f"{name.upper()}: no provider is called {source!r};"
                        f" there are {', '.join(sorted(known))}"
                    )


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


_SCHEMES = {
    "database_url": ("postgres", "postgresql", "sqlite"),
    "redis_url": ("redis", "rediss", "unix"),
}
# URLs of servers hold passwords.
_NEVER_SHOWN = frozenset(_SCHEMES)


class EnvironmentInvalid(Exception):
    """The environment cannot be used; the message lists every problem, one a line."""


def load(environ: Mapping[str, str]) -> Environment:
    """Read every variable from `environ`; an empty one counts as not set.

    Raises EnvironmentInvalid naming all problems.
    """
    values, problems = _read(environ)
    environment, invalid = _validate(values)
    if environment is None:
        problems += invalid
        # What is wrong between variables shows only when each for itself is right.
        sound = {name: value for name, value in values.items() if not _accuses(invalid, name)}
        # One left out there may be missed, which is no problem of its own.
        told = {line.partition(":")[0] for line in invalid}
        problems += [line for line in _validate(sound)[1] if line.partition(":")[0] not in told]
    if environment is None or problems:
        raise EnvironmentInvalid("\n".join(problems))
    return environment


def _read(environ: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    problems: list[str] = []
    for name in Environment.model_fields:
        variable = name.upper()
        text = environ.get(variable, "")
        file = environ.get(f"{variable}_FILE", "")
        if file and not text:
            try:
                text = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{variable}_FILE: cannot read {file}: {_reason(error)}")
        if text:
            values[name] = text
    return values, problems


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown error" if isinstance(error, OSError) else "it is not text"


def _validate(values: Mapping[str, str]) -> tuple[Environment | None, list[str]]:
    try:
        return Environment.model_validate(values), []
    except ValidationError as error:
        return None, _describe(error)


def _accuses(problems: list[str], name: str) -> bool:
    return any(problem.startswith(f"{name.upper()}: ") for problem in problems)


def _describe(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            lines += str(problem["ctx"]["error"]).splitlines()
            continue
        name = str(problem["loc"][0])
        message = problem["msg"].removeprefix("Value error, ")
        got = "" if _is_secret(name) else f" (got {problem['input']!r})"
        part = "".join(f"{part}: " for part in problem["loc"][1:])
        lines.append(f"{name.upper()}: {part}{message[:1].lower()}{message[1:]}{got}")
    return lines


def _is_secret(name: str) -> bool:
    annotation = Environment.model_fields[name].annotation
    return name in _NEVER_SHOWN or SecretStr in get_args(annotation)


def load_or_exit() -> Environment:
    """`load(os.environ)`, or end the process with the list of problems on standard error."""
    try:
        return load(os.environ)
    except EnvironmentInvalid as error:
        problems = str(error).replace("\n", "\n  ")
        sys.exit(f"The environment is not usable:\n  {problems}")
