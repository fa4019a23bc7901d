"""Requirements: how many of which role must agree (protocol.md section 12.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from history.context import Change
from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.idempotency import idempotent
from releng.api.listing import ListView, list_parameters
from releng.api.parsing import number, text
from releng.api.revisions import Revised, revisions
from releng.api.shapes import (
    DRY_RUN,
    IDEMPOTENCY_KEY,
    READ,
    REASON,
    VERSION_HEADERS,
    NewVersion,
    Shape,
    documented,
)
from releng.changes.exceptions import SignoffRequiredError
from releng.changes.policy import required_signoffs
from releng.permissions import actions
from releng.permissions.models import (
    CHANNEL_LENGTH,
    MOST_SIGNOFFS,
    PRODUCT_LENGTH,
    ROLE_LENGTH,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
)

PAGE_ROWS = 100


# --- Shapes and filters -------------------------------------------------------------------------------------


class NewPermissionRequirement(Shape):
    """Changes of permissions that reach the product need so many signoffs of a role."""

    product = serializers.CharField(max_length=PRODUCT_LENGTH)
    role = serializers.CharField(max_length=ROLE_LENGTH)
    signoffs_required = serializers.IntegerField(min_value=1, max_value=MOST_SIGNOFFS)
    reason = serializers.CharField(required=False)


class NewProductRequirement(NewPermissionRequirement):
    """Changes that touch the product's channel need so many signoffs of a role."""

    channel = serializers.CharField(max_length=CHANNEL_LENGTH)


class PermissionRequirement(Shape):
    """How many of a role must agree to changes of permissions."""

    product = serializers.CharField()
    role = serializers.CharField()
    signoffs_required = serializers.IntegerField()
    data_version = serializers.IntegerField()


class ProductRequirement(PermissionRequirement):
    """How many of a role must agree to changes of a product's channel."""

    channel = serializers.CharField()


class PermissionRequirementRevision(Revised, PermissionRequirement):
    """A version of one."""


class ProductRequirementRevision(Revised, ProductRequirement):
    """A version of one."""


class PermissionRequirements(Shape):
    """Requirements, and how many there are."""

    count = serializers.IntegerField()
    required_signoffs = PermissionRequirement(many=True)


class ProductRequirements(Shape):
    """Requirements, and how many there are."""

    count = serializers.IntegerField()
    required_signoffs = ProductRequirement(many=True)


class PermissionRequirementRevisions(Shape):
    """Versions, newest first."""

    count = serializers.IntegerField()
    required_signoffs = PermissionRequirementRevision(many=True)


class ProductRequirementRevisions(Shape):
    """Versions, newest first."""

    count = serializers.IntegerField()
    required_signoffs = ProductRequirementRevision(many=True)


class PermissionKey(django_filters.FilterSet):
    """What names a requirement."""

    product = django_filters.CharFilter()
    role = django_filters.CharFilter()


class ProductKey(PermissionKey):
    """What names a requirement."""

    channel = django_filters.CharFilter()


# --- Endpoints ----------------------------------------------------------------------------------------------


class RequirementView(ListView, ContractView):
    """Base: `keys` name a row."""

    model: ClassVar[Any]
    keys: ClassVar[tuple[str, ...]]
    open_reads = True

    def wire(self, row: Any) -> dict[str, Any]:
        """Return a row, or a version of one, as the wire has it."""
        return {name: getattr(row, name) for name in (*self.keys, "signoffs_required", "data_version")}


class RequirementList(RequirementView):
    """Requirements: list them, make the first of a scope."""

    def get(self, request: Request) -> Response:
        """Requirements by what they are for."""
        page, count = self.page(self.chosen(self.model.objects.all(), *self.keys))
        return Response({"count": count, "required_signoffs": [self.wire(row) for row in page]})

    @idempotent
    def post(self, request: Request) -> Response:
        """Make the first requirement of a scope; everything beyond that is scheduled (features S03, S04)."""
        body = self.body()
        self.give_reason(body.get("reason"))
        key = {name: text(body.get(name), name) for name in self.keys}
        count = number(body.get("signoffs_required"), "signoffs_required")
        standing = self.model.objects.filter(**key).first()
        if standing is not None:
            raise _to_be_scheduled("update", standing)
        make: Any = actions.require_for_product if "channel" in key else actions.require_for_permissions
        row = make(**key, signoffs_required=count)
        return versioned({"new_data_version": row.data_version}, row.data_version, status=201)

    def delete(self, request: Request) -> Response:
        """Refuse: that somebody must agree is given up by scheduling it, never at once."""
        key = {name: text(self.body().get(name, self.argument(name)), name) for name in self.keys}
        raise _to_be_scheduled("delete", self.model.objects.get(**key))


