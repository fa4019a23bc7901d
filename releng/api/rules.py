"""Rules (protocol.md section 12.4)."""

from __future__ import annotations

from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from history.chain import sequence_at
from history.timeline import as_of
from releng.api import shapes
from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.idempotency import idempotent
from releng.api.listing import FlagFilter, ListView, list_parameters
from releng.api.revisions import (
    Change,
    Revised,
    distinct,
    moment,
    put_back,
    revisions,
)
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    READ,
    REASON,
    VERSION_HEADERS,
    NewVersion,
    Shape,
    documented,
)
from releng.updates.problems import BadArgument
from rules import actions
from rules.models import RULE_LENGTHS, Rule
from rules.wire import WIRE_NAME_OF, WIRE_NAMES, rule_to_wire, values_from_wire

VIEW = "rules.view_rule"
ADD = "rules.add_rule"
CHANGE = "rules.change_rule"
DELETE = "rules.delete_rule"
NUMBERS = ("rule_id", "priority", "backgroundRate", "data_version")
FLAGS = ("jaws", "mig64")
KEYS = ("rule_id", "data_version")
NEEDED = ("update_type", "backgroundRate", "priority", "mapping")


# --- Shapes and filters -------------------------------------------------------------------------------------


def _field(name: str, **options: Any) -> Any:
    if name in NUMBERS:
        return serializers.IntegerField(**options)
    options["allow_null"] = name not in ("update_type",)
    if name in FLAGS:
        return serializers.BooleanField(**options)
    if name == "update_type":
        return serializers.ChoiceField(choices=Rule.UpdateType.choices, **options)
    longest = {WIRE_NAME_OF[field]: length for field, length in RULE_LENGTHS.items()}.get(name, 100)
    return serializers.CharField(max_length=longest, **options)


class RuleShape(Shape):
    """A rule as the wire names its fields."""

    for _name in WIRE_NAMES:
        locals()[_name] = _field(_name)
    del _name

    class Meta:
        ref_name = "FullRule"


class RulesShape(Shape):
    """Rules, and how many there are."""

    count = serializers.IntegerField()
    rules = RuleShape(many=True)


class NewRule(Shape):
    """A rule to make; what is left out accepts everything."""

    for _name in WIRE_NAMES:
        if _name not in KEYS:
            locals()[_name] = _field(_name, required=_name in NEEDED)
    del _name
    reason = serializers.CharField(required=False, help_text="Why, for the history.")


class ChangedRule(Shape):
    """Fields of a rule to change; what is left out stays as it is."""

    for _name in WIRE_NAMES:
        if _name not in KEYS:
            locals()[_name] = _field(_name, required=False)
    del _name
    data_version = serializers.IntegerField(
        required=False, help_text="The version that this is based on; If-Match may name it instead."
    )
    reason = serializers.CharField(required=False, help_text="Why, for the history.")


class RuleRevision(Revised, RuleShape):
    """A rule as it was, with the change that made it so."""

    class Meta:
        ref_name = "FullRuleRevision"


class RuleRevisionsShape(Shape):
    """Versions of rules, newest first."""

    count = serializers.IntegerField()
    rules = RuleRevision(many=True)


def _filters() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wire, attribute in WIRE_NAMES.items():
        kind = django_filters.CharFilter
        if wire in NUMBERS:
            kind = django_filters.NumberFilter
        elif wire in FLAGS:
            kind = FlagFilter
        found[wire] = kind(attribute)
    return found | {
        "priority_from": django_filters.NumberFilter("priority", "gte"),
        "priority_to": django_filters.NumberFilter("priority", "lte"),
        "mapping_prefix": django_filters.CharFilter("mapping__name", "startswith"),
        "comment_contains": django_filters.CharFilter("comment", "icontains"),
    }


RuleFilters = type("RuleFilters", (django_filters.FilterSet,), _filters())


# --- Endpoints ----------------------------------------------------------------------------------------------


def found_rule(id_or_alias: str) -> Rule:
    """Return a rule by its number or its alias; raise Http404."""
    by = Q(alias=id_or_alias)
    if id_or_alias.isascii() and id_or_alias.isdigit() and len(id_or_alias) < 19:
        by = Q(pk=int(id_or_alias))
    rule: Rule | None = Rule.objects.filter(by).first()
    if rule is None:
        raise Http404(f"rule {id_or_alias} not found")
    return rule


class RuleView(ContractView):
    """Base of the endpoints of rules."""

    open_reads = True
    field_names = WIRE_NAME_OF

    def values(self) -> dict[str, Any]:
        """Return the fields of a rule that were sent; what is no field is left alone, as the contract has it.

        Raises ValidationError.
        """
        body = self.body()
        self.give_reason(body.get("reason"))
        sent = {
            name: None if isinstance(value, str) and not value.strip() else value
            for name, value in body.items()
            if name in WIRE_NAMES and name not in KEYS
        }
        if "mapping" in sent and sent["mapping"] is None:
            raise ValidationError({"mapping": "must name a release."})
        return values_from_wire(sent)


