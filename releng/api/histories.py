"""The versions of all rows of a kind, and of what was scheduled for them (features U06)."""

from __future__ import annotations

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from releng.api.base import ContractView
from releng.api.contract_kinds import KIND_OF
from releng.api.listing import Filters, ListView, list_parameters
from releng.api.revisions import DEFAULT_REVISIONS, HistoryFilters, revisions
from releng.api.shapes import documented, histories
from releng.changes.models import ScheduledWrite

REQUIREMENT_ROWS = 100


class NamedFilter(django_filters.CharFilter):
    """A field of the rows; of what is scheduled only the name is looked through, since values are documents there."""

    def filter(self, qs: QuerySet[Any], value: Any) -> Any:
        if value and qs.model is ScheduledWrite.history.model:
            return qs.filter(object_name__contains=value)
        return super().filter(qs, value)


class RuleHistoryFilters(HistoryFilters):
    """What the history of rules can be asked for."""

    product = django_filters.CharFilter()
    channel = django_filters.CharFilter()


class PermissionHistoryFilters(HistoryFilters):
    """What the history of permissions can be asked for."""

    username = NamedFilter("user__username")
    permission = NamedFilter()


class ProductSignoffHistoryFilters(HistoryFilters):
    """What the history of product signoffs can be asked for."""

    product = django_filters.CharFilter()
    channel = django_filters.CharFilter()
    role = NamedFilter()


class PermissionSignoffHistoryFilters(HistoryFilters):
    """What the history of permission signoffs can be asked for."""

    product = django_filters.CharFilter()
    role = NamedFilter()


class CombinedHistory(ListView, ContractView):
    """Base: `target` is the kind of the rows, `title` what their history is called."""

    target: ClassVar[str]
    title: ClassVar[str]
    default_rows: ClassVar[int] = DEFAULT_REVISIONS

    def get(self, request: Request) -> Response:
        """Newest first; pages count in each of the two by themselves."""
        kind = KIND_OF[self.target]

        def row_to_wire(row: Any) -> dict[str, Any]:
            row_key = getattr(row, kind.target.model._meta.pk.attname)
            return {**kind.to_wire(kind.target.values_of(row), row_key), "data_version": row.data_version}

        def proposal_to_wire(row: Any) -> dict[str, Any]:
            return {
                **kind.to_wire(row.values, row.object_id),
                "data_version": kind.version_in(row, row.change_set.sequence),
                "sc_id": row.scheduled_change_id,
                "change_type": row.change,
            }

        rows = self.chosen(kind.target.model.history.all())
        proposed = self.chosen(ScheduledWrite.history.filter(target=self.target))
        count, found = revisions(self, rows, row_to_wire, default=self.default_rows)
        number, scheduled = revisions(self, proposed, proposal_to_wire, default=self.default_rows)
        return Response(
            {
                self.title: {"count": count, "revisions": found},
                f"{self.title} scheduled change": {"count": number, "revisions": scheduled},
            }
        )


def _schema(operation_id: str, title: str, filters: Filters) -> Any:
    shape = histories(title, f"{title} scheduled change")
    return extend_schema_view(get=documented(operation_id, shape, *list_parameters(filters)))


@_schema("rules_history", "Rules", RuleHistoryFilters)
class RuleHistory(CombinedHistory):
    """The versions of all rules."""

    target = "rule"
    title = "Rules"
    filters = RuleHistoryFilters
    needed = {"GET": "rules.view_rule"}
    open_reads = True


@_schema("permissions_history", "Permissions", PermissionHistoryFilters)
class PermissionHistory(CombinedHistory):
    """The versions of all permissions."""

    target = "permission"
    title = "Permissions"
    filters = PermissionHistoryFilters
    needed = {"GET": "permissions.view_permission"}


@_schema("product_signoffs_history", "Product Required Signoffs", ProductSignoffHistoryFilters)
class ProductSignoffHistory(CombinedHistory):
    """The versions of all requirements of a product's channel."""

    target = "product_signoff"
    title = "Product Required Signoffs"
    filters = ProductSignoffHistoryFilters
    default_rows = REQUIREMENT_ROWS
    needed = {"GET": "permissions.view_productrequiredsignoff"}
    open_reads = True


@_schema("permission_signoffs_history", "Permissions Required Signoffs", PermissionSignoffHistoryFilters)
class PermissionSignoffHistory(CombinedHistory):
    """The versions of all requirements of a product's permissions."""

    target = "permission_signoff"
    title = "Permissions Required Signoffs"
    filters = PermissionSignoffHistoryFilters
    default_rows = REQUIREMENT_ROWS
    needed = {"GET": "permissions.view_permissionrequiredsignoff"}
    open_reads = True
