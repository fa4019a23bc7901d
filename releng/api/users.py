"""Users, their permissions and their roles (protocol.md section 12.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import Http404
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from releases.validation import shown
from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.listing import FlagFilter, ListView, list_parameters
from releng.api.parsing import json_text
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IF_MATCH,
    READ,
    REASON,
    VERSION_HEADERS,
    MapOf,
    NewVersion,
    Shape,
    documented,
)
from releng.permissions import actions
from releng.permissions.models import OPTIONS, Permission, Role

VIEW = "permissions.view_permission"
ADD = "permissions.add_permission"
CHANGE = "permissions.change_permission"
DELETE = "permissions.delete_permission"
OPTION_NAMES = ("products", "actions")


# --- Shapes -------------------------------------------------------------------------------------------------


class Options(Shape):
    """What a permission is limited to; null is no limit at all."""

    products = serializers.ListField(child=serializers.CharField(), required=False)
    actions = serializers.ListField(child=serializers.CharField(), required=False)


class PermissionShape(Shape):
    """A permission of a user."""

    options = Options(allow_null=True)
    data_version = serializers.IntegerField()

    class Meta:
        ref_name = "UserPermission"


class RoleVersion(Shape):
    """The version of a role that somebody holds."""

    data_version = serializers.IntegerField()


class RoleShape(RoleVersion):
    """A role that somebody holds."""

    role = serializers.CharField()

    class Meta:
        ref_name = "UserRole"


class RolesShape(Shape):
    """The roles that somebody holds."""

    roles = RoleShape(many=True)


class UserShape(Shape):
    """A user: permissions and roles by name."""

    username = serializers.CharField()
    permissions = serializers.DictField(child=PermissionShape())
    roles = serializers.DictField(child=RoleVersion())


class ListedUser(Shape):
    """A user in the list."""

    permissions = serializers.DictField(child=PermissionShape())
    roles = RoleShape(many=True)


class Users(MapOf):
    """Users by name."""

    child = ListedUser


class PermissionsShape(MapOf):
    """Permissions by name."""

    child = PermissionShape

    class Meta:
        ref_name = "PermissionsOfUser"


class NewOptions(Shape):
    """What a permission is to be limited to."""

    options = serializers.CharField(
        required=False, allow_null=True, help_text="JSON text; an object is taken, too. Null or {}: no limit."
    )
    data_version = serializers.IntegerField(
        required=False, help_text="Of the permission, when the user has it already; or If-Match."
    )
    reason = serializers.CharField(required=False)


class Reason(Shape):
    """Why, for the history."""

    reason = serializers.CharField(required=False)


EXAMPLE = OpenApiExample(
    "Rules of Firefox", {"options": '{"products": ["Firefox"], "actions": ["create"]}'}, request_only=True
)


class UserFilters(django_filters.FilterSet):
    """What the list can be asked for."""

    username = django_filters.CharFilter()
    permission = django_filters.CharFilter("permissions__permission")
    role = django_filters.CharFilter("roles__role")
    is_active = FlagFilter()


# --- On the wire --------------------------------------------------------------------------------------------


def options_to_wire(row: Any) -> dict[str, list[str]] | None:
    """Return what a permission is limited to, None for nothing."""
    found = {name: getattr(row, name) for name in OPTION_NAMES}
    return {name: value for name, value in found.items() if value} or None


def options_from_wire(sent: Any) -> dict[str, Any]:
    """Return the two options by name; raise ValidationError and BadArgument."""
    value = json_text(sent, "options") if sent not in (None, "") else None
    if value is None:
        value = {}
    if not isinstance(value, dict) or (unknown := sorted(value.keys() - set(OPTION_NAMES))):
        wrong = ", ".join(unknown) if isinstance(value, dict) else shown(value)
        raise ValidationError({"options": f"{wrong}: must be an object of products and actions."})
    for name, found in value.items():
        if found is not None and not isinstance(found, list):  # the letters of a text are no products
            raise ValidationError({"options": f"{name}: {shown(found)}: must be a list."})
    return {name: value.get(name) or None for name in OPTION_NAMES}


def permission_to_wire(row: Permission) -> dict[str, Any]:
    """Return a permission as it stands below its name."""
    return {"options": options_to_wire(row), "data_version": row.data_version}


def role_to_wire(row: Role) -> dict[str, Any]:
    """Return a role as lists show it."""
    return {"role": row.role, "data_version": row.data_version}


def account_named(username: str) -> Any:
    """Return an account; one that is not there is made, as a person's where the name is a mail address.

    Raises ValidationError and PermissionDenied.
    """
    user = get_user_model().objects.filter(username=username).first()
    if user is not None:
        return user
    if "@" in username:
        return actions.create_person(username, username)
    return actions.create_system_account(username)


# --- Endpoints ----------------------------------------------------------------------------------------------


class UserView(ContractView):
    """Base of what is said of one user; one's own may always be seen (features Q11)."""

    needed: ClassVar[dict[str, str]] = {"GET": VIEW, "PUT": ADD, "POST": CHANGE, "DELETE": DELETE}

    def check_permissions(self, request: Request) -> None:
        is_own = request.user.is_authenticated and request.user.get_username() == self.kwargs.get("username")
        if not (is_own and request.method in ("GET", "HEAD")):
            super().check_permissions(request)

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({"data_version"} if self.request.method == "DELETE" else ())

    def user(self) -> Any:
        """Return whom the address names; raise Http404."""
        user = get_user_model().objects.filter(username=self.kwargs["username"]).first()
        if user is None:
            raise Http404(f"user {self.kwargs['username']} not found")
        return user


