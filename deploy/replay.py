"""Which recorded sessions a folder holds, and when the replay's clock starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

_NEW_YORK = ZoneInfo("America/New_York")
_BEFORE_OPEN = time(9, 25)
_DEFAULT_SPEED = 60.0
_FASTEST = 600.0
_MINUTES_BEHIND = 0.5
"""Times the speed: how many of its minutes a replay may be behind without leaving a gap, which
is half a real minute, whatever the speed."""
_LONGEST_LOOKBACK, _SHORTEST_LOOKBACK = 390, 10


@dataclass(frozen=True)
class Replay:
    """A folder of recorded sessions (Lean layout) and how to play it."""

    folder: Path
    sessions: dict[str, tuple[date, ...]]
    """Ticker → session dates in order."""
    start: datetime
    speed: float

    @property
    def first_ticker(self) -> str:
        """The ticker that moves first once the clock has started."""
        today = self.start.astimezone(_NEW_YORK).date()
        return min(
            self.sessions,
            key=lambda t: min((d for d in self.sessions[t] if d >= today), default=date.max),
        )

    @property
    def lookback_minutes(self) -> int:
        """`LIVE_LOOKBACK_MINUTES` for this speed."""
        behind = int(self.speed * _MINUTES_BEHIND)
        return min(_LONGEST_LOOKBACK, max(_SHORTEST_LOOKBACK, behind))

    @property
    def last(self) -> date:
        """The last recorded session."""
        return max(days[-1] for days in self.sessions.values())

    @property
    def calendars_until(self) -> date:
        """The last date for which exchange sessions are needed, with room to spare."""
        return max(self.last, self.start.date()) + timedelta(days=365)

    def describe(self) -> str:
        """One line a ticker: which sessions there are."""
        lines = [
            f"  {ticker:<8} {', '.join(day.isoformat() for day in days)}"
            for ticker, days in sorted(self.sessions.items())
        ]
        return "\n".join(lines)

    def write_universe(self, file: Path) -> None:
        """A universe of the recorded tickers, each listed for its recorded sessions only."""
        lines = ["ticker,name,calendar,tier,asset_class,listed_on,delisted_on"]
        lines += [
            f"{ticker},{ticker} (recorded),XNYS,T0,equity,{days[0]},{days[-1]}"
            for ticker, days in sorted(self.sessions.items())
        ]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_replay(folder: str, speed: str | None, start: str | None) -> Replay:
    """What `REPLAY`, `SPEED` and `START` ask for. Raises ValueError saying what is wrong."""
    path = Path(folder).expanduser().resolve()
    sessions = _sessions(path)
    if not sessions:
        raise ValueError(
            f"REPLAY={folder}: no recorded sessions (…/minute/<ticker>/<YYYYMMDD>_trade.zip)"
        )
    first = min(days[0] for days in sessions.values())
    return Replay(path, sessions, _start(start, first), _speed(speed))


def _sessions(folder: Path) -> dict[str, tuple[date, ...]]:
    found: dict[str, list[date]] = {}
    for file in sorted(folder.rglob("*_trade.zip")):
        if re.fullmatch(r"\d{8}_trade\.zip", file.name) and file.parent.parent.name == "minute":
            day = date.fromisoformat(file.name[:8])
            found.setdefault(file.parent.name.upper(), []).append(day)
    return {ticker: tuple(days) for ticker, days in found.items()}


def _speed(text: str | None) -> float:
    try:
        speed = float(text) if text else _DEFAULT_SPEED
    except ValueError:
        speed = 0.0
    if not 0 < speed <= _FASTEST:
        raise ValueError(
            f"SPEED={text}: it is a number above 0, at most {_FASTEST:g}; faster, a whole"
            " session would go by before its first bars are stored"
        )
    return speed


def _start(text: str | None, first: date) -> datetime:
    """The clock's first reading, UTC: a moment, or shortly before a day's open."""
    if not text:
        return _before_open(first)
    try:
        if len(text) == len("2013-10-07"):
            return _before_open(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"START={text}: write 2013-10-07 or 2013-10-07T13:25:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"START={text}: it needs a time zone, such as 2013-10-07T13:25:00Z")
    return moment.astimezone(UTC)


def _before_open(day: date) -> datetime:
    return datetime.combine(day, _BEFORE_OPEN, _NEW_YORK).astimezone(UTC)
