"""What releases have besides their documents: the lock, the values of columns, the past (protocol.md section 12.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from history.models import ChangeSet
from releases import actions
from releases.models import Release
from releases.numbering import version_of, versions_at
from releases.storage import document_at, parts_of
from releases.whole import WholeVersion
from releng.api import release_shapes as shapes
from releng.api.conditional import versioned
from releng.api.listing import ListView, list_parameters
from releng.api.releases import VIEW, ReleaseView, found_release
from releng.api.revisions import DEFAULT_REVISIONS, distinct, milliseconds
from releng.api.shapes import (
    DRY_RUN,
    IF_MATCH,
    ONE,
    PRETTY,
    READ,
    REASON,
    VERSION_HEADERS,
    Column,
    NewVersion,
    documented,
)
from releng.permissions.questions import product_requirements

ANY_LOCK = ("releases.set_read_only", "releases.unset_read_only")
COLUMNS = ("name", "product", "read_only", "schema_version")


class ReleaseReadOnly(ReleaseView):
    """Whether a release is locked."""

    needed = {"GET": VIEW, "PUT": ANY_LOCK}

    @documented("releases_read_only", shapes.ReadOnly, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """Whether it is."""
        release = found_release(name)
        return versioned({"read_only": release.read_only}, version_of(release))

    @documented(
        "releases_set_read_only",
        NewVersion,
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.NewReadOnly,
        status=201,
        refusals=ONE,
    )
    def put(self, request: Request, name: str) -> Response:
        """Lock it, or unlock it; locking what is locked changes nothing."""
        body = self.body()
        self.give_reason(body.get("reason"))
        read_only = body.get("read_only")
        if not isinstance(read_only, bool):
            raise ValidationError({"read_only": "must be true or false."})
        release = found_release(name)
        based_on = self.state_named(release, body.get("data_version"))
        locked = actions.set_read_only(name, read_only, based_on=based_on.top)
        if locked.data_version == release.data_version:
            version = version_of(release)
            return versioned({"new_data_version": version}, version, status=201)
        return self.written(locked, status=201)


class UnlockSignoffs(ReleaseView):
    """Who must agree to unlocking releases of this one's product."""

    needed = {"GET": VIEW}

    @documented("releases_unlock_signoffs", shapes.RequiredSignoffs, refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """How many of each role, for the product as a whole."""
        return Response({"required_signoffs": product_requirements(found_release(name).product, None)})


class ReleaseColumn(ReleaseView):
    """The values that one column has."""

    needed = {"GET": VIEW}

    @documented("releases_column", Column, refusals=READ)
    def get(self, request: Request, column: str) -> Response:
        """Each value once."""
        if column not in COLUMNS:
            raise Http404(f"column {column} not found")
        return distinct(Release.objects.all(), column, column)


class ReleaseRevisions(ListView, ReleaseView):
    """The versions of one release."""

    needed = {"GET": VIEW}

    @documented("releases_revisions", shapes.Revisions, *list_parameters(), refusals=READ)
    def get(self, request: Request, name: str) -> Response:
        """Its versions, newest first: who made them, when and why."""
        release = found_release(name)
        rows = WholeVersion.objects.filter(release_id=release.pk).order_by("-version")
        found, count = self.page(rows, default=DEFAULT_REVISIONS)
        return Response({"count": count, "revisions": _told(list(found))})


def _told(rows: Iterable[WholeVersion]) -> list[dict[str, Any]]:
    sets = ChangeSet.objects.in_bulk([row.change_set_id for row in rows])
    return [
        {
            "data_version": row.version,
            "changed_by": sets[row.change_set_id].actor_name,
            "timestamp": milliseconds(sets[row.change_set_id].time),
            "reason": sets[row.change_set_id].reason,
        }
        for row in rows
        if row.change_set_id in sets
    ]


class ReleaseRevision(ReleaseView):
    """One version of a release."""

    needed = {"GET": VIEW}
    arguments = frozenset({"pretty"})

    @documented("releases_revision", shapes.Document, PRETTY, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str, version: int) -> Response:
        """The whole document as it was."""
        release = found_release(name)
        state = versions_at(release, version)
        document = document_at(release, parts_of(release), state) if state is not None else None
        if document is None:
            raise Http404(f"version {version} of release {name} not found")
        return versioned(document, version)
