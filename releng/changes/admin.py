"""Scheduled changes in the admin: read only; their pages and verbs are the console's. And the button that schedules."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from history.admin import VersionedAdmin
from history.models import VersionedModel
from releases.models import Release
from releng.changes.models import ScheduledChange
from releng.changes.scheduling import SchedulingMixin
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff, Role
from rules.models import EmergencyShutoff, PinnableRelease, Rule


@admin.register(ScheduledChange)
class ScheduledChangeAdmin(VersionedAdmin):
    """Says who sees scheduled changes; nothing is written by forms, only by verbs."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.has_perm("changes.view_scheduledchange"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _let_schedule(model: type[VersionedModel]) -> None:
    """Give the admin class of a model, which its own room has registered, the button that schedules."""
    own = type(admin.site.get_model_admin(model))
    admin.site.unregister(model)
    admin.site.register(
        model, type(f"Scheduling{own.__name__}", (SchedulingMixin, own), {"__doc__": own.__doc__})
    )


for _model in (
    *(Rule, EmergencyShutoff, PinnableRelease, Release),
    *(Permission, Role, ProductRequiredSignoff, PermissionRequiredSignoff),
):
    _let_schedule(_model)
