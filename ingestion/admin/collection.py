"""Live collection jobs and the limiter's state."""

from __future__ import annotations

import json
from datetime import timedelta

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin.filters import IntervalFilter, TierFilter
from ingestion.admin.looking import LookingAdmin, display
from ingestion.models import CollectionJob, JobState


@admin.register(CollectionJob)
class CollectionJobAdmin(LookingAdmin):
    """What was due when, and what became of it."""

    list_display = (
        "key", "tier", "interval", "due_at", "state_label", "attempt", "delay", "error_code",
    )  # fmt: skip
    list_filter = ("state", TierFilter, IntervalFilter)
    search_fields = ("key__startswith", "=error_code")
    search_help_text = "beginning of the key, or an error code"
    list_select_related = ()
    fields = (
        "key", "tier", "interval", "due_at", "expires_at", "state", "attempt", "owner",
        "lease_until", "not_before", "finished_at", "error_code", "error", "result_text",
        "payload_text",
    )  # fmt: skip
    readonly_fields = ("result_text", "payload_text")

    @display(
        description="state",
        label={
            "Queued": "info",
            "Running": "primary",
            "Done": "success",
            "Failed": "danger",
            "Cancelled": "warning",
        },
    )
    def state_label(self, job: CollectionJob) -> str:
        """Where it stands."""
        return JobState(job.state).label

    @display(description="finished after")
    def delay(self, job: CollectionJob) -> str:
        """How long after it was due it ended."""
        if job.finished_at is None:
            return "–"
        return f"{(job.finished_at - job.due_at) / timedelta(seconds=1):,.1f} s"

    @display(description="result of the last run")
    def result_text(self, job: CollectionJob) -> SafeString:
        """Its counts."""
        return _as_text(job.result)

    @display(description="payload")
    def payload_text(self, job: CollectionJob) -> SafeString:
        """The job as it was handed over."""
        return _as_text(job.payload)


def _as_text(value: object) -> SafeString:
    text = json.dumps(value, indent=2)
    return format_html('<pre style="white-space:pre-wrap">{}</pre>', text)