class RequirementRevisions(RequirementView):
    """The versions of one requirement."""

    def get(self, request: Request) -> Response:
        """Its versions, newest first."""
        if missing := [name for name in self.keys if not self.argument(name)]:
            raise ValidationError(dict.fromkeys(missing, "is missing."))
        rows = self.chosen(self.model.history.all())
        count, found = revisions(self, rows, self.wire, default=PAGE_ROWS)
        if not count:
            raise Http404("required signoff not found")
        return Response({"count": count, "required_signoffs": found})


def _to_be_scheduled(change: Change, row: Any) -> SignoffRequiredError:
    after = None if change == "delete" else row
    return SignoffRequiredError(f"{row._meta.verbose_name} {row}", required_signoffs(change, row, after))


def _list_schema(name: str, new: Any, listed: Any, filters: Any) -> Any:
    names = [key for key in filters.get_filters() if key != "data_version"]
    keys = [OpenApiParameter(key, str, description="Or in the body.") for key in names]
    return extend_schema_view(
        get=documented(f"{name}_list", listed, *list_parameters(filters, *names)),
        post=documented(
            f"{name}_create",
            NewVersion,
            DRY_RUN,
            IDEMPOTENCY_KEY,
            REASON,
            *VERSION_HEADERS,
            body=new,
            status=201,
        ),
        delete=documented(f"{name}_delete", None, *keys, DRY_RUN, refusals=READ),
    )


def _revisions_schema(name: str, shape: Any, filters: Any) -> Any:
    return extend_schema_view(
        get=documented(f"{name}_revisions", shape, *list_parameters(filters), refusals=READ)
    )


class OfProduct:
    """Requirements of a product's channel."""

    model: ClassVar[Any] = ProductRequiredSignoff
    keys: ClassVar[tuple[str, ...]] = ("product", "channel", "role")
    needed: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "GET": "permissions.view_productrequiredsignoff",
        "POST": "permissions.add_productrequiredsignoff",
        "DELETE": "permissions.delete_productrequiredsignoff",
    }


class OfPermissions:
    """Requirements of a product's permissions."""

    model: ClassVar[Any] = PermissionRequiredSignoff
    keys: ClassVar[tuple[str, ...]] = ("product", "role")
    needed: ClassVar[Mapping[str, str | tuple[str, ...]]] = {
        "GET": "permissions.view_permissionrequiredsignoff",
        "POST": "permissions.add_permissionrequiredsignoff",
        "DELETE": "permissions.delete_permissionrequiredsignoff",
    }


@_list_schema("product_signoffs", NewProductRequirement, ProductRequirements, ProductKey)
class ProductRequirementList(OfProduct, RequirementList):
    """How many must agree to changes of a product's channel."""

    filters = ProductKey
    orderings = {name: name for name in OfProduct.keys}


@_revisions_schema("product_signoffs", ProductRequirementRevisions, ProductKey)
class ProductRequirementVersions(OfProduct, RequirementRevisions):
    """The versions of one such requirement."""

    filters = ProductKey


@_list_schema("permission_signoffs", NewPermissionRequirement, PermissionRequirements, PermissionKey)
class PermissionRequirementList(OfPermissions, RequirementList):
    """How many must agree to changes of permissions."""

    filters = PermissionKey
    orderings = {name: name for name in OfPermissions.keys}


@_revisions_schema("permission_signoffs", PermissionRequirementRevisions, PermissionKey)
class PermissionRequirementVersions(OfPermissions, RequirementRevisions):
    """The versions of one such requirement."""

    filters = PermissionKey
