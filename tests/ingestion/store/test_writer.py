"""The writer's rules, one by one, on whichever path the lane's database takes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection, transaction

from ingestion.domain.bar_batch import Bars
from ingestion.models import (
    CandleIntraday,
    Cursor,
    Gap,
    IngestCommit,
    QuarantinedBar,
    QuarantineReason,
    RevisionIntraday,
    Series,
)
from ingestion.store import events, writer
from ingestion.store.changes import Rejected
from ingestion.store.writer import BatchTooLarge, OriginMismatch, write
from marketdata_site import clock
from tests.ingestion.market_week import JUNE_2014, at
from tests.ingestion.store.writing import candles, marked, minutes, settling
from tests.universe_rows import add_calendar, add_symbols
from universe.models import Symbol

pytestmark = pytest.mark.django_db

MONDAY = JUNE_2014[2]
OPEN, CLOSE = MONDAY.open, MONDAY.close


@pytest.fixture
def symbol() -> Symbol:
    """One symbol on XNYS for a week of June 2014, on a clock that stands still."""
    clock.install(lambda: datetime(2014, 6, 9, 15, 0, tzinfo=UTC))
    calendar = add_calendar("XNYS", list(JUNE_2014), timezone="America/New_York")
    return add_symbols(calendar, "AAPL")[0]


def minute(n: int) -> int:
    """The nth regular minute of Monday."""
    return OPEN + 60 * n


def test_bars_series_cursor_and_commit_are_written_together(symbol: Symbol) -> None:
    result = write(
        minutes(
            [(symbol.id, minute(0), 90.0), (symbol.id, minute(1), 91.0)],
            settlement=settling([symbol.id], OPEN, minute(2)),
        )
    )
    assert (result.inserted, result.corrected, result.gap_bars) == (2, 0, 0)
    assert candles() == {(symbol.id, minute(0)): 90.0, (symbol.id, minute(1)): 91.0}
    series = Series.objects.get()
    assert series.history_from == datetime(2014, 6, 9, 13, 30, tzinfo=UTC)
    assert series.settled_to == datetime(2014, 6, 9, 13, 32, tzinfo=UTC)
    assert (series.newest_close, series.session_settled, series.session_traded) == (91.0, 2, 2)
    assert Cursor.objects.get().newest_ts == datetime(2014, 6, 9, 13, 31, tzinfo=UTC)
    commit = IngestCommit.objects.get()
    assert int(commit.as_of.timestamp() * 1e6) == result.as_of
    assert (commit.inserted, commit.source, commit.dataset) == (2, "alpaca:sip", "candles_intraday")
    records = events.unpack(bytes(commit.events or b""))
    assert records["close"].tolist() == [90.0, 91.0]
    assert records["kind"].tolist() == [events.INSERTED] * 2
    assert {series.as_of, commit.as_of} == {CandleIntraday.objects.first().as_of}  # type: ignore[union-attr]  # there is one


def test_the_same_batch_again_writes_nothing(symbol: Symbol) -> None:
    change = minutes(
        [(symbol.id, minute(0), 90.0)], settlement=settling([symbol.id], OPEN, minute(1))
    )
    write(change)
    again = write(change)
    assert again.as_of is None
    assert again.unchanged == 1
    assert IngestCommit.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_same_batch_again_leaves_no_trace_in_the_log(symbol: Symbol) -> None:
    """PostgreSQL gives a transaction a number when it first writes: this one gets none."""
    change = minutes(
        [(symbol.id, minute(0), 90.0)], settlement=settling([symbol.id], OPEN, minute(1))
    )
    write(change)
    with transaction.atomic(), connection.cursor() as cursor:
        assert write(change).as_of is None
        cursor.execute("SELECT pg_current_xact_id_if_assigned()")
        assert cursor.fetchone() == (None,)


def test_positions_grow_even_when_the_clock_stands_still(symbol: Symbol) -> None:
    positions = [write(minutes([(symbol.id, minute(n), 90.0 + n)])).as_of or 0 for n in range(5)]
    assert positions == sorted(set(positions))
    assert positions[-1] - positions[0] == 4


def test_an_absent_minute_of_a_liquid_symbol_is_a_gap(symbol: Symbol) -> None:
    write(
        minutes(
            [(symbol.id, minute(0), 90.0), (symbol.id, minute(3), 93.0)],
            settlement=settling([symbol.id], OPEN, minute(5)),
        )
    )
    gaps = [(g.start, g.end, g.bars, g.state, g.reason) for g in Gap.objects.order_by("start")]
    base = datetime(2014, 6, 9, 13, 30, tzinfo=UTC)
    at_minute = [base + timedelta(minutes=n) for n in range(6)]
    assert gaps == [
        (at_minute[1], at_minute[3], 2, "open", "absent"),
        (at_minute[4], at_minute[5], 1, "open", "absent"),
    ]


def test_a_gap_grows_with_the_next_poll_and_is_one_row(symbol: Symbol) -> None:
    for end in (3, 5, 6):
        write(minutes([], settlement=settling([symbol.id], OPEN, minute(end))))
    gap = Gap.objects.get()
    assert (gap.bars, gap.start, gap.end) == (
        6,
        datetime(2014, 6, 9, 13, 30, tzinfo=UTC),
        datetime(2014, 6, 9, 13, 36, tzinfo=UTC),
    )


def test_a_gap_runs_on_over_the_night(symbol: Symbol) -> None:
    tuesday = JUNE_2014[3]
    start = CLOSE - 120
    write(minutes([], settlement=settling([symbol.id], start, CLOSE)))
    write(minutes([], settlement=settling([symbol.id], CLOSE, tuesday.open + 120)))
    gap = Gap.objects.get()
    assert gap.bars == 4
    assert gap.end == datetime.fromtimestamp(tuesday.open + 120, UTC)


def test_what_was_never_asked_for_is_a_gap_by_outage(symbol: Symbol) -> None:
    write(
        minutes([(symbol.id, minute(0), 90.0)], settlement=settling([symbol.id], OPEN, minute(1)))
    )
    write(
        minutes(
            [(symbol.id, minute(30), 93.0)],
            settlement=settling([symbol.id], minute(30), minute(31)),
        )
    )
    gap = Gap.objects.get()
    assert (gap.reason, gap.bars) == ("outage", 29)
    series = Series.objects.get()
    assert (series.session_settled, series.session_traded) == (2, 2), "nobody was asked for those"


def test_an_absent_minute_of_an_illiquid_symbol_is_marked(symbol: Symbol) -> None:
    result = write(
        minutes(
            [(symbol.id, minute(1), 90.0)],
            settlement=settling([symbol.id], OPEN, minute(3), no_trade=True),
        )
    )
    assert (result.no_trade, result.gap_bars) == (2, 0)
    assert marked() == {(symbol.id, minute(0)), (symbol.id, minute(2))}
    assert not Gap.objects.exists()


def test_a_late_bar_removes_the_mark(symbol: Symbol) -> None:
    write(minutes([], settlement=settling([symbol.id], OPEN, minute(3), no_trade=True)))
    write(minutes([(symbol.id, minute(1), 91.0)], source="polygon"))
    assert marked() == {(symbol.id, minute(0)), (symbol.id, minute(2))}
    assert candles() == {(symbol.id, minute(1)): 91.0}


@pytest.mark.parametrize(
    ("arrives", "left"),
    [
        ([0, 1, 2, 3], []),
        ([0], [(1, 4)]),
        ([3], [(0, 3)]),
        ([1], [(0, 1), (2, 4)]),
        ([0, 2], [(1, 2), (3, 4)]),
    ],
)
def test_late_bars_are_subtracted_from_gaps(
    symbol: Symbol, arrives: list[int], left: list[tuple[int, int]]
) -> None:
    write(minutes([], settlement=settling([symbol.id], OPEN, minute(4))))
    write(minutes([(symbol.id, minute(n), 90.0 + n) for n in arrives], source="polygon"))
    open_gaps = Gap.objects.filter(state="open").order_by("start")
    found = [
        (
            (int(gap.start.timestamp()) - OPEN) // 60,
            (int(gap.end.timestamp()) - OPEN) // 60,
        )
        for gap in open_gaps
    ]
    assert found == left
    assert sum(gap.bars for gap in open_gaps) == 4 - len(arrives)
    assert Gap.objects.filter(state="filled").count() == (0 if left else 1)


def test_the_source_corrects_its_own_bar_and_the_old_version_stays(symbol: Symbol) -> None:
    first = write(minutes([(symbol.id, minute(0), 90.0)], observed_at=100.0))
    second = write(minutes([(symbol.id, minute(0), 95.0)], observed_at=130.0))
    assert second.corrected == 1
    assert candles() == {(symbol.id, minute(0)): 95.0}
    old = RevisionIntraday.objects.get()
    assert (old.close, old.withdrawn, old.status) == (90.0, False, "live")
    assert (int(old.as_of.timestamp() * 1e6), int(old.superseded_at.timestamp() * 1e6)) == (
        first.as_of,
        second.as_of,
    )


def test_only_a_correction_of_a_final_bar_is_called_corrected(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(0), 90.0)], observed_at=100.0))
    write(
        minutes(
            [(symbol.id, minute(0), 91.0)],
            observed_at=130.0,
            settlement=settling([symbol.id], OPEN, minute(1)),
        )
    )
    assert CandleIntraday.objects.get().status == "live"
    write(minutes([(symbol.id, minute(0), 92.0)], observed_at=160.0))
    assert CandleIntraday.objects.get().status == "corrected"


def test_an_older_observation_never_replaces_a_newer_one(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(0), 95.0)], observed_at=130.0))
    late = write(minutes([(symbol.id, minute(0), 90.0)], observed_at=100.0))
    assert late.as_of is None
    assert candles() == {(symbol.id, minute(0)): 95.0}


def test_the_first_settled_bar_wins_over_other_sources(symbol: Symbol) -> None:
    write(
        minutes(
            [(symbol.id, minute(0), 90.0), (symbol.id, minute(1), 91.0)],
            observed_at=100.0,
            settlement=settling([symbol.id], OPEN, minute(1)),
        )
    )
    other = minutes(
        [(symbol.id, minute(0), 70.0), (symbol.id, minute(1), 71.0)],
        source="polygon",
        observed_at=200.0,
    )
    result = write(other)
    assert (result.corrected, result.unchanged) == (1, 1)
    assert candles() == {(symbol.id, minute(0)): 90.0, (symbol.id, minute(1)): 71.0}
    assert {c.source: c.newest_ts for c in Cursor.objects.all()} == {
        "alpaca:sip": datetime(2014, 6, 9, 13, 31, tzinfo=UTC),
        "polygon": datetime(2014, 6, 9, 13, 31, tzinfo=UTC),
    }


def test_a_cursor_that_moves_alone_shows_in_the_series(symbol: Symbol) -> None:
    """Another writer, who planned before, must see that something about the series changed."""
    write(
        minutes([(symbol.id, minute(0), 90.0)], settlement=settling([symbol.id], OPEN, minute(1)))
    )
    moved = write(minutes([(symbol.id, minute(0), 70.0)], source="polygon")).as_of
    assert moved is not None
    assert int(Series.objects.get().as_of.timestamp() * 1e6) == moved
    assert Cursor.objects.filter(source="polygon").count() == 1
    assert candles() == {(symbol.id, minute(0)): 90.0}


def test_a_withdrawn_bar_leaves_a_revision_and_a_gap(symbol: Symbol) -> None:
    write(
        minutes(
            [(symbol.id, minute(n), 90.0 + n) for n in range(3)],
            settlement=settling([symbol.id], OPEN, minute(3)),
        )
    )
    result = write(minutes([], withdrawn=[(symbol.id, minute(2)), (symbol.id, minute(9))]))
    assert result.withdrawn == 1
    assert candles() == {(symbol.id, minute(n)): 90.0 + n for n in range(2)}
    assert RevisionIntraday.objects.get().withdrawn
    assert (Gap.objects.get().reason, Gap.objects.get().bars) == ("withdrawn", 1)
    series = Series.objects.get()
    assert (series.newest_ts, series.newest_close) == (
        datetime(2014, 6, 9, 13, 31, tzinfo=UTC),
        91.0,
    )


def test_the_newest_bar_after_a_withdrawal_may_come_with_it(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(1), 91.0)]))
    write(minutes([(symbol.id, minute(0), 90.0)], withdrawn=[(symbol.id, minute(1))]))
    assert candles() == {(symbol.id, minute(0)): 90.0}
    series = Series.objects.get()
    assert (series.newest_ts, series.newest_close) == (
        datetime(2014, 6, 9, 13, 30, tzinfo=UTC),
        90.0,
    )


def test_a_rejected_bar_is_kept_once_and_its_minute_is_a_gap(symbol: Symbol) -> None:
    bad = Bars.of([symbol.id], [minute(0)], [math.nan], [2.0], [1.0], [1.5], [10.0])
    rejected = Rejected(bad, [QuarantineReason.NON_FINITE], ["open is NaN"])
    change = minutes(
        [], rejected=rejected, settlement=settling([symbol.id], OPEN, minute(1), no_trade=True)
    )
    assert write(change).quarantined == 1
    assert write(change).as_of is None
    kept = QuarantinedBar.objects.get()
    assert (kept.open, kept.high, kept.reason, kept.detail) == (
        None,
        2.0,
        "non_finite",
        "open is NaN",
    )
    assert Gap.objects.get().reason == "quarantined"


def test_extended_bars_are_stored_but_not_expected(symbol: Symbol) -> None:
    early = at("2014-06-09T12:00")
    write(
        minutes(
            [(symbol.id, early, 90.0)],
            extended=[early],
            settlement=settling([symbol.id], MONDAY.extended_open, OPEN),
        )
    )
    assert CandleIntraday.objects.get().extended
    assert not Gap.objects.exists()
    assert Series.objects.get().session_settled == 0


def test_an_import_beside_no_collection_promises_nothing(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(0), 90.0)], status="import", origin="import"))
    series = Series.objects.get()
    assert (series.history_from, series.settled_to) == (None, None)
    assert series.newest_ts == datetime(2014, 6, 9, 13, 30, tzinfo=UTC)


def test_the_trailing_share_learns_at_the_end_of_a_session(symbol: Symbol) -> None:
    tuesday = JUNE_2014[3]
    half = [(symbol.id, minute(n), 90.0) for n in range(0, 390, 2)]
    write(minutes(half, settlement=settling([symbol.id], OPEN, CLOSE)))
    assert Series.objects.get().traded_share is None
    write(minutes([], settlement=settling([symbol.id], CLOSE, tuesday.open + 60)))
    assert Series.objects.get().traded_share == pytest.approx(0.5)
    rest = [(symbol.id, tuesday.open + 60 * n, 90.0) for n in range(1, 390)]
    write(minutes(rest, settlement=settling([symbol.id], tuesday.open + 60, tuesday.close)))
    wednesday = JUNE_2014[4]
    write(minutes([], settlement=settling([symbol.id], tuesday.close, wednesday.open + 60)))
    expected = 0.5 + (389 / 390 - 0.5) * 0.2
    assert Series.objects.get().traded_share == pytest.approx(expected)


def test_vendor_data_of_two_origins_does_not_mix(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(0), 90.0)], origin="synthetic"))
    write(minutes([(symbol.id, minute(1), 90.0)], origin="import"))
    with pytest.raises(OriginMismatch, match="holds synthetic data; vendor data from alpaca:sip"):
        write(minutes([(symbol.id, minute(2), 90.0)], origin="vendor"))
    assert len(candles()) == 2


def test_a_batch_that_is_too_large_is_refused(symbol: Symbol) -> None:
    rows = [(symbol.id, 60 * n, 90.0) for n in range(writer.MAX_BARS + 1)]
    with pytest.raises(BatchTooLarge, match="8001 bars in one write; at most 8000"):
        write(minutes(rows))


def test_a_row_put_in_by_hand_is_found_and_reported(
    symbol: Symbol, caplog: pytest.LogCaptureFixture
) -> None:
    write(minutes([(symbol.id, minute(0), 90.0)]))
    row = CandleIntraday.objects.get()
    CandleIntraday.objects.create(
        symbol_id=symbol.id,
        ts=datetime.fromtimestamp(minute(5), UTC),
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
        source="alpaca:sip",
        status="live",
        extended=False,
        as_of=row.as_of,
    )
    result = write(minutes([(symbol.id, minute(5), 95.0)], observed_at=2_000.0))
    assert result.corrected == 1
    assert "stored already" in caplog.text


def test_nothing_of_a_write_that_fails_is_stored(
    symbol: Symbol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(writer, "_log_commit", lost)
    with pytest.raises(OSError, match="No space"):
        write(minutes([(symbol.id, minute(0), 90.0)], settlement=settling([symbol.id], OPEN, OPEN)))
    assert not candles()
    assert not Series.objects.exists()


def test_the_last_of_a_repeated_bar_counts(symbol: Symbol) -> None:
    rows = [
        (symbol.id, minute(0), 90.0),
        (symbol.id, minute(1), 80.0),
        (symbol.id, minute(0), 95.0),
    ]
    assert write(minutes(rows)).inserted == 2
    assert candles()[(symbol.id, minute(0))] == 95.0


def test_events_keep_the_order_of_symbol_and_time(symbol: Symbol) -> None:
    write(minutes([(symbol.id, minute(n), 90.0 + n) for n in (2, 0, 1)], extended=[minute(1)]))
    records = events.unpack(bytes(IngestCommit.objects.get().events or b""))
    assert np.array_equal(records["ts"], [minute(0), minute(1), minute(2)])
    assert records["kind"].tolist() == [0, events.EXTENDED, 0]
