"""Alignment: what placing a batch of bars on the session grid costs, as a ratio.

The limit is one numpy pass over the same timestamps: `ts // 60`, the minute that each falls
in, which no alignment can do without. `SessionGrid.place` must cost at most four of them. The
cheapest pass there is, `ts + 1`, is shown beside it.

    python -m benchmarks.bench_alignment
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.measure import compare
from universe.domain.session_grid import Int64s, Session, SessionGrid, label_of

BOUND = 4.0
PASS = "one numpy pass: ts // 60"  # noqa: S105 (no password)
_NEW_YORK = ZoneInfo("America/New_York")
_HOURS = ((9, 30), (16, 0), (4, 0), (20, 0))


def main() -> None:
    """Print each batch's figures."""
    grid = weekdays(date(2019, 1, 1), date(2026, 12, 31))
    for name, ts in batches(grid).items():
        _compare(name, grid, ts)


def _compare(name: str, grid: SessionGrid, ts: Int64s) -> None:
    place = f"place {len(ts):,}: {name}"
    compare(
        f"Alignment of {len(ts):,} bars: {name}",
        PASS,
        {
            PASS: lambda: ts // 60,
            "the cheapest pass: ts + 1": lambda: ts + 1,
            place: lambda: grid.place(ts),
        },
        rounds=25,
        calls=max(1, 500_000 // len(ts)),
        at_most={place: BOUND},
    )


def weekdays(first: date, last: date) -> SessionGrid:
    """New York hours, extended ones too, on every weekday."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return SessionGrid("bench", [_session(day) for day in days if day.weekday() < 5], first, last)


def _session(day: date) -> Session:
    opens, closes, early, late = (
        int(datetime(day.year, day.month, day.day, *at, tzinfo=_NEW_YORK).timestamp())
        for at in _HOURS
    )
    return Session(day, opens, closes, 0, 0, early, late)


def batches(grid: SessionGrid) -> dict[str, Int64s]:
    """What live polls, backfills and imports place."""
    rng = np.random.default_rng(7)
    live = int(datetime(2026, 3, 3, 15, 0, tzinfo=UTC).timestamp())
    month = grid.expected(label_of(date(2026, 2, 2)), label_of(date(2026, 3, 2)))
    years = grid.expected(label_of(date(2020, 1, 1)), label_of(date(2026, 6, 1)))
    return {
        "one minute of all symbols": np.full(8_000, live, np.int64),
        "ten minutes, shuffled": live + 60 * rng.integers(0, 10, 8_000),
        "a month of one symbol": np.resize(month, 8_000),
        "any minute of six years": rng.choice(years, 8_000),
        "ten minutes, any order": live + 60 * rng.integers(0, 10, 1_000_000),
        "a month a symbol": np.resize(month, 1_000_000),
        "minutes of six years": rng.choice(years, 1_000_000),
    }


if __name__ == "__main__":
    main()
