"""What a file's layout is, from what is declared, what it says itself, and what it shows.

Nothing is guessed: where two readings are possible the file is refused, with the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.domain.bar_batch import Int64s
from ingestion.files import hours, spacing
from ingestion.files.block import RawBlock
from ingestion.files.convert import time_text
from ingestion.files.find import BarFile
from ingestion.files.layout import PRICES, Declaration, Label, Layout, TimeReading
from ingestion.files.tickers import Tickers
from ingestion.files.time_style import TimesUnclear, reading_of
from ingestion.files.times import cast_text, read_times, to_utc
from universe.domain.interval import Interval
from universe.models import Symbol
from universe.services import sessions

_SAMPLE = 20_000


class LayoutUnclear(ValueError):
    """A file can be read in several ways, or in none; `questions` lists what to declare."""

    def __init__(self, file: str, questions: Sequence[str]) -> None:
        super().__init__("; ".join(questions))
        self.questions = [f"{file}: {question}" for question in questions]


@dataclass(slots=True)
class Detection:
    """A file's layout under way. `known` is what is declared, the stronger word first."""

    file: BarFile
    known: Sequence[Declaration]
    tickers: Tickers
    questions: list[str] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)

    def said(self, aspect: str, attribute: str) -> Any:
        """What is declared about an aspect, noting who says so; None when nobody does."""
        for declaration in self.known:
            value = getattr(declaration, attribute)
            if value is not None:
                self.why[aspect] = declaration.why
                return value
        return None

    def layout(self, skeleton: Layout, sample: RawBlock, *, whole: bool) -> Layout:
        """Complete `skeleton`, whose columns are known, from a `sample` of its rows (`whole`:
        all of them). Raises LayoutUnclear with every open question."""
        symbol, ticker = self._symbol(sample)
        block = _of_one_symbol(sample, ticker if "symbol" in sample.columns else None)
        reading, seconds = self._reading(block)
        interval = self._interval(seconds)
        if interval is Interval.MINUTE:
            seconds = spacing.on_their_grid(seconds)
        label = Label.OPEN
        if reading is not None and interval is not None:
            reading = self._zone(reading, seconds, interval, symbol)
            if interval is Interval.MINUTE:
                label = self._label(reading, seconds, symbol, whole=whole) or label
        basis = self.said("basis", "basis")
        if basis is None:
            self.questions.append(
                "are its prices as traded, or adjusted? Declare --basis raw or --basis split"
            )
        scale = self._scale(sample)
        if self.questions or reading is None or interval is None:
            raise LayoutUnclear(self.file.name, self.questions)
        return replace(
            skeleton, interval=interval, label=label, times=reading, basis=basis,
            price_scale=scale, symbol=None if "symbol" in sample.columns else ticker,
            why={**skeleton.why, **self.why},
        )  # fmt: skip

    # ---- one aspect each ------------------------------------------------------------

    def _symbol(self, sample: RawBlock) -> tuple[Symbol | None, str]:
        """A symbol of the file (its most frequent one), to ask its calendar."""
        if "symbol" in sample.columns:
            names = pc.cast(sample.columns["symbol"], pa.string())
            ticker = pc.mode(names.dictionary_encode().indices, 1)
            self.why["symbol"] = "the column's name"
            if not len(ticker):
                return None, ""
            encoded = names.dictionary_encode()
            name = encoded.dictionary[ticker[0]["mode"].as_py()].as_py() or ""
            return self.tickers.one(name), name
        declared = self.said("symbol", "symbol")
        if declared:
            return self.tickers.one(declared), declared.strip().upper()
        stem = self.file.path.name.split(".")[0] if "." in self.file.path.name else ""
        for name in dict.fromkeys((stem, stem.split("_")[0], stem.split(" ")[0])):
            symbol = self.tickers.one(name) if name else None
            if symbol is not None:
                self.why["symbol"] = "the file's name"
                return symbol, name.upper()
        self.questions.append(
            "whose bars are these? There is no symbol column, and the file's name begins with"
            " no ticker of the universe: declare --symbol"
        )
        return None, ""

    def _reading(self, block: RawBlock) -> tuple[TimeReading | None, Int64s]:
        """How times are written, and the sample's in epoch seconds, local ones as shown."""
        nothing = np.empty(0, np.int64)
        text = time_text(block)
        try:
            reading = reading_of(text, self.said("times", "time_format"))
        except TimesUnclear as unclear:
            self.questions.append(str(unclear))
            return None, nothing
        seconds, bad = read_times(text, reading)
        self.why.setdefault("times", "how they are written")
        good = np.delete(np.arange(len(seconds)), list(bad))
        if not len(good):
            self.questions.append("no row of it can be read")
            return None, nothing
        return reading, np.unique(seconds[good])

    def _interval(self, seconds: Int64s) -> Interval | None:
        declared: Interval | None = self.said("interval", "interval")
        if declared is not None or not len(seconds):
            return declared
        self.why["interval"] = "the times' distance"
        found = spacing.interval_of(seconds)
        if found is not None:
            return found
        apart = spacing.apart(seconds)
        what = "it has one time only" if apart is None else f"its bars are {apart} s apart"
        self.questions.append(f"{what}; only 1m and 1d are stored: declare --interval")
        return None

    def _zone(
        self, reading: TimeReading, seconds: Int64s, interval: Interval, symbol: Symbol | None
    ) -> TimeReading:
        exchange = symbol.calendar.timezone if symbol is not None else None
        if interval is Interval.DAY:
            labels = not reading.style.absolute or spacing.at_midnight(seconds)
            return replace(reading, zone="" if labels else exchange or "UTC")
        if reading.style.absolute:
            return replace(reading, zone="")
        declared = self.said("times", "timezone")
        if declared is not None:
            return replace(reading, zone=declared)
        found = None
        if symbol is not None and exchange is not None:
            grid = sessions.grid(symbol.calendar_id)
            found = hours.zone_of(seconds, grid, [exchange, "UTC"])
        if found is None:
            self.questions.append("which time zone are its times in? Declare --timezone")
            return reading
        self.why["times"] = "the exchange's hours"
        return replace(reading, zone=found)

    def _label(
        self, reading: TimeReading, seconds: Int64s, symbol: Symbol | None, *, whole: bool
    ) -> Label | None:
        declared: Label | None = self.said("label", "label")
        if declared is not None:
            return declared
        found = None
        if symbol is not None and (reading.zone or reading.style.absolute):
            utc = seconds if reading.style.absolute else to_utc(seconds, reading.zone)[0]
            found = hours.label_of(utc, sessions.grid(symbol.calendar_id), whole=whole)
        if found is None:
            self.questions.append(
                "does a time name the minute's open or its close? Declare --label"
            )
        self.why["label"] = "which ends of the sessions they touch"
        return found

    def _scale(self, sample: RawBlock) -> float:
        declared = self.said("price scale", "price_scale")
        if declared is not None:
            return float(declared)
        self.why["price scale"] = "plain prices"
        columns = [cast_text(sample.columns[name], pa.float64())[0] for name in PRICES]
        prices = np.concatenate([np.asarray(c.drop_null(), np.float64) for c in columns])
        prices = prices[np.isfinite(prices)]
        if len(prices) and not np.any(prices % 1) and prices.max() >= 10_000:
            self.questions.append(
                f"its prices are whole numbers up to {prices.max():.0f}: are they scaled?"
                " Declare --price-scale 1 or 10000"
            )
        return 1.0


def _of_one_symbol(sample: RawBlock, ticker: str | None) -> RawBlock:
    """The first rows of the sample, those of one symbol where it has several."""
    columns, lines = dict(sample.columns), sample.lines
    if ticker is not None:
        mine = pc.equal(pc.cast(columns["symbol"], pa.string()), ticker)
        columns = {name: column.filter(mine) for name, column in columns.items()}
        lines = lines[mine.to_numpy(zero_copy_only=False)]
    return RawBlock({n: c[:_SAMPLE] for n, c in columns.items()}, lines[:_SAMPLE], 0)
