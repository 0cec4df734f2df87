"""Admin pages to look at tables that may be very large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:  # the theme's class is Django's, dressed; it comes without types
    Admin = admin.ModelAdmin[Any]
    Pages = Paginator[Any]
    _Shown = TypeVar("_Shown", bound=Callable[..., Any])

    def display(
        *, description: str, ordering: str | None = None, label: Mapping[str, str] | None = None
    ) -> Callable[[_Shown], _Shown]:
        """A column; `label` colours it by its text: danger, warning, success, info, primary."""

else:
    Pages = Paginator
    from unfold.admin import ModelAdmin as Admin
    from unfold.decorators import display

__all__ = ["BoundedPaginator", "LookingAdmin", "display"]

COUNTED_TO = 10_000


class BoundedPaginator(Pages):
    """Counts no further than COUNTED_TO: of a table of any size the newest rows are paged
    through, and filters find the others."""

    @cached_property
    def count(self) -> int:
        """How many rows there are to page through."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # always, in the admin
        return rows.order_by()[:COUNTED_TO].count()


class LookingAdmin(Admin):
    """Lists the newest rows first and shows each; nobody adds, changes or deletes here."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # a count of each choice of each filter
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()  # only the primary key costs nothing
    search_fields: ClassVar[tuple[str, ...]] = ("=symbol__ticker",)
    search_help_text = "ticker of today, exactly"
    list_select_related: ClassVar[tuple[str, ...]] = ("symbol",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False
