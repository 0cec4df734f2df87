"""What becomes of a batch: every row is accepted, rejected or counted, and none is changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.collection.intake import BarsFromTheFuture, Intake, take_in, take_in_answer
from ingestion.collection.roster import Roster
from ingestion.domain.bar_batch import Bars
from ingestion.domain.neighbours import Stored
from ingestion.domain.source import Basis, Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest, Coverage, Instrument
from ingestion.providers.errors import Malformed
from tests.ingestion.market_week import around_the_clock, at, june_grid
from universe.domain.interval import Interval
from universe.domain.session_grid import DateNotCovered
from universe.domain.time_range import TimeRange
from universe.models import Symbol

LATER = at("2014-06-14")
GRIDS = {"XNYS": june_grid(), "24/7": around_the_clock()}
STOCK, COIN, YOUNG = 7, 3, 11
ROSTER = Roster.of(
    [
        Symbol(id=STOCK, ticker="AAPL", calendar_id="XNYS"),
        Symbol(id=COIN, ticker="BTC-USD", calendar_id="24/7"),
        Symbol(
            id=YOUNG,
            ticker="NEW",
            calendar_id="XNYS",
            listed_on=date(2014, 6, 9),
            delisted_on=date(2014, 6, 11),
        ),
    ],
    GRIDS.__getitem__,
)


def bars(*rows: tuple[int, str, float]) -> Bars:
    """Flat bars from (owner, time, price)."""
    prices = np.array([row[2] for row in rows], np.float64)
    times = [at(row[1]) for row in rows]
    return Bars.of(
        [row[0] for row in rows], times, prices, prices, prices, prices, np.ones(len(rows))
    )


def minutes(*rows: tuple[int, str, float], now: float = LATER) -> Intake:
    return take_in(bars(*rows), Interval.MINUTE, ROSTER, now=now)


def days(*rows: tuple[int, str, float], now: float = LATER) -> Intake:
    return take_in(bars(*rows), Interval.DAY, ROSTER, now=now)


def kept(intake: Intake) -> list[tuple[int, str, float]]:
    columns = zip(
        intake.bars.owner.tolist(), intake.bars.ts.tolist(), intake.bars.open.tolist(), strict=True
    )
    return [
        (owner, f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%dT%H:%M}", price)
        for owner, ts, price in columns
    ]


def reasons(intake: Intake) -> list[tuple[int, str, str]]:
    """(owner, reason, detail) of the rejected."""
    rejected = intake.rejected
    return list(
        zip(
            rejected.bars.owner.tolist(),
            map(str, rejected.reasons),
            rejected.details,
            strict=True,
        )
    )


# ---- sessions -----------------------------------------------------------------------------


def test_several_calendars_in_one_batch() -> None:
    intake = minutes(
        (STOCK, "2014-06-05T07:59", 90),  # 03:59 New York
        (STOCK, "2014-06-05T08:00", 90),  # 04:00
        (STOCK, "2014-06-05T13:29", 90),
        (STOCK, "2014-06-05T13:30", 90),
        (STOCK, "2014-06-05T19:59", 90),
        (STOCK, "2014-06-05T20:00", 90),  # the closing cross
        (STOCK, "2014-06-05T23:59", 90),
        (STOCK, "2014-06-06T00:00", 90),  # 20:00 New York
        (STOCK, "2014-06-07T15:00", 90),  # a Saturday
        (COIN, "2014-06-07T03:00", 600),
    )
    assert list(zip(kept(intake), intake.extended.tolist(), strict=True)) == [
        ((COIN, "2014-06-07T03:00", 600), False),
        ((STOCK, "2014-06-05T08:00", 90), True),
        ((STOCK, "2014-06-05T13:29", 90), True),
        ((STOCK, "2014-06-05T13:30", 90), False),
        ((STOCK, "2014-06-05T19:59", 90), False),
        ((STOCK, "2014-06-05T20:00", 90), True),
        ((STOCK, "2014-06-05T23:59", 90), True),
    ]
    assert reasons(intake) == [
        (STOCK, "outside_hours", "2014-06-05T07:59:00Z is outside trading hours"),
        (STOCK, "outside_hours", "2014-06-06T00:00:00Z is outside trading hours"),
        (STOCK, "outside_hours", "2014-06-07T15:00:00Z is outside trading hours"),
    ]
    assert intake.dropped == {}


def test_a_day_is_labelled_by_its_session() -> None:
    intake = days(
        (STOCK, "2014-06-06", 90),
        (STOCK, "2014-06-07", 90),
        (COIN, "2014-06-07", 600),
        (STOCK, "2014-06-09T04:00", 90),  # New York midnight is no label
    )
    assert kept(intake) == [(COIN, "2014-06-07T00:00", 600), (STOCK, "2014-06-06T00:00", 90)]
    assert not intake.extended.any()
    assert reasons(intake) == [
        (STOCK, "outside_hours", "2014-06-07 is no session of the calendar"),
        (STOCK, "off_grid", "2014-06-09T04:00:00Z is no multiple of 86400 seconds"),
    ]


def test_before_the_listing_and_after_the_delisting() -> None:
    intake = minutes(
        (YOUNG, "2014-06-06T23:00", 20),
        (YOUNG, "2014-06-09T08:00", 20),  # its first session, before the open
        (YOUNG, "2014-06-11T23:59", 20),  # its last, after the close
        (YOUNG, "2014-06-12T08:00", 20),
    )
    assert [row[1] for row in kept(intake)] == ["2014-06-09T08:00", "2014-06-11T23:59"]
    assert reasons(intake) == [
        (YOUNG, "outside_hours", "2014-06-06T23:00:00Z is outside the symbol's listing"),
        (YOUNG, "outside_hours", "2014-06-12T08:00:00Z is outside the symbol's listing"),
    ]
    labels = ["2014-06-06", "2014-06-09", "2014-06-11", "2014-06-12"]
    listed = days(*[(YOUNG, label, 20) for label in labels])
    assert [row[1] for row in kept(listed)] == ["2014-06-09T00:00", "2014-06-11T00:00"]


# ---- what is not over yet -----------------------------------------------------------------


def test_a_minute_is_taken_when_it_has_ended() -> None:
    rows = [(STOCK, "2014-06-05T13:30", 90.0), (STOCK, "2014-06-05T13:31", 90.0)]
    intake = minutes(*rows, now=at("2014-06-05T13:32") - 0.5)
    assert [row[1] for row in kept(intake)] == ["2014-06-05T13:30"]
    assert intake.dropped == {"unfinished": 1}
    assert minutes(*rows, now=at("2014-06-05T13:32")).dropped == {}


def test_a_day_is_taken_twenty_minutes_after_its_close() -> None:
    rows = [(STOCK, "2014-06-05", 90.0), (COIN, "2014-06-05", 600.0)]
    afternoon = days(*rows, now=at("2014-06-05T20:19:59"))  # New York closed at 20:00Z
    assert (kept(afternoon), afternoon.dropped) == ([], {"unfinished": 2})
    evening = days(*rows, now=at("2014-06-05T20:20"))
    assert [row[0] for row in kept(evening)] == [STOCK]
    assert [row[0] for row in kept(days(*rows, now=at("2014-06-06T00:20")))] == [COIN, STOCK]


def test_a_bar_from_the_future_discredits_its_batch() -> None:
    now = at("2014-06-05T14:00")
    rows = [(STOCK, "2014-06-05T13:30", 90.0), (STOCK, "2014-06-05T14:02", 90.0)]
    message = r"a bar of 2014-06-05T14:02:00Z cannot exist at 2014-06-05T14:00:00Z"
    with pytest.raises(BarsFromTheFuture, match=message):
        minutes(*rows, now=now)
    with pytest.raises(BarsFromTheFuture, match="2014-06-09"):
        days((STOCK, "2014-06-09", 90), now=now)
    # A source whose clock is a little ahead has begun a minute that we have not.
    assert minutes((STOCK, "2014-06-05T14:01", 90), now=now).dropped == {"unfinished": 1}


def test_outside_the_known_calendar_nothing_is_guessed() -> None:
    for take in (minutes, days):
        with pytest.raises(DateNotCovered, match=r"1999-06-01.* is outside what calendar XNYS"):
            take((STOCK, "1999-06-01", 90))


def test_a_stranger_is_an_error() -> None:
    with pytest.raises(LookupError, match="symbol id 8 is not in the roster"):
        minutes((8, "2014-06-05T13:30", 90))
    assert len(minutes().bars) == 0


# ---- said twice ---------------------------------------------------------------------------


def test_the_last_word_counts() -> None:
    moment = "2014-06-05T13:30"
    intake = minutes(
        (STOCK, "2014-06-05T13:31", 90.5), (STOCK, moment, 90), (STOCK, moment, 91),
        (STOCK, moment, 92), (STOCK, moment, 92), (COIN, moment, 600),
    )  # fmt: skip
    assert kept(intake) == [
        (COIN, moment, 600),
        (STOCK, moment, 92),
        (STOCK, "2014-06-05T13:31", 90.5),
    ]
    assert intake.dropped == {"superseded": 2, "duplicate": 1}


def test_a_bad_word_does_not_take_back_a_good_one() -> None:
    moment = "2014-06-05T13:30"
    intake = minutes((STOCK, moment, 90), (STOCK, moment, math.nan), (STOCK, moment, math.nan))
    assert kept(intake) == [(STOCK, moment, 90)]
    assert [reason for _, reason, _ in reasons(intake)] == ["non_finite"]
    assert intake.dropped == {"duplicate": 1}


# ---- neighbours ---------------------------------------------------------------------------


def test_stored_bars_are_neighbours_of_the_batch() -> None:
    moment = "2014-06-05T13:31"

    def beside(time: str, price: float) -> Stored:
        column = np.array([price])
        return Stored(np.array([STOCK]), np.array([at(time)]), column, column)

    def take(stored: Stored) -> int:
        bar = bars((STOCK, moment, 90))
        return len(take_in(bar, Interval.MINUTE, ROSTER, now=LATER, stored=stored).bars)

    assert take(Stored.nothing()) == 1
    assert take(beside("2014-06-05T13:30", 91)) == 1
    assert take(beside("2014-06-05T13:30", 645)) == 0
    assert take(beside("2014-06-05T08:00", 645)) == 0  # the same session, hours before
    assert take(beside("2014-06-05T13:32", 645)) == 0
    assert take(beside("2014-06-06T13:30", 645)) == 1


def test_witnesses_are_called_only_where_a_bar_is_in_doubt() -> None:
    """The second day at a split's level, when the first one has been rejected."""
    called: list[list[int]] = []
    friday, monday, tuesday = (at(f"2014-06-{day}") for day in ("06", "09", "10"))

    def column(value: float) -> np.ndarray:
        return np.array([value])

    def witnesses(interval: Interval, ids: np.ndarray) -> Stored:
        called.append(ids.tolist())
        return Stored(np.array([STOCK]), np.array([monday]), column(92.69), column(93.7))

    before = Stored(np.array([STOCK]), np.array([friday]), column(650.0), column(645.57))
    assert (tuesday - monday) == 86_400

    def take(*rows: tuple[int, str, float]) -> int:
        intake = take_in(
            bars(*rows), Interval.DAY, ROSTER, now=LATER, stored=before, witnesses=witnesses
        )
        return len(intake.bars)

    assert take((COIN, "2014-06-10", 600), (STOCK, "2014-06-10", 94.64)) == 2
    assert called == [[STOCK]]
    assert take((COIN, "2014-06-10", 600), (STOCK, "2014-06-09", 640)) == 2
    assert called == [[STOCK]]


