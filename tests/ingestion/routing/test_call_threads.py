"""Threads are few, kept, and stop when something breaks."""

from __future__ import annotations

from functools import partial
from threading import current_thread, main_thread

import pytest

from ingestion.routing.call_threads import CallThreads


def test_results_come_in_the_order_of_the_calls() -> None:
    threads = CallThreads()
    for count in range(6):
        assert threads.run([partial(pow, n, 2) for n in range(count)], 3) == [
            n * n for n in range(count)
        ]


def test_threads_are_kept_from_one_run_to_the_next() -> None:
    threads = CallThreads()
    names = {name for _ in range(5) for name in threads.run([_who, _who, _who], 2)}
    assert 1 <= len(names) <= 2
    assert main_thread().name not in names


def test_a_single_call_needs_no_thread() -> None:
    assert CallThreads().run([_who], 8) == [current_thread().name]


def test_another_number_of_threads_holds_from_the_next_run_on() -> None:
    threads = CallThreads()
    assert len(set(threads.run([_who] * 9, 1))) == 1
    assert threads.run([partial(int, "7")] * 9, 4) == [7] * 9
    assert len(set(threads.run([_who] * 9, 1))) == 1


def test_after_an_error_no_further_call_is_begun() -> None:
    made: list[int] = []

    def call(number: int) -> None:
        made.append(number)
        if number == 2:
            raise RuntimeError("as told")

    with pytest.raises(RuntimeError, match="as told"):
        CallThreads().run([partial(call, number) for number in range(9)], 1)
    assert made == [0, 1, 2]


def _who() -> str:
    return current_thread().name
