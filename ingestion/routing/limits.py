"""The rules by which calls to one provider are admitted. Pure: no clock, no database.

A call takes its place in every window from the moment it is admitted until one window after
it has *finished*. Whenever the request reaches the vendor, it does so between those two, so
no window counted at the vendor's side can hold more calls than the limit, however long a
request travels.

All times are whole milliseconds of one shared clock. Finished calls are kept in steps of a
hundredth of their window, and a step's calls free their places one window after the step's
END. Rounding therefore errs to the vendor's side: a place frees at most 1 % of the window
late, never early, and a window needs no more than about a hundred numbers, whatever its
limit.

A process that dies holds its places until its lease ends and is then taken to have finished.
A clock that steps back stops time for the book until it moves on: nothing frees early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marketdata_site.call_limits import CallLimits

WINDOWS: Mapping[str, int] = {
    "burst": 100,
    "per_second": 1_000,
    "per_minute": 60_000,
    "per_day": 86_400_000,
}
"""Field of CallLimits → the window's length in milliseconds."""

STEPS = 100
"""Steps in a window: every length above divides by it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call holds its place and may be made now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """No room now.

    `wait_ms` is how long there will be none for certain; 0 when that depends on calls still
    under way. `cause` is the field of CallLimits that is full, or, for a provider that is
    blocked, the code of the error that blocked it.
    """

    wait_ms: int
    cause: str


Verdict = Admitted | Refused


@dataclass(slots=True)
class CallBook:
    """What is known of one provider's calls. Every method first brings it up to `now`."""

    now: int = 0
    finished: dict[str, list[list[int]]] = field(default_factory=lambda: {w: [] for w in WINDOWS})
    """window → `[when these places free, how many]`, ascending."""
    running: dict[str, int] = field(default_factory=dict)
    """token of a call under way → when its lease ends."""
    blocked: dict[str, int] = field(default_factory=dict)
    """error code → until when nobody may call."""

    def ask(self, limits: CallLimits, token: str, lease_ms: int, now: int) -> Verdict:
        """Admit the call `token` if there is room; asking again for the same one is harmless.

        All windows are kept whether limited or not, so `limits` may differ from call to call:
        a change of configuration counts what went before, and a caller who must leave room
        for others asks with smaller limits.
        """
        self._advance(now)
        if token in self.running:
            return Admitted()
        obstacles = tuple(self._blocks()) or tuple(self._full(limits))
        if obstacles:
            return min(obstacles, key=lambda obstacle: (-obstacle.wait_ms, obstacle.cause))
        self.running[token] = now + lease_ms
        return Admitted()

    def finish(self, token: str, now: int) -> bool:
        """The call has ended. False: only after its lease, so that for a while it was not
        counted; it is counted again from now on."""
        self._advance(now)
        in_time = self.running.pop(token, None) is not None
        self._record(now)
        return in_time

    def block(self, code: str, duration_ms: int, now: int) -> None:
        """Admit nobody for `duration_ms`. A longer block of the same code stays."""
        self._advance(now)
        self.blocked[code] = max(self.blocked.get(code, 0), now + duration_ms)

    def _blocks(self) -> Iterator[Refused]:
        for code, until in self.blocked.items():
            yield Refused(until - self.now, code)

    def _full(self, limits: CallLimits) -> Iterator[Refused]:
        for window, length in WINDOWS.items():
            limit = getattr(limits, window)
            if limit is not None and (free := self._free_at(window, length, limit)) > self.now:
                yield Refused(free - self.now, window)
        if limits.concurrency is not None and len(self.running) >= limits.concurrency:
            yield Refused(0, "concurrency")

    def _free_at(self, window: str, length: int, limit: int) -> int:
        """The earliest time at which the window can hold one more call."""
        steps = self.finished[window]
        taken = len(self.running) + sum(calls for _, calls in steps)
        if taken < limit:
            return self.now
        for frees_at, calls in steps:
            taken -= calls
            if taken < limit:
                return frees_at
        # Calls under way alone fill it: one of them has to end first, and then to age.
        return _frees_at(self.now, length)

    def _advance(self, now: int) -> None:
        if now < self.now:
            self._shift(now - self.now)
        self.now = now
        overdue = sorted((end, token) for token, end in self.running.items() if end <= now)
        for end, token in overdue:
            del self.running[token]
            self._record(end)
        for window, steps in self.finished.items():
            self.finished[window] = [step for step in steps if step[0] > now]
        self.blocked = {code: until for code, until in self.blocked.items() if until > now}

    def _record(self, at: int) -> None:
        for window, length in WINDOWS.items():
            frees_at = _frees_at(at, length)
            steps = self.finished[window]
            if steps and steps[-1][0] >= frees_at:
                steps[-1][1] += 1
            else:
                steps.append([frees_at, 1])

    def _shift(self, by: int) -> None:
        for steps in self.finished.values():
            for step in steps:
                step[0] += by
        self.running = {token: end + by for token, end in self.running.items()}
        self.blocked = {code: until + by for code, until in self.blocked.items()}

    def to_json(self) -> dict[str, Any]:
        """The book as JSON values: a few kilobytes at most."""
        return {
            "now": self.now,
            "finished": self.finished,
            "running": self.running,
            "blocked": self.blocked,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> CallBook:
        """The book that `to_json` wrote; an empty mapping gives an empty book."""
        if not state:
            return cls()
        finished = state["finished"]
        return cls(
            now=state["now"],
            finished={window: [[*step] for step in finished.get(window, ())] for window in WINDOWS},
            running=dict(state["running"]),
            blocked=dict(state["blocked"]),
        )


def _frees_at(finished_at: int, length: int) -> int:
    step = length // STEPS
    return (finished_at // step + 1) * step + length
