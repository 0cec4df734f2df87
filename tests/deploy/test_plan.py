"""What `make run` decides before it starts anything."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deploy.plan import CannotRun, make_plan
from marketdata_site.environment import load
from tests.processes import free_port

pytestmark = pytest.mark.house


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """SPY on 2013-10-07 and 08, GOOG on 2015-12-24 (empty files: only their names count)."""
    folder = tmp_path / "recorded"
    for name in ("spy/20131008", "spy/20131007", "goog/20151224"):
        file = folder / "equity" / "usa" / "minute" / f"{name}_trade.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (folder / "equity" / "usa" / "minute" / "spy" / "20131001_quote.zip").touch()
    return folder


def test_by_default_the_sandbox_takes_the_vendors_place() -> None:
    plan = make_plan({"PORT": "8190", "POLYGON_API_KEY": "mine"})
    environment = load(plan.environment)
    assert plan.processes == ("sandbox", "web", "sweeper", "live")
    assert environment.sandbox_url == f"http://127.0.0.1:{plan.environment['SANDBOX_PORT']}"
    assert environment.sandbox_origin == "synthetic"
    assert "SYNTHETIC" in plan.origin
    assert plan.data_dir.name == "var"


def test_real_vendors_have_no_sandbox_and_data_of_their_own() -> None:
    plan = make_plan({"VENDORS": "real", "POLYGON_API_KEY": "mine", "SANDBOX_URL": "http://x"})
    assert "sandbox" not in plan.processes
    assert load(plan.environment).sandbox_url is None
    assert plan.data_dir != make_plan({}).data_dir
    assert "POLYGON_API_KEY" in plan.origin
    assert "mine" not in plan.origin


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_replay_refuses_a_database_that_it_could_spoil(recordings: Path, name: str) -> None:
    with pytest.raises(CannotRun, match="unset DATABASE_URL and REDIS_URL"):
        make_plan({"REPLAY": str(recordings), name: "postgres://127.0.0.1/mine"})


@pytest.mark.parametrize(("speed", "lookback"), [("1", "10"), ("60", "30"), ("600", "300")])
def test_a_fast_replay_may_be_further_behind(recordings: Path, speed: str, lookback: str) -> None:
    plan = make_plan({"REPLAY": str(recordings), "SPEED": speed})
    assert plan.environment["LIVE_LOOKBACK_MINUTES"] == lookback


@pytest.mark.parametrize("name", ["SPEED", "START"])
def test_what_belongs_to_a_replay_means_nothing_without_one(name: str) -> None:
    with pytest.raises(CannotRun, match=f"{name} means something only together with REPLAY"):
        make_plan({name: "60"})


def test_a_replay_starts_its_clock_before_the_first_recorded_open(recordings: Path) -> None:
    plan = make_plan({"REPLAY": str(recordings)})
    assert plan.replay is not None
    assert plan.replay.start == datetime(2013, 10, 7, 13, 25, tzinfo=UTC)  # 09:25 in New York
    assert plan.replay.speed == 60
    assert plan.replay.first_ticker == "SPY"
    assert plan.replay.sessions == {
        "SPY": (date(2013, 10, 7), date(2013, 10, 8)),
        "GOOG": (date(2015, 12, 24),),
    }
    assert plan.processes == ("replay", "web", "sweeper", "live")
    assert load(plan.environment).sandbox_origin == "replayed"
    assert "REPLAYED" in plan.origin
    assert plan.data_dir.name == "replay-recorded"


def test_start_and_speed_choose_another_moment(recordings: Path) -> None:
    plan = make_plan({"REPLAY": str(recordings), "START": "2015-12-24", "SPEED": "600"})
    assert plan.replay is not None
    assert plan.replay.start == datetime(2015, 12, 24, 14, 25, tzinfo=UTC)  # winter time
    assert plan.replay.first_ticker == "GOOG"
    assert plan.replay.speed == 600
    plan = make_plan({"REPLAY": str(recordings), "START": "2013-10-08T08:00:00-04:00"})
    assert plan.replay is not None
    assert plan.replay.start == datetime(2013, 10, 8, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"VENDORS": "some"}, "VENDORS=some"),
        ({"PORT": "http"}, "PORT=http"),
        ({"PORT": "70000"}, "PORT=70000"),
        ({"REPLAY": "/no/such/folder"}, "REPLAY=/no/such/folder"),
        ({"REPLAY": "RECORDINGS", "SPEED": "fast"}, "SPEED=fast"),
        ({"REPLAY": "RECORDINGS", "SPEED": "0"}, "SPEED=0"),
        ({"REPLAY": "RECORDINGS", "SPEED": "nan"}, "SPEED=nan"),
        ({"REPLAY": "RECORDINGS", "START": "then"}, "START=then"),
        ({"REPLAY": "RECORDINGS", "START": "2013-10-07T13:25:00"}, "time zone"),
        ({"REPLAY": "RECORDINGS", "VENDORS": "real"}, "VENDORS=real"),
    ],
)
def test_what_cannot_be_run_is_named(
    variables: dict[str, str], names: str, recordings: Path
) -> None:
    given = {k: v.replace("RECORDINGS", str(recordings)) for k, v in variables.items()}
    with pytest.raises(CannotRun, match=names):
        make_plan(given)


@pytest.fixture
def taken_port() -> Iterator[int]:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port + 1))
        listener.listen()
        yield port + 1


def test_the_sandbox_passes_by_a_port_in_use(taken_port: int) -> None:
    plan = make_plan({"PORT": str(taken_port - 1)})
    assert int(plan.environment["SANDBOX_PORT"]) > taken_port
