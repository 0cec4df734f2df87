"""A small universe in the test database: hand-written sessions, no exchange library."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from ingestion.store import symbol_grids
from universe.domain.session_grid import Session
from universe.models import ExchangeCalendar, ExchangeSession, Symbol
from universe.services import sessions

SYNCED = datetime(2014, 6, 1, tzinfo=UTC)


def add_calendar(name: str, days: list[Session], *, timezone: str = "UTC") -> ExchangeCalendar:
    """A calendar that covers its first to its last session; New York gets extended hours."""
    extended = timezone == "America/New_York"
    calendar = ExchangeCalendar.objects.create(
        name=name,
        timezone=timezone,
        covered_from=days[0].date,
        covered_to=days[-1].date + timedelta(days=2),
        extended_open=time(4) if extended else None,
        extended_close=time(20) if extended else None,
        synced_at=SYNCED,
    )
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            calendar=calendar,
            date=session.date,
            open=datetime.fromtimestamp(session.open, UTC),
            close=datetime.fromtimestamp(session.close, UTC),
            break_start=_moment(session.break_start),
            break_end=_moment(session.break_end),
        )
        for session in days
    )
    sessions.forget()
    symbol_grids.forget()
    return calendar


def _moment(ts: int) -> datetime | None:
    return datetime.fromtimestamp(ts, UTC) if ts else None


def add_symbols(
    calendar: ExchangeCalendar, *tickers: str, tier: str = "T0", listed_on: date | None = None
) -> list[Symbol]:
    """Active equities (crypto when the ticker has a dash) on `calendar`."""
    return [
        Symbol.objects.create(
            ticker=ticker,
            calendar=calendar,
            tier=tier,
            asset_class="crypto" if "-" in ticker else "equity",
            listed_on=listed_on,
        )
        for ticker in tickers
    ]