class UserList(ListView, ContractView):
    """Everybody who may do something, or holds a role."""

    needed = {"GET": VIEW}
    filters = UserFilters
    orderings = {"username": "username"}

    @documented(
        "users_list",
        Users,
        *list_parameters(UserFilters, "username"),
    )
    def get(self, request: Request) -> Response:
        """Users by name, each with permissions and roles."""
        rows = get_user_model().objects.exclude(permissions=None, roles=None)
        page, _ = self.page(self.chosen(rows, "username").distinct())
        found = {
            user.get_username(): {
                "permissions": {row.permission: permission_to_wire(row) for row in user.permissions.all()},
                "roles": [role_to_wire(row) for row in user.roles.all()],
            }
            for user in page.prefetch_related("permissions", "roles")
        }
        return Response(found)


class UserDetail(UserView):
    """One user."""

    needed = {"GET": VIEW}

    @documented("users_read", UserShape, refusals=READ)
    def get(self, request: Request, username: str) -> Response:
        """Permissions and roles of a user; 404 for somebody who may do nothing."""
        user = self.user()
        permissions = {row.permission: permission_to_wire(row) for row in user.permissions.all()}
        roles = {row.role: {"data_version": row.data_version} for row in user.roles.all()}
        if not permissions and not roles:
            raise Http404(f"user {username} has no permissions")
        return Response({"username": username, "permissions": permissions, "roles": roles})


class UserPermissions(UserView):
    """What one user may do."""

    needed = {"GET": VIEW}

    @documented("users_permissions", PermissionsShape, refusals=READ)
    def get(self, request: Request, username: str) -> Response:
        """Permissions by name."""
        return Response({row.permission: permission_to_wire(row) for row in self.user().permissions.all()})


class UserPermission(UserView):
    """One permission of one user: read, give, limit, take away."""

    @documented("users_permission_read", PermissionShape, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, username: str, permission: str) -> Response:
        """What it is limited to."""
        row = self._row()
        return versioned(permission_to_wire(row), row.data_version)

    @documented(
        "users_permission_put",
        {200: NewVersion, 201: NewVersion},
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=NewOptions,
        refusals=READ,
        examples=[EXAMPLE],
    )
    def put(self, request: Request, username: str, permission: str) -> Response:
        """Give a permission (201), or change what it is limited to (200). Accounts are made on first use."""
        body = self._sent()
        row = self._rows().first()
        if row is not None:
            return self._update(row, body)
        user = account_named(username)
        row = actions.grant(user, permission, **options_from_wire(body.get("options")))
        return versioned({"new_data_version": row.data_version}, row.data_version, status=201)

    @documented(
        "users_permission_post",
        NewVersion,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=NewOptions,
        refusals=READ,
        examples=[EXAMPLE],
    )
    def post(self, request: Request, username: str, permission: str) -> Response:
        """Change what a permission is limited to that the user has."""
        body = self._sent()
        return self._update(self._row(), body)

    @documented("users_permission_delete", None, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=READ)
    def delete(self, request: Request, username: str, permission: str) -> Response:
        """Take it away; with the last one go the roles."""
        row = self._row()
        actions.revoke(row.pk, based_on=self.based_on(self.argument("data_version")))
        return Response()

    def _sent(self) -> dict[str, Any]:
        if self.kwargs["permission"] not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise ValidationError({"permission": f"{shown(self.kwargs['permission'])}: is none of {known}."})
        body = self.body()
        self.give_reason(body.get("reason"))
        return body

    def _rows(self) -> Any:
        return Permission.objects.filter(
            user__username=self.kwargs["username"], permission=self.kwargs["permission"]
        )

    def _row(self) -> Permission:
        row: Permission | None = self._rows().first()
        if row is None:
            raise Http404("permission {permission} of {username} not found".format(**self.kwargs))
        return row

    def _update(self, row: Permission, body: Mapping[str, Any]) -> Response:
        self.require(CHANGE)
        based_on = self.based_on(body.get("data_version"))
        options = options_from_wire(body.get("options"))
        row = actions.update_permission(row.pk, based_on=based_on, **options)
        return versioned({"new_data_version": row.data_version}, row.data_version)


class UserRoles(UserView):
    """The roles of one user."""

    needed = {"GET": VIEW}

    @documented("users_roles", RolesShape, refusals=READ)
    def get(self, request: Request, username: str) -> Response:
        """Roles by name."""
        return Response({"roles": [role_to_wire(row) for row in self.user().roles.all()]})


class UserRole(UserView):
    """One role of one user: give it, take it away."""

    needed = {"PUT": "permissions.add_role", "DELETE": "permissions.delete_role"}

    @documented(
        "users_role_put",
        {200: NewVersion, 201: NewVersion},
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=Reason,
        refusals=READ,
    )
    def put(self, request: Request, username: str, role: str) -> Response:
        """Give a role (201); who holds it already keeps it (200)."""
        self.give_reason(self.body().get("reason"))
        row, is_new = actions.grant_role(self.user(), role)
        status = 201 if is_new else 200
        return versioned({"new_data_version": row.data_version}, row.data_version, status=status)

    @documented("users_role_delete", None, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=READ)
    def delete(self, request: Request, username: str, role: str) -> Response:
        """Take a role away; refused where signoffs could then never be given."""
        row = Role.objects.filter(user=self.user(), role=role).first()
        if row is None:
            raise Http404(f"role {role} of {username} not found")
        actions.revoke_role(row.pk, based_on=self.based_on(self.argument("data_version")))
        return Response()
