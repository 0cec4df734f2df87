"""Alignment: what placing a batch of bars on the session grid costs, as a ratio.

The limit is one numpy pass over the same timestamps: `ts // 60`, the minute that each falls
in, which no alignment can do without. `SessionGrid.place` must cost at most four of them. The
ratio to the cheapest pass there is (`ts + 1`) is shown beside it.

    python -m benchmarks.bench_alignment
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import numpy as np

from universe.domain.session_grid import Int64s, Session, SessionGrid, label_of

BOUND = 4.0
_ROUNDS = 30
_NEW_YORK = ZoneInfo("America/New_York")


def main() -> int:
    """Print the ratios; the exit code is 1 when one is above its bound."""
    grid = weekdays(date(2019, 1, 1), date(2026, 12, 31))
    worst = 0.0
    print(f"{'batch':<44}{'place':>11}{'/ (ts // 60)':>14}{'/ (ts + 1)':>12}")
    for name, ts in batches(grid).items():
        place, minute, add = costs(grid, ts)
        worst = max(worst, place / minute)
        print(f"{name:<44}{place * 1e6:>8.1f} µs{place / minute:>14.2f}{place / add:>12.2f}")
    print(f"worst {worst:.2f} of one numpy pass; bound {BOUND:.0f}")
    return int(worst > BOUND)


def costs(grid: SessionGrid, ts: Int64s) -> list[float]:
    """The seconds that `place`, the minute's pass and the cheapest pass take over `ts`."""
    return together([lambda: grid.place(ts), lambda: ts // 60, lambda: ts + 1])


def weekdays(first: date, last: date) -> SessionGrid:
    """New York hours, extended ones too, on every weekday."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return SessionGrid("bench", [_session(day) for day in days if day.weekday() < 5], first, last)


def _session(day: date) -> Session:
    hours = [(9, 30), (16, 0), (4, 0), (20, 0)]
    opens, closes, early, late = (
        int(datetime(day.year, day.month, day.day, *at, tzinfo=_NEW_YORK).timestamp())
        for at in hours
    )
    return Session(day, opens, closes, 0, 0, early, late)


def batches(grid: SessionGrid) -> dict[str, Int64s]:
    """What live polls, backfills and imports place."""
    rng = np.random.default_rng(7)
    live = int(datetime(2026, 3, 3, 15, 0, tzinfo=UTC).timestamp())
    month = grid.expected(label_of(date(2026, 2, 2)), label_of(date(2026, 3, 2)))
    years = grid.expected(label_of(date(2020, 1, 1)), label_of(date(2026, 6, 1)))
    return {
        "8,000: one minute of 8,000 symbols": np.full(8_000, live, np.int64),
        "8,000: ten minutes, shuffled": live + 60 * rng.integers(0, 10, 8_000),
        "8,000: a month of one symbol": np.resize(month, 8_000),
        "8,000: any minute of six years": rng.choice(years, 8_000),
        "1,000,000: ten minutes, shuffled": live + 60 * rng.integers(0, 10, 1_000_000),
        "1,000,000: symbol after symbol, a month each": np.resize(month, 1_000_000),
        "1,000,000: any minute of six years": rng.choice(years, 1_000_000),
    }


def together(calls: list[Callable[[], object]]) -> list[float]:
    """The best time of each call in seconds, measured in turns, so that a machine that slows
    down slows down all of them."""
    for call in calls:
        call()
    best = [float("inf")] * len(calls)
    repeats = max(1, int(2e-3 / max(_once(call) for call in calls)))
    for _ in range(_ROUNDS):
        for at, call in enumerate(calls):
            start = perf_counter()
            for _ in range(repeats):
                call()
            best[at] = min(best[at], (perf_counter() - start) / repeats)
    return best


def _once(call: Callable[[], object]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