class RuleList(ListView, RuleView):
    """Rules: list them, make one."""

    needed = {"GET": VIEW, "POST": ADD}
    arguments = frozenset({"timestamp"})
    filters = RuleFilters
    orderings = WIRE_NAMES

    @documented(
        "rules_list",
        RulesShape,
        *list_parameters(RuleFilters, *WIRE_NAMES),
        OpenApiParameter(
            "timestamp",
            {"type": "integer", "minimum": 0},
            description="The rules as they were then: milliseconds since 1970. Not together with `product`.",
        ),
    )
    def get(self, request: Request) -> Response:
        """Rules by priority, version and mapping, those with the lowest priority first."""
        rows: QuerySet[Any] = Rule.objects.all()
        told = self.argument("timestamp")
        if told is not None:
            if "product" in request.query_params:
                raise BadArgument("Ask for timestamp or product, not for both.", title="Bad Request")
            rows = as_of(Rule, sequence_at(moment(told, "timestamp")))
        order = ("priority", F("version").asc(nulls_first=True), "mapping_id", "rule_id")
        page, count = self.page(self.chosen(rows, *order))
        return Response({"count": count, "rules": [rule_to_wire(rule) for rule in page]})

    @documented(
        "rules_create",
        int,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        REASON,
        body=NewRule,
        examples=[
            OpenApiExample(
                "A rule",
                {
                    "product": "Firefox",
                    "channel": "release",
                    "mapping": "Firefox-145.0-build1",
                    "backgroundRate": 25,
                    "priority": 100,
                    "update_type": "minor",
                },
                request_only=True,
            ),
            OpenApiExample("Its number", 12, response_only=True, status_codes=["200"]),
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a rule; the answer is its number."""
        values = self.values()
        sent = self.body()
        if missing := [name for name in NEEDED if sent.get(name) in (None, "")]:
            raise ValidationError(dict.fromkeys(missing, "is missing."))
        return Response(actions.create_rule(values).pk)


class RuleDetail(RuleView):
    """One rule, by its number or its alias: read it, change it, delete it."""

    needed = {"GET": VIEW, "POST": CHANGE, "PUT": CHANGE, "DELETE": DELETE}

    def declared_arguments(self) -> frozenset[str]:
        return frozenset({"data_version"} if self.request.method == "DELETE" else ())

    @documented("rules_read", RuleShape, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, id_or_alias: str) -> Response:
        """One rule."""
        rule = found_rule(id_or_alias)
        return versioned(rule_to_wire(rule), rule.data_version)

    @documented(
        "rules_update",
        NewVersion,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=ChangedRule,
        refusals=READ,
    )
    def post(self, request: Request, id_or_alias: str) -> Response:
        """Change the fields that are sent."""
        return self._update(id_or_alias)

    @documented(
        "rules_replace",
        NewVersion,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=ChangedRule,
        refusals=READ,
    )
    def put(self, request: Request, id_or_alias: str) -> Response:
        """Change the fields that are sent, as POST does."""
        return self._update(id_or_alias)

    @documented("rules_delete", None, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=READ)
    def delete(self, request: Request, id_or_alias: str) -> Response:
        """Delete it; refused while a scheduled change is open for it."""
        rule = found_rule(id_or_alias)
        actions.delete_rule(rule.pk, based_on=self.based_on(self.argument("data_version")))
        return Response()

    def _update(self, id_or_alias: str) -> Response:
        rule = found_rule(id_or_alias)
        based_on = self.based_on(self.body().get("data_version"))
        rule = actions.update_rule(rule.pk, self.values(), based_on=based_on)
        return versioned({"new_data_version": rule.data_version}, rule.data_version)


class RuleRevisions(ListView, RuleView):
    """The versions of one rule."""

    needed = {"GET": VIEW, "POST": CHANGE}

    @documented("rules_revisions", RuleRevisionsShape, *list_parameters(), refusals=READ)
    def get(self, request: Request, rule_id: int) -> Response:
        """Its versions, newest first; a deleted rule keeps its own."""
        count, found = revisions(self, Rule.history.filter(rule_id=rule_id), rule_to_wire)
        if not count:
            raise Http404(f"rule {rule_id} not found")
        return Response({"count": count, "rules": found})

    @documented("rules_revert", NewVersion, DRY_RUN, REASON, *VERSION_HEADERS, body=Change, refusals=READ)
    def post(self, request: Request, rule_id: int) -> Response:
        """Put a version back, as an ordinary change; a deleted rule is made again under its number."""
        return put_back(self, Rule, rule_id)


class RuleColumn(RuleView):
    """The values that one field has."""

    needed = {"GET": VIEW}

    @documented("rules_column", shapes.Column, refusals=READ)
    def get(self, request: Request, column: str) -> Response:
        """Each value once."""
        if column not in WIRE_NAMES:
            raise Http404(f"column {column} not found")
        return distinct(Rule.objects.all(), column, WIRE_NAMES[column])
