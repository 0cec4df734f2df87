"""Commits, series, gaps and quarantine."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ingestion.admin.filters import IntervalFilter, SourceFilter
from ingestion.admin.looking import LookingAdmin, display
from ingestion.models import Cursor, Gap, GapState, IngestCommit, QuarantinedBar, Series

_DATASETS = {"candles_intraday": "1m", "candles_daily": "1d"}


@admin.register(IngestCommit)
class CommitAdmin(LookingAdmin):
    """What each transaction did."""

    list_display = (
        "as_of", "width", "source", "origin_label", "symbols", "inserted", "corrected",
        "withdrawn", "no_trade", "gap_minutes", "quarantined",
    )  # fmt: skip
    list_display_links = ("as_of",)
    list_filter = (SourceFilter, "status")
    search_fields = ("=job_id",)
    search_help_text = "id of the job"
    list_select_related = ()
    ordering = ("-as_of",)
    date_hierarchy = None
    fields = (
        "as_of", "dataset", "source", "origin", "status", "chosen_because", "job_id",
        "observed_at", "range_start", "range_end", "symbols", "inserted", "corrected",
        "withdrawn", "no_trade", "gap_minutes", "quarantined",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[IngestCommit]:
        """Commits without their events, which may be long."""
        rows: QuerySet[IngestCommit] = super().get_queryset(request).defer("events")
        return rows

    @display(description="bars")
    def width(self, commit: IngestCommit) -> str:
        """The interval of the bars."""
        return _DATASETS.get(commit.dataset, commit.dataset)

    @display(
        description="origin",
        label={"synthetic": "warning", "replayed": "warning", "vendor": "success"},
    )
    def origin_label(self, commit: IngestCommit) -> str:
        """Whether the data is real."""
        return commit.origin


@admin.register(Series)
class SeriesAdmin(LookingAdmin):
    """Where each symbol and interval stands."""

    list_display = (
        "symbol", "interval", "settled_to", "newest_ts", "newest_close", "share", "as_of",
    )  # fmt: skip
    list_filter = (IntervalFilter, "symbol__tier", "symbol__asset_class", "symbol__active")
    ordering = ("symbol__ticker", "interval")
    sortable_by = ("settled_to", "newest_ts", "as_of")  # a row a symbol: small enough to sort

    @display(description="trades in", ordering="traded_share")
    def share(self, series: Series) -> str:
        """How many of its minutes usually have a trade."""
        return "–" if series.traded_share is None else f"{series.traded_share:.0%} of minutes"


@admin.register(Cursor)
class CursorAdmin(LookingAdmin):
    """What each source delivered last. Information: nothing is planned by it."""

    list_display = ("symbol", "interval", "source", "newest_ts", "as_of")
    list_filter = (IntervalFilter, SourceFilter)


@admin.register(Gap)
class GapAdmin(LookingAdmin):
    """Expected bars that did not arrive."""

    list_display = (
        "symbol", "interval", "start", "end", "bars", "state_label", "why", "source",
        "opened_at",
    )  # fmt: skip
    list_filter = ("state", "reason", IntervalFilter, SourceFilter, "symbol__tier")
    fields = (
        "symbol", "interval", "start", "end", "bars", "state", "reason", "source", "opened_at",
        "as_of",
    )  # fmt: skip

    @display(
        description="state",
        label={
            "Open": "danger",
            "Queued for repair": "info",
            "Filled": "success",
            "No trade, confirmed": "success",
            "Unrecoverable": "warning",
        },
    )
    def state_label(self, gap: Gap) -> str:
        """Where it stands."""
        return GapState(gap.state).label

    @display(description="why")
    def why(self, gap: Gap) -> str:
        """The reason in a word."""
        return _spaced(gap.reason)


@admin.register(QuarantinedBar)
class QuarantineAdmin(LookingAdmin):
    """Rejected bars, with the reason and who sent them."""

    list_display = (
        "symbol", "interval", "ts", "source", "why", "detail", "open", "high", "low", "close",
        "volume",
    )  # fmt: skip
    list_filter = ("reason", SourceFilter, IntervalFilter, "symbol__tier")
    fields = (
        "symbol", "interval", "ts", "source", "reason", "detail",
        "open", "high", "low", "close", "volume", "as_of",
    )  # fmt: skip

    @display(description="rule")
    def why(self, bar: QuarantinedBar) -> str:
        """The rule that it broke, in a word."""
        return _spaced(bar.reason)


def _spaced(word: str) -> str:
    return word.replace("_", " ")
