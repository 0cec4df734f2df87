"""The lanes' bookkeeping: what counts, and what strict mode refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import lanes
from tests.lanes import Outcome

pytestmark = pytest.mark.house


@pytest.fixture(autouse=True)
def _lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever mode these tests themselves are run in."""
    monkeypatch.setattr(lanes, "STRICT", False)


def outcome(lane: str, *, passed: str = "", failed: str = "", **skipped: str) -> Outcome:
    return Outcome(
        lane, passed=set(passed.split()), failed=set(failed.split()), skipped=dict(skipped)
    )


def test_pytest_is_run_and_its_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(
        "import os, pytest\n"
        "def test_passes(): assert os.environ['SHADE'] == 'dark'\n"
        "def test_fails(): assert False\n"
        "def test_skips(): pytest.skip('not today')\n"
        "@pytest.fixture\n"
        "def broken(): yield; raise ValueError\n"
        "def test_fails_to_clean_up(broken): pass\n"
    )
    arguments = ["-p", "no:cacheprovider", "-p", "no:django", "-c", "/dev/null"]
    arguments += ["--rootdir", str(tmp_path), str(tmp_path)]
    ran = lanes.run("sample", "not browser", {"SHADE": "dark"}, arguments, workers=0)
    assert len(ran.passed) == 1
    assert {name.split("::")[1] for name in ran.failed} == {"test_fails", "test_fails_to_clean_up"}
    assert list(ran.skipped.values()) == ["not today"]


def test_a_run_that_breaks_counts_as_a_failure(tmp_path: Path) -> None:
    ran = lanes.run("sample", "not browser", {}, ["--no-such-option", str(tmp_path)], workers=0)
    assert len(ran.failed) == 1


def test_the_last_line_counts_all_lanes(capsys: pytest.CaptureFixture[str]) -> None:
    ran = [
        outcome("embedded", passed="a b", skipped_one="not today"),
        Outcome("production", absent="no PostgreSQL"),
        outcome("browser", failed="c"),
    ]
    assert lanes.report(ran) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2 passed, 1 failed, 1 skipped"
    assert "production   did not run: no PostgreSQL" in lines


def test_embedded_alone_is_enough_outside_strict_mode() -> None:
    ran = [outcome("embedded", passed="a"), Outcome("production", absent="no server")]
    assert lanes.report(ran) == 0


def test_strict_mode_refuses_a_lane_that_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "STRICT", True)
    ran = [outcome("embedded", passed="a"), Outcome("production", absent="no server")]
    assert lanes.report(ran) == 1


def test_strict_mode_refuses_what_no_lane_ran() -> None:
    ran = [
        outcome("embedded", passed="a", b="reason", c="reason"),
        outcome("production", passed="a b", c="reason"),
    ]
    refused = lanes.strict_failures(ran)
    assert [line.split()[0] for line in refused] == ["c", "c"]


def test_strict_mode_refuses_a_skipped_data_test_even_when_another_lane_ran_it() -> None:
    ran = [
        outcome("embedded", passed="a", b="MARKETDATA_TEST_DATA is not set"),
        outcome("production", passed="a b"),
    ]
    assert len(lanes.strict_failures(ran)) == 1


def test_strict_mode_refuses_a_lane_without_tests() -> None:
    refused = lanes.strict_failures([outcome("browser")])
    assert refused == ["the browser lane ran no test"]


def test_no_test_at_all_is_no_success() -> None:
    assert lanes.report([outcome("embedded")]) == 1
