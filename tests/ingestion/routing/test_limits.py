"""The rules against an oracle that knows only when calls began and ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.routing.limits import Admitted, CallBook, Refused
from marketdata_site.call_limits import CallLimits

MONDAY = 1_763_337_600_000
WINDOW_MS = {"burst": 100, "per_second": 1000, "per_minute": 60_000, "per_day": 86_400_000}
NONE = CallLimits()


@dataclass
class Call:
    """A call that began at `start`; `end` is None while it is under way or was abandoned."""

    start: int
    lease_end: int
    end: int | None = None

    @property
    def over(self) -> int:
        """When the vendor can have seen it at the latest."""
        return self.lease_end if self.end is None else self.end


Watch = Callable[[list[Call], int, Refused], None]


def see_nothing(calls: list[Call], now: int, refused: Refused) -> None:
    """What watches refusals where nobody needs to."""


@dataclass
class Story:
    """Pauses, and what happens after each: a call is asked for, or one of those under way
    ends or is abandoned."""

    limits: CallLimits
    lease_ms: int
    acts: list[tuple[int, str, int]]
    calls: list[Call] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)
    now: int = MONDAY

    def play(self, watch: Watch = see_nothing) -> list[Call]:
        """All calls that were admitted; `watch` sees each refusal."""
        alive: dict[str, Call] = {}
        for number, (pause, verb, pick) in enumerate(self.acts):
            self.now += pause
            # The rules promise nothing for calls that outlive their lease: none does here.
            alive = {token: call for token, call in alive.items() if call.lease_end > self.now}
            if verb == "ask":
                verdict = self.book.ask(self.limits, str(number), self.lease_ms, self.now)
                if isinstance(verdict, Refused):
                    watch(self.calls, self.now, verdict)
                    continue
                alive[str(number)] = Call(self.now, self.now + self.lease_ms)
                self.calls.append(alive[str(number)])
            elif alive:
                token = list(alive)[pick % len(alive)]
                call = alive.pop(token)
                if verb == "finish":
                    assert self.book.finish(token, self.now)
                    call.end = self.now
        return self.calls


counts = st.none() | st.integers(1, 6)
limits = st.builds(
    CallLimits,
    per_second=counts,
    per_minute=counts,
    per_day=counts,
    burst=counts,
    concurrency=counts,
)
pauses = (
    st.integers(0, 30)
    | st.sampled_from([99, 100, 101, 999, 1000, 1001, 1011, 59_999, 60_000, 60_601])
    | st.integers(0, 90_000)
    | st.sampled_from([43_200_000, 86_400_000, 87_264_001])
)
verbs = st.sampled_from(["ask", "ask", "ask", "finish", "die"])
acts = st.lists(st.tuples(pauses, verbs, st.integers(0, 99)), max_size=120)
stories = st.builds(Story, limits, st.sampled_from([50, 700, 30_000]), acts)


@given(stories, st.randoms(use_true_random=False))
def test_no_window_at_the_vendor_ever_holds_more_than_the_limit(
    story: Story, random: Random
) -> None:
    arrivals = [random.randint(call.start, call.over) for call in story.play()]
    for window, length in WINDOW_MS.items():
        limit = getattr(story.limits, window)
        for start in arrivals if limit else ():
            assert sum(start <= at < start + length for at in arrivals) <= limit, window


@given(stories)
def test_no_more_calls_are_under_way_than_allowed(story: Story) -> None:
    calls = story.play()
    for number, call in enumerate(calls if story.limits.concurrency else ()):
        under_way = [other for other in calls[:number] if call.start < other.over]
        assert len(under_way) + 1 <= (story.limits.concurrency or 0)


@given(stories)
def test_a_refusal_is_due_to_the_limits_give_or_take_a_hundredth_of_the_window(
    story: Story,
) -> None:
    def check(calls: list[Call], now: int, refused: Refused) -> None:
        limit = getattr(story.limits, refused.cause)
        if refused.cause == "concurrency":
            assert sum(call.over > now for call in calls if call.end is None) >= limit
            return
        reach = WINDOW_MS[refused.cause] * 101 // 100
        assert sum(call.over + reach > now for call in calls) >= limit
        assert 0 < refused.wait_ms <= reach

    story.play(check)


@given(stories)
def test_there_is_room_when_the_wait_is_over_and_not_a_moment_before(story: Story) -> None:
    story.play()
    book, now = story.book, story.now
    for token in list(book.running):
        book.finish(token, now)
    verdict = book.ask(story.limits, "next", 1000, now)
    if isinstance(verdict, Refused):
        early = CallBook.from_json(book.to_json())
        almost = now + verdict.wait_ms - 1
        assert isinstance(early.ask(story.limits, "next", 1000, almost), Refused)
        verdict = book.ask(story.limits, "next", 1000, now + verdict.wait_ms)
    assert verdict == Admitted()


@given(stories)
def test_the_book_survives_the_trip_through_json(story: Story) -> None:
    story.play()
    assert CallBook.from_json(json.loads(json.dumps(story.book.to_json()))) == story.book


def test_a_window_frees_one_length_after_the_call_ended_not_after_it_began() -> None:
    book, limits = CallBook(), CallLimits(per_minute=1)
    assert book.ask(limits, "slow", 120_000, MONDAY) == Admitted()
    # After 90 s it is still under way: no wait shorter than a whole window can be enough.
    assert book.ask(limits, "b", 120_000, MONDAY + 90_000) == Refused(60_600, "per_minute")
    assert book.finish("slow", MONDAY + 100_000)
    # Steps of 600 ms: the one that 100.000 s fall into ends at 100.200 s.
    assert book.ask(limits, "b", 120_000, MONDAY + 100_000) == Refused(60_200, "per_minute")
    assert isinstance(book.ask(limits, "b", 120_000, MONDAY + 160_199), Refused)
    assert book.ask(limits, "b", 120_000, MONDAY + 160_200) == Admitted()


def test_a_dead_callers_place_frees_at_the_end_of_its_lease() -> None:
    book, limits = CallBook(), CallLimits(concurrency=1)
    book.ask(limits, "dead", 30_000, MONDAY)
    assert book.ask(limits, "b", 30_000, MONDAY + 29_999) == Refused(0, "concurrency")
    assert book.ask(limits, "b", 30_000, MONDAY + 30_000) == Admitted()


def test_a_call_that_outlives_its_lease_is_counted_again_when_it_ends() -> None:
    book, limits = CallBook(), CallLimits(per_second=1)
    book.ask(limits, "late", 10_000, MONDAY)
    assert not book.finish("late", MONDAY + 50_000)
    assert book.ask(limits, "b", 10_000, MONDAY + 50_999) == Refused(11, "per_second")


def test_asking_again_for_an_admitted_call_takes_no_second_place() -> None:
    book, limits = CallBook(), CallLimits(concurrency=2)
    for token in ("a", "b", "a", "b"):
        assert book.ask(limits, token, 1000, MONDAY) == Admitted()
    assert book.ask(limits, "c", 1000, MONDAY) == Refused(0, "concurrency")


def test_a_block_stops_everybody_until_it_ends_and_the_longest_holds() -> None:
    book = CallBook()
    book.block("rate_limited", 5_000, MONDAY)
    book.block("rate_limited", 2_000, MONDAY)
    assert book.ask(NONE, "a", 1000, MONDAY) == Refused(5_000, "rate_limited")
    book.block("ban", 60_000, MONDAY + 1_000)
    assert book.ask(NONE, "a", 1000, MONDAY + 1_000) == Refused(60_000, "ban")
    assert book.ask(NONE, "a", 1000, MONDAY + 61_000) == Admitted()


def test_a_block_is_named_even_while_a_window_is_full_for_longer() -> None:
    book, limits = CallBook(), CallLimits(per_day=1)
    book.ask(limits, "a", 1000, MONDAY)
    book.finish("a", MONDAY)
    book.block("ban", 1_000, MONDAY)
    assert book.ask(limits, "b", 1000, MONDAY) == Refused(1_000, "ban")


def test_calls_made_without_a_limit_count_when_one_is_set() -> None:
    book = CallBook()
    for number in range(3):
        book.ask(NONE, str(number), 1000, MONDAY)
        book.finish(str(number), MONDAY)
    # Steps of a day are 864 s long; this one ends 864 s after midnight.
    assert book.ask(CallLimits(per_day=3), "b", 1000, MONDAY) == Refused(87_264_000, "per_day")


@pytest.mark.parametrize("back_ms", [1, 500, 3_600_000])
def test_a_clock_that_steps_back_frees_nothing_early(back_ms: int) -> None:
    book, limits = CallBook(), CallLimits(per_second=2, concurrency=2)
    book.ask(limits, "done", 5_000, MONDAY)
    book.finish("done", MONDAY)
    book.ask(limits, "dead", 5_000, MONDAY)
    book.block("rate_limited", 300, MONDAY)
    now = MONDAY - back_ms
    assert book.ask(limits, "b", 5_000, now) == Refused(300, "rate_limited")
    assert book.ask(limits, "b", 5_000, now + 300) == Refused(710, "per_second")
    assert book.ask(limits, "b", 5_000, now + 1_010) == Admitted()
    assert isinstance(book.ask(limits, "c", 5_000, now + 1_010), Refused)
    assert isinstance(book.ask(CallLimits(concurrency=2), "c", 5_000, now + 4_999), Refused)
    assert book.ask(CallLimits(concurrency=2), "c", 5_000, now + 5_000) == Admitted()


def test_the_book_stays_small_whatever_the_limit() -> None:
    book, limits, now = CallBook(), CallLimits(per_day=500_000), MONDAY
    for number in range(20_000):
        book.ask(limits, str(number), 1000, now)
        book.finish(str(number), now)
        now += 9_000
    assert len(json.dumps(book.to_json())) < 8_000
