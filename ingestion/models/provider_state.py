"""What the processes share about each provider."""

from __future__ import annotations

from django.db import models


class ProviderLimit(models.Model):
    """The call limiter's state for one provider, where Redis does not hold it."""

    provider = models.CharField(primary_key=True, max_length=16)
    state = models.JSONField(help_text="see ingestion/routing/limits.py")

    class Meta:
        db_table = "provider_limits"

    def __str__(self) -> str:
        return self.provider
