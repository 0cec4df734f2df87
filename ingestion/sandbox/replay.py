"""Recorded sessions as a market: what the files hold, number by number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from ingestion.domain.bar_batch import Bars
from ingestion.sandbox.hours import Hours, hours_of
from ingestion.sandbox.listings import Listing
from ingestion.sandbox.market import Split, whole_days
from ingestion.sandbox.replay_files import (
    NothingToReplay,
    Rows,
    daily_tickers,
    find_equities,
    minute_dates,
    read_days,
    read_minutes,
    read_splits,
)
from universe.domain.session_grid import date_of, label_of
from universe.domain.time_range import TimeRange

_CALENDAR = "XNYS"
_DAY = 86_400


class ReplayMarket:
    """The recorded sessions under `folder` (see replay_files). Bars have no vwap and no
    trade counts, as the files have none.

    Raises NothingToReplay when there are no sessions.
    """

    origin: Literal["synthetic", "replayed"] = "replayed"

    def __init__(self, folder: Path) -> None:
        self.folder = find_equities(folder)
        self._dates = minute_dates(self.folder)
        tickers = sorted({*self._dates, *daily_tickers(self.folder)})
        if not tickers:
            raise NothingToReplay(f"{self.folder} has neither minutes nor days of any ticker")
        self.listings: Mapping[str, Listing] = {
            ticker: Listing(ticker, _CALENDAR) for ticker in tickers
        }
        self.splits: Mapping[str, Sequence[Split]] = {
            ticker: read_splits(self.folder, ticker) for ticker in tickers
        }
        self._hours = hours_of(_CALENDAR)
        self._session = lru_cache(maxsize=1024)(self._read_session)
        self._days = lru_cache(maxsize=256)(self._read_days)

    def hours(self, ticker: str) -> Hours:  # noqa: ARG002 - all are New York's
        """The exchange hours of a listed ticker."""
        return self._hours

    def minutes(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The recorded minute bars whose open lies in `span`."""
        first = date_of(self._hours.local_label(span.start))
        last = date_of(self._hours.local_label(span.end - 1))
        parts = []
        for owner, ticker in enumerate(tickers):
            dates = self._dates.get(ticker, [])
            for day in dates[bisect_left(dates, first) : bisect_right(dates, last)]:
                bars = self._session(ticker, label_of(day))
                inside = bars.take((bars.ts >= span.start) & (bars.ts < span.end))
                parts.append(inside.owned_by(np.full(len(inside), owner, np.int64)))
        return Bars.join(parts)

    def days(self, tickers: Sequence[str], span: TimeRange) -> Bars:
        """The recorded days whose label lies in `span`; a session that is recorded in
        minutes only is their aggregate over regular hours."""
        parts = []
        for owner, ticker in enumerate(tickers):
            if ticker not in self.listings:
                continue
            bars = self._days(ticker)
            inside = bars.take((bars.ts >= span.start) & (bars.ts < span.end))
            parts.append(inside.owned_by(np.full(len(inside), owner, np.int64)))
        return Bars.join(parts)

    def _read_session(self, ticker: str, label: int) -> Bars:
        rows = read_minutes(self.folder, ticker, date_of(label))
        return _bars(rows, self._hours.midnight(label) + rows.at // 1000)

    def _read_days(self, ticker: str) -> Bars:
        rows = read_days(self.folder, ticker)
        recorded = set(rows.at.tolist())
        parts = [_bars(rows, rows.at)]
        for day in self._dates.get(ticker, []):
            if label_of(day) not in recorded:
                bars = self._session(ticker, label_of(day))
                bars = bars.take(self._hours.is_regular(bars.ts))
                parts.append(whole_days(bars, self._hours.labels(bars.ts)))
        bars = Bars.join(parts)
        return bars.take(np.argsort(bars.ts, kind="stable"))


def _bars(rows: Rows, ts: np.typing.NDArray[np.int64]) -> Bars:
    opened, high, low, close = rows.prices.T
    return Bars.of(np.zeros(len(ts)), ts, opened, high, low, close, rows.volume)
