"""API keys and people in the console, and the task queue to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django_q.admin  # noqa: F401 (registers what is taken back below)
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ingestion.admin.looking import LookingAdmin, display
from ops import keys
from ops.models import ApiKey

if TYPE_CHECKING:  # the theme's class is Django's, dressed; it comes without types
    Admin = admin.ModelAdmin[Any]
    UserBase = auth_admin.UserAdmin[User]
    GroupBase = auth_admin.GroupAdmin
else:
    from unfold.admin import ModelAdmin as Admin

    class UserBase(auth_admin.UserAdmin, Admin):
        """Django's page in the console's theme."""

    class GroupBase(auth_admin.GroupAdmin, Admin):
        """Django's page in the console's theme."""


admin.site.index_title = "Overview"

# The console's theme has no pages for these, and schedules are not how the service works.
for model in (Group, User, Failure, OrmQ, Schedule, Success):
    admin.site.unregister(model)


@admin.register(ApiKey)
class ApiKeyAdmin(Admin):
    """Keys by name and prefix. They are made by `create_api_key`, which shows the key once;
    here they are looked at and revoked."""

    list_display = ("name", "prefix", "scope_names", "created_at", "state")
    search_fields = ("name", "prefix")
    fields = ("name", "prefix", "scope_names", "created_at", "revoked_at")
    actions = ("revoke",)

    @display(description="scopes")
    def scope_names(self, key: ApiKey) -> str:
        """What it opens."""
        return ", ".join(key.scopes)

    @display(description="state", label={"in force": "success", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        """Whether it opens anything."""
        return "revoked" if key.revoked_at else "in force"

    @admin.action(description="Revoke the selected keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """End their life."""
        chosen = list(queryset)
        count = keys.revoke(chosen)
        for key in chosen:
            self.log_change(request, key, "revoked")
        messages.success(request, f"{count} of {len(chosen)} keys were in force and are revoked.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change keys."""
        return bool(request.user.has_perm("ops.change_apikey"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: a page would have to show the key."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: a key is revoked, and another made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: who had a key stays known."""
        return False


@admin.register(User)
class UserAdmin(UserBase):
    """People who may log in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(GroupBase):
    """What groups of them may do."""


@admin.register(OrmQ)
class TaskQueueAdmin(LookingAdmin):
    """Tasks that wait for a worker. Jobs are the durable intent, tasks only nudges."""

    list_display = ("id", "key", "name", "func", "lock")
    list_filter = ("key",)
    fields = ("key", "name", "func", "lock")
    search_fields = ()
    list_select_related = ()


@admin.register(Failure)
class FailedTaskAdmin(LookingAdmin):
    """Tasks that ended in an error: a worker's bug, as jobs keep their own errors."""

    list_display = ("name", "func", "cluster", "started", "stopped", "first_line")
    list_filter = ("cluster",)
    fields = ("name", "func", "cluster", "started", "stopped", "result")
    search_fields = ("name",)
    list_select_related = ()
    ordering = ("-stopped",)

    @display(description="error")
    def first_line(self, task: Failure) -> str:
        """What went wrong, in short."""
        return str(task.result or "").partition("\n")[0][:120]
