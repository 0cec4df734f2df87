"""Live collection jobs: durable intent, claimed under a lease."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class CollectionJob(models.Model):
    """One chunk of symbols due at one moment. Only the process that inserts `key` enqueues."""

    key = models.CharField(max_length=96, unique=True, help_text="interval, chunk and due time")
    payload = models.JSONField(help_text="a BarsFetchJob")
    tier = models.CharField(max_length=2)
    interval = models.CharField(max_length=2)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="its successor is due then")
    state = models.CharField(max_length=9, choices=JobState.choices, default=JobState.QUEUED)
    not_before = models.DateTimeField(help_text="when it may be claimed")
    owner = models.CharField(max_length=64, blank=True, help_text="who holds the lease")
    lease_until = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=16, blank=True)
    error = models.TextField(blank=True)
    result = models.JSONField(default=dict, blank=True, help_text="counts of the last run")

    class Meta:
        db_table = "collection_jobs"
        ordering = ("-due_at", "tier")
        indexes = [
            models.Index(
                fields=["tier", "not_before"],
                condition=Q(state__in=["queued", "running"]),
                name="job_claimable",
            ),
            models.Index(fields=["finished_at"], name="job_finished"),
        ]

    def __str__(self) -> str:
        return self.key
