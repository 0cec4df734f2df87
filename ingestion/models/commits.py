"""The commit log: one row for every transaction that changed market data."""

from __future__ import annotations

from django.db import models


class IngestCommit(models.Model):
    """What one transaction did. Its `as_of` is its position: strictly increasing in commit
    order, the stamp on all that it wrote, and the watermark that reads are answered at."""

    as_of = models.DateTimeField(unique=True)
    dataset = models.CharField(
        max_length=32, help_text="the table of the bars, e.g. candles_intraday"
    )
    source = models.CharField(max_length=32)
    origin = models.CharField(max_length=16, help_text="vendor, synthetic, replayed or import")
    status = models.CharField(max_length=9, help_text="live, backfill or import")
    chosen_because = models.CharField(max_length=200, help_text="why the router took this source")
    job_id = models.CharField(max_length=64, blank=True)
    observed_at = models.DateTimeField(help_text="when the source was asked")
    range_start = models.DateTimeField(help_text="inclusive")
    range_end = models.DateTimeField(help_text="exclusive")
    symbols = models.PositiveIntegerField()
    inserted = models.PositiveIntegerField()
    corrected = models.PositiveIntegerField()
    withdrawn = models.PositiveIntegerField()
    no_trade = models.PositiveIntegerField(help_text="minutes newly marked as without a trade")
    gap_minutes = models.PositiveIntegerField(help_text="expected bars newly put in the gap ledger")
    quarantined = models.PositiveIntegerField()
    events = models.BinaryField(null=True, help_text="see ingestion/store/events.py")

    class Meta:
        db_table = "ingest_commits"
        ordering = ("-as_of",)
        indexes = [models.Index(fields=["job_id"], name="commit_job")]

    def __str__(self) -> str:
        return f"{self.dataset} {self.as_of.isoformat()}"
