"""Any history of commits: every moment of it reads as it was, on every path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.store import partitions, reader
from marketdata_site import clock
from tests.ingestion.store.bar_history import Commit, History, Version, epoch
from tests.ingestion.store.reading import (
    ALL,
    EACH_PATH,
    EXTENDED,
    OTHER,
    REGULAR,
    SHORT,
    SYMBOL,
    bars_of,
    expected_rows,
    paths,
    reading_by,
    rows_of,
    symbol,
)
from universe.domain.interval import Interval
from universe.domain.time_range import TimeRange

pytestmark = pytest.mark.django_db
FIRST_COMMIT = epoch("2024-06-04T00:00") * 1_000_000
SOURCES = ("alpaca:sip", "polygon", "yahoo")


@st.composite
def histories(draw: st.DrawFn, interval: Interval) -> History:
    times = bars_of(interval) + (EXTENDED if interval is Interval.MINUTE else [])
    commits: list[Commit] = []
    as_of = FIRST_COMMIT
    for _ in range(draw(st.integers(0, 7))):
        as_of += draw(st.sampled_from([1, 2, 1_000_000]))
        stored = History(commits).at(None)
        put = draw(st.sets(st.sampled_from(times), max_size=5))
        gone = frozenset(
            draw(st.sets(st.sampled_from(sorted(stored)), max_size=3)) if stored else ()
        )
        versions = {ts: draw(_versions(ts, interval)) for ts in sorted(put - gone)}
        if versions or gone:
            commits.append(Commit(as_of, versions, gone))
    return History(commits, draw(st.sets(st.sampled_from(bars_of(interval)), max_size=4)))


def _versions(ts: int, interval: Interval) -> st.SearchStrategy[Version]:
    # A bar's place can change with its session: now and then the flag says the other thing.
    odd = st.integers(0, 3).map(lambda n: n == 0 and interval is Interval.MINUTE)
    return st.builds(
        lambda value, source, odd: Version(value, source, (ts in EXTENDED) != odd),
        st.integers(1, 10**6).map(float),
        st.sampled_from(SOURCES),
        odd,
    )


@contextmanager
def saved(history: History, interval: Interval) -> Iterator[None]:
    """The history in the tables, and nothing left of it afterwards."""
    partitions.ensure(ALL.start, ALL.end)  # once, outside of what is rolled back
    with transaction.atomic():
        history.save(SYMBOL, interval)
        yield
        transaction.set_rollback(True)


def _moments(history: History) -> list[int | None]:
    """Every commit, the moment before it, one before and one after them all, and now."""
    positions = [commit.as_of for commit in history.commits]
    return [*positions, *(p - 1 for p in positions), FIRST_COMMIT, FIRST_COMMIT * 2, None]


@settings(deadline=None, max_examples=40)
@given(data=st.data(), interval=st.sampled_from(Interval), extended=st.booleans())
def test_every_moment_reads_as_it_was(data: st.DataObject, interval: Interval, extended: bool):
    history = data.draw(histories(interval))
    with saved(history, interval):
        _assert_every_moment(history, interval, extended)


def _assert_every_moment(history: History, interval: Interval, extended: bool) -> None:
    # Another series beside it, with the same times, must never show.
    noise = [Commit(FIRST_COMMIT, {ts: Version(5.0, "iex") for ts in bars_of(interval)})]
    History(noise).save(OTHER, interval)
    latest = max(history.watermark or 0, FIRST_COMMIT)

    for as_of in _moments(history):
        wanted = expected_rows(history.at(as_of), extended=extended)
        for path in paths():
            with reading_by(path):
                page = reader.read(
                    symbol(),
                    interval,
                    SHORT,
                    ALL,
                    as_of=as_of,
                    hours="extended" if extended else "regular",
                )
            assert rows_of(page) == wanted, (path, as_of)
            assert page.as_of == (latest if as_of is None else min(as_of, latest))
            assert page.next is None
            held = history.at(as_of)
            assert page.sources == tuple(sorted({held[ts].source for ts, *_ in wanted}))


@settings(deadline=None, max_examples=40)
@given(data=st.data(), limit=st.integers(1, 6), extended=st.booleans())
def test_pages_cover_everything_once(data: st.DataObject, limit: int, extended: bool):
    history = data.draw(histories(Interval.MINUTE))
    as_of = data.draw(st.sampled_from(_moments(history)))
    now = data.draw(st.sampled_from([*REGULAR, epoch("2024-06-05T00:00")]))
    first, last = sorted(data.draw(st.tuples(*[st.sampled_from([*REGULAR, *EXTENDED])] * 2)))
    range_ = TimeRange(first, last + 1)
    clock.install(lambda: datetime.fromtimestamp(now, UTC))
    with saved(history, Interval.MINUTE):
        _assert_pages(history, range_, as_of, now, limit, extended)


def _assert_pages(
    history: History, range_: TimeRange, as_of: int | None, now: int, limit: int, extended: bool
) -> None:
    stored_today = {ts for ts, version in history.at(None).items() if not version.extended}
    for path in paths():
        seen, after, positions = [], None, set()
        sums = {"expected": 0, "stored": 0, "no_trade": 0, "missing": 0}
        while True:
            with reading_by(path):
                page = reader.read(
                    symbol(),
                    Interval.MINUTE,
                    SHORT,
                    range_,
                    as_of=as_of,
                    hours="extended" if extended else "regular",
                    limit=limit,
                    after=after,
                )
            seen += rows_of(page)
            positions.add(page.as_of)
            for name in sums:
                sums[name] += getattr(page.completeness, name)
            if page.next is None:
                assert len(page) <= limit
                break
            assert len(page) == limit
            assert page.next == page.t[-1]
            after = page.next
        assert seen == expected_rows(history.at(as_of), range_, extended=extended)
        assert len(positions) == 1
        expected = {ts for ts in REGULAR if range_.start <= ts < range_.end and ts + 60 <= now}
        marked = (expected & history.marks) - stored_today
        assert sums == {
            "expected": len(expected),
            "stored": len(expected & stored_today),
            "no_trade": len(marked),
            "missing": len(expected - stored_today - marked),
        }


# The histories above meet these cases now and then; here they are told one by one.


@pytest.mark.parametrize("path", EACH_PATH)
@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_a_bar_belongs_to_the_hours_that_it_had_then(path: str, before: bool, after: bool):
    then, now = Version(1.0, extended=before), Version(2.0, extended=after)
    commits = [
        Commit(FIRST_COMMIT, {REGULAR[0]: then}),
        Commit(FIRST_COMMIT + 1, {REGULAR[0]: now}),
    ]
    with saved(History(commits), Interval.MINUTE), reading_by(path):
        for as_of, version in ((FIRST_COMMIT, then), (FIRST_COMMIT + 1, now), (None, now)):
            page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=as_of)
            assert rows_of(page) == expected_rows({REGULAR[0]: version})


@pytest.mark.parametrize("path", EACH_PATH)
def test_a_page_of_the_past_is_full_though_later_bars_lie_between(path: str):
    """Of the first three bars of now only one was there then, and two that are gone now come
    after one that is still there."""
    early = {REGULAR[n]: Version(float(n)) for n in (2, 3, 5, 6)}
    late = {REGULAR[n]: Version(float(n)) for n in (0, 1)}
    history = History(
        [Commit(FIRST_COMMIT, early), Commit(FIRST_COMMIT + 1, late, frozenset(REGULAR[5:7]))]
    )
    with saved(history, Interval.MINUTE), reading_by(path):
        pages, after = [], None
        for _ in range(2):
            page = reader.read(
                symbol(), Interval.MINUTE, SHORT, ALL, as_of=FIRST_COMMIT, limit=2, after=after
            )
            pages.append((page.t.tolist(), page.next))
            after = page.next
        assert pages == [(REGULAR[2:4], REGULAR[3]), (REGULAR[5:7], None)]


@pytest.mark.parametrize("path", EACH_PATH)
def test_a_thousand_corrections_of_every_bar(path: str):
    versions = [dict.fromkeys(REGULAR[:3], Version(float(n))) for n in range(1000)]
    history = History([Commit(FIRST_COMMIT + 2 * n, v) for n, v in enumerate(versions)])
    with saved(history, Interval.MINUTE), reading_by(path):
        for n in (0, 1, 500, 998, 999):
            for as_of in (FIRST_COMMIT + 2 * n, FIRST_COMMIT + 2 * n + 1):
                page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=as_of)
                assert rows_of(page) == expected_rows(versions[n])
