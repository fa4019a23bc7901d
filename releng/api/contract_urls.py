"""The addresses of scheduled changes of the contract: the same endpoints for every kind, described for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_view
from rest_framework import serializers

from releng.api import contract_changes as views
from releng.api.contract_kinds import KINDS, Kind
from releng.api.listing import list_parameters
from releng.api.revisions import Change, Revised
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    LISTED,
    READ,
    REASON,
    VERSION_HEADERS,
    Nothing,
    Shape,
    documented,
)


class NewScheduled(Shape):
    """Base of what is proposed."""

    when = serializers.IntegerField(help_text="Milliseconds since 1970; must lie ahead.")
    data_version = serializers.IntegerField(
        required=False, help_text="Of the row; needed to update or delete one."
    )
    reason = serializers.CharField(required=False)


class EditedScheduled(Shape):
    """Base of what is to be different."""

    sc_data_version = serializers.IntegerField(
        required=False, help_text="The version of the scheduled change; or If-Match."
    )
    when = serializers.IntegerField(required=False, allow_null=True)
    data_version = serializers.IntegerField(required=False, help_text="Of the row.")
    reason = serializers.CharField(required=False)


class ScheduledRow(Shape):
    """Base of the rows."""

    data_version = serializers.IntegerField(allow_null=True, help_text="Of the row that is to be changed.")
    sc_id = serializers.IntegerField()
    sc_data_version = serializers.IntegerField()
    scheduled_by = serializers.CharField()
    change_type = serializers.ChoiceField(choices=views.CHANGES)
    complete = serializers.BooleanField()
    when = serializers.IntegerField(allow_null=True, help_text="Milliseconds since 1970.")
    telemetry_product = serializers.CharField(required=False, allow_null=True)
    telemetry_channel = serializers.CharField(required=False, allow_null=True)
    telemetry_uptake = serializers.FloatField(required=False, allow_null=True)


class Agreement(Shape):
    """Who agrees, by name, and how many of each role must."""

    signoffs = serializers.DictField(child=serializers.CharField())
    required_signoffs = serializers.DictField(child=serializers.IntegerField())


class Made(Shape):
    """A new scheduled change."""

    sc_id = serializers.IntegerField()
    signoffs = serializers.DictField(child=serializers.CharField())
    required_signoffs = serializers.DictField(
        child=serializers.IntegerField(), required=False, help_text="Of a trial run."
    )


class Edited(Shape):
    """A scheduled change that was edited."""

    new_data_version = serializers.IntegerField()
    signoffs = serializers.DictField(child=serializers.CharField())
    required_signoffs = serializers.DictField(child=serializers.IntegerField(), required=False)

    class Meta:
        ref_name = "EditedScheduledChange"


class Role(Shape):
    """In which role somebody agrees."""

    role = serializers.CharField()

    class Meta:
        ref_name = "SignoffRole"


class MaybeError(Shape):
    """Empty, or why nothing was done."""

    error = serializers.CharField(required=False)


def contract_urls() -> list[URLPattern]:
    """Return the addresses of all kinds."""
    found = [url for kind in KINDS for url in _urls(kind)]
    return [*found, path("scheduled_change/diff/release/<int:sc_id>", ReleaseDiff.as_view())]


def _urls(kind: Kind) -> list[URLPattern]:
    base = f"scheduled_changes/{kind.address}"
    name = f"scheduled_{kind.target_name}"
    row = _shape(kind, "Row", ScheduledRow, Agreement)
    schemas = {
        "": (views.ProposingList if kind.proposes else views.ChangeList, _list_schema(kind, name, row)),
        "/<int:sc_id>": (views.ChangeDetail, _detail_schema(kind, name, row)),
        "/<int:sc_id>/enact": (views.ChangeEnact, _enact_schema(name)),
        "/<int:sc_id>/signoffs": (views.ChangeSignoffs, _signoffs_schema(name)),
        "/<int:sc_id>/revisions": (views.ChangeRevisions, _revisions_schema(kind, name)),
    }
    urls = []
    for tail, (view, schema) in schemas.items():
        named = type(
            f"{view.__name__}Of{type(kind).__name__}", (view,), {"kind": kind, "__doc__": view.__doc__}
        )
        urls.append(path(f"{base}{tail}", schema(named).as_view()))
    return urls


def _shape(
    kind: Kind, tail: str, *bases: type[Shape], fields: Mapping[str, Any] | None = None
) -> type[Shape]:
    """Return a shape of the kind's columns, or of `fields` in their place, and what the bases have."""
    title = f"Scheduled{type(kind).__name__}{tail}"
    own: dict[str, Any] = {
        **(kind.columns if fields is None else fields),
        "__doc__": f"{type(kind).__doc__} {bases[0].__doc__}",
    }
    return type(title, bases, own)


