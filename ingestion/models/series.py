"""Where each series stands, and what each source delivered for it."""

from __future__ import annotations

from django.db import models


class SeriesColumns(models.Model):
    """One symbol × interval."""

    symbol = models.ForeignKey(
        "universe.Symbol",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    interval = models.CharField(max_length=2)
    as_of = models.DateTimeField(help_text="the commit that last changed this row")

    class Meta:
        abstract = True


class Series(SeriesColumns):
    """The state of one symbol × interval. Everything expected in `[history_from, settled_to)`
    is stored, marked as without a trade, or in the gap ledger. Both are none until the
    series is first collected: imported bars alone promise nothing about what lies between."""

    history_from = models.DateTimeField(null=True, help_text="where collection began, inclusive")
    settled_to = models.DateTimeField(null=True, help_text="exclusive; all before it is explained")
    newest_ts = models.DateTimeField(null=True, help_text="the newest stored bar")
    newest_close = models.FloatField(null=True, help_text="its close")
    session_date = models.DateField(null=True, help_text="the session being counted")
    session_settled = models.IntegerField(
        default=0, help_text="its expected minutes settled so far"
    )
    session_traded = models.IntegerField(default=0, help_text="those of them with a bar")
    traded_share = models.FloatField(
        null=True, help_text="trailing share of settled minutes with a bar, before this session"
    )

    class Meta:
        db_table = "series"
        verbose_name_plural = "series"
        constraints = [models.UniqueConstraint(fields=["symbol", "interval"], name="series_once")]

    def __str__(self) -> str:
        return f"{self.symbol_id}/{self.interval}"


class Cursor(SeriesColumns):
    """The newest bar that one source delivered for a series. Information only."""

    source = models.CharField(max_length=32)
    newest_ts = models.DateTimeField()

    class Meta:
        db_table = "ingestion_cursor"
        constraints = [
            models.UniqueConstraint(fields=["symbol", "interval", "source"], name="cursor_once")
        ]

    def __str__(self) -> str:
        return f"{self.symbol_id}/{self.interval}/{self.source}"