def test_a_quiet_night_then_a_split() -> None:
    """The raw series of AAPL around its 7:1 split on 2014-06-09, prices as they were."""
    intake = days(
        (STOCK, "2014-06-05", 647.35), (STOCK, "2014-06-06", 645.57),
        (STOCK, "2014-06-09", 93.7), (STOCK, "2014-06-10", 94.25),
    )  # fmt: skip
    assert len(intake.bars) == 4
    lone = days((STOCK, "2014-06-06", 645.57), (STOCK, "2014-06-09", 92.69))
    assert [row[1] for row in kept(lone)] == ["2014-06-06T00:00"]
    assert reasons(lone)[0][1] == "split_like"


# ---- a provider's answer ------------------------------------------------------------------


def test_an_answer_gets_its_symbols() -> None:
    source = Source(
        "polygon", "polygon", Scope.CONSOLIDATED, dict.fromkeys(Interval, Basis.RAW), True, 120
    )
    instruments = tuple(Instrument(name, "equity", "America/New_York") for name in ("B", "A"))
    span = TimeRange(at("2014-06-05T13:30"), at("2014-06-05T13:40"))
    answer = BarAnswer(
        BarRequest(instruments, Interval.MINUTE, span), source, Basis.RAW, "vendor", 0.0,
        bars((1, "2014-06-05T13:30", 90), (0, "2014-06-05T13:31", 20)),
        {0: Coverage(span, complete=True), 1: Coverage(span, complete=True)},
    )  # fmt: skip
    ids = np.array([COIN, STOCK])
    intake = take_in_answer(answer, ids, ROSTER, now=LATER)
    assert [row[:2] for row in kept(intake)] == [
        (COIN, "2014-06-05T13:31"),
        (STOCK, "2014-06-05T13:30"),
    ]
    with pytest.raises(Malformed, match="polygon bars_1m: malformed: a bar of 2014-06-05T13:31"):
        take_in_answer(answer, ids, ROSTER, now=at("2014-06-05T13:20"))


