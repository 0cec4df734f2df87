"""Rows of the store, made by hand: what a test knows to be there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from ingestion.models import CandleDaily, CandleIntraday, IngestCommit, Series
from ingestion.store import partitions
from tests.ingestion.market_week import at
from universe.models import Symbol

OPENED, CLOSED = at("2014-06-12T13:30"), at("2014-06-12T20:00")


def moment(text: str | int) -> datetime:
    if isinstance(text, int):
        return datetime.fromtimestamp(text, UTC)
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def price(ts: int) -> float:
    """The close of the bar at `ts`: a cent more each minute of the day."""
    return 100 + ts % 86_400 // 60 / 100


def values(ts: int) -> dict[str, float]:
    """A whole bar by its time."""
    close = price(ts)
    return {
        "open": close - 0.1,
        "high": close + 0.3,
        "low": close - 0.25,
        "close": close,
        "volume": float(ts % 977),
    }


def add_commit(as_of: str, origin: str = "synthetic") -> IngestCommit:
    when = moment(as_of)
    return IngestCommit.objects.create(
        as_of=when,
        dataset="candles_intraday",
        source="polygon",
        origin=origin,
        status="live",
        chosen_because="first in order",
        observed_at=when,
        range_start=when,
        range_end=when + timedelta(minutes=1),
        **dict.fromkeys(
            ("symbols", "inserted", "corrected", "withdrawn", "no_trade", "gap_minutes",
             "quarantined"), 0,
        ),
    )  # fmt: skip


def add_minutes(
    symbol: Symbol, minutes: Iterable[int], *, as_of: str, source: str = "polygon"
) -> None:
    """Candles of 2014-06-12, those outside 13:30–20:00 extended unless the symbol is a coin,
    and a series that is settled behind the last of them."""
    times = sorted(minutes)
    if times:
        partitions.ensure(times[0], times[-1] + 1)
    coin = symbol.asset_class == "crypto"
    CandleIntraday.objects.bulk_create(
        CandleIntraday(
            symbol=symbol,
            ts=moment(ts),
            **values(ts),
            source=source,
            status="live",
            extended=not coin and not OPENED <= ts < CLOSED,
            as_of=moment(as_of),
        )
        for ts in times
    )
    _put_series(symbol, "1m", times[0] if times else OPENED, CLOSED, times[-1:], as_of)


def add_days(symbol: Symbol, days: list[str], *, as_of: str = "2014-06-12T20:20") -> None:
    labels = [at(day) for day in days]
    CandleDaily.objects.bulk_create(
        CandleDaily(
            symbol=symbol,
            ts=moment(label),
            **values(label),
            source="alpaca:sip",
            status="live",
            extended=False,
            as_of=moment(as_of),
        )
        for label in labels
    )
    _put_series(symbol, "1d", labels[0], labels[-1] + 86_400, labels[-1:], as_of)


def _put_series(
    symbol: Symbol, interval: str, start: int, settled_to: int, newest: list[int], as_of: str
) -> None:
    Series.objects.update_or_create(
        symbol=symbol,
        interval=interval,
        defaults={
            "history_from": moment(start),
            "settled_to": moment(settled_to),
            "newest_ts": moment(newest[0]) if newest else None,
            "newest_close": price(newest[0]) if newest else None,
            "as_of": moment(as_of),
        },
    )
