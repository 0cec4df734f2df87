"""Reads while commits come in: every answer is exactly what its label says, for ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, connections, transaction

from ingestion.models import CandleIntraday, RevisionIntraday
from ingestion.store import partitions, reader
from ingestion.store.snapshot import snapshot
from tests.ingestion.store.bar_history import Commit, History, Version, at, epoch, save_commits
from tests.ingestion.store.bar_history import moment as at_us
from tests.ingestion.store.reading import (
    ALL,
    EACH_PATH,
    REGULAR,
    SHORT,
    SYMBOL,
    Row,
    expected_rows,
    paths,
    reading_by,
    rows_of,
    symbol,
)
from universe.domain.interval import Interval

pytestmark = pytest.mark.django_db(transaction=True)
COMMITS = 100
FIRST_COMMIT = epoch("2024-06-04T00:00") * 1_000_000
VALUES = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "trades",
    "source",
    "status",
    "extended",
)


def commits() -> Iterator[Commit]:
    """Insertions, corrections and withdrawals without end, of the same few bars."""
    dice, stored = random.Random(20240604), set[int]()
    for number in range(COMMITS):
        put = {ts: Version(float(dice.randrange(10**6))) for ts in dice.sample(REGULAR, 3)}
        gone = frozenset(dice.sample(sorted(stored - set(put)), min(2, len(stored - set(put)))))
        stored = (stored | set(put)) - gone
        yield Commit(FIRST_COMMIT + number, put, gone)


def carry_out(commit: Commit) -> None:
    """What a writer does, row by row, in one transaction."""
    with transaction.atomic():
        for ts in sorted(commit.withdrawn | set(commit.put)):
            stored = CandleIntraday.objects.filter(symbol_id=SYMBOL, ts=at(ts))
            for row in stored:
                RevisionIntraday.objects.create(
                    symbol_id=SYMBOL,
                    ts=at(ts),
                    as_of=row.as_of,
                    superseded_at=at_us(commit.as_of),
                    withdrawn=ts in commit.withdrawn,
                    **{name: getattr(row, name) for name in VALUES},
                )
            stored.delete()
            if ts in commit.put:
                CandleIntraday.objects.create(
                    symbol_id=SYMBOL,
                    ts=at(ts),
                    **dict(zip(VALUES[:5], commit.put[ts].prices, strict=True)),
                    source="polygon",
                    status="live",
                    extended=False,
                    as_of=at_us(commit.as_of),
                )
        save_commits([commit.as_of])


class Writer(threading.Thread):
    """Carries out all commits, one after the other."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            for commit in commits():
                carry_out(commit)
        except Exception as error:  # noqa: BLE001 (the test shows it)
            self.failure = error
        finally:
            connections.close_all()


@pytest.mark.parametrize("path", EACH_PATH)
def test_no_answer_is_torn_or_changes_later(path: str):
    partitions.ensure(ALL.start, ALL.end)
    history = History(list(commits()))
    answers: list[tuple[int, list[Row]]] = []

    def read(as_of: int | None = None) -> None:
        page = reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=as_of)
        if page.as_of is not None:
            answers.append((page.as_of, rows_of(page)))

    writer, deadline = Writer(), time.monotonic() + 90
    with reading_by(path):
        writer.start()
        while writer.is_alive():
            assert time.monotonic() < deadline
            read()
            if answers:
                read(answers[len(answers) // 2][0])  # one that was answered a while ago
                read(answers[-1][0] + COMMITS)  # one that is still to come
        writer.join()
        assert writer.failure is None
        read()

        assert answers[-1][0] == history.watermark
        assert len({as_of for as_of, _ in answers}) > 5, "the reads met the writes"
        for as_of, rows in dict(answers).items():
            assert rows_of(reader.read(symbol(), Interval.MINUTE, SHORT, ALL, as_of=as_of)) == rows
    for as_of, rows in answers:
        assert rows == expected_rows(history.at(as_of)), as_of


def test_a_stream_is_of_one_moment_though_bars_change_between_its_chunks():
    partitions.ensure(ALL.start, ALL.end)
    first, second = Version(1.0), Version(2.0)
    carry_out(Commit(FIRST_COMMIT, dict.fromkeys(REGULAR, first)))
    chunks = reader.stream([SYMBOL], Interval.MINUTE, ALL, rows=4)
    seen = [next(chunks)]
    carry_out(Commit(FIRST_COMMIT + 1, dict.fromkeys(REGULAR, second)))
    seen += chunks
    assert [chunk.t.tolist() for chunk in seen] == [REGULAR[n : n + 4] for n in range(0, 15, 4)]
    assert {chunk.as_of for chunk in seen} == {FIRST_COMMIT}
    assert {value for chunk in seen for value in chunk.o.tolist()} == {first.prices[0]}


def test_a_snapshot_sees_no_commit_that_comes_while_it_is_open():
    partitions.ensure(ALL.start, ALL.end)
    carry_out(Commit(FIRST_COMMIT, {REGULAR[0]: Version(1.0)}))

    def commit_elsewhere() -> None:
        carry_out(Commit(FIRST_COMMIT + 1, {REGULAR[1]: Version(1.0)}))
        connections.close_all()

    with snapshot():
        assert CandleIntraday.objects.count() == 1
        writer = threading.Thread(target=commit_elsewhere)
        writer.start()
        writer.join(timeout=60)  # it need not wait for us
        assert not writer.is_alive()
        with snapshot():  # one inside another is the same
            assert CandleIntraday.objects.count() == 1
        assert CandleIntraday.objects.count() == 1
    assert CandleIntraday.objects.count() == 2


def test_a_snapshot_leaves_the_connection_as_it_was():
    with snapshot():
        assert not CandleIntraday.objects.exists()
    assert connection.get_autocommit()
    save_commits([FIRST_COMMIT])
    assert paths()["portable"].stamp(SYMBOL, Interval.MINUTE).as_of == FIRST_COMMIT


def test_a_read_inside_a_transaction_sees_what_that_wrote():
    with transaction.atomic():
        partitions.ensure(ALL.start, ALL.end)
        carry_out(Commit(FIRST_COMMIT, {REGULAR[0]: Version(1.0)}))
        for path in paths():
            with reading_by(path):
                assert len(reader.read(symbol(), Interval.MINUTE, SHORT, ALL)) == 1
