"""The public read API, `/api/v1/...` (protocol.md section 11; features A24 to A31)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

from django.db.models import F, Q, QuerySet
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from releases.models import Release, ReleasePart
from releases.numbering import version_of, versions_of_all
from releng.updates.problems import BadArgument, ProblemJSONRenderer, SortedJSONRenderer, problem
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from rules.wire import WIRE_NAMES, rule_to_wire, shutoff_to_wire

PROBLEM_TYPE = "application/problem+json"
DEFAULT_LIMIT = 10
MAX_LIMIT = 1_000


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every refusal as a problem document (RFC 9457)."""
    response = exception_handler(error, context)
    if response is None:
        return None
    detail = getattr(error, "detail", None) or str(error) or "Not Found"
    title = error.title if isinstance(error, BadArgument) else response.status_text
    response.data = problem(response.status_code, title, detail)
    request: Request = context["request"]
    request.accepted_renderer = ProblemJSONRenderer()
    request.accepted_media_type = ProblemJSONRenderer.media_type
    return response


class ReadView(APIView):
    """Base: open to everybody, reads only, refuses query arguments that are not declared."""

    authentication_classes: ClassVar[list[Any]] = []
    permission_classes: ClassVar[list[Any]] = []
    renderer_classes = [SortedJSONRenderer]
    http_method_names = ["get", "head", "options"]
    arguments: ClassVar[frozenset[str]] = frozenset()

    def get_exception_handler(self) -> Any:
        return handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if undeclared := sorted(request.query_params.keys() - self.arguments):
            raise BadArgument(f"Extra query parameter(s) {', '.join(undeclared)} not in spec")

    def argument(self, name: str) -> str | None:
        """Return a query argument; the last one counts."""
        return self.request.query_params.get(name)

    def number(self, name: str, default: int) -> int:
        """Return a query argument that is a whole number from 1 on; raise BadArgument otherwise."""
        text = self.argument(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or not int(text[:10]) >= 1 or len(text) > 9:
            raise BadArgument(f"{name}: {text!r} is not a whole number from 1 on.", title="Bad Request")
        return int(text)


def _with_version(body: Any, data_version: int) -> Response:
    return Response(body, headers={"X-Data-Version": str(data_version)})


def _found(rows: QuerySet[Any], what: str) -> Any:
    found = rows.first()
    if found is None:
        raise Http404(f"{what} not found")
    return found


PRETTY = OpenApiParameter("pretty", bool, description="Indent the document.")
PRODUCT = OpenApiParameter("product", str, description="Only this product.")


class ProblemSerializer(serializers.Serializer[Any]):
    """A refusal (RFC 9457)."""

    detail = serializers.CharField()
    status = serializers.IntegerField()
    title = serializers.CharField(allow_null=True)
    type = serializers.CharField()


def documented(operation_id: str, body: Any, *arguments: OpenApiParameter, missing: bool = True) -> Any:
    """Describe a read for the schema: its parameters, its body, and how it refuses."""
    refused = OpenApiResponse(ProblemSerializer)
    responses = {200: body, (400, PROBLEM_TYPE): refused}
    if missing:
        responses[404, PROBLEM_TYPE] = refused
    return extend_schema(operation_id=operation_id, parameters=list(arguments), responses=responses, auth=[])


class RuleSerializer(serializers.Serializer[Any]):
    """A rule as the wire names its fields."""

    for _name, _attribute in WIRE_NAMES.items():
        _field: Any = serializers.CharField(allow_null=True)
        if _name in ("rule_id", "priority", "backgroundRate", "data_version"):
            _field = serializers.IntegerField()
        elif _name in ("jaws", "mig64"):
            _field = serializers.BooleanField(allow_null=True)
        locals()[_name] = _field
    del _name, _attribute, _field


class RulesSerializer(serializers.Serializer[Any]):
    """All rules."""

    count = serializers.IntegerField()
    rules = RuleSerializer(many=True)


class RevisionSerializer(RuleSerializer):
    """A rule as it was, with the change that made it so."""

    change_id = serializers.IntegerField()
    changed_by = serializers.CharField()
    timestamp = serializers.IntegerField(help_text="Milliseconds since 1970.")


class RevisionsSerializer(serializers.Serializer[Any]):
    """Versions of a rule, newest first."""

    count = serializers.IntegerField()
    rules = RevisionSerializer(many=True)


class ReleaseRowSerializer(serializers.Serializer[Any]):
    """A release without its document."""

    name = serializers.CharField()
    product = serializers.CharField()
    data_version = serializers.IntegerField()
    read_only = serializers.BooleanField()
    rule_ids = serializers.ListField(child=serializers.IntegerField())
    rule_info = serializers.DictField(child=serializers.DictField())
    required_signoffs = serializers.DictField()
    product_required_signoffs = serializers.DictField()
    scheduled_changes = serializers.ListField()


class ReleasesSerializer(serializers.Serializer[Any]):
    """Releases, or with `names_only` just their names."""

    releases = ReleaseRowSerializer(many=True, required=False)
    names = serializers.ListField(child=serializers.CharField(), required=False)


class ShutoffSerializer(serializers.Serializer[Any]):
    """An emergency shutoff."""

    product = serializers.CharField()
    channel = serializers.CharField()
    comment = serializers.CharField(allow_null=True)
    data_version = serializers.IntegerField()
    build_target = serializers.CharField(required=False, help_text="Only this platform is stopped.")
    locale = serializers.CharField(required=False, help_text="Only this locale is stopped.")


class ShutoffsSerializer(serializers.Serializer[Any]):
    """All emergency shutoffs."""

    count = serializers.IntegerField()
    shutoffs = ShutoffSerializer(many=True)


class PinSerializer(serializers.Serializer[Any]):
    """The release of a pin."""

    product = serializers.CharField()
    channel = serializers.CharField()
    version = serializers.CharField()
    mapping = serializers.CharField()
    data_version = serializers.IntegerField()


class RuleList(ReadView):
    """All rules, ordered by priority, version and mapping."""

    arguments = frozenset({"product"})

    @documented("v1_rules_list", RulesSerializer, PRODUCT, missing=False)
    def get(self, request: Request) -> Response:
        rows = Rule.objects.order_by("priority", F("version").asc(nulls_first=True), "mapping_id", "pk")
        product = self.argument("product")
        if product is not None:
            rows = rows.filter(product=product)
        rules = [rule_to_wire(rule) for rule in rows]
        return Response({"count": len(rules), "rules": rules})


def _rule(id_or_alias: str) -> Rule:
    by = Q(alias=id_or_alias)
    if id_or_alias.isascii() and id_or_alias.isdigit() and len(id_or_alias) < 19:
        by = Q(pk=int(id_or_alias))
    rule: Rule = _found(Rule.objects.filter(by), f"rule {id_or_alias}")
    return rule


class RuleDetail(ReadView):
    """One rule, by id or alias."""

    @documented("v1_rules_read", RuleSerializer)
    def get(self, request: Request, id_or_alias: str) -> Response:
        rule = _rule(id_or_alias)
        return _with_version(rule_to_wire(rule), rule.data_version)


class RuleRevisions(ReadView):
    """The versions of a rule, newest first; a deleted rule keeps its own."""

    arguments = frozenset({"page", "limit"})

    @documented(
        "v1_rules_revisions",
        RevisionsSerializer,
        OpenApiParameter("page", int),
        OpenApiParameter("limit", int),
    )
    def get(self, request: Request, rule_id: int) -> Response:
        page, limit = self.number("page", 1), min(self.number("limit", DEFAULT_LIMIT), MAX_LIMIT)
        rows = Rule.history.filter(rule_id=rule_id).exclude(history_type="-").order_by("-history_id")
        count = rows.count()
        if not count:
            raise Http404(f"rule {rule_id} not found")
        chosen = rows.select_related("change_set")[(page - 1) * limit : page * limit]
        revisions = [
            {
                **rule_to_wire(row),
                "change_id": row.history_id,
                "changed_by": row.change_set.actor_name,
                "timestamp": int(row.change_set.time.timestamp() * 1000),
            }
            for row in chosen
        ]
        return Response({"count": count, "rules": revisions})


class ReleaseList(ReadView):
    """Releases, without their documents."""

    arguments = frozenset({"product", "name_prefix", "names_only"})

    @documented(
        "v1_releases_list",
        ReleasesSerializer,
        PRODUCT,
        OpenApiParameter("name_prefix", str),
        OpenApiParameter("names_only", bool),
        missing=False,
    )
    def get(self, request: Request) -> Response:
        rows = Release.objects.order_by("name")
        if (product := self.argument("product")) is not None:
            rows = rows.filter(product=product)
        if (prefix := self.argument("name_prefix")) is not None:
            rows = rows.filter(name__startswith=prefix)
        if _is_true(self.argument("names_only")):
            return Response({"names": list(rows.values_list("name", flat=True))})
        users = rules_of_releases()
        found = list(rows.defer("document"))
        versions = versions_of_all(found)
        releases = [
            {
                "name": release.name,
                "product": release.product,
                "data_version": versions[release.pk],
                "read_only": release.read_only,
                "rule_ids": sorted(users[release.name]),
                "rule_info": {str(pk): info for pk, info in users[release.name].items()},
                "required_signoffs": {},
                "product_required_signoffs": {},
                "scheduled_changes": [],
            }
            for release in found
        ]
        return Response({"releases": releases})


def rules_of_releases() -> dict[str, dict[int, dict[str, Any]]]:
    """Return for each release that rules offer, by name: the rules' products and channels by their numbers."""
    users: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    rows = Rule.objects.order_by("pk").values_list(
        "pk", "product", "channel", "mapping_id", "fallback_mapping_id"
    )
    for pk, product, channel, *names in rows:
        for name in filter(None, names):
            users[str(name)][pk] = {"product": product, "channel": channel}
    return users


def _is_true(text: str | None) -> bool:
    return text is not None and text.lower() in ("1", "true", "yes")


class ReleaseDetail(ReadView):
    """A release's whole document."""

    arguments = frozenset({"pretty"})

    @documented("v1_releases_read", OpenApiTypes.OBJECT, PRETTY)
    def get(self, request: Request, name: str) -> Response:
        release = _found(Release.objects.filter(name=name), f"release {name}")
        return _with_version(release.blob(), version_of(release))


class LocaleDetail(ReadView):
    """One locale of a release; a platform that is an alias shows what it stands for. The version is the release's."""

    @documented("v1_releases_locale", OpenApiTypes.OBJECT)
    def get(self, request: Request, name: str, platform: str, locale: str) -> Response:
        release = _found(Release.objects.filter(name=name), f"release {name}")
        entry = release.document.get("platforms", {}).get(platform, {})
        real = entry.get("alias", platform) if isinstance(entry, dict) else platform
        rows = ReleasePart.objects.filter(release=release, platform=real, locale=locale)
        part = _found(rows, f"{platform} {locale} of release {name}")
        return _with_version(part.document, version_of(release))


class ShutoffList(ReadView):
    """All emergency shutoffs."""

    @documented("v1_emergency_shutoff_list", ShutoffsSerializer, missing=False)
    def get(self, request: Request) -> Response:
        rows = [shutoff_to_wire(shutoff) for shutoff in EmergencyShutoff.objects.all()]
        return Response({"count": len(rows), "shutoffs": rows})


class ShutoffDetail(ReadView):
    """One emergency shutoff."""

    @documented("v1_emergency_shutoff_read", ShutoffSerializer)
    def get(self, request: Request, product: str, channel: str) -> Response:
        rows = EmergencyShutoff.objects.filter(
            product=product, channel=channel, build_target=None, locale=None
        )
        found = _found(rows, f"shutoff {product} {channel}")
        return _with_version(shutoff_to_wire(found), found.data_version)


class PinDetail(ReadView):
    """The release that a pin leads to."""

    arguments = frozenset({"pretty"})

    @documented("v1_pins_read", PinSerializer, PRETTY)
    def get(self, request: Request, product: str, channel: str, version: str) -> Response:
        rows = PinnableRelease.objects.filter(product=product, channel=channel, version=version)
        columns = ("product", "channel", "version", "mapping", "data_version")
        found = _found(rows.values(*columns), f"pin {product} {channel} {version}")
        return _with_version(found, found["data_version"])
