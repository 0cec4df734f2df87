"""The server: real sockets, real processes."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from ingestion.sandbox.listings import Listing
from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import CLOSE, MID_MORNING, OPEN
from tests.processes import manage, running
from tests.sandbox_server import (
    SMALL_UNIVERSE,
    RunningSandbox,
    serve_sandbox,
    start_sandbox,
    write_universe,
)


def test_the_page_says_what_it_is(stand: Stand) -> None:
    answer = requests.get(stand.sandbox.url, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for said in ("synthetic data", "2025-11-21T15:00:00", "/_sandbox/stats", "polygon", "THIN"):
        assert said in answer.text


def test_every_answer_names_its_origin(sandbox: RunningSandbox) -> None:
    for path in ("/", "/nowhere", "/_sandbox/stats", "/polygon/v2/x", "/iex/y", "/yahoo/z"):
        answer = requests.get(sandbox.url + path, timeout=10)
        assert answer.headers["X-Market-Origin"] == "synthetic"


def test_a_connection_is_kept(sandbox: RunningSandbox) -> None:
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    with closing(HTTPConnection(host, int(port), timeout=10)) as connection:
        ends = set()
        for path in ("/polygon//v2//x", "/_sandbox/stats", "/iex/stock", "/"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.version == 11
            assert len(answer.read()) == int(answer.headers["Content-Length"])
            ends.add(connection.sock.getsockname())
    assert len(ends) == 1


def test_truth_is_asked_in_many_ways(sandbox: RunningSandbox) -> None:
    as_times = sandbox.truth("aapl", OPEN, CLOSE)
    as_numbers = sandbox.truth("AAPL", int(OPEN.timestamp()), int(CLOSE.timestamp()))
    assert as_times == as_numbers
    assert len(as_times["t"]) == 390
    assert not any(as_times["extended"])
    day = requests.get(
        f"{sandbox.url}/_sandbox/truth",
        params={"symbol": "AAPL", "start": "2025-11-21", "end": "2025-11-22"},
        timeout=10,
    ).json()
    assert sum(not extended for extended in day["extended"]) == 390


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"symbol": "NOPE"}, 404, "NOPE"),
        ({"interval": "5m"}, 400, "5m"),
        ({"start": "noon"}, 400, "start"),
        ({"end": "2025-11-21T15:00:00"}, 400, "no time zone"),
        ({"end": "2025-11-20"}, 400, "must be after"),
        ({"end": "9" * 30}, 400, "end"),
        ({"start": "2015-11-20"}, 400, "366 days"),
    ],
)
def test_bad_questions_about_the_truth(
    sandbox: RunningSandbox, params: dict[str, str], status: int, said: str
) -> None:
    good = {"symbol": "AAPL", "start": "2025-11-21", "end": "2025-11-22"}
    answer = requests.get(f"{sandbox.url}/_sandbox/truth", params={**good, **params}, timeout=10)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_quirks_are_shown_and_switched(sandbox: RunningSandbox) -> None:
    url = f"{sandbox.url}/_sandbox/quirks"
    assert requests.get(url, timeout=10).json()["alpaca_free_plan"] is False
    sandbox.quirk(alpaca_free_plan=True)
    assert requests.get(url, timeout=10).json()["alpaca_free_plan"] is True
    assert requests.post(url, json={"polygon_naps": True}, timeout=10).status_code == 400


def test_a_process_serves_the_same_market_at_its_clock(tmp_path: Path) -> None:
    """What another process computes is what this one does, bit for bit."""
    universe = write_universe(tmp_path / "universe.csv", list(SMALL_UNIVERSE.values()))
    file = tmp_path / "now"
    file.write_text(MID_MORNING.isoformat())
    options = (
        "--limit",
        "polygon=2/minute",
        "--quirk",
        "polygon_forming_minute=off",
        "--seed",
        "3",
    )
    with (
        start_sandbox(*options, universe=universe, env={"CLOCK_FILE": str(file)}) as process,
        serve_sandbox(seed=3) as here,
    ):
        for symbol in SMALL_UNIVERSE:
            assert process.truth(symbol, OPEN, CLOSE) == here.truth(symbol, OPEN, CLOSE)
            days = (OPEN - timedelta(days=30), OPEN)
            assert process.truth(symbol, *days, "1d") == here.truth(symbol, *days, "1d")
        url = f"{process.url}/polygon/v2/aggs/ticker/AAPL/range/1/minute/2025-11-21/2025-11-21"
        last = []
        for moment in (MID_MORNING, MID_MORNING + timedelta(minutes=5)):
            file.write_text(moment.isoformat())
            rows = requests.get(url, params={"apiKey": "sandbox"}, timeout=10).json()["results"]
            last.append(datetime.fromtimestamp(rows[-1]["t"] / 1000, OPEN.tzinfo))
        third = requests.get(url, params={"apiKey": "sandbox"}, timeout=10)
    assert last == [MID_MORNING - timedelta(minutes=1), MID_MORNING + timedelta(minutes=4)]
    assert third.status_code == 429


def test_a_process_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    universe = write_universe(tmp_path / "universe.csv", [Listing("A")])
    command = manage("sandbox", "--port", "0", "--universe", str(universe))
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "marketdata_site.settings"}
    with running(command, environment, tmp_path / "log") as process:
        process.wait_for_output("tickers)\n")
        port = int(process.output.split(":")[2].split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\n")  # a connection that never gets on with it
            assert process.stop() == 0
        assert process.output == (
            f"sandbox ready at http://127.0.0.1:{port} (synthetic data, 1 tickers)\n"
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--universe", "gone.csv"], "gone.csv"),
        (["--replay", "/nowhere"], "/nowhere is no folder"),
        (["--replay", "x", "--universe", "y"], "exclude each other"),
        (["--limit", "fred=1/second"], "fred"),
        (["--limit", "iex=often"], "often"),
        (["--quirk", "polygon_naps=on"], "polygon_naps"),
        (["--host", "256.0.0.1"], "cannot listen on 256.0.0.1:0"),
    ],
)
def test_bad_options_are_explained(tmp_path: Path, options: list[str], said: str) -> None:
    if "--universe" not in options and "--replay" not in options:
        file = write_universe(tmp_path / "universe.csv", [Listing("A")])
        options = [*options, "--universe", str(file)]
    with pytest.raises(CommandError, match=said):
        call_command("sandbox", "--port", "0", *options)


def test_a_port_in_use_is_explained(sandbox: RunningSandbox, tmp_path: Path) -> None:
    universe = write_universe(tmp_path / "universe.csv", [Listing("A")])
    port = sandbox.url.rpartition(":")[2]
    with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
        call_command("sandbox", "--port", port, "--universe", str(universe))


def test_a_universe_with_an_unknown_calendar_is_explained(tmp_path: Path) -> None:
    file = write_universe(tmp_path / "universe.csv", [Listing("A", calendar="XMARS")])
    with pytest.raises(CommandError, match="XMARS"):
        call_command("sandbox", "--port", "0", "--universe", str(file))
