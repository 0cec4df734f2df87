"""Filters that do not ask a large table which values it has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ingestion.models import Cursor
from ingestion.providers import registry
from universe.domain.interval import Interval
from universe.domain.tier import Tier


class ColumnFilter(admin.SimpleListFilter):
    """By the values of one column, `parameter_name`."""

    parameter_name: str

    def values(self) -> Iterable[str]:
        """What to choose from."""
        raise NotImplementedError

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        """The values as Django wants them."""
        return [(value, value) for value in self.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of the chosen value."""
        chosen = self.value()
        return queryset.filter(**{self.parameter_name: chosen}) if chosen else queryset


class IntervalFilter(ColumnFilter):
    """By interval."""

    title = parameter_name = "interval"

    def values(self) -> list[str]:
        """The stored ones."""
        return [interval.value for interval in Interval]


class TierFilter(ColumnFilter):
    """By tier."""

    title = parameter_name = "tier"

    def values(self) -> list[str]:
        """All tiers."""
        return [tier.value for tier in Tier]


class SourceFilter(ColumnFilter):
    """By source."""

    title = parameter_name = "source"

    def values(self) -> list[str]:
        """Those of the providers, and those that have delivered (files too)."""
        delivered = Cursor.objects.order_by().values_list("source", flat=True).distinct()
        return sorted({source.name for source in registry.sources()} | set(delivered))
