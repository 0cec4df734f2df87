"""API keys."""

from __future__ import annotations

from django.db import models


class ApiKey(models.Model):
    """A caller's key. Only its hash is stored; the key itself is shown once, when made."""

    name = models.CharField(max_length=100, unique=True)
    prefix = models.CharField(max_length=12, unique=True, help_text="the key's first characters")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the whole key")
    scopes = models.JSONField(help_text="of read, stream, ops")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_keys"
        ordering = ("name",)
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name