def _sent(kind: Kind, tail: str, base: type[Shape], **fields: Any) -> type[Shape]:
    """Return a shape of what is sent: every column may be left out."""
    own = {
        column: serializers.CharField(required=False, allow_null=True, help_text="JSON text.")
        if column in ("data", "options")
        else _optional(field)
        for column, field in kind.columns.items()
    }
    return _shape(kind, tail, base, fields={**own, **fields})


def _optional(field: Any) -> Any:
    kept = {key: value for key, value in field._kwargs.items() if key not in ("required", "allow_null")}  # noqa: SLF001
    return type(field)(required=False, allow_null=True, **kept)


def _nullable(field: Any) -> Any:
    """Return a field that is null where the row is gone."""
    kept = {key: value for key, value in field._kwargs.items() if key != "allow_null"}  # noqa: SLF001
    return type(field)(allow_null=True, **kept)


def _list_schema(kind: Kind, name: str, row: type[Shape]) -> Any:
    listed = _shape_of_list(f"Scheduled{type(kind).__name__}List", "scheduled_changes", row)
    asked = [OpenApiParameter(argument, str) for argument in kind.asked]
    everything = OpenApiParameter("all", str, description="Also those that have been enacted.")
    methods = {
        "get": documented(
            f"{name}_list", listed, everything, *asked, *list_parameters(None, *views.ORDERINGS)
        )
    }
    if kind.proposes:
        changes = serializers.ChoiceField(
            choices=[change for change in views.CHANGES if change in kind.proposes]
        )
        methods["post"] = documented(
            f"{name}_create",
            Made,
            DRY_RUN,
            IDEMPOTENCY_KEY,
            REASON,
            *VERSION_HEADERS,
            body=_sent(kind, "New", NewScheduled, change_type=changes),
            refusals=READ,
            examples=_examples(kind),
        )
    return extend_schema_view(**methods)


def _detail_schema(kind: Kind, name: str, row: type[Shape]) -> Any:
    one = type(f"Scheduled{type(kind).__name__}One", (Shape,), {"scheduled_change": row()})
    return extend_schema_view(
        get=documented(f"{name}_read", one, *VERSION_HEADERS, refusals=READ),
        post=documented(
            f"{name}_edit",
            Edited,
            IF_MATCH,
            DRY_RUN,
            REASON,
            *VERSION_HEADERS,
            body=_sent(kind, "Edit", EditedScheduled),
            refusals=READ,
        ),
        delete=documented(f"{name}_cancel", Nothing, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=READ),
    )


def _enact_schema(name: str) -> Any:
    return extend_schema_view(
        post=documented(f"{name}_enact", Nothing, DRY_RUN, REASON, body=Nothing, refusals=READ)
    )


def _signoffs_schema(name: str) -> Any:
    username = OpenApiParameter("username", str, description="Whose signoff; one's own unless told.")
    return extend_schema_view(
        post=documented(f"{name}_sign_off", Nothing, DRY_RUN, body=Role, refusals=READ),
        delete=documented(f"{name}_revoke_signoff", MaybeError, username, DRY_RUN, refusals=READ),
    )


def _revisions_schema(kind: Kind, name: str) -> Any:
    columns = {name: _nullable(column) for name, column in kind.columns.items()}
    row = _shape(kind, "Revision", Revised, ScheduledRow, fields=columns)
    listed = _shape_of_list(f"Scheduled{type(kind).__name__}Revisions", "revisions", row)
    return extend_schema_view(
        get=documented(f"{name}_revisions", listed, *list_parameters(), refusals=READ),
        post=documented(f"{name}_revert", Edited, DRY_RUN, *VERSION_HEADERS, body=Change, refusals=READ),
    )


def _shape_of_list(name: str, key: str, row: type[Shape]) -> type[Shape]:
    return type(name, (Shape,), {"count": serializers.IntegerField(), key: row(many=True)})


def _examples(kind: Kind) -> list[OpenApiExample]:
    if kind.target_name != "rule":
        return []
    sent = {
        "change_type": "update",
        "when": 4_102_444_800_000,
        "rule_id": 12,
        "data_version": 3,
        "backgroundRate": 50,
    }
    return [OpenApiExample("Offer to half of all", sent, request_only=True)]


@extend_schema_view(
    get=documented("scheduled_release_diff", {(200, "text/plain"): str}, refusals=(*LISTED, 404))
)
class ReleaseDiff(views.ReleaseDiff):
    """What a scheduled change would change in a release."""
