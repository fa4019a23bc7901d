"""The past of objects as the contract shows it: `revisions` of one, `history` of all, and putting one back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.response import Response

from history import actions
from history.models import VersionedModel
from releng.api.conditional import versioned
from releng.api.listing import ListView
from releng.api.parsing import number
from releng.api.shapes import Shape
from releng.updates.problems import BadArgument

DEFAULT_REVISIONS = 10  # protocol.md section 11
LAST_MOMENT_MS = 253_402_300_799_999  # the end of the year 9999

Wire = Callable[[Any], dict[str, Any]]


def moment(value: Any, name: str) -> datetime:
    """Return the time of milliseconds since 1970; raise BadArgument naming the argument."""
    milliseconds = number(value, name, least=0)
    if milliseconds > LAST_MOMENT_MS:
        raise BadArgument(f"{name}: {milliseconds} ms are beyond the year 9999.", title="Bad Request")
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def milliseconds(time: datetime) -> int:
    """Return a time as the wire has it."""
    return int(time.timestamp() * 1000)


def revision(row: Any, wire: Wire) -> dict[str, Any]:
    """Return a history row: what it said, and which change made it say so."""
    return {
        **wire(row),
        "change_id": row.history_id,
        "changed_by": row.change_set.actor_name,
        "timestamp": milliseconds(row.change_set.time),
    }


def revisions(
    view: ListView, rows: QuerySet[Any], wire: Wire, *, default: int = DEFAULT_REVISIONS
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many versions there are and a page of them, newest first; deletions are none."""
    found, count = view.page(
        rows.exclude(history_type="-").select_related("change_set").order_by("-history_id"),
        default=default,
    )
    return count, [revision(row, wire) for row in found]


def put_back(
    view: ListView, model: type[VersionedModel], key: Any, where: dict[str, Any] | None = None
) -> Response:
    """Write the version that the body names by `change_id`; a deleted object is made again.

    `where` limits what the change may be about. Raises Http404 for a change that is none of this object's.
    """
    body = view.body()
    view.give_reason(body.get("reason"))
    change_id = number(body.get("change_id"), "change_id")
    row = model.history.filter(**{model._meta.pk.attname: key}, **(where or {}), history_id=change_id).first()
    if row is None:
        raise Http404(f"change {change_id} of {model._meta.verbose_name} {key} not found")
    live = model._base_manager.filter(pk=key).first()
    current = live.data_version if live is not None else None
    told = view.version_named(body.get("data_version"))
    obj = actions.revert(row, based_on=current if told is None else told)
    return versioned({"new_data_version": obj.data_version}, obj.data_version)


class MillisecondsFilter(django_filters.NumberFilter):
    """A bound on the time of a change."""

    def filter(self, qs: Any, value: Any) -> Any:
        return qs if value is None else super().filter(qs, moment(str(value), str(self.label)))


class HistoryFilters(django_filters.FilterSet):
    """What the history of all objects of a kind can be asked for; subclasses add fields of the objects."""

    changed_by = django_filters.CharFilter("change_set__actor_name")
    change_id = django_filters.NumberFilter("history_id")
    data_version = django_filters.NumberFilter()
    timestamp_from = MillisecondsFilter(
        "change_set__time", "gte", label="timestamp_from", help_text="Milliseconds since 1970."
    )
    timestamp_to = MillisecondsFilter(
        "change_set__time", "lte", label="timestamp_to", help_text="Milliseconds since 1970."
    )


class Change(Shape):
    """Which version to put back."""

    change_id = serializers.IntegerField(help_text="As the list of revisions has it.")
    data_version = serializers.IntegerField(
        required=False, help_text="The current version; whatever it is, if left out."
    )
    reason = serializers.CharField(required=False)


class Revised(Shape):
    """What a version has besides the fields of its object."""

    change_id = serializers.IntegerField()
    changed_by = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="Milliseconds since 1970.")


def distinct(rows: QuerySet[Any], column: str, field: str) -> Response:
    """Return the values that a column has, each once: `{"count": n, column: [...]}`."""
    found: Iterable[Any] = (
        rows.order_by(field).exclude(**{f"{field}__isnull": True}).values_list(field, flat=True)
    )
    values = list(found.distinct()) if isinstance(found, QuerySet) else list(found)
    return Response({"count": len(values), column: values})
