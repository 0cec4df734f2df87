"""Times as files write them. Expected moments are worked out by hand or by zoneinfo."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.files.layout import TimeReading, TimeStyle
from ingestion.files.time_style import TimesUnclear, reading_of
from ingestion.files.times import FRACTION, NEVER, TWICE, UNREADABLE, read_times, to_local, to_utc
from tests.ingestion.market_week import at

OPEN = at("2014-06-09T13:30")  # 09:30 in New York
ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")


@pytest.mark.parametrize(
    ("value", "style", "zone", "pattern"),
    [
        ("1402320600", TimeStyle.EPOCH_S, "", ""),
        ("1402320600000", TimeStyle.EPOCH_MS, "", ""),
        ("1402320600000000", TimeStyle.EPOCH_US, "", ""),
        ("1402320600000000000", TimeStyle.EPOCH_NS, "", ""),
        (1402320600000, TimeStyle.EPOCH_MS, "", ""),
        ("2014-06-09T13:30:00Z", TimeStyle.ISO, "", ""),
        ("2014-06-09 09:30:00-04:00", TimeStyle.ISO, "", ""),
        ("2014-06-09T19:00+05:30", TimeStyle.ISO, "", ""),
        (" 2014-06-09 09:30 ", TimeStyle.ISO_LOCAL, "America/New_York", ""),
        ("2014-06-09T14:30:00.000", TimeStyle.ISO_LOCAL, "Europe/London", ""),
        ("20140609 09:30", TimeStyle.PATTERN, "America/New_York", "%Y%m%d %H:%M"),
        ("20140609 093000", TimeStyle.PATTERN, "America/New_York", "%Y%m%d %H%M%S"),
        ("201406090930", TimeStyle.PATTERN, "America/New_York", "%Y%m%d%H%M"),
        ("2014.06.09 09:30", TimeStyle.PATTERN, "America/New_York", "%Y.%m.%d %H:%M"),
        ("06/30/2014 09:30", TimeStyle.PATTERN, "America/New_York", "%m/%d/%Y %H:%M"),
        ("30.06.2014 09:30:00", TimeStyle.PATTERN, "America/New_York", "%d.%m.%Y %H:%M:%S"),
        (datetime(2014, 6, 9, 13, 30, tzinfo=UTC), TimeStyle.ISO, "", ""),
        (datetime(2014, 6, 9, 9, 30), TimeStyle.ISO_LOCAL, "America/New_York", ""),  # noqa: DTZ001 (a file's)
    ],
)  # fmt: skip
def test_a_way_of_writing_is_recognised_and_read(
    value: Any, style: TimeStyle, zone: str, pattern: str
) -> None:
    column = pa.array([value] * 3)
    reading = reading_of(column, None)
    assert (reading.style, reading.pattern) == (style, pattern)
    seconds, bad = read_times(column, TimeReading(style, zone, pattern))
    moment = OPEN + (21 * 86_400 if "30" in str(value)[:6] and "/" in str(value) else 0)
    if str(value).startswith("30."):
        moment = OPEN + 21 * 86_400
    assert (seconds.tolist(), bad) == ([moment] * 3, {})


def test_a_day_alone_is_a_time_too() -> None:
    for value in ("2014-06-09", "20140609", "2014/06/09", date(2014, 6, 9)):
        column = pa.array([value])
        assert read_times(column, reading_of(column, None))[0].tolist() == [at("2014-06-09")]


def test_milliseconds_since_midnight_count_on_the_local_clock() -> None:
    reading = TimeReading(TimeStyle.DAY_MS, "America/New_York", day=at("2014-06-09"))
    seconds, bad = read_times(pa.array(["34200000", "14400000"]), reading)
    assert (seconds.tolist(), bad) == ([OPEN, at("2014-06-09T08:00")], {})


def test_month_or_day_first_is_not_guessed() -> None:
    with pytest.raises(TimesUnclear, match="%m/%d/%Y or %d/%m/%Y"):
        reading_of(pa.array(["06/09/2014", "07/09/2014"]), None)
    assert reading_of(pa.array(["06/09/2014"]), "%d/%m/%Y").pattern == "%d/%m/%Y"
    with pytest.raises(TimesUnclear, match="'yesterday' is no time that we know"):
        reading_of(pa.array(["yesterday"]), None)
    with pytest.raises(TimesUnclear, match="bool"):
        reading_of(pa.array([True]), None)


def test_what_is_no_time_is_named_by_its_row() -> None:
    column = pa.array(["1402320600", "noon", "", None, "14023206.5"])
    _, bad = read_times(column, TimeReading(TimeStyle.EPOCH_S, ""))
    assert bad == dict.fromkeys([1, 2, 3, 4], UNREADABLE)
    fractions = pa.array(["2014-06-09T13:30:00.5Z", "2014-06-09T13:30:00Z"])
    assert read_times(fractions, TimeReading(TimeStyle.ISO, ""))[1] == {0: FRACTION}


def test_a_few_broken_rows_do_not_hide_how_the_others_are_written() -> None:
    column = pa.array(["2014-06-09T13:30:00Z"] * 19 + ["N/A"])
    assert reading_of(column, None).style is TimeStyle.ISO


def test_the_hours_that_clocks_repeat_or_leave_out() -> None:
    """New York went forward at 02:00 on 2014-03-09 and back at 02:00 on 2014-11-02."""
    local = [at("2014-03-09T01:59"), at("2014-03-09T02:30"), at("2014-03-09T03:00"),
             at("2014-11-02T00:59"), at("2014-11-02T01:30"), at("2014-11-02T02:00")]  # fmt: skip
    utc, bad = to_utc(np.array(local), "America/New_York")
    assert bad == {1: NEVER, 4: TWICE}
    assert utc[[0, 2, 3, 5]].tolist() == [
        at("2014-03-09T06:59"),
        at("2014-03-09T07:00"),
        at("2014-11-02T04:59"),
        at("2014-11-02T07:00"),
    ]


@given(st.lists(st.integers(0, 2_000_000_000), max_size=20), st.sampled_from(ZONES))
def test_local_clocks_agree_with_zoneinfo(moments: list[int], zone: str) -> None:
    utc = np.array(moments, np.int64)
    local = to_local(utc, zone)
    for moment, shown in zip(moments, local.tolist(), strict=True):
        clock = datetime.fromtimestamp(moment, ZoneInfo(zone)).replace(tzinfo=UTC)
        assert shown == int(clock.timestamp())
    back, bad = to_utc(local, zone)
    assert set(bad.values()) <= {TWICE}
    clear = [row for row in range(len(moments)) if row not in bad]
    assert back[clear].tolist() == utc[clear].tolist()
