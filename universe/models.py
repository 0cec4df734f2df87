"""The universe: symbols and their tickers, loaded versions, exchange calendars and sessions."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from universe.domain.tier import Tier


class ExchangeCalendar(models.Model):
    """An exchange's calendar, as far as its sessions have been synced."""

    name = models.CharField(primary_key=True, max_length=32, help_text="exchange_calendars name")
    timezone = models.CharField(max_length=64)
    covered_from = models.DateField(help_text="first date known, open or closed")
    covered_to = models.DateField(help_text="last date known, inclusive")
    extended_open = models.TimeField(
        null=True, blank=True, help_text="local; none: no extended hours"
    )
    extended_close = models.TimeField(null=True, blank=True, help_text="local, exclusive")
    synced_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=1, help_text="grows when a session changes")

    class Meta:
        db_table = "exchange_calendars"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class SessionTimes(models.Model):
    """When one trading day opens, breaks and closes: UTC, close and break end exclusive."""

    calendar = models.ForeignKey(ExchangeCalendar, on_delete=models.CASCADE, related_name="+")
    date = models.DateField(help_text="the session's date, local to the exchange")
    open = models.DateTimeField(null=True, blank=True)
    close = models.DateTimeField(null=True, blank=True)
    break_start = models.DateTimeField(null=True, blank=True)
    break_end = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class ExchangeSession(SessionTimes):
    """A session as exchange_calendars knows it. `sync_sessions` writes these rows."""

    class Meta:
        db_table = "exchange_sessions"
        ordering = ("calendar", "date")
        constraints = [
            models.UniqueConstraint(fields=["calendar", "date"], name="session_once"),
            models.CheckConstraint(condition=Q(open__lt=F("close")), name="session_opens_first"),
        ]

    def __str__(self) -> str:
        return f"{self.calendar_id} {self.date}"


class SessionOverride(SessionTimes):
    """An operator's word about one date; it beats the synced session. No times: closed."""

    reason = models.CharField(max_length=200)

    class Meta:
        db_table = "session_overrides"
        ordering = ("calendar", "-date")
        constraints = [
            models.UniqueConstraint(fields=["calendar", "date"], name="override_once"),
            models.CheckConstraint(
                condition=Q(open__isnull=True, close__isnull=True) | Q(open__lt=F("close")),
                name="override_opens_first",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calendar_id} {self.date}: {self.reason}"


class AssetClass(models.TextChoices):
    """What a symbol is; vendors use other paths for each."""

    EQUITY = "equity", "Equity"
    ETF = "etf", "ETF"
    CRYPTO = "crypto", "Crypto"


class SymbolQuerySet(models.QuerySet["Symbol"]):
    """Named filters."""

    def active(self) -> SymbolQuerySet:
        """Symbols that are collected."""
        return self.filter(active=True)


class Symbol(models.Model):
    """A row of the universe. Its id is stable; its ticker is not."""

    id = models.AutoField(primary_key=True)
    ticker = models.CharField(max_length=32, help_text="the ticker of today, or the last one")
    name = models.CharField(max_length=200, blank=True)
    calendar = models.ForeignKey(ExchangeCalendar, on_delete=models.PROTECT)
    tier = models.CharField(max_length=2, choices=[(tier.value, tier.value) for tier in Tier])
    asset_class = models.CharField(max_length=16, choices=AssetClass.choices)
    currency = models.CharField(max_length=8, default="USD")
    listed_on = models.DateField(null=True, blank=True, help_text="first session, inclusive")
    delisted_on = models.DateField(null=True, blank=True, help_text="last session, inclusive")
    active = models.BooleanField(default=True)

    objects = SymbolQuerySet.as_manager()

    class Meta:
        db_table = "symbol_universe"
        ordering = ("ticker",)
        constraints = [
            models.UniqueConstraint(
                fields=["ticker"], condition=Q(active=True), name="active_ticker_once"
            ),
            models.CheckConstraint(
                condition=Q(listed_on__isnull=True)
                | Q(delisted_on__isnull=True)
                | Q(listed_on__lte=F("delisted_on")),
                name="listed_before_delisted",
            ),
        ]
        indexes = [models.Index(fields=["tier", "active"], name="symbol_tier_active")]

    def __str__(self) -> str:
        return self.ticker


class SymbolTicker(models.Model):
    """Which ticker a symbol had when: `[valid_from, valid_to)` in dates, None: unbounded."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="tickers")
    ticker = models.CharField(max_length=32)
    valid_from = models.DateField(null=True, blank=True, help_text="first day, inclusive")
    valid_to = models.DateField(null=True, blank=True, help_text="first day of the next ticker")

    class Meta:
        db_table = "symbol_tickers"
        ordering = ("symbol", "valid_from")
        indexes = [models.Index(fields=["ticker"], name="symbol_ticker")]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "valid_from"], name="ticker_from_once")
        ]

    def __str__(self) -> str:
        return f"{self.ticker} [{self.valid_from or '…'}, {self.valid_to or '…'})"


class UniverseVersion(models.Model):
    """One load of a universe file."""

    loaded_at = models.DateTimeField()
    loaded_by = models.CharField(max_length=150)
    source = models.CharField(max_length=500, help_text="the file's name")
    checksum = models.CharField(max_length=64, help_text="SHA-256 of the file's bytes")
    tier_counts = models.JSONField(help_text="tier → active symbols after the load")
    added = models.JSONField(help_text="tickers that are new")
    changed = models.JSONField(help_text="ticker → field → [before, after]")
    deactivated = models.JSONField(help_text="tickers that the file no longer names")

    class Meta:
        db_table = "universe_versions"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"version {self.pk} from {self.source}"
