"""A worker's threads for vendor calls."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


class CallThreads:
    """Runs calls at once, never more than `at_once` in the whole process.

    The threads are kept, and with them the HTTP sessions that adapters keep per thread;
    database connections that calls opened in them are closed before `run` returns.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._made_for: tuple[int, int] | None = None

    def run(self, calls: Sequence[Callable[[], T]], at_once: int) -> list[T]:
        """The calls' results, in their order. A single call runs in the caller's thread.

        When one raises, those not yet begun are left out and the error is raised once those
        under way have ended.
        """
        if len(calls) <= 1:
            return [call() for call in calls]
        todo = deque(enumerate(calls))
        results: dict[int, T] = {}
        workers = self._start(lambda: _work(todo, results), min(at_once, len(calls)), at_once)
        errors = [error for worker in workers if (error := worker.exception())]
        if errors:
            raise errors[0]
        return [results[place] for place in range(len(calls))]

    def _start(self, work: Callable[[], None], count: int, at_once: int) -> list[Future[None]]:
        with self._lock:
            # Threads do not survive a fork, and the number is the operator's to change.
            wanted = (os.getpid(), at_once)
            if self._pool is None or self._made_for != wanted:
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="vendor-call")
                self._made_for = wanted
            pool = self._pool
            return [pool.submit(work) for _ in range(count)]


def _work(todo: deque[tuple[int, Callable[[], T]]], results: dict[int, T]) -> None:
    try:
        while todo:
            try:
                place, call = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            results[place] = call()
    except BaseException:
        todo.clear()
        raise
    finally:
        connections.close_all()
