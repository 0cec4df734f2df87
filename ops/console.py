"""The service at a glance: the numbers of the landing page and of the operator's index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.core.cache import caches
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest

from ingestion.models import (
    CollectionJob,
    Gap,
    GapState,
    IngestCommit,
    JobState,
    QuarantinedBar,
    Series,
)
from marketdata_site import clock
from universe.domain.interval import Interval
from universe.domain.tier import Tier
from universe.models import Symbol

FRESH_FOR_S = 2.0
COUNTED_TO = 10_000
"""Counts of big tables stop here: more is told as `10,000+`."""

_LOOKED_THROUGH = 200

ORIGINS = {
    "synthetic": "Synthetic data from the sandbox: no real prices.",
    "replayed": "Recorded sessions, replayed by the sandbox as if they were live.",
    "vendor": "Market data from the vendors.",
}


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is. `commits` is the number of the newest commit; `tickers` are a few that
    matter most, of each kind one."""

    origin: str
    tickers: tuple[str, ...]
    symbols: Mapping[str, int]
    newest_bar: Mapping[str, datetime | None]
    series: int
    commits: int
    newest_commit: datetime | None

    def as_json(self) -> dict[str, Any]:
        """The same for API clients, times in ISO 8601."""
        return {
            "symbols": dict(self.symbols),
            "newest_bar": {name: _iso(moment) for name, moment in self.newest_bar.items()},
            "commits": self.commits,
            "newest_commit": _iso(self.newest_commit),
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _leading_tickers() -> tuple[str, ...]:
    by_rank = Symbol.objects.active().order_by("tier", "id").values_list("asset_class", "ticker")
    leading: dict[str, str] = {}
    for asset_class, ticker in by_rank[:_LOOKED_THROUGH]:
        leading.setdefault(asset_class, ticker)
    return tuple(leading.values())


def look() -> Overview:
    """The numbers now. Cost: four queries over the universe and its series."""
    tiers = dict.fromkeys(Tier, 0) | dict(
        Symbol.objects.active().order_by().values_list("tier").annotate(Count("id"))
    )
    stands = {
        interval: (newest, count)
        for interval, newest, count in Series.objects.order_by()
        .values_list("interval")
        .annotate(Max("newest_ts"), Count("id"))
    }
    commit = IngestCommit.objects.order_by("-as_of").values_list("id", "as_of").first()
    return Overview(
        origin=settings.DATA_ORIGIN,
        tickers=_leading_tickers(),
        symbols={str(tier): count for tier, count in tiers.items()},
        newest_bar={str(name): stands.get(name, (None, 0))[0] for name in Interval},
        series=sum(count for _, count in stands.values()),
        commits=commit[0] if commit else 0,
        newest_commit=commit[1] if commit else None,
    )


def overview() -> Overview:
    """The numbers, at most FRESH_FOR_S old."""
    return cast(Overview, caches["local"].get_or_set("overview", look, FRESH_FOR_S))


@dataclass(frozen=True, slots=True)
class Card:
    """A number that an operator watches, and the page behind it: its name and the filters
    on it. `tone` is good or bad."""

    label: str
    value: str
    note: str
    page: str
    filters: str = ""
    tone: str = ""


def cards() -> list[Card]:
    """What wants an operator's eye today."""
    now = clock.now()
    day = now - timedelta(days=1)
    open_gaps = _up_to(Gap.objects.filter(state__in=[GapState.OPEN, GapState.QUEUED]))
    stuck = _up_to(Gap.objects.filter(state=GapState.UNRECOVERABLE))
    failed = _up_to(CollectionJob.objects.filter(state=JobState.FAILED, finished_at__gte=day))
    rejected = _up_to(QuarantinedBar.objects.filter(as_of__gte=day))
    commit = IngestCommit.objects.order_by("-as_of").first()
    return [
        Card(
            "Newest commit",
            _ago(commit.as_of, now) if commit else "none yet",
            f"{commit.source}, {commit.inserted:,} bars" if commit else "nothing is stored",
            "admin:ingestion_ingestcommit_changelist",
        ),
        Card(
            "Gaps to repair",
            _told(open_gaps),
            f"{_told(stuck)} unrecoverable",
            "admin:ingestion_gap_changelist",
            "?state__exact=open",
            "bad" if open_gaps else "good",
        ),
        Card(
            "Failed jobs",
            _told(failed),
            "in 24 hours",
            "admin:ingestion_collectionjob_changelist",
            "?state__exact=failed",
            "bad" if failed else "good",
        ),
        Card(
            "Rejected bars",
            _told(rejected),
            "in 24 hours",
            "admin:ingestion_quarantinedbar_changelist",
            "",
            "bad" if rejected else "good",
        ),
    ]


def recent_commits(count: int = 8) -> list[IngestCommit]:
    """The newest commits, without their events."""
    return list(IngestCommit.objects.order_by("-as_of").defer("events")[:count])


def dashboard(
    request: HttpRequest,  # noqa: ARG001 (the theme passes it)
    context: dict[str, Any],
) -> dict[str, Any]:
    """What the console's index shows; the theme calls this."""
    seen = overview()
    return context | {
        "origin_note": ORIGINS[seen.origin],
        "overview": seen,
        "symbol_count": sum(seen.symbols.values()),
        "newest_minute": seen.newest_bar[Interval.MINUTE],
        "cards": cards(),
        "commits": recent_commits(),
    }


def environment(
    request: HttpRequest,  # noqa: ARG001 (the theme passes it)
) -> list[str] | None:
    """The label beside the console's title, where the data is not real; the theme calls this."""
    return None if settings.DATA_ORIGIN == "vendor" else [settings.DATA_ORIGIN.title(), "warning"]


def _up_to(rows: QuerySet[Any]) -> int:
    return rows.order_by()[: COUNTED_TO + 1].count()


def _told(count: int) -> str:
    return f"{COUNTED_TO:,}+" if count > COUNTED_TO else f"{count:,}"


def _ago(moment: datetime, now: datetime) -> str:
    seconds = max(int((now - moment).total_seconds()), 0)
    for width, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= width:
            return f"{seconds // width} {unit} ago"
    return f"{seconds} s ago"
