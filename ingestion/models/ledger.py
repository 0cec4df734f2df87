"""The gap ledger and the marks for minutes without a trade."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class GapState(models.TextChoices):
    """Where a gap stands."""

    OPEN = "open", "Open"
    QUEUED = "queued", "Queued for repair"
    FILLED = "filled", "Filled"
    NO_TRADE = "no_trade", "No trade, confirmed"
    UNRECOVERABLE = "unrecoverable", "Unrecoverable"
    VOID = "void", "Void: no longer expected"


class GapReason(models.TextChoices):
    """Why the bars were not there."""

    ABSENT = "absent", "The source had no bar"
    QUARANTINED = "quarantined", "The bar was rejected"
    OUTAGE = "outage", "Not asked for in time"
    WITHDRAWN = "withdrawn", "The bar was withdrawn"


class Gap(models.Model):
    """Expected bars that did not arrive: the expected minutes (or session labels) in
    `[start, end)`. `start` is the first of them; `end` is one interval after the last."""

    symbol = models.ForeignKey(
        "universe.Symbol",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    interval = models.CharField(max_length=2)
    start = models.DateTimeField()
    end = models.DateTimeField()
    bars = models.PositiveIntegerField(help_text="expected bars in it")
    state = models.CharField(max_length=13, choices=GapState.choices, default=GapState.OPEN)
    reason = models.CharField(max_length=11, choices=GapReason.choices)
    source = models.CharField(max_length=32, blank=True, help_text="who was asked")
    opened_at = models.DateTimeField(help_text="the commit that recorded it")
    as_of = models.DateTimeField(help_text="the commit that last changed it")

    class Meta:
        db_table = "gaps"
        ordering = ("-end",)
        constraints = [
            models.CheckConstraint(condition=Q(start__lt=models.F("end")), name="gap_not_empty")
        ]
        indexes = [
            models.Index(
                fields=["symbol", "interval", "start"],
                condition=Q(state__in=["open", "queued", "unrecoverable"]),
                name="gap_missing",
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol_id}/{self.interval} [{self.start}, {self.end})"


class NoTrade(models.Model):
    """The bars of one UTC day that are confirmed not to exist: bit n of the bitmap (most
    significant first) is minute n of the day; for daily bars, bit 0 is the session."""

    symbol = models.ForeignKey(
        "universe.Symbol",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    interval = models.CharField(max_length=2)
    day = models.DateField()
    bitmap = models.BinaryField(help_text="180 bytes")
    as_of = models.DateTimeField(help_text="the commit that last changed it")

    class Meta:
        db_table = "no_trade"
        constraints = [
            models.UniqueConstraint(fields=["symbol", "interval", "day"], name="no_trade_once")
        ]

    def __str__(self) -> str:
        return f"{self.symbol_id}/{self.interval} {self.day}"
