"""`/intraday` over gunicorn: a session of 390 bars, as a share of a static view's rate.

The static view sends the very same bytes from the same server, through the same middleware:
what is left is the work of looking the bars up and writing them down. Beside it datasette
serves the same rows from the same SQLite file, with one plain SELECT and nothing else known.

    python -m benchmarks.bench_intraday [--on sqlite|postgresql] [--rounds 9] [--requests 400]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from benchmarks import loopback, scratch
from benchmarks.measure import Timings, interleave, row, verdict

BOUND = 0.22
MINUTES = 390
DAYS = 40
SYMBOLS = 50
STATIC = "static view, the same bytes"
INTRADAY = "/intraday, 390 bars"


def main() -> None:
    """Measure on each database that is there, each in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--on", choices=["sqlite", "postgresql"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=400, help="in each round")
    options = parser.parse_args()
    if options.on:
        _measure(options.on, options.rounds, options.requests)
        return
    for database in ["sqlite", *(["postgresql"] if scratch.server() else [])]:
        again = [sys.executable, "-u", "-m", "benchmarks.bench_intraday", "--on", database]
        again += ["--rounds", str(options.rounds), "--requests", str(options.requests)]
        subprocess.run(again, check=True)


def _measure(database: str, rounds: int, requests: int) -> None:
    with ExitStack() as stack:
        scratched = scratch.sqlite() if database == "sqlite" else scratch.postgres("intraday")
        url = stack.enter_context(scratched)
        key = _fill()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(_service(folder, key))
        loads = _loads(service, {"X-API-Key": key})
        if database == "sqlite":
            beside = stack.enter_context(_datasette(Path(url.removeprefix("sqlite:///"))))
            loads["datasette, the same rows by SELECT"] = loopback.Load(beside, {})
        calls = {name: (lambda load=load: load.run(requests)) for name, load in loads.items()}
        timings = interleave(calls, rounds=rounds, warmup=1)
    _print(database, timings, requests)


def _print(database: str, timings: Timings, requests: int) -> None:
    print(f"\nOver gunicorn, one process, {database}: requests a second")
    for name in timings.seconds:
        rate = requests / timings.median(name)
        share = timings.ratio(STATIC, name)
        note = verdict(share, at_least=BOUND) if name == INTRADAY else ""
        row(name, f"{rate:9,.0f}/s {share:7.2f} ×", note)


def _loads(service: str, headers: Mapping[str, str]) -> dict[str, loopback.Load]:
    path = f"{service}/stocks/S7/intraday"
    etag = _etag(path, headers)
    return {
        STATIC: loopback.Load(f"{service}/static-view", headers),
        "/health/live": loopback.Load(f"{service}/health/live", headers),
        INTRADAY: loopback.Load(path, headers),
        "/intraday as_of yesterday": loopback.Load(f"{path}?as_of={_yesterday()}", headers),
        "/intraday, unchanged (304)": loopback.Load(
            path, {**headers, "If-None-Match": etag}, expect=304
        ),
        "/price": loopback.Load(f"{service}/stocks/S7/price", headers),
    }


def _etag(url: str, headers: Mapping[str, str]) -> str:
    from urllib.request import Request, urlopen

    with urlopen(Request(url, headers=dict(headers)), timeout=30) as answer:  # noqa: S310 (ours)
        return str(answer.headers["ETag"])


def _yesterday() -> str:
    return (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---- what is served --------------------------------------------------------------------------

NOW = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)  # a Friday evening, after the close


def _days() -> list[datetime]:
    days = (NOW.replace(hour=0) - timedelta(days=n) for n in range(DAYS * 2))
    return [day for day in days if day.weekday() < 5][:DAYS]


