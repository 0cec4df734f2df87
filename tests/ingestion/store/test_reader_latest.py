"""The newest bar of many symbols, stamps, and streams of whole ranges."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ingestion.domain.bar_series import LatestBar, Stamp
from ingestion.models import Series
from ingestion.store import reader
from tests.ingestion.store.bar_history import Commit, History, Version, at, epoch, moment
from tests.ingestion.store.reading import ALL, EACH_PATH, EXTENDED, LABELS, REGULAR, reading_by
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

pytestmark = pytest.mark.django_db
WRITTEN = epoch("2024-06-04T00:00") * 1_000_000 + 17


@pytest.fixture(autouse=True, params=EACH_PATH)
def _path(request: pytest.FixtureRequest) -> Iterator[None]:
    with reading_by(request.param):
        yield


def test_the_newest_bar_of_each_symbol_extended_hours_included(db: None):
    History([Commit(WRITTEN, {REGULAR[0]: Version(1.0), REGULAR[1]: Version(2.0)})]).save(1)
    late = Version(3.0, "alpaca:sip", extended=True)
    History([Commit(WRITTEN + 5, {REGULAR[0]: Version(1.0), EXTENDED[1]: late})]).save(2)
    History([Commit(WRITTEN, {REGULAR[0]: Version(9.0)})]).save(3)
    History([Commit(WRITTEN, {LABELS[0]: Version(4.0)})]).save(1, Interval.DAY)
    Series.objects.create(symbol_id=4, interval="1m", as_of=at(0))  # collected, nothing stored

    found = reader.latest([1, 2, 4, 99])
    assert found == {
        1: LatestBar(1, REGULAR[1], *Version(2.0).prices, "polygon", False, WRITTEN),
        2: LatestBar(2, EXTENDED[1], *late.prices, "alpaca:sip", True, WRITTEN + 5),
    }
    daily = LatestBar(1, LABELS[0], *Version(4.0).prices, "polygon", False, WRITTEN)
    assert reader.latest([1, 2], Interval.DAY) == {1: daily}
    assert reader.latest([]) == {}


def test_the_newest_bars_of_a_thousand_symbols(db: None, django_assert_max_num_queries):
    ids = range(1, 1001)
    for symbol_id in ids:
        ts = REGULAR[symbol_id % len(REGULAR)]
        History([Commit(WRITTEN, {ts: Version(float(symbol_id))})]).save(symbol_id)
    with django_assert_max_num_queries(8):
        found = reader.latest(list(ids))
    assert [found[symbol_id].open for symbol_id in ids] == [n + 0.1 for n in ids]


def test_the_newest_bar_after_a_withdrawal_is_the_one_before(db: None):
    versions = {ts: Version(float(n)) for n, ts in enumerate(REGULAR)}
    gone = Commit(WRITTEN + 1, withdrawn=frozenset(REGULAR[-2:]))
    History([Commit(WRITTEN, versions), gone]).save(1)
    assert reader.latest([1])[1].ts == REGULAR[-3]


def test_a_stamp_is_the_watermark_and_the_series_last_change(db: None):
    assert reader.stamp(1, Interval.MINUTE) == Stamp(None, None)
    History([Commit(WRITTEN, {REGULAR[0]: Version(1.0)})]).save(1)
    History([Commit(WRITTEN + 3, {REGULAR[0]: Version(1.0)})]).save(2)
    assert reader.stamp(1, Interval.MINUTE) == Stamp(WRITTEN + 3, WRITTEN)
    assert reader.stamp(1, Interval.DAY) == Stamp(WRITTEN + 3, None)
    Series.objects.filter(symbol_id=1).update(as_of=moment(WRITTEN + 2))
    assert reader.stamp(1, Interval.MINUTE) == Stamp(WRITTEN + 3, WRITTEN + 2)


def test_a_stream_gives_all_there_is_in_symbol_and_time_order(db: None):
    known = Version(1.0, "polygon", vwap=1.25, trades=3)
    bare = Version(2.0, "alpaca:sip")
    outside = Version(3.0, "polygon", extended=True)
    first = {REGULAR[0]: known, REGULAR[1]: bare, EXTENDED[0]: outside}
    History([Commit(WRITTEN, first), Commit(WRITTEN + 1, {REGULAR[0]: bare})]).save(12)
    History([Commit(WRITTEN, {REGULAR[3]: known})]).save(3)

    chunks = list(reader.stream([12, 3, 99, 12], Interval.MINUTE, ALL, as_of=WRITTEN))
    assert [chunk.symbol_id for chunk in chunks] == [3, 12]
    three, twelve = chunks
    assert three.t.tolist() == [REGULAR[3]]
    assert twelve.t.tolist() == [EXTENDED[0], REGULAR[0], REGULAR[1]]
    assert twelve.extended.tolist() == [True, False, False]
    assert [twelve.sources[code] for code in twelve.source] == ["polygon", "polygon", "alpaca:sip"]
    assert twelve.c.tolist() == [outside.prices[3], known.prices[3], bare.prices[3]]
    np.testing.assert_array_equal(twelve.vwap, [np.nan, 1.25, np.nan])
    assert twelve.trades.tolist() == [-1, 3, -1]
    assert {chunk.as_of for chunk in chunks} == {WRITTEN}


@pytest.mark.parametrize("rows", [1, 2, 4, 5, 100])
def test_a_stream_never_holds_more_than_its_chunk(db: None, rows: int):
    History([Commit(WRITTEN, {ts: Version(float(ts)) for ts in REGULAR})]).save(1)
    chunks = list(reader.stream([1], Interval.MINUTE, ALL, rows=rows, hours="regular"))
    assert all(0 < len(chunk) <= rows for chunk in chunks)
    assert [ts for chunk in chunks for ts in chunk.t.tolist()] == REGULAR


def test_a_stream_keeps_to_its_range(db: None):
    History([Commit(WRITTEN, {ts: Version(float(ts)) for ts in REGULAR})]).save(1)
    chunks = reader.stream([1], Interval.MINUTE, TimeRange(REGULAR[2], REGULAR[9]))
    assert [chunk.t.tolist() for chunk in chunks] == [REGULAR[2:9]]


def test_a_stream_of_an_empty_store(db: None):
    assert list(reader.stream([1, 2], Interval.MINUTE, ALL)) == []
