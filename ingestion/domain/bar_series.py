"""What a read of stored bars gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ingestion.domain.bar_batch import Bools, Float64s, Int64s

Hours = Literal["regular", "extended"]
"""Which bars a read gives: those of regular hours, or those outside them as well."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """Of the regular bars expected in the part of the range that a page covers: how many are
    stored, confirmed without a trade, and missing (in the gap ledger, not settled yet, or
    never collected). They add up, and over all pages of a range they sum to the range's.

    A minute is expected once it is over, a daily bar once its session has closed, both only
    while the symbol is listed. It is today's knowledge, whatever `as_of` the bars were read at.
    """

    expected: int
    stored: int
    no_trade: int
    missing: int


@dataclass(frozen=True, slots=True)
class BarPage:
    """Stored bars of one symbol in ascending time: parallel numpy columns, native-endian and
    contiguous (`orjson.dumps(page.t, option=orjson.OPT_SERIALIZE_NUMPY)` takes them as they
    are; `.tolist()` gives Python numbers).

    `t` is in epoch seconds. `as_of` (epoch µs) is the watermark the page was answered at;
    None: nothing was ever stored. `changed_at` (epoch µs) is when the series last changed;
    None: it has no bars and no marks. `sources` are those of the page's bars, sorted. `next`
    is the `ts` to continue after, or None at the end; pass the page's `as_of` along with it,
    so that all pages are of one moment. A page covers the range from behind the `after` that
    it was asked with (or the start) up to and with `next` (or to the end).
    """

    as_of: int | None
    changed_at: int | None
    t: Int64s
    o: Float64s
    h: Float64s
    l: Float64s  # noqa: E741 - the wire's own column name
    c: Float64s
    v: Float64s
    sources: tuple[str, ...]
    completeness: Completeness
    next: int | None

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True)
class BarChunk:
    """A run of one symbol's stored bars in ascending time, with all that is stored of each.

    `t` is in epoch seconds; `vwap` is NaN and `trades` -1 where unknown; `source[n]` is the
    name of row n's source in `sources`; `as_of` (epoch µs) is the moment that the whole
    stream was read at.
    """

    symbol_id: int
    as_of: int
    t: Int64s
    o: Float64s
    h: Float64s
    l: Float64s  # noqa: E741 - the wire's own column name
    c: Float64s
    v: Float64s
    vwap: Float64s
    trades: Int64s
    extended: Bools
    source: Int64s
    sources: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True, slots=True)
class LatestBar:
    """The newest stored bar of a symbol: `ts` in epoch seconds, `as_of` in epoch µs."""

    symbol_id: int
    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    source: str
    extended: bool
    as_of: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer about a series depends on, for conditional requests: the watermark and
    the commit that last changed the series, both in epoch µs, None where there is none."""

    as_of: int | None
    changed_at: int | None
