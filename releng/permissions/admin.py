"""People, what they may do, and how many must agree: in the admin, through the verbs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from oauth2_provider import admin as oauth_admin

from history.changesets import change_set
from history.editing import VersionedForm
from history.exceptions import HistoryError
from history.models import VersionedModel
from history.verbadmin import Values, VerbAdmin
from releng.permissions import actions
from releng.permissions.models import (
    Account,
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    Role,
)

admin.site.unregister(Group)
admin.site.unregister(get_user_model())
# Clients have pages of their own (releng.console.clients): the library's would let one act as a person, and shows no
# secret that is not typed in.
admin.site.unregister(oauth_admin.application_model)


@admin.register(get_user_model())
class AccountUserAdmin(UserAdmin):
    """Accounts: made here, deactivated here, never deleted; what they may do is in permissions and roles."""

    list_display = ["username", "email", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff", "roles__role"]
    search_fields = ["username", "email"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Who", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["is_staff", "is_active", "last_login", "held"]}),
    ]
    readonly_fields = ["is_active", "last_login", "held"]
    actions = ["deactivate", "activate"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the password, and the way to set it, to those who may."""
        found = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return found
        return [
            (name, {**options, "fields": [field for field in options["fields"] if field != "password"]})
            for name, options in found
        ]

    @admin.display(description="May")
    def held(self, user: Any) -> str:
        """Permissions and roles in words."""
        permissions = [row.in_words() for row in Permission.objects.filter(user=user)]
        roles = [f"signs as {role.role}" for role in Role.objects.filter(user=user)]
        return "; ".join(permissions + roles) or "nothing"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.is_staff = obj.is_staff or not change  # a new person may open these pages
        super().save_model(request, obj, form, change)
        if not change:
            with change_set(reason="new account"):
                Account(user=obj, kind=Account.Kind.PERSON).save()

    @admin.action(description="Deactivate: they can do nothing any more", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: Any) -> None:
        """Deactivate accounts at once."""
        self._switch(request, queryset, actions.deactivate, "deactivated")

    @admin.action(description="Activate again", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: Any) -> None:
        """Activate accounts again."""
        self._switch(request, queryset, actions.activate, "active")

    def _switch(self, request: HttpRequest, queryset: Any, verb: Any, done: str) -> None:
        for user in queryset:
            try:
                verb(user)
            except HistoryError as error:
                self.message_user(request, f"{user}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{user} is {done}.")


class OptionsField(forms.CharField):
    """A list, one item a line; nothing means no limit."""

    widget = forms.Textarea(attrs={"rows": 3})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False, help_text=kwargs.pop("help_text", "One a line; empty: all of them."), **kwargs
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = value or ""
        return [line.strip() for line in str(text).splitlines() if line.strip()] or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or None) != self.to_python(data))


class PermissionForm(VersionedForm):
    """Products and actions as lines."""

    products = OptionsField()
    actions = OptionsField()


@admin.register(Permission)
class PermissionAdmin(VerbAdmin):
    """Who may do what."""

    form = PermissionForm
    list_display = ["user", "permission", "in_words", "data_version"]
    list_filter = ["permission"]
    list_select_related = ["user"]
    search_fields = ["user__username", "permission", "products"]
    autocomplete_fields = ["user"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else ["user", "permission"]

    @admin.display(description="May")
    def in_words(self, row: Permission) -> str:
        """The permission as people say it."""
        return row.in_words()

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.grant(obj.user, obj.permission, values["products"], values["actions"])

    def update(self, obj: Any, values: Values) -> VersionedModel:
        return actions.update_permission(
            obj.pk, based_on=values["based_on"], products=values["products"], actions=values["actions"]
        )

    def remove(self, obj: Any) -> None:
        actions.revoke(obj.pk, based_on=obj.data_version)


@admin.register(Role)
class RoleAdmin(VerbAdmin):
    """Who signs off in which role."""

    list_display = ["role", "user", "data_version"]
    list_filter = ["role"]
    list_select_related = ["user"]
    search_fields = ["user__username", "role"]
    autocomplete_fields = ["user"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.grant_role(obj.user, obj.role)[0]

    def remove(self, obj: Any) -> None:
        actions.revoke_role(obj.pk, based_on=obj.data_version)


class RequirementAdmin(VerbAdmin):
    """How many must agree."""

    key: tuple[str, ...] = ()
    list_filter = ["product", "role"]
    search_fields = ["product", "role"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if obj is None else list(self.key)

    def update(self, obj: Any, values: Values) -> VersionedModel:
        row: VersionedModel = actions.update_requirement(
            obj, values["signoffs_required"], based_on=values["based_on"]
        )
        return row

    def remove(self, obj: Any) -> None:
        actions.drop_requirement(obj, based_on=obj.data_version)


@admin.register(ProductRequiredSignoff)
class ProductRequiredSignoffAdmin(RequirementAdmin):
    """Signoffs for what reaches a product's channel."""

    key = ("product", "channel", "role")
    list_display = ["product", "channel", "role", "signoffs_required", "data_version"]

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.require_for_product(obj.product, obj.channel, obj.role, values["signoffs_required"])


@admin.register(PermissionRequiredSignoff)
class PermissionRequiredSignoffAdmin(RequirementAdmin):
    """Signoffs for permissions that reach a product."""

    key = ("product", "role")
    list_display = ["product", "role", "signoffs_required", "data_version"]

    def create(self, obj: Any, values: Values) -> VersionedModel:
        return actions.require_for_permissions(obj.product, obj.role, values["signoffs_required"])
