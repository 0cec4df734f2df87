"""IEX Cloud's format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion.sandbox.conftest import Stand
from tests.ingestion.sandbox.market_time import (
    CLOSE,
    EVENING,
    OPEN,
    THURSDAY_LABEL,
    epoch,
)
from tests.ingestion.sandbox.shapes import shape


def recorded_body(folder: Path, name: str) -> str:
    """The response's body in a recorded exchange (YAML folds long lines at a space)."""
    text = (folder / "recorded/iex" / name).read_text()
    body = re.search(r"string: '(\[.*\]|\{.*\})'", text, re.DOTALL)
    assert body is not None
    return re.sub(r"\s*\n\s+", " ", body[1])


def test_minute_rows_have_the_recorded_shape(stand: Stand, market_data_dir: Path) -> None:
    stand.now = EVENING
    recorded = json.loads(recorded_body(market_data_dir, "chart-20190306.yml"))
    rows = stand.json("iex", "/stock/AAPL/chart/date/20251121")
    thin = stand.json("iex", "/stock/THIN/chart/date/20251121")
    assert len(rows) == len(recorded) == 390
    assert [list(row) for row in rows[:1]] == [list(row) for row in recorded[:1]]
    for name in ("date", "minute", "label"):
        same = [re.sub(r"^2019-03-06$", "2025-11-21", row[name]) for row in recorded]
        assert [row[name] for row in rows] == same
    recorded_shape = shape(recorded)
    for place, kinds in shape(thin).items():
        # In the recording, something traded on the whole market in every minute.
        assert kinds <= recorded_shape[place] | ({"null"} if ".market" in place else set())


def test_the_venue_sees_less_than_the_market(stand: Stand) -> None:
    stand.now = EVENING
    rows = stand.json("iex", "/stock/IBM/chart/date/20251121")
    true = stand.sandbox.truth("IBM", OPEN, CLOSE)
    by_time = dict(zip(true["t"], range(len(true["t"])), strict=True))
    untraded = 0
    for number, row in enumerate(rows):
        at = by_time.get(epoch(OPEN) + number * 60)
        if at is None:
            assert row["marketVolume"] == row["volume"] == 0
            assert row["marketOpen"] is row["open"] is None
            continue
        assert [row[f"market{name}"] for name in ("Open", "High", "Low", "Close", "Volume")] == [
            true[name][at] for name in "ohlcv"
        ]
        if row["open"] is None:
            untraded += 1
            assert row["volume"] == 0
        else:
            assert row["marketLow"] <= row["low"] <= row["high"] <= row["marketHigh"]
            assert 0 < row["volume"] <= row["marketVolume"]
    assert 0 < untraded < 390


def test_todays_minutes_so_far(stand: Stand) -> None:
    # At half past ten, with five seconds' delay, 29 of the 30 minutes are in.
    for path in ("chart/1d", "intraday-prices", "chart/date/20251121"):
        rows = stand.json("iex", f"/stock/aapl/{path}")
        assert [rows[0]["minute"], rows[-1]["minute"], len(rows)] == ["09:30", "09:58", 29]
    assert stand.json("iex", "/stock/AAPL/chart/date/20251122") == []
    assert len(stand.json("iex", "/stock/AAPL/chart/1d", chartLast=5)) == 5
    every_tenth = stand.json("iex", "/stock/AAPL/chart/1d", chartInterval=10)
    assert [row["minute"] for row in every_tenth] == ["09:30", "09:40", "09:50"]


def test_a_half_day_has_its_own_length(stand: Stand) -> None:
    stand.now = EVENING.replace(month=12)
    assert len(stand.json("iex", "/stock/AAPL/chart/date/20251128")) == 210


def test_1m_is_a_month_of_days(stand: Stand) -> None:
    rows = stand.json("iex", "/stock/AAPL/chart/1m")
    assert 20 <= len(rows) <= 23
    assert rows[-1]["date"] == "2025-11-20"  # today is not over
    true = stand.sandbox.truth("AAPL", THURSDAY_LABEL, THURSDAY_LABEL + 86_400, "1d")
    for name in ("open", "high", "low", "close", "volume"):
        assert rows[-1][name] == rows[-1]["u" + name.capitalize()] == true[name[0]][0]
    by_day = stand.json("iex", "/stock/AAPL/chart/date/20251120", chartByDay="true")
    assert [row["date"] for row in by_day] == ["2025-11-20"]


def test_a_batch_drops_what_is_too_much_and_what_is_unknown(stand: Stand) -> None:
    wanted = ["NOPE"] * 98 + ["AAPL", "SPY", "MSFT"]
    path = "/stable/stock/market/batch"
    found = stand.json("iex", path, symbols=",".join(wanted), types="chart", range="1d")
    assert set(found) == {"AAPL", "SPY"}
    assert found["AAPL"]["chart"] == stand.json("iex", "/stock/AAPL/chart/1d")
    exact = {"types": "chart,intraday-prices", "range": "date", "exactDate": "20251120"}
    day = stand.json("iex", path, symbols="AAPL", **exact)
    assert len(day["AAPL"]["chart"]) == 390
    assert len(day["AAPL"]["intraday-prices"]) == 29


@pytest.mark.parametrize(
    ("path", "params", "status", "recording"),
    [
        ("/stock/INVALID/chart/1d", {}, 404, "quote-invalid.yml"),
        ("/stock/BTC-USD/chart/1d", {}, 404, "quote-invalid.yml"),
        ("/stock/AAPL/chart/1d", {"badOption": "option"}, 400, "chart-bad_option.yml"),
        ("/stock/AAPL/chart/1d", {"token": "guess"}, 403, "access_denied.yml"),
    ],
)
def test_errors_read_as_recorded(
    stand: Stand,
    market_data_dir: Path,
    path: str,
    params: dict[str, Any],
    status: int,
    recording: str,
) -> None:
    text = (market_data_dir / "recorded/iex" / recording).read_text()
    said = re.search(r"body:\n\s+encoding: (?:ASCII|UTF)-8.*\n\s+string: (.*)", text)
    assert said is not None
    answer = stand.get("iex", path, **{"token": "sandbox", **params})
    assert answer.status_code == status
    assert answer.text == said[1].strip("'")


@pytest.mark.parametrize("path", ["/stock/AAPL/chart/9y", "/ref-data/symbols"])
def test_other_paths_are_not_found(stand: Stand, path: str) -> None:
    assert stand.get("iex", path).status_code == 404
