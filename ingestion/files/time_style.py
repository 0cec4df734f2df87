"""How times are written, found from a sample of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.files.layout import TimeReading, TimeStyle
from ingestion.files.times import UNREADABLE, read_times

_MOSTLY = 0.5
"""Share of a sample that a way of writing must explain: the others may be broken."""

_EPOCHS = (  # digits of the years 1973 to 2286
    (TimeStyle.EPOCH_S, range(9, 11)),
    (TimeStyle.EPOCH_MS, range(12, 14)),
    (TimeStyle.EPOCH_US, range(15, 17)),
    (TimeStyle.EPOCH_NS, range(18, 20)),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H%M", " %H%M%S")
_YEAR_FIRST = ("%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d")
_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y")
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
_COMPACT: dict[int | None, tuple[str, ...]] = {  # by their digits
    8: ("%Y%m%d",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}


class TimesUnclear(ValueError):
    """The times cannot be told; the message says what to declare."""


def reading_of(sample: pa.Array, time_format: str | None) -> TimeReading:
    """How the times of a sample are written; the zone is left empty. Raises TimesUnclear."""
    if time_format is not None:
        return TimeReading(TimeStyle.PATTERN, "", time_format)
    kind = sample.type
    if pa.types.is_timestamp(kind):
        return TimeReading(TimeStyle.ISO if kind.tz else TimeStyle.ISO_LOCAL, "")
    if pa.types.is_date(kind):
        return TimeReading(TimeStyle.ISO_LOCAL, "")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_text(pc.cast(sample, pa.string()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _of_text(pc.cast(pc.cast(sample, pa.int64()), pa.string()))
    raise TimesUnclear(f"its time column is of type {kind}")


def _of_text(sample: pa.Array) -> TimeReading:
    digits = _digits(sample)
    if found := _best(_COMPACT.get(digits, ()), sample):
        return TimeReading(TimeStyle.PATTERN, "", found[0])
    for style, lengths in _EPOCHS:
        if digits in lengths:
            return TimeReading(style, "")
    for style in (TimeStyle.ISO, TimeStyle.ISO_LOCAL):
        if _share(TimeReading(style, ""), sample) > _MOSTLY:
            return TimeReading(style, "")
    days = (*_YEAR_FIRST, *_MONTH_FIRST, *_DAY_FIRST)
    best = _best(tuple(day + clock for day in days for clock in _CLOCKS), sample)
    example = repr(sample[0].as_py()) if len(sample) else "nothing"
    if not best:
        raise TimesUnclear(f"{example} is no time that we know; declare it with --time-format")
    if len(best) > 1:  # one day above the twelfth would have told
        raise TimesUnclear(f"is {example} {' or '.join(best)}? Declare it with --time-format")
    return TimeReading(TimeStyle.PATTERN, "", best[0])


def _digits(sample: pa.Array) -> int | None:
    """How many digits the values have that are nothing but digits, if nearly all are."""
    plain = pc.utf8_is_digit(pc.utf8_trim_whitespace(sample))
    if not len(sample) or (pc.sum(plain).as_py() or 0) < _MOSTLY * len(sample):
        return None
    lengths = pc.utf8_length(sample.filter(plain))
    return int(np.bincount(lengths.to_numpy(zero_copy_only=False)).argmax())


def _best(patterns: tuple[str, ...], sample: pa.Array) -> list[str]:
    """The patterns that explain the most of the sample, if that is most of it."""
    shares = {
        pattern: _share(TimeReading(TimeStyle.PATTERN, "", pattern), sample) for pattern in patterns
    }
    most = max(shares.values(), default=0.0)
    return [p for p, share in shares.items() if share == most] if most > _MOSTLY else []


def _share(reading: TimeReading, sample: pa.Array) -> float:
    """The share of a sample that can be read so."""
    _, bad = read_times(sample, reading)
    unreadable = sum(problem == UNREADABLE for problem in bad.values())
    return 1 - unreadable / max(len(sample), 1)
