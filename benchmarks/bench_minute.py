"""One minute of an 8,000-symbol universe, from vendor bytes to commit: where the time goes.

Forty pages of two hundred symbols, as alpaca sends them, go through the same stages as in a
worker: decode and parse, align and validate, write. On PostgreSQL when one answers, else on
SQLite.

    python -m benchmarks.bench_minute [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import orjson

from benchmarks import bench_write, scratch
from benchmarks.measure import row

PAGE = 200


def main() -> None:
    """Measure and print each stage's share."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    database = scratch.postgres("minute") if scratch.server() else scratch.sqlite()
    with database as url:
        bench_write._universe()
        stages: dict[str, list[float]] = defaultdict(list)
        for number in range(options.rounds + 2):
            ts = int(bench_write.START.timestamp()) + 60 * number
            for name, seconds in _one_minute(ts).items():
                stages[name].append(seconds)
        _print(url.partition(":")[0], {name: times[2:] for name, times in stages.items()})


def _print(database: str, stages: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(times) for name, times in stages.items()}
    total = sum(medians.values())
    print(f"\nOne minute of {bench_write.SYMBOLS:,} symbols, vendor bytes to commit ({database})")
    for name, seconds in medians.items():
        row(name, f"{seconds * 1000:8.1f} ms {seconds / total:7.1%}")
    row("together", f"{total * 1000:8.1f} ms", f"{bench_write.SYMBOLS / total:,.0f} bars/s")


def pages(ts: int) -> list[bytes]:
    """The minute's answer as the vendor would send it."""
    bars = bench_write.batch(ts)
    moment = datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = [
        {"t": moment, "o": o, "h": h, "l": low, "c": c, "v": int(v), "n": int(n), "vw": vw}
        for o, h, low, c, v, n, vw in zip(
            bars.open.tolist(),
            bars.high.tolist(),
            bars.low.tolist(),
            bars.close.tolist(),
            bars.volume.tolist(),
            bars.trades.tolist(),
            bars.vwap.tolist(),
            strict=True,
        )
    ]
    return [
        orjson.dumps(
            {
                "bars": {f"S{n + 1}": [rows[n]] for n in range(at, at + PAGE)},
                "next_page_token": None,
            }
        )
        for at in range(0, len(rows), PAGE)
    ]


def _one_minute(ts: int) -> dict[str, float]:
    from ingestion.collection.intake import take_in
    from ingestion.collection.roster import Roster
    from ingestion.domain.bar_batch import Bars
    from ingestion.providers.alpaca.parse import parse_bars
    from ingestion.providers.screening import Window
    from ingestion.store.writer import write
    from universe.domain.interval import Interval
    from universe.domain.time_range import TimeRange
    from universe.models import Symbol
    from universe.services import sessions

    answers = pages(ts)
    minute = TimeRange(ts, ts + 60)
    window = Window("alpaca", "bars", Interval.MINUTE, minute, ts + 61, ts + 62)
    began = time.perf_counter()
    decoded = [orjson.loads(answer) for answer in answers]
    after_decode = time.perf_counter()
    parts = []
    for number, document in enumerate(decoded):
        first = 1 + number * PAGE
        owners = {f"S{first + n}": n for n in range(PAGE)}
        bars = parse_bars(document, owners, window).parsed.bars
        parts.append(bars.owned_by(bars.owner + first))
    batch = Bars.join(parts)
    after_parse = time.perf_counter()
    symbols = Symbol.objects.filter(id__lte=bench_write.SYMBOLS)
    taken = take_in(batch, Interval.MINUTE, Roster.of(symbols, sessions.grid), now=ts + 61)
    after_intake = time.perf_counter()
    assert len(taken.bars) == bench_write.SYMBOLS
    change = bench_write.change(taken.bars, ts)
    assert not np.any(taken.extended)
    write(change)
    after_write = time.perf_counter()
    return {
        "decode JSON": after_decode - began,
        "parse": after_parse - after_decode,
        "look up symbols, align, validate": after_intake - after_parse,
        "write": after_write - after_intake,
    }


if __name__ == "__main__":
    main()
