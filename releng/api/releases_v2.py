"""Releases as the contract's v2 has them: in parts, each with its own version (protocol.md section 12.6)."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import ValidationError
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from releases import actions
from releases.blobs.document import split
from releases.exceptions import ReleaseReadOnlyError
from releases.models import Release
from releases.numbering import count_version, outdated, version_of, versions_at
from releases.places import Differences, differences, laid_over, refuse_outdated
from releases.storage import DataVersions, parts_of
from releng.api import release_shapes as shapes
from releng.api.base import ContractView
from releng.api.conditional import if_match, versioned
from releng.api.listing import FlagFilter, ListView, list_parameters
from releng.api.parsing import is_true, number, text
from releng.api.problems import Refusal, Refusals
from releng.api.release_proposals import as_scheduled, leaves, open_changes, own_changes, pending_rows
from releng.api.releases import ADD, CHANGE, DELETE, VIEW, found_release
from releng.api.revisions import moment
from releng.api.shapes import DRY_RUN, IF_MATCH, ONE, READ, REASON, VERSION_HEADERS, documented
from releng.changes import actions as changes
from releng.changes.actions import Proposal
from releng.changes.exceptions import ChangeScheduledError
from releng.changes.models import ScheduledChange
from releng.changes.policy import releases_requirements
from releng.permissions.questions import product_requirements
from releng.updates.read_api import rules_of_releases

_PART = re.compile(r"\.platforms\.(?P<platform>.+)\.locales\.(?P<locale>[^.]+)\Z")


class ReleaseV2Filters(django_filters.FilterSet):
    """What the list can be asked for."""

    product = django_filters.CharFilter()
    name_prefix = django_filters.CharFilter("name", "startswith")
    name_contains = django_filters.CharFilter("name", "icontains")
    read_only = FlagFilter()
    schema_version = django_filters.NumberFilter()


class ReleaseV2View(ContractView):
    """Base of the endpoints of releases in parts."""

    open_reads = True
    refusals: ClassVar[Refusals] = {**ContractView.refusals, ReleaseReadOnlyError: Refusal(400, "Read only")}

    def blob(self) -> dict[str, Any]:
        """Return the document that was sent; raise ValidationError."""
        sent = self.body().get("blob")
        if not isinstance(sent, dict):
            raise ValidationError({"blob": "is missing." if sent is None else "must be an object."})
        return sent

    def told(self, release: Release, *, name: str = "old_data_versions", needed: bool = True) -> DataVersions:
        """Return the versions of parts that the body names, 0 and none for what it does not name.

        `old_data_version` is that of the top alone. If-Match, which names the whole, stands for all of them.
        Raises ValidationError, BadArgument and OutdatedDataError.
        """
        sent, whole = self.body().get(name), if_match(self.request)
        if whole is not None:
            then = versions_at(release, whole)
            if then is None or whole != version_of(release):
                raise outdated(release, whole)
            if sent is None:
                return then
        if name == "old_data_version":
            return DataVersions(number(sent, name))
        if sent is None and needed:
            raise ValidationError({name: "is missing."})
        try:
            return DataVersions.from_tree({} if sent is None else sent, partial=True)
        except ValueError as error:
            raise ValidationError({name: f"{error}."}) from error

    def when(self) -> Any:
        """Return the time that the body asks for, if any; raise BadArgument."""
        told = self.body().get("when")
        return None if told in (None, "") else moment(told, "when")

    def scheduled(self, proposal: Proposal, when: Any) -> ScheduledChange:
        """Schedule one write; raise what `propose` raises."""
        reason = str(self.body().get("reason") or self.request.headers.get("X-Change-Reason") or "")
        return changes.propose(self.request.user, [proposal], conditions={"when": when}, reason=reason)

    def written(self, release: Release, tree: dict[str, Any]) -> Response:
        """Answer a write: the tree of new versions, and that of the whole in the headers."""
        return versioned(tree, count_version(release))


class ReleaseV2List(ListView, ReleaseV2View):
    """All releases."""

    needed = {"GET": VIEW}
    arguments = frozenset({"names_only"})
    filters = ReleaseV2Filters
    orderings = {"name": "name", "product": "product"}

    @documented(
        "v2_releases_list",
        shapes.ReleasesV2,
        *list_parameters(ReleaseV2Filters, *orderings),
        shapes.NAMES_ONLY,
    )
    def get(self, request: Request) -> Response:
        """Releases by name with what is scheduled for them, also those that are only scheduled to be made.

        The latter have no row to filter, order or count: they are listed when everything is asked for.
        """
        chosen = self.chosen(Release.objects.without_documents(), "name")
        is_whole = not request.query_params.keys() - {"names_only"}
        pending = pending_rows()
        page, count = self.page(chosen)
        names = list(page.values_list("name", flat=True))
        made = set(names)
        unmade = [name for name in pending if name not in made] if is_whole else []
        if is_true(self.argument("names_only")):
            return Response(sorted(made | set(unmade)) if is_whole else names)
        rows = self._rows(list(page), pending) + [_unmade(name, pending[name]) for name in unmade]
        if unmade:
            rows.sort(key=lambda row: str(row["name"]))
        return Response({"count": count + len(unmade), "releases": rows})

    @staticmethod
    def _rows(releases: list[Release], pending: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        required = releases_requirements([release.name for release in releases])
        users = rules_of_releases()
        products = {release.product for release in releases}
        by_product = {product: product_requirements(product, None) for product in products}
        return [
            {
                "name": release.name,
                "product": release.product,
                "data_version": release.data_version,
                "read_only": release.read_only,
                "rule_info": {str(key): info for key, info in users.get(release.name, {}).items()},
                "required_signoffs": required[release.name],
                "product_required_signoffs": by_product[release.product],
                "scheduled_changes": pending.get(release.name, []),
            }
            for release in releases
        ]


def _unmade(name: str, pending: list[dict[str, Any]]) -> dict[str, Any]:
    product = pending[0]["product"]
    return {
        "name": name,
        "product": product,
        "data_version": None,
        "read_only": False,
        "rule_info": {},
        "required_signoffs": {},
        "product_required_signoffs": product_requirements(product, None),
        "scheduled_changes": pending,
    }


class ReleaseV2Detail(ReleaseV2View):
    """One release in parts: read it, replace it, change parts of it, delete it."""

    needed = {"GET": VIEW, "PUT": (ADD, CHANGE), "POST": CHANGE, "DELETE": DELETE}

    @documented("v2_releases_read", shapes.ReleaseV2, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """The document and the versions of its parts; the same as they would be, where something is scheduled."""
        release = Release.objects.filter(name=name).first()
        scheduled = open_changes(release, name)
        if release is None and not scheduled:
            raise Http404(f"release {name} not found")
        # The version before what it stands for: should somebody write in between, the answer counts as old.
        version = version_of(release) if release is not None else 0
        blob = release.blob() if release is not None else {}
        sc_blob, sc_data_versions = as_scheduled(scheduled, blob)
        body = {
            "blob": blob,
            "data_versions": DataVersions.of(release).as_tree() if release is not None else {},
            "sc_blob": sc_blob,
            "sc_data_versions": sc_data_versions,
        }
        return versioned(body, version) if release is not None else Response(body)

    @documented(
        "v2_releases_replace",
        shapes.VersionTree,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.ReplacedV2,
        refusals=ONE,
        examples=[shapes.REPLACED_V2],
    )
    def put(self, request: Request, name: str) -> Response:
        """Replace the document, or make the release; with `when`, schedule that. The answer has what changed.

        Sending what is stored already cancels what is scheduled (features O07).
        """
        body, document = self.body(), self.blob()
        self.give_reason(body.get("reason"))
        release = Release.objects.filter(name=name).first()
        if release is None:
            return self._make(name, document)
        product = text(body["product"], "product") if body.get("product") is not None else None
        told, when = self.told(release, needed=False), self.when()
        if when is not None:
            return self._schedule(release, document, told, when, product)
        if product in (None, release.product) and not differences(release.blob(), document):
            self._cancel(release, name)
        return self._write(name, document, told, product=product)

    @documented(
        "v2_releases_update",
        shapes.VersionTree,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.ChangedV2,
        refusals=ONE,
        examples=[shapes.CHANGED_V2],
    )
    def post(self, request: Request, name: str) -> Response:
        """Put what is sent over the document, object by object; the answer has the versions of what changed."""
        body, partial = self.body(), self.blob()
        self.give_reason(body.get("reason"))
        release = found_release(name)
        told, when = self.told(release), self.when()
        if when is not None:
            return self._schedule(release, laid_over(release.blob(), partial), told, when, None)
        return self._write(name, partial, told, partial=True)

    @documented("v2_releases_delete", None, IF_MATCH, DRY_RUN, REASON, refusals=ONE)
    def delete(self, request: Request, name: str) -> Response:
        """Delete it with all its locales, and cancel what is scheduled for it."""
        release = Release.objects.filter(name=name).first()
        cancelled = self._cancel(release, name)
        if release is None and not cancelled:
            raise Http404(f"release {name} not found")
        if release is not None:
            based_on = self.told(release, needed=False) if if_match(request) is not None else None
            actions.delete_release(name, based_on=based_on)
        return Response()

    def _make(self, name: str, document: dict[str, Any]) -> Response:
        product = text(self.body().get("product"), "product")
        when = self.when()
        if when is None:
            release = actions.create_release(name, product, document)
            return self.written(release, DataVersions.of(release).as_tree())
        if competing := open_changes(None, name):
            raise ChangeScheduledError(f"release {name}", competing, "edit that one, or cancel it.")
        values = {"name": name, "product": product, "document": document}
        scheduled = self.scheduled(Proposal("release", "insert", values), when)
        _, places = split(document)
        return Response(leaves(scheduled, dict.fromkeys(places, "insert"), top="insert"))

    def _schedule(
        self,
        release: Release,
        document: dict[str, Any],
        told: DataVersions,
        when: Any,
        product: str | None,
    ) -> Response:
        changed = differences(release.blob(), document)
        moved = product is not None and product != release.product
        refuse_outdated(release, parts_of(release), Differences(changed.top or moved, changed.places), told)
        values: dict[str, Any] = {"document": document} | ({"product": product} if moved else {})
        scheduled = self.scheduled(Proposal("release", "update", values, release.pk), when)
        return Response(leaves(scheduled, changed.places, top="update" if changed.top or moved else None))

    def _write(self, name: str, document: dict[str, Any], told: DataVersions, **how: Any) -> Response:
        release, written = actions.replace_places(name, document, told=told, **how)
        return self.written(release, written.as_tree())

    def _cancel(self, release: Release | None, name: str) -> bool:
        found = own_changes(release, name, "cancelled")
        for scheduled in found:
            changes.cancel(scheduled.pk, self.request.user, based_on=scheduled.data_version)
        return bool(found)


class DataVersionTree(ReleaseV2View):
    """The versions of all parts."""

    needed = {"GET": VIEW}

    @documented("v2_releases_data_versions", shapes.DataVersionsShape, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """As a tree."""
        release = found_release(name)
        version = version_of(release)
        return versioned({"data_versions": DataVersions.of(release).as_tree()}, version)


class PartVersion(ReleaseV2View):
    """The version of one part."""

    needed = {"GET": VIEW}

    @documented("v2_releases_data_version", shapes.PartVersionShape, refusals=READ)
    def get(self, request: Request, name: str, place: str) -> Response:
        """Of `.`, or of `.platforms.P.locales.L`."""
        release = found_release(name)
        if place == ".":
            return Response({"data_version": release.data_version})
        found = _PART.match(place)
        version = None
        if found is not None:
            rows = release.parts.filter(platform=found["platform"], locale=found["locale"])
            version = rows.values_list("data_version", flat=True).first()
        if version is None:
            raise Http404(f"{place} of release {name} not found")
        return Response({"data_version": version})
