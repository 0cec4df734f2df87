"""The environment: every problem named at once, no secret ever shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata_site.environment import Environment, EnvironmentInvalid, load


def problems(**environ: str) -> list[str]:
    with pytest.raises(EnvironmentInvalid) as caught:
        load(environ)
    return str(caught.value).splitlines()


def test_an_empty_environment_is_the_embedded_service() -> None:
    environment = load({})
    assert environment.port == 8000
    assert not environment.production
    assert environment.polygon_api_key is None


def test_values_are_typed() -> None:
    environment = load(
        {
            "PORT": "8123",
            "PUBLIC_READ": "1",
            "POLICY_BARS_1M": "polygon, alpaca:sip",
            "CLOCK_START": "2013-10-07T09:00:00-04:00",
            "LIMIT_POLYGON": "5/minute burst=2",
            "DATA_DIR": "elsewhere",
        }
    )
    assert environment.port == 8123
    assert environment.public_read is True
    assert environment.policy_bars_1m == ("polygon", "alpaca:sip")
    assert environment.clock_start is not None
    assert environment.clock_start.isoformat() == "2013-10-07T09:00:00-04:00"
    assert environment.limit_polygon is not None
    assert environment.limit_polygon.per_minute == 5
    assert environment.limit_polygon.burst == 2
    assert environment.data_dir == Path("elsewhere")


def test_an_empty_variable_counts_as_not_set() -> None:
    blank = {name.upper(): "" for name in Environment.model_fields}
    assert load(blank) == load({})


def test_every_problem_is_named_at_once() -> None:
    named = problems(
        PORT="eighty",
        PUBLIC_READ="perhaps",
        CLOCK_START="2013-10-07T09:00:00",
        CLOCK_RATE="0",
        LIMIT_YAHOO="5/hour",
        LIMIT_IEX="burst=0",
        POLICY_BARS_1D="polygon,alpacca:sip",
        DATABASE_URL="mysql://somewhere/db",
        REDIS_URL="http://somewhere",
        SANDBOX_URL="ftp://somewhere",
        ALPACA_API_KEY_ID="one",
        IEX_TOKEN_FILE="/no/such/file",
    )
    variables = [line.split(":")[0] for line in named]
    assert sorted(variables) == [
        "ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY",
        "CLOCK_RATE",
        "CLOCK_START",
        "DATABASE_URL",
        "IEX_TOKEN_FILE",
        "LIMIT_IEX",
        "LIMIT_YAHOO",
        "POLICY_BARS_1D",
        "PORT",
        "PUBLIC_READ",
        "REDIS_URL",
        "SANDBOX_URL",
        "SECRET_KEY",
    ]


def test_a_problem_shows_the_value_and_what_was_expected() -> None:
    assert problems(PORT="70000") == [
        "PORT: input should be less than or equal to 65535 (got '70000')"
    ]
    (line,) = problems(LIMIT_FINNHUB="60/fortnight")
    assert "'60/fortnight' is no limit" in line
    assert "5/second" in line


def test_a_server_needs_a_secret_key() -> None:
    (line,) = problems(DATABASE_URL="postgres://localhost/marketdata")
    assert line.startswith("SECRET_KEY: ")
    environment = load({"DATABASE_URL": "postgres://localhost/marketdata", "SECRET_KEY": "k" * 32})
    assert environment.production


def test_a_server_needs_a_secret_key_of_some_length() -> None:
    server = "postgres://localhost/marketdata"
    (line,) = problems(DATABASE_URL=server, SECRET_KEY="k" * 31)
    assert line.startswith("SECRET_KEY: ")
    assert "32" in line
    assert "kkk" not in line
    assert load({"SECRET_KEY": "k"}).secret_key is not None


@pytest.mark.parametrize("variable", ["POLYGON_API_KEY", "SECRET_KEY", "IEX_TOKEN", "PORT"])
def test_a_value_may_come_from_a_file(variable: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("8042\n")
    value = getattr(load({f"{variable}_FILE": str(file)}), variable.lower())
    assert (value if isinstance(value, int) else int(value.get_secret_value())) == 8042


def test_a_file_that_is_not_text_is_a_named_problem(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xff\xfe\x00")
    (line,) = problems(POLYGON_API_KEY_FILE=str(file))
    assert line.startswith("POLYGON_API_KEY_FILE: ")


SECRET = "hush-7391"


@given(
    st.sampled_from(
        [
            {"DATABASE_URL": f"postgres://me:{SECRET}", "SECRET_KEY": "k" * 32},
            {"DATABASE_URL": f"mysql://me:{SECRET}@host/db"},
            {"REDIS_URL": f"http://:{SECRET}@host/1"},
            {"ALPACA_API_KEY_ID": SECRET},
            {"ALPACA_API_SECRET_KEY": SECRET},
            {"POLYGON_API_KEY": SECRET, "PORT": "x"},
        ]
    )
)
def test_a_problem_never_shows_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(EnvironmentInvalid) as caught:
        load(environ)
    assert SECRET not in str(caught.value)


def test_secrets_do_not_show_when_the_environment_is_printed() -> None:
    secret = {"POLYGON_API_KEY": SECRET, "FRED_API_KEY": SECRET, "SECRET_KEY": SECRET}
    assert SECRET not in repr(load(secret))


def test_a_process_stops_at_start_with_the_whole_list(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
            "PORT": "x",
            "LIMIT_POLYGON": "much",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "PORT: " in process.stderr
    assert "LIMIT_POLYGON: 'much' is no limit" in process.stderr
    assert "Traceback" not in process.stderr
