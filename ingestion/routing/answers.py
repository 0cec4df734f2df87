"""What a routed request gives back: each source's answer, and why it was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingestion.domain.bar_batch import Bars
from ingestion.domain.source import Source
from ingestion.providers.base import BarAnswer, BarRequest, Coverage
from ingestion.providers.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Choice:
    """Which source served an instrument, and why that one (at most 200 characters)."""

    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class RoutedPart:
    """What one source said, about the instruments that got their bars from it for one reason.

    `answer` is all the source's batches as one, without the instruments that failed: its
    `request.instruments` are those served, `failures` is empty, `observed_at` is the earliest
    batch's, and `dropped` and `calls` count what the batches dropped and cost. `instruments`
    is parallel to `answer.request.instruments` and holds their indexes in the routed request.
    """

    answer: BarAnswer
    instruments: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class RoutedAnswer:
    """Every instrument of `request` is in exactly one part, or in `failures` with the last
    error (NoSource when no source was eligible), by its index in the request."""

    request: BarRequest
    parts: tuple[RoutedPart, ...]
    failures: Mapping[int, ProviderError]

    @property
    def choices(self) -> Mapping[int, Choice]:
        """The chosen source of each instrument that was served, by its index."""
        return {
            index: Choice(part.answer.source, part.reason)
            for part in self.parts
            for index in part.instruments
        }


@dataclass(frozen=True, slots=True)
class Served:
    """Some instruments of one batch's answer: `places` are their indexes in that answer,
    `instruments`, parallel to it, those in the routed request."""

    answer: BarAnswer
    places: tuple[int, ...]
    instruments: tuple[int, ...]
    reason: str


def gather(served: Iterable[Served]) -> tuple[RoutedPart, ...]:
    """One part for each source and reason (and basis and origin, which never mix), in the
    order of their first appearance. What a batch dropped and cost is counted once."""
    groups: dict[tuple[str, str, str, str], list[Served]] = {}
    for piece in served:
        answer = piece.answer
        key = (answer.source.name, answer.basis, answer.origin, piece.reason)
        groups.setdefault(key, []).append(piece)
    counted: set[int] = set()
    return tuple(_part(pieces, counted) for pieces in groups.values())


def _part(pieces: Sequence[Served], counted: set[int]) -> RoutedPart:
    first = pieces[0].answer
    instruments = tuple(index for piece in pieces for index in piece.instruments)
    coverage: dict[int, Coverage] = {}
    bars: list[Bars] = []
    dropped: Counter[str] = Counter()
    calls = 0
    for piece in pieces:
        bars.append(_owned_from(len(coverage), piece))
        for place in piece.places:
            coverage[len(coverage)] = piece.answer.coverage[place]
        if id(piece.answer) not in counted:
            counted.add(id(piece.answer))
            dropped.update(piece.answer.dropped)
            calls += piece.answer.calls
    asked = tuple(p.answer.request.instruments[place] for p in pieces for place in p.places)
    answer = replace(
        first,
        request=replace(first.request, instruments=asked),
        observed_at=min(piece.answer.observed_at for piece in pieces),
        bars=Bars.join(bars),
        coverage=coverage,
        failures={},
        dropped=dict(dropped),
        calls=calls,
    )
    return RoutedPart(answer, instruments, pieces[0].reason)


def _owned_from(first_owner: int, piece: Served) -> Bars:
    """The bars of the piece's instruments, who are numbered from `first_owner` on."""
    owner_of = np.full(len(piece.answer.request.instruments), -1, np.int64)
    owner_of[list(piece.places)] = np.arange(first_owner, first_owner + len(piece.places))
    owner = owner_of[piece.answer.bars.owner]
    served = owner >= 0
    return piece.answer.bars.take(served).owned_by(owner[served])
