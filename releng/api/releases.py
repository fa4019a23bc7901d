"""Releases as the contract's v1 has them: whole documents with one version (protocol.md section 12.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from releases import actions
from releases.models import Release
from releases.numbering import count_version, outdated, version_of, versions_at, versions_of_all
from releases.storage import DataVersions, document_at, parts_of
from releng.api import release_shapes as shapes
from releng.api.base import ContractView
from releng.api.conditional import versioned
from releng.api.idempotency import idempotent
from releng.api.listing import FlagFilter, ListView, list_parameters
from releng.api.parsing import is_true, json_text, text
from releng.api.shapes import (
    DATA_VERSION,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    ONE,
    PRETTY,
    READ,
    REASON,
    VERSION_HEADERS,
    NewVersion,
    documented,
)
from releng.changes.policy import releases_requirements
from releng.updates.problems import BadArgument
from releng.updates.read_api import rules_of_releases

VIEW = "releases.view_release"
ADD = "releases.add_release"
CHANGE = "releases.change_release"
DELETE = "releases.delete_release"
FIRST_SUBMISSION = 2  # making the release is its first version, what was sent the second (protocol.md E16)


class ReleaseFilters(django_filters.FilterSet):
    """What the list can be asked for."""

    product = django_filters.CharFilter()
    name_prefix = django_filters.CharFilter("name", "startswith")
    name_contains = django_filters.CharFilter("name", "icontains")
    read_only = FlagFilter()
    schema_version = django_filters.NumberFilter()


def found_release(name: str) -> Release:
    """Return a release; raise Http404."""
    release: Release | None = Release.objects.filter(name=name).first()
    if release is None:
        raise Http404(f"release {name} not found")
    return release


def names_in(value: Any, name: str) -> list[str]:
    """Return a list of names that was sent as such, or as JSON text; raise BadArgument."""
    found = json_text(value, name) if value not in (None, "") else []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise BadArgument(f"{name}: must be a list of names, or its JSON text.", title="Bad Request")
    return found


class ReleaseView(ContractView):
    """Base of the endpoints of releases."""

    open_reads = True
    field_names = {"hash_function": "hashFunction"}

    def document(self, name: str) -> dict[str, Any]:
        """Return a document that was sent as JSON text; raise BadArgument and ValidationError."""
        sent = self.body().get(name)
        if sent in (None, ""):
            raise ValidationError({name: "is missing."})
        document = json_text(sent, name)
        if not isinstance(document, dict):
            raise ValidationError({name: "must be the text of a JSON object."})
        return document

    def state_named(self, release: Release, given: Any) -> DataVersions:
        """Return the versions of all rows at the version of the whole that a write is based on.

        Raises BadArgument when it names none, OutdatedDataError for one that history does not know.
        """
        version = self.based_on(given)
        return self.known(release, version, versions_at(release, version))

    @staticmethod
    def known(release: Release, version: int, found: Any) -> Any:
        """Return what was found for a version; raise OutdatedDataError for None."""
        if found is None:
            raise outdated(release, version)
        return found

    def written(self, release: Release, *, status: int, at_least: int = 1) -> Response:
        """Answer a write with the version that the whole has now."""
        version = count_version(release, at_least=at_least)
        return versioned({"new_data_version": version}, version, status=status)


class ReleaseList(ListView, ReleaseView):
    """Releases: list them, make one."""

    needed = {"GET": VIEW, "POST": ADD}
    arguments = frozenset({"names_only"})
    filters = ReleaseFilters
    orderings = {"name": "name", "product": "product"}

    @documented(
        "releases_list",
        shapes.Releases,
        *list_parameters(ReleaseFilters, *orderings),
        shapes.NAMES_ONLY,
    )
    def get(self, request: Request) -> Response:
        """Releases by name, without their documents."""
        rows, count = self.page(self.chosen(Release.objects.without_documents(), "name"))
        if is_true(self.argument("names_only")):
            return Response({"names": list(rows.values_list("name", flat=True))})
        return Response({"count": count, "releases": self.rows(rows)})

    def rows(self, found: QuerySet[Any]) -> list[dict[str, Any]]:
        """Return releases as rows, in a number of queries that does not depend on how many there are."""
        releases = list(found)
        versions = versions_of_all(releases)
        required = releases_requirements([release.name for release in releases])
        users = rules_of_releases()
        return [
            {
                "name": release.name,
                "product": release.product,
                "data_version": versions[release.pk],
                "read_only": release.read_only,
                "rule_ids": sorted(users.get(release.name, ())),
                "rule_info": {str(key): info for key, info in users.get(release.name, {}).items()},
                "required_signoffs": required[release.name],
            }
            for release in releases
        ]

    @documented(
        "releases_create",
        NewVersion,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        REASON,
        *VERSION_HEADERS,
        body=shapes.NewRelease,
        status=201,
        refusals=ONE,
        examples=[shapes.NEW_RELEASE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a release of a whole document."""
        body = self.body()
        self.give_reason(body.get("reason"))
        name, product = text(body.get("name"), "name"), text(body.get("product"), "product")
        release = actions.create_release(name, product, self.document("blob"))
        return self.written(release, status=201)


