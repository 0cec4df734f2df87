"""What `make run` is going to run: from the variables of one command line to a plan."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.replay import Replay, read_replay

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_UNIVERSE = ROOT / "universe" / "data" / "sample_universe.csv"
_KEYS = ("POLYGON_API_KEY", "ALPACA_API_KEY_ID", "FINNHUB_API_KEY", "IEX_TOKEN")


class CannotRun(Exception):
    """`make run` cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """Everything the launcher decides before it starts anything."""

    environment: dict[str, str]
    """Variables for every process."""
    data_dir: Path
    port: int
    origin: str
    """One line for people: where the data comes from."""
    processes: tuple[str, ...]
    """Names from the Procfile."""
    curl_ticker: str
    """A symbol that soon has bars."""
    replay: Replay | None = None


def make_plan(environ: Mapping[str, str]) -> Plan:
    """Read `VENDORS`, `REPLAY`, `SPEED`, `START`, `PORT` and the service's own variables.

    Raises CannotRun.
    """
    vendors = environ.get("VENDORS") or "sandbox"
    if vendors not in ("sandbox", "real"):
        raise CannotRun(f"VENDORS={vendors}: it is either sandbox (the default) or real")
    port = _port(environ)
    if environ.get("REPLAY"):
        if vendors == "real":
            raise CannotRun("REPLAY and VENDORS=real exclude each other: recordings need no vendor")
        if environ.get("DATABASE_URL") or environ.get("REDIS_URL"):
            raise CannotRun(
                "REPLAY begins anew each time, in SQLite files of its own: unset DATABASE_URL"
                " and REDIS_URL for it, so that it cannot touch the data there"
            )
        return _replay_plan(environ, port)
    if given := [name for name in ("SPEED", "START") if environ.get(name)]:
        raise CannotRun(f"{given[0]} means something only together with REPLAY")
    return _real_plan(environ, port) if vendors == "real" else _sandbox_plan(environ, port)


def _sandbox_plan(environ: Mapping[str, str], port: int) -> Plan:
    environment = _environment(environ, "var", port) | _sandbox(environ, port, "synthetic")
    return Plan(
        environment=environment,
        data_dir=Path(environment["DATA_DIR"]),
        port=port,
        origin="SYNTHETIC DATA: a sandbox on this machine makes all prices up; no vendor is asked",
        processes=("sandbox", "web", "sweeper", "live"),
        curl_ticker="BTC-USD",
    )


def _real_plan(environ: Mapping[str, str], port: int) -> Plan:
    environment = _environment(environ, "var/real", port)
    environment.pop("SANDBOX_URL", None)
    keys = [name for name in _KEYS if environ.get(name) or environ.get(f"{name}_FILE")]
    return Plan(
        environment=environment,
        data_dir=Path(environment["DATA_DIR"]),
        port=port,
        origin=f"real vendors; keys given: {', '.join(keys) or 'none (only yahoo needs none)'}",
        processes=("web", "sweeper", "live"),
        curl_ticker="BTC-USD",
    )


def _replay_plan(environ: Mapping[str, str], port: int) -> Plan:
    try:
        replay = read_replay(environ["REPLAY"], environ.get("SPEED"), environ.get("START"))
    except ValueError as error:
        raise CannotRun(str(error)) from error
    folder = f"var/replay-{replay.folder.name}"
    environment = _environment(environ, folder, port) | _sandbox(environ, port, "replayed")
    environment["REPLAY"] = str(replay.folder)
    environment.setdefault("LIVE_LOOKBACK_MINUTES", str(replay.lookback_minutes))
    speed = f"{replay.speed:g} times as fast as they were"
    return Plan(
        environment=environment,
        data_dir=Path(environment["DATA_DIR"]),
        port=port,
        origin=f"REPLAYED DATA: recorded sessions of {replay.folder}, {speed}",
        processes=("replay", "web", "sweeper", "live"),
        curl_ticker=replay.first_ticker,
        replay=replay,
    )


def _environment(environ: Mapping[str, str], data_dir: str, port: int) -> dict[str, str]:
    folder = ROOT / (environ.get("DATA_DIR") or data_dir)
    return {
        **environ,
        "PORT": str(port),
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "marketdata_site.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "prometheus"),
        "PYTHONUNBUFFERED": "1",
    }


def _sandbox(environ: Mapping[str, str], port: int, origin: str) -> dict[str, str]:
    sandbox = next((n for n in range(port + 1, min(port + 100, 65_536)) if not in_use(n)), None)
    if sandbox is None:
        raise CannotRun(f"no port above {port} is free for the sandbox")
    return {
        # Made-up or long known prices, on loopback: the first curl needs no key.
        "PUBLIC_READ": environ.get("PUBLIC_READ") or "1",
        "SANDBOX_PORT": str(sandbox),
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox}",
        "SANDBOX_ORIGIN": origin,
    }


def _port(environ: Mapping[str, str]) -> int:
    text = environ.get("PORT") or "8000"
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise CannotRun(f"PORT={text}: it is a number from 1 to 65535")
    return int(text)


def in_use(port: int) -> bool:
    """True when something on this machine listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
