"""Bars that were rejected, kept with the reason."""

from __future__ import annotations

from django.db import models


class QuarantineReason(models.TextChoices):
    """Which quality rule a bar broke."""

    NON_FINITE = "non_finite", "A value is not a finite number"
    NON_POSITIVE = "non_positive", "A price is not above zero, or the volume is below it"
    OHLC_ORDER = "ohlc_order", "High or low does not bound open and close"
    OFF_GRID = "off_grid", "The time is not on the interval's grid"
    OUTSIDE_HOURS = "outside_hours", "The market is closed then"
    SPLIT_LIKE = "split_like", "The price jumps by a ratio like a split's"
    ABSURD_JUMP = "absurd_jump", "The price jumps beyond belief"


class QuarantinedBar(models.Model):
    """A rejected bar as its source gave it. Non-finite values are stored as none."""

    symbol = models.ForeignKey(
        "universe.Symbol",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    interval = models.CharField(max_length=2)
    ts = models.DateTimeField()
    source = models.CharField(max_length=32)
    reason = models.CharField(max_length=13, choices=QuarantineReason.choices)
    detail = models.CharField(max_length=300)
    open = models.FloatField(null=True)
    high = models.FloatField(null=True)
    low = models.FloatField(null=True)
    close = models.FloatField(null=True)
    volume = models.FloatField(null=True)
    as_of = models.DateTimeField(help_text="the commit that recorded it")

    class Meta:
        db_table = "quarantined_bars"
        ordering = ("-as_of", "symbol", "ts")
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "interval", "ts", "source", "reason"], name="quarantined_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol_id}/{self.interval} {self.ts} {self.reason}"
