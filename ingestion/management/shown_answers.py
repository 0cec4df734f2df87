"""Answers as text for people and as JSON for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import orjson

from ingestion.collection.by_hand import Fetched
from ingestion.domain.bar_batch import Bars, Float64s
from universe.domain.interval import Interval
from universe.domain.time_range import iso

_HEADS = ("open", "high", "low", "close", "volume")
_MOST_DIGITS = 8


def as_json(fetched: Fetched, stored: Mapping[str, int] | None) -> str:
    """One indented JSON object; `t` are epoch seconds, unknown vwap and counts are null."""
    bars = _bars(fetched)
    first = fetched.answers[0]
    document = {
        "symbol": fetched.symbol.ticker,
        "source": first.source.name,
        "interval": str(first.request.interval),
        "basis": str(first.basis),
        "origin": first.origin,
        "observed_at": datetime.fromtimestamp(first.observed_at, UTC).isoformat(),
        "calls": sum(answer.calls for answer in fetched.answers),
        "coverage": [
            {
                "ticker": answer.request.instruments[0].ticker,
                "asked": [iso(answer.request.range.start), iso(answer.request.range.end)],
                "covered": [iso(c.range.start), iso(c.range.end)] if c.range else None,
                "complete": c.complete,
            }
            for answer in fetched.answers
            for c in answer.coverage.values()
        ],
        "dropped": _dropped(fetched),
        "stored": None if stored is None else dict(stored),
        "bars": {
            "t": bars.ts,
            **{name[0]: getattr(bars, name) for name in _HEADS},
            "vw": bars.vwap,  # NaN becomes null
            "n": [None if count < 0 else count for count in bars.trades.tolist()],
        },
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2).decode()


def as_text(fetched: Fetched, stored: Mapping[str, int] | None) -> str:
    """A table of the bars, and below it what is to be known of them."""
    return "\n".join([*_table(fetched), "", *_notes(fetched, stored)])


def _table(fetched: Fetched) -> Iterator[str]:
    bars = _bars(fetched)
    daily = fetched.answers[0].request.interval is Interval.DAY
    times = ["session" if daily else "time (UTC)"]
    times += [iso(ts)[:10] if daily else iso(ts)[:16].replace("T", " ") for ts in bars.ts.tolist()]
    columns = [_column(name, getattr(bars, name)) for name in _HEADS]
    widths = [max(map(len, column)) for column in columns]
    wide = max(map(len, times))
    for time, *values in zip(times, *columns, strict=True):
        cells = (value.rjust(width) for value, width in zip(values, widths, strict=True))
        yield "  ".join([time.ljust(wide), *cells])


def _column(name: str, values: Float64s) -> Sequence[str]:
    """The numbers with as many digits as the one that needs most, and two at least in prices."""
    least = 0 if name == "volume" else 2
    texts = (np.format_float_positional(value, _MOST_DIGITS, trim="-") for value in values)
    digits = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [name, *(f"{value:,.{max(digits, least)}f}" for value in values.tolist())]


def _notes(fetched: Fetched, stored: Mapping[str, int] | None) -> Iterator[str]:
    first = fetched.answers[0]
    calls = sum(answer.calls for answer in fetched.answers)
    yield (
        f"{len(_bars(fetched)):,} bars of {fetched.symbol.ticker} from {first.source.name}"
        f" in {calls} {'call' if calls == 1 else 'calls'}"
    )
    yield f"basis     {first.basis}"
    yield f"origin    {first.origin}"
    for answer in fetched.answers:
        ticker, asked = answer.request.instruments[0].ticker, answer.request.range
        for coverage in answer.coverage.values():
            covered = coverage.range
            said = f"{iso(covered.start)} to {iso(covered.end)}" if covered else "nothing"
            short = "" if covered == asked else f" of {iso(asked.start)} to {iso(asked.end)}"
            doubt = "" if coverage.complete else ", perhaps with bars missing"
            yield f"covers    {said}{short} ({ticker}{doubt})"
    yield f"dropped   {_counts(_dropped(fetched)) or 'nothing'}"
    if stored is not None:
        yield f"stored    {_counts(stored) or 'nothing'}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _bars(fetched: Fetched) -> Bars:
    bars = Bars.join([answer.bars for answer in fetched.answers])
    return bars.take(np.argsort(bars.ts, kind="stable"))


def _dropped(fetched: Fetched) -> dict[str, int]:
    total: Counter[str] = Counter()
    for answer in fetched.answers:
        total.update(answer.dropped)
    return {reason: count for reason, count in total.items() if count}