class ReleaseDetail(ReleaseView):
    """One release: read it, replace it, change parts of it, delete it."""

    needed = {"GET": VIEW, "PUT": (ADD, CHANGE), "POST": (ADD, CHANGE), "DELETE": DELETE}

    def declared_arguments(self) -> frozenset[str]:
        return {
            "GET": frozenset({"pretty"}),
            "HEAD": frozenset({"pretty"}),
            "DELETE": frozenset({"data_version"}),
        }.get(str(self.request.method), frozenset())

    @documented("releases_read", shapes.Document, PRETTY, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """Its whole document."""
        release = found_release(name)
        return versioned(release.blob(), version_of(release))

    def head(self, request: Request, name: str) -> Response:
        """Its version alone, which automation asks for before each write: the document is not read for it."""
        release = Release.objects.without_documents().filter(name=name).first()
        if release is None:
            raise Http404(f"release {name} not found")
        return versioned(None, version_of(release))

    @documented(
        "releases_replace",
        {200: NewVersion, 201: None},
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.ReplacedRelease,
        refusals=ONE,
    )
    def put(self, request: Request, name: str) -> Response:
        """Replace the whole document, or make the release."""
        body = self.body()
        self.give_reason(body.get("reason"))
        document = self.document("blob")
        product = text(body["product"], "product") if body.get("product") is not None else None
        release = Release.objects.filter(name=name).first()
        if release is None:
            actions.create_release(name, text(product, "product"), document)
            return Response(status=201)
        based_on = self.state_named(release, body.get("data_version"))
        return self.written(
            actions.update_release(name, document, based_on=based_on, product=product), status=200
        )

    @documented(
        "releases_update",
        {200: NewVersion, 201: NewVersion},
        IF_MATCH,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        REASON,
        *VERSION_HEADERS,
        body=shapes.ChangedRelease,
        refusals=ONE,
        examples=[shapes.CHANGED_RELEASE],
    )
    @idempotent
    def post(self, request: Request, name: str) -> Response:
        """Put what is sent over the top level of the document, or make the release of it; the same in `copyTo`."""
        body = self.body()
        self.give_reason(body.get("reason"))
        data = self.document("data")
        copies = names_in(body.get("copyTo"), "copyTo")
        existed = Release.objects.filter(name=name).exists()
        # In the order of their names, so that two who copy to each other's releases do not wait for each other.
        done = {
            target: self._merge(target, data, body, is_copy=target != name)
            for target in sorted({name, *copies})
        }
        return self.written(done[name], status=200 if existed else 201, at_least=FIRST_SUBMISSION)

    def _merge(self, name: str, data: dict[str, Any], body: Mapping[str, Any], *, is_copy: bool) -> Release:
        product = text(body.get("product"), "product")
        told = {key: body.get(key, data.get(key)) for key in ("schema_version", "hashFunction")}
        release = Release.objects.filter(name=name).first()
        if release is None:
            if told["schema_version"] is None:
                raise ValidationError(
                    {"schema_version": f"is missing, and release {name} does not exist yet."}
                )
            known = {key: value for key, value in told.items() if value is not None}
            return actions.create_release(name, product, {"name": name, **known, **data})
        actions.refuse_disagreement(release, product, told["schema_version"], told["hashFunction"])
        based_on = (
            DataVersions.of(release) if is_copy else self.state_named(release, body.get("data_version"))
        )
        base = self.known(release, 0, document_at(release, parts_of(release), based_on))
        return actions.update_release(name, {**base, **data}, based_on=based_on)

    @documented("releases_delete", None, DATA_VERSION, IF_MATCH, DRY_RUN, REASON, refusals=ONE)
    def delete(self, request: Request, name: str) -> Response:
        """Delete it with all its locales; refused while something points to it or is scheduled for it."""
        release = found_release(name)
        actions.delete_release(name, based_on=self.state_named(release, self.argument("data_version")))
        return Response()