# ---- any batch ----------------------------------------------------------------------------

prices = st.one_of(
    st.floats(50, 150), st.sampled_from([math.nan, math.inf, -1.0, 0.0, 700.0, 1e-9])
)
moments = st.one_of(
    st.integers(0, 30).map(lambda minute: at("2014-06-05T13:20") + minute * 60),
    st.integers(at("2014-06-05T00:00"), at("2014-06-11T00:00")),
)
rows = st.tuples(st.sampled_from([STOCK, COIN, YOUNG]), moments, prices, prices, prices, prices)


def batch(chosen: Sequence[tuple[float, ...]]) -> Bars:
    columns = np.array([*chosen, (0,) * 6], np.float64)[:-1].T
    owner, ts, o, h, l, c = columns  # noqa: E741 - the vendors' names of the columns
    return Bars.of(owner, ts, o, h, l, c, np.ones(len(chosen)))


def contents(some: Bars) -> Counter[tuple[object, ...]]:
    """The rows as a multiset; not-a-number equals itself."""
    columns = (some.owner, some.ts, some.open, some.high, some.low, some.close)
    return Counter(
        tuple("nan" if value != value else value for value in row)
        for row in zip(*(column.tolist() for column in columns), strict=True)
    )


@given(st.lists(rows, max_size=40))
def test_every_row_goes_somewhere_unchanged(chosen: list[tuple[float, ...]]) -> None:
    came = batch(chosen)
    intake = take_in(came, Interval.MINUTE, ROSTER, now=LATER)
    went = contents(intake.bars) + contents(intake.rejected.bars)
    assert not went - contents(came)
    assert went.total() + sum(intake.dropped.values()) == len(came)
    accepted = intake.bars
    assert np.isfinite([accepted.open, accepted.high, accepted.low, accepted.close]).all()
    assert (accepted.low > 0).all()
    assert (accepted.high >= np.maximum(accepted.open, accepted.close)).all()
    assert (accepted.low <= np.minimum(accepted.open, accepted.close)).all()
    assert (accepted.ts % 60 == 0).all()
    keys = list(zip(accepted.owner.tolist(), accepted.ts.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert all(intake.rejected.details)


@given(st.lists(rows, max_size=30, unique_by=lambda row: row[:2]), st.randoms())
def test_the_order_of_arrival_says_nothing(chosen: list[tuple[float, ...]], random: object) -> None:
    shuffled = list(chosen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's own Random
    one, other = (
        take_in(batch(order), Interval.MINUTE, ROSTER, now=LATER) for order in (chosen, shuffled)
    )
    assert contents(one.bars) == contents(other.bars)
    assert sorted(reasons(one)) == sorted(reasons(other))
    assert (one.bars.ts == other.bars.ts).all()
    assert (one.extended == other.extended).all()
