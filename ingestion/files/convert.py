"""From text (or a file's own types) to numbers: what a row says, in the service's terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.domain.bar_batch import Bars, Bools, Float64s, Int64s
from ingestion.files.block import RawBlock
from ingestion.files.layout import PRICES, Label, Layout
from ingestion.files.problems import Problems, RowProblem
from ingestion.files.times import Bad, cast_text, read_times, to_local
from universe.domain.interval import Interval

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that could be read. `bars.owner` indexes `tickers`; `bars.ts` is the service's
    label: a minute's open, or 00:00Z of the session date. `lines` numbers them in the file."""

    bars: Bars
    tickers: list[str]
    lines: Int64s


def convert(block: RawBlock, layout: Layout, name: str, problems: Problems) -> Rows:
    """Read a block; what cannot be read goes to `problems` and is left out."""
    reading = _Reading(block, name, problems)
    ts = reading.times(layout)
    opens, highs, lows, closes = (
        reading.numbers(field, required=True) / layout.price_scale for field in PRICES
    )
    volume = reading.numbers("volume", required=True)
    vwap = reading.numbers("vwap", required=False) / layout.price_scale
    trades = reading.counts("trades")
    owner, tickers = reading.tickers(layout)
    bars = Bars.of(owner, ts, opens, highs, lows, closes, volume, vwap, trades)
    if reading.good.all():
        return Rows(bars, tickers, block.lines)
    return Rows(bars.take(reading.good), tickers, block.lines[reading.good])


def time_text(block: RawBlock) -> pa.Array:
    """The time column, with its date column in front where there is one."""
    time = block.columns["time"]
    date = block.columns.get("date")
    if date is None:
        return time
    parts = [pc.utf8_trim_whitespace(pc.cast(part, pa.string())) for part in (date, time)]
    return pc.binary_join_element_wise(*parts, " ")


def session_labels(seconds: Int64s, zone: str) -> Int64s:
    """The dates of moments on a clock in `zone`, as labels; "": of the numbers themselves."""
    local = to_local(seconds, zone) if zone else seconds
    return local // _DAY * _DAY


class _Reading:
    """One block under way: columns are read one by one, rows that fail are marked."""

    def __init__(self, block: RawBlock, name: str, problems: Problems) -> None:
        self.block, self.name, self.problems = block, name, problems
        self.good: Bools = np.ones(len(block), np.bool_)

    def times(self, layout: Layout) -> Int64s:
        column = time_text(self.block)
        daily = layout.interval is Interval.DAY
        seconds, bad = read_times(column, layout.times, localise=not daily)
        if daily and layout.times.style.absolute and not layout.times.zone:
            shifted = np.flatnonzero(seconds % _DAY != 0)
            bad = dict.fromkeys(shifted.tolist(), "is not 00:00Z of a session date") | bad
        self._reject("time", column, bad)
        if daily:
            return session_labels(seconds, layout.times.zone)
        return seconds - 60 if layout.label is Label.CLOSE else seconds

    def numbers(self, field: str, *, required: bool) -> Float64s:
        column = self.block.columns.get(field)
        if column is None:
            return np.full(len(self.block), np.nan)
        numbers, bad = cast_text(column, pa.float64())
        self._reject(field, column, self._unreadable(column, bad, required=required))
        return np.asarray(numbers.fill_null(np.nan).to_numpy(zero_copy_only=False), np.float64)

    def counts(self, field: str) -> Int64s:
        column = self.block.columns.get(field)
        if column is None:
            return np.full(len(self.block), -1, np.int64)
        numbers, bad = cast_text(column, pa.int64())
        self._reject(field, column, self._unreadable(column, bad, required=False))
        return np.asarray(numbers.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)

    def tickers(self, layout: Layout) -> tuple[Int64s, list[str]]:
        if layout.symbol is not None:
            return np.zeros(len(self.block), np.int64), [layout.symbol]
        column = self.block.columns["symbol"]
        texts = pc.fill_null(pc.utf8_trim_whitespace(pc.cast(column, pa.string())), "")
        coded = texts.dictionary_encode()
        names = coded.dictionary.to_pylist()
        which = np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)
        if "" in names:
            empty = np.flatnonzero(which == names.index(""))
            self._reject("symbol", column, dict.fromkeys(empty.tolist(), "is empty"))
        return which, names

    def _unreadable(self, column: pa.Array, bad: Bools, *, required: bool) -> Bad:
        """What to say of values that are no numbers; an optional one may be empty."""
        problems: Bad = {}
        for row in np.flatnonzero(bad).tolist():
            empty = column[row].as_py() is None or not str(column[row].as_py()).strip()
            if not empty:
                problems[row] = "is no number"
            elif required:
                problems[row] = "is empty"
        return problems

    def _reject(self, field: str, column: pa.Array, bad: Bad) -> None:
        """Mark the rows, and report those that nothing was said about yet."""
        for row, problem in sorted(bad.items()):
            if self.good[row]:
                value = column[row].as_py()
                line = int(self.block.lines[row])
                text = "" if value is None else str(value)
                self.problems.add(RowProblem(self.name, line, field, text[:40], problem))
                self.good[row] = False
