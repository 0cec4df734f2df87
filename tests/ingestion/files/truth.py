"""Two sessions of made-up minutes, the ways to write them into files, and what is stored."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyarrow import parquet

from ingestion.models import CandleDaily, CandleIntraday
from tests.ingestion.market_week import JUNE_2014

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")

Bar = tuple[int, float, float, float, float, float]
"""(ts, open, high, low, close, volume)"""


def _bar(ts: int, number: int) -> Bar:
    """A bar whose five numbers all differ, and differ from its neighbours'."""
    cents = 9000 + number % 97 * 3
    low, high = cents / 100 - 0.5, cents / 100 + 0.75
    return ts, cents / 100, high, low, (cents + 11) / 100, 100.0 + number


MINUTES: list[Bar] = [
    _bar(session.open + 60 * number, number) for session in JUNE_2014[:2] for number in range(390)
]
DAYS: list[Bar] = [_bar(session.label, at) for at, session in enumerate(JUNE_2014[:5])]


def stored(symbol_id: int, *, daily: bool = False) -> list[Bar]:
    """The stored candles of a symbol in order."""
    model = CandleDaily if daily else CandleIntraday
    rows = model.objects.filter(symbol_id=symbol_id).order_by("ts")
    values = rows.values_list("ts", "open", "high", "low", "close", "volume")
    return [(int(row[0].timestamp()), *row[1:]) for row in values]


# ---- one file each way ---------------------------------------------------------------------

Writer = Callable[[Path, Sequence[Bar]], Path]


def _text(path: Path, lines: Iterable[str]) -> Path:
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def _local(ts: int, zone: ZoneInfo | None = None, *, late: int = 0) -> datetime:
    moment = datetime.fromtimestamp(ts, zone or UTC) + timedelta(seconds=late)
    return moment.replace(tzinfo=None)


def iso_with_symbol(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (
        f"AAPL,{datetime.fromtimestamp(b[0], UTC).isoformat()},{b[1]},{b[2]},{b[3]},{b[4]},{b[5]}"
        for b in bars
    )
    return _text(folder / "one.csv", ["symbol,time,open,high,low,close,volume", *rows])


def new_york_opens(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (f"{_local(b[0], NEW_YORK)},{b[1]},{b[2]},{b[3]},{b[4]},{b[5]:.0f}" for b in bars)
    return _text(folder / "AAPL.csv", ["Date,Open,High,Low,Close,Volume", *rows])


def new_york_closes(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (
        f"{_local(b[0], NEW_YORK, late=60):%Y%m%d %H:%M},{b[1]},{b[2]},{b[3]},{b[4]},{b[5]}"
        for b in bars
    )
    return _text(folder / "aapl_minute.txt", ["datetime,open,high,low,close,vol", *rows])


def naive_utc_backwards(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (f"{b[5]}|{b[4]}|{b[3]}|{b[2]}|{b[1]}|{_local(b[0])}" for b in reversed(bars))
    return _text(folder / "AAPL.csv", ["v|c|l|h|o|t", *rows])


def epoch_milliseconds_without_header(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (f"{b[0] * 1000},{b[1]},{b[2]},{b[3]},{b[4]},{b[5]}" for b in bars)
    return _text(folder / "AAPL.csv.gz", rows)


def date_and_time_apart(folder: Path, bars: Sequence[Bar]) -> Path:
    header = "Date\tTime\tOpen\tHigh\tLow\tLast\tVolume\tOpenInt"
    rows = (
        f"{_local(b[0], NEW_YORK):%Y/%m/%d\t%H:%M}\t{b[1]}\t{b[2]}\t{b[3]}\t{b[4]}\t{b[5]}\t0"
        for b in bars
    )
    return _text(folder / "AAPL.tsv", [header, *rows])


def german_and_scaled(folder: Path, bars: Sequence[Bar]) -> Path:
    rows = (
        f'"{_local(b[0], BERLIN):%d.%m.%Y %H:%M}";{b[1] * 1e4:.0f};{b[4] * 1e4:.0f};'
        f"{b[2] * 1e4:.0f};{b[3] * 1e4:.0f};x;{b[5]}\r"
        for b in bars
    )
    return _text(folder / "whatever.csv", rows)


def _parquet(path: Path, bars: Sequence[Bar], times: pa.Array, **more: pa.Array) -> Path:
    columns = list(zip(*bars, strict=True))
    names = ("open", "high", "low", "close", "volume")
    table = {name: pa.array(columns[at + 1]) for at, name in enumerate(names)}
    parquet.write_table(pa.table({**more, "timestamp": times, **table}), path, row_group_size=100)
    return path


def parquet_with_zone(folder: Path, bars: Sequence[Bar]) -> Path:
    times = pa.array([b[0] * 1_000_000_000 for b in bars], pa.timestamp("ns", "America/New_York"))
    symbols = pa.array(["AAPL"] * len(bars)).dictionary_encode()
    return _parquet(folder / "x.parquet", bars, times, ticker=symbols)


def parquet_naive(folder: Path, bars: Sequence[Bar]) -> Path:
    times = pa.array([_local(b[0], NEW_YORK) for b in bars], pa.timestamp("us"))
    return _parquet(folder / "AAPL.pq", bars, times)


def parquet_epoch(folder: Path, bars: Sequence[Bar]) -> Path:
    return _parquet(folder / "AAPL.parquet", bars, pa.array([b[0] for b in bars]))
