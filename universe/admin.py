"""The universe in the console: everything can be read, only overrides can be changed.

Symbols change by `load_universe`, sessions by `sync_sessions`; both leave a trace that an
edit here would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from universe.models import (
    ExchangeCalendar,
    ExchangeSession,
    SessionOverride,
    Symbol,
    SymbolTicker,
    UniverseVersion,
)
from universe.services.exchange_hours import SessionHours
from universe.services.overrides import (
    OverrideInvalid,
    check_override,
    put_override,
    remove_override,
)

if TYPE_CHECKING:  # the theme's classes are Django's, dressed; they come without types
    Admin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
    Form = forms.ModelForm[SessionOverride]
else:
    from unfold.admin import ModelAdmin as Admin
    from unfold.admin import TabularInline as Inline

    Form = forms.ModelForm

_SHOWN = 500
_CHANGED = (
    '<tr><td style="padding-right: 1.5rem">{}</td><td style="padding-right: 1.5rem">{}</td>'
    "<td>{} → {}</td></tr>"
)


class _ReadOnly:
    """Nobody adds, changes or deletes here."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class TickerInline(_ReadOnly, Inline):
    """What a symbol was called, and when."""

    model = SymbolTicker
    fields = ("ticker", "valid_from", "valid_to")
    ordering = ("valid_from",)
    extra = 0
    hide_title = True
    verbose_name_plural = "ticker history"


@admin.register(Symbol)
class SymbolAdmin(_ReadOnly, Admin):
    """Symbols, to find and look at."""

    list_display = (
        "ticker", "name", "tier", "asset_class", "calendar", "currency", "listed_on",
        "delisted_on", "active",
    )  # fmt: skip
    list_filter = ("active", "tier", "asset_class", "calendar")
    search_fields = ("ticker", "name", "tickers__ticker")
    search_help_text = "ticker of today or of earlier, or name"
    list_select_related = ("calendar",)
    inlines = (TickerInline,)


@admin.register(UniverseVersion)
class UniverseVersionAdmin(_ReadOnly, Admin):
    """Who loaded which file when, and what it changed."""

    list_display = ("id", "loaded_at", "loaded_by", "source", "active_symbols", "difference")
    list_per_page = 20
    search_fields = ("source", "loaded_by", "checksum")
    fields = (
        "loaded_at", "loaded_by", "source", "checksum", "active_symbols", "added_tickers",
        "deactivated_tickers", "changed_fields",
    )  # fmt: skip
    readonly_fields = (
        "active_symbols", "added_tickers", "deactivated_tickers", "changed_fields",
    )  # fmt: skip

    @admin.display(description="active symbols")
    def active_symbols(self, version: UniverseVersion) -> str:
        """The counts by tier."""
        tiers = ", ".join(f"{tier}: {count:,}" for tier, count in version.tier_counts.items())
        return f"{sum(version.tier_counts.values()):,} ({tiers})"

    @admin.display(description="against the version before")
    def difference(self, version: UniverseVersion) -> str:
        """The diff in numbers."""
        return (
            f"{len(version.added):,} new, {len(version.changed):,} changed,"
            f" {len(version.deactivated):,} deactivated"
        )

    @admin.display(description="new")
    def added_tickers(self, version: UniverseVersion) -> str:
        """The new tickers."""
        return _listed(version.added)

    @admin.display(description="deactivated")
    def deactivated_tickers(self, version: UniverseVersion) -> str:
        """The tickers that the file no longer named."""
        return _listed(version.deactivated)

    @admin.display(description="changed")
    def changed_fields(self, version: UniverseVersion) -> str | SafeString:
        """One line a changed field: ticker, field, before, after."""
        lines = [
            (ticker, field.replace("_", " "), _word(before), _word(after))
            for ticker, fields in version.changed.items()
            for field, (before, after) in fields.items()
        ]
        if not lines:
            return "none"
        shown = format_html_join("", _CHANGED, lines[:_SHOWN])
        return format_html("<table>{}</table>{}", shown, _more(len(lines)))


@admin.register(ExchangeCalendar)
class ExchangeCalendarAdmin(_ReadOnly, Admin):
    """Calendars and how far they reach."""

    list_display = (
        "name", "timezone", "covered_from", "covered_to", "extended_open", "extended_close",
        "synced_at", "version",
    )  # fmt: skip
    search_fields = ("name", "timezone")


@admin.register(ExchangeSession)
class ExchangeSessionAdmin(_ReadOnly, Admin):
    """The synced sessions, before overrides."""

    list_display = ("calendar", "date", "open", "close", "break_start", "break_end")
    list_filter = ("calendar",)
    list_select_related = ("calendar",)
    date_hierarchy = "date"
    ordering = ("-date", "calendar")


class OverrideForm(Form):
    """An override as the service takes it."""

    class Meta:
        model = SessionOverride
        fields = ("calendar", "date", *SessionHours._fields, "reason")
        help_texts = {
            "open": "UTC. Leave open and close empty for a closed day.",
            "close": "UTC, exclusive.",
            "break_end": "UTC, exclusive.",
        }

    def clean(self) -> dict[str, Any]:
        """Ask the service whether it would take this."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        calendar = values.get("calendar") or (self.instance.calendar_id and self.instance.calendar)
        day = values.get("date") or self.instance.date
        if self.errors or not calendar or not day:
            return values
        try:
            check_override(calendar, day, self.hours(), values["reason"])
        except OverrideInvalid as error:
            for field, problem in error.problems.items():
                self.add_error(field if field in self.fields else None, problem)
        return values

    def hours(self) -> SessionHours | None:
        """The hours as entered; None: closed. Raises OverrideInvalid for half of them."""
        times: dict[str, Any] = {name: self.cleaned_data.get(name) for name in SessionHours._fields}
        if not any(times.values()):
            return None
        for one, other in (("open", "close"), ("close", "open"), ("break_start", "break_end")):
            if times[other] and not times[one]:
                raise OverrideInvalid({one: f"needed, as there is a {other.replace('_', ' ')}"})
        return SessionHours(**times)


@admin.register(SessionOverride)
class SessionOverrideAdmin(Admin):
    """Closed days and changed hours that exchange_calendars does not know."""

    form = OverrideForm
    list_display = ("calendar", "date", "open", "close", "reason")
    list_filter = ("calendar",)
    list_select_related = ("calendar",)
    search_fields = ("reason",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: SessionOverride | None = None
    ) -> tuple[str, ...]:
        """An override stays with its date; another date is another override."""
        return ("calendar", "date") if obj else ()

    def save_model(
        self, request: HttpRequest, obj: SessionOverride, form: Any, change: bool
    ) -> None:
        """Put it through the service, which makes every process see it."""
        put = put_override(obj.calendar_id, obj.date, form.hours(), obj.reason)
        obj.pk = put.pk

    def delete_model(self, request: HttpRequest, obj: SessionOverride) -> None:
        """Remove it through the service."""
        remove_override(obj.calendar_id, obj.date)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SessionOverride]) -> None:
        """Remove each through the service."""
        for override in queryset:
            remove_override(override.calendar_id, override.date)


def _listed(tickers: list[str]) -> str:
    return (", ".join(tickers[:_SHOWN]) + _more(len(tickers))) or "none"


def _more(count: int) -> str:
    return f" … and {count - _SHOWN:,} more" if count > _SHOWN else ""


def _word(value: object) -> object:
    return "nothing" if value in (None, "") else value