def _fill() -> str:
    """SYMBOLS symbols with all minutes of DAYS sessions; a key that may read them."""
    from ingestion.domain.bar_batch import Bars
    from ingestion.store import writer
    from ingestion.store.changes import CandleWrite, Settlement
    from ops import keys
    from universe.domain.interval import Interval
    from universe.domain.time_range import TimeRange

    symbols = _universe()
    for day in reversed(_days()):
        opened = int(day.timestamp()) + 14 * 3600 + 1800
        for first in range(0, len(symbols), 20):
            ids = np.array(symbols[first : first + 20], np.int64)
            ts = np.tile(np.arange(opened, opened + 60 * MINUTES, 60), len(ids))
            price = 100 + np.random.default_rng(opened).random(len(ts)).round(4)
            bars = Bars.of(
                np.repeat(ids, MINUTES), ts, price, price + 0.25, price - 0.25, price + 0.05,
                np.round(price * 977),
            )  # fmt: skip
            ends = np.full(len(ids), opened + 60 * MINUTES)
            settled = Settlement(ids, ends - 60 * MINUTES, ends, np.ones(len(ids), bool))
            writer.write(
                CandleWrite(
                    Interval.MINUTE, "alpaca:sip", "synthetic", "live", "benchmark",
                    float(ends[0]), TimeRange(opened, int(ends[0])), bars,
                    np.zeros(len(bars), bool), settled,
                )
            )  # fmt: skip
    return keys.create("benchmark", ["read"])


def _universe() -> list[int]:
    from universe.models import ExchangeCalendar, ExchangeSession, Symbol

    days = sorted(_days())
    calendar = ExchangeCalendar.objects.create(
        name="XNYS",
        timezone="America/New_York",
        covered_from=days[0].date(),
        covered_to=days[-1].date() + timedelta(days=30),
        extended_open="04:00",
        extended_close="20:00",
        synced_at=NOW,
    )
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            calendar=calendar,
            date=day.date(),
            open=day + timedelta(hours=14, minutes=30),
            close=day + timedelta(hours=21),
        )
        for day in days
    )
    Symbol.objects.bulk_create(
        Symbol(id=n, ticker=f"S{n}", calendar=calendar, tier="T0", asset_class="equity")
        for n in range(1, SYMBOLS + 1)
    )
    return list(range(1, SYMBOLS + 1))


# ---- servers ---------------------------------------------------------------------------------


@contextmanager
def _service(folder: Path, key: str) -> Iterator[str]:
    """Gunicorn as `make run` starts it, one process, its clock stopped at NOW."""
    port = loopback.free_port()
    service = f"http://127.0.0.1:{port}"
    clock, body = folder / "now", folder / "body"
    clock.write_text(NOW.isoformat())
    body.write_bytes(b"{}")
    environment = {
        **os.environ,
        "PORT": str(port),
        "WEB_WORKERS": "1",
        "DJANGO_SETTINGS_MODULE": "benchmarks.static_view",
        "STATIC_VIEW_FILE": str(body),
        "CLOCK_FILE": str(clock),
        "THROTTLE_READ": "1000000000",
    }
    with _gunicorn(environment, service):
        status, answer = loopback.ask(f"{service}/stocks/S7/intraday", {"X-API-Key": key})
    assert status == 200, answer
    assert answer.count(b",") > 6 * (MINUTES - 1)
    body.write_bytes(answer)
    with _gunicorn(environment, service):
        yield service


@contextmanager
def _gunicorn(environment: Mapping[str, str], service: str) -> Iterator[None]:
    command = [sys.executable, "-m", "gunicorn", "--config", "python:deploy.web"]
    with _running([*command, "marketdata_site.wsgi"], environment):
        loopback.wait_for(f"{service}/health/live")
        yield


@contextmanager
def _datasette(file: Path) -> Iterator[str]:
    """Datasette over the service's own file; the address of the same session's rows."""
    port = loopback.free_port()
    command = [sys.executable, "-m", "datasette", "serve", str(file), "--port", str(port)]
    with _running([*command, "--setting", "sql_time_limit_ms", "10000"], os.environ):
        begin = max(_days()) + timedelta(hours=14)
        query = {
            "sql": "select ts, open, high, low, close, volume from candles_intraday"
            " where symbol_id = 7 and ts >= :begin order by ts limit 390",
            "begin": begin.strftime("%Y-%m-%d %H:%M:%S"),
            "_shape": "arrays",
        }
        address = f"http://127.0.0.1:{port}/{file.stem}.json?{urlencode(query)}"
        loopback.wait_for(address)
        _, answer = loopback.ask(address)
        assert answer.count(b"[") > MINUTES, answer[:200]
        yield address


@contextmanager
def _running(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


if __name__ == "__main__":
    main()
