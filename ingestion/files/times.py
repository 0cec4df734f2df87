"""Times as files write them, turned into epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.domain.bar_batch import Bools, Int64s
from ingestion.files.layout import TimeReading, TimeStyle

_QUARTER = 900  # every zone's offset changes at a quarter of an hour
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the local clock's own, without a zone
_PER_SECOND = {
    TimeStyle.EPOCH_S: 1,
    TimeStyle.EPOCH_MS: 1_000,
    TimeStyle.EPOCH_US: 1_000_000,
    TimeStyle.EPOCH_NS: 1_000_000_000,
}
UNREADABLE = "is no time in the file's format"
FRACTION = "is not on a whole second"
TWICE = "happened twice that night: give times in UTC"
NEVER = "did not happen that night: the clock was put forward"

Bad = dict[int, str]
"""Row → what is wrong with its time."""


def read_times(
    column: pa.Array, reading: TimeReading, *, localise: bool = True
) -> tuple[Int64s, Bad]:
    """Epoch seconds of each value: UTC for absolute styles, and for local ones that name a
    zone unless `localise` is False; the local clock's otherwise. Rows in the second answer
    have no meaning."""
    match reading.style:
        case TimeStyle.ISO:
            parsed, bad = cast_text(column, pa.timestamp("us", "UTC"))
            ticks, per_second = _integers(parsed), 1_000_000
        case TimeStyle.ISO_LOCAL:
            parsed, bad = cast_text(column, pa.timestamp("us"))
            ticks, per_second = _integers(parsed), 1_000_000
        case TimeStyle.PATTERN:
            parsed = pc.strptime(column, reading.pattern, "s", error_is_null=True)
            bad = np.asarray(pc.is_null(parsed).to_numpy(zero_copy_only=False), np.bool_)
            ticks, per_second = _integers(parsed), 1
        case TimeStyle.DAY_MS:
            parsed, bad = cast_text(column, pa.int64())
            ticks, per_second = _integers(parsed) + reading.day * 1_000, 1_000
        case _:
            parsed, bad = cast_text(column, pa.int64())
            ticks, per_second = _integers(parsed), _PER_SECOND[reading.style]
    problems: Bad = dict.fromkeys(np.flatnonzero(bad).tolist(), UNREADABLE)
    broken = np.flatnonzero(~bad & (ticks % per_second != 0))
    problems |= dict.fromkeys(broken.tolist(), FRACTION)
    seconds = ticks // per_second
    if localise and reading.zone and not reading.style.absolute:
        seconds, unreal = to_utc(seconds, reading.zone)
        problems = unreal | problems
    return seconds, problems


def cast_text(column: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, Bools]:
    """The column as `wanted`, null where a value cannot be; and which those are. Nulls and
    empty texts cannot."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
    good = _castable(column, wanted, pc.is_valid(column).to_numpy(zero_copy_only=False))
    if not good.all():
        column = pc.if_else(pa.array(good), column, pa.scalar(None, column.type))
    return pc.cast(column, wanted), ~good


def _castable(column: pa.Array, wanted: pa.DataType, good: Bools) -> Bools:
    """Which values can be cast, found by halving: bad ones are few."""

    def fits(start: int, end: int) -> bool:
        try:
            pc.cast(column[start:end], wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return False
        return True

    good = good.copy()
    ranges = [(0, len(column))]
    while ranges:
        start, end = ranges.pop()
        if start == end or fits(start, end):
            continue
        if end - start == 1:
            good[start] = False
            continue
        middle = (start + end) // 2
        ranges += [(start, middle), (middle, end)]
    return good


def _integers(column: pa.Array) -> Int64s:
    """The column's integers (a timestamp's ticks), 0 for null."""
    return np.asarray(
        pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy(zero_copy_only=False), np.int64
    )


def to_utc(local: Int64s, zone: str) -> tuple[Int64s, Bad]:
    """UTC seconds of local clock times; and those that the clock showed twice or never."""
    quarters, which = np.unique(local // _QUARTER, return_inverse=True)
    offsets = np.array([_offset(int(quarter), zone) for quarter in quarters], np.int64)
    chosen = offsets[which] if len(quarters) else np.zeros(len(local), np.int64)
    problems = {
        int(row): TWICE if chosen[row] == _TWICE else NEVER
        for row in np.flatnonzero(chosen >= _TWICE)
    }
    return local - np.where(chosen >= _TWICE, 0, chosen), problems


def to_local(utc: Int64s, zone: str) -> Int64s:
    """What a clock in `zone` showed, as seconds since 1970-01-01T00:00 on that clock."""
    quarters, which = np.unique(utc // _QUARTER, return_inverse=True)
    key = ZoneInfo(zone)
    offsets = [
        _seconds(datetime.fromtimestamp(int(quarter) * _QUARTER, UTC).astimezone(key).utcoffset())
        for quarter in quarters
    ]
    return utc + (np.array(offsets, np.int64)[which] if offsets else 0)


_TWICE, _NEVER = 1 << 40, 1 << 41  # beyond any offset


@lru_cache(maxsize=1 << 16)
def _offset(quarter: int, zone: str) -> int:
    """The zone's offset from UTC in a quarter of an hour of its local clock; _TWICE, _NEVER."""
    moment = (_EPOCH + timedelta(seconds=quarter * _QUARTER)).replace(tzinfo=ZoneInfo(zone))
    first, second = moment.utcoffset(), moment.replace(fold=1).utcoffset()
    if first == second:
        return _seconds(first)
    back = moment.astimezone(UTC).astimezone(ZoneInfo(zone))
    return _TWICE if back.replace(tzinfo=None) == moment.replace(tzinfo=None) else _NEVER


def _seconds(offset: timedelta | None) -> int:
    return 0 if offset is None else int(offset.total_seconds())
