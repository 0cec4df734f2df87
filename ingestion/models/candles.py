"""Stored bars: the current version of each, and the versions before it."""

from __future__ import annotations

from django.db import models


class CandleStatus(models.TextChoices):
    """How the current version came in."""

    LIVE = "live", "Live"
    BACKFILL = "backfill", "Backfill"
    IMPORT = "import", "Import"
    CORRECTED = "corrected", "Corrected after it was final"


class BarColumns(models.Model):
    """What every stored version of a bar says. Prices in the symbol's currency, basis raw."""

    symbol = models.ForeignKey(
        "universe.Symbol",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    ts = models.DateTimeField(help_text="minute: its open, UTC; day: 00:00Z of the session date")
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField()
    vwap = models.FloatField(null=True)
    trades = models.IntegerField(null=True)
    source = models.CharField(max_length=32)
    status = models.CharField(max_length=9, choices=CandleStatus.choices)
    extended = models.BooleanField(help_text="outside regular hours")
    as_of = models.DateTimeField(help_text="the commit that wrote this version")

    class Meta:
        abstract = True


class CandleIntraday(BarColumns):
    """The current version of a 1-minute bar."""

    pk = models.CompositePrimaryKey("symbol_id", "ts")

    class Meta:
        db_table = "candles_intraday"


class CandleDaily(BarColumns):
    """The current version of a daily bar."""

    pk = models.CompositePrimaryKey("symbol_id", "ts")

    class Meta:
        db_table = "candles_daily"


class RevisionColumns(BarColumns):
    """A version that held from `as_of` (inclusive) to `superseded_at` (exclusive)."""

    superseded_at = models.DateTimeField(help_text="the commit that ended this version")
    withdrawn = models.BooleanField(help_text="ended with no version after it")

    class Meta:
        abstract = True


class RevisionIntraday(RevisionColumns):
    """A former version of a 1-minute bar."""

    class Meta:
        db_table = "candles_intraday_revisions"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "ts", "superseded_at"], name="intraday_revision_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["symbol", "ts"],
                condition=models.Q(withdrawn=True),
                name="intraday_withdrawn",
            )
        ]


class RevisionDaily(RevisionColumns):
    """A former version of a daily bar."""

    class Meta:
        db_table = "candles_daily_revisions"
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "ts", "superseded_at"], name="daily_revision_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["symbol", "ts"], condition=models.Q(withdrawn=True), name="daily_withdrawn"
            )
        ]
