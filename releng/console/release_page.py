"""One release: what it offers to which platform and locale, who uses it, and what is planned for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from history.canonical import canonical_json
from history.feed import as_number
from history.models import ChangeSet
from releases.models import Release, ReleasePart
from releases.numbering import version_of
from releases.storage import Parts, parts_of, whole_of
from releases.whole import WholeVersion
from releng.changes.models import ScheduledChange
from releng.changes.requirements import Requirements
from releng.changes.standing import standings
from releng.console.needed import needed
from releng.console.pages import render_page
from releng.console.release_drafts import as_text
from releng.console.release_list import shown_size, type_name
from releng.console.release_table import ReleaseTable, table_of, top_facts
from releng.console.release_uses import Uses, uses_of
from releng.permissions.who import people_allowed

VERSIONS_SHOWN = 20
GAPS_SHOWN = 30
LONGEST_DOCUMENT = 200_000
"""Characters of a document up to which the page shows it whole; the editor and the API have longer ones."""


@dataclass(frozen=True, slots=True)
class Version:
    """A state that the whole release was in, and the change set that made it."""

    number: int
    change_set: ChangeSet | None


def release_page(request: HttpRequest, release: Release) -> HttpResponse:
    """Show a release; nothing is changed here."""
    user: Any = request.user
    parts = parts_of(release)
    document = whole_of(release, parts)
    uses = uses_of([release.name])[release.name]
    plain, nested = top_facts(document)
    table = table_of(document)
    gaps = table.found if table is not None else []
    asked = Requirements([release.name])
    text = as_text(document)
    only_gaps = "gaps" in request.GET
    versions = versions_of_release(release, as_number(request.GET.get("before")))
    lock = f"releases.{'un' if release.read_only else ''}set_read_only"
    if table is not None:
        _link(table, parts)
    return render_page(
        request,
        "console/release.html",
        f"Release {release.name}",
        release=release,
        type=type_name(release.schema_version),
        version=version_of(release),
        versions=versions[:VERSIONS_SHOWN],
        older=versions[VERSIONS_SHOWN - 1].number if len(versions) > VERSIONS_SHOWN else None,
        size=shown_size(len(canonical_json(document))),
        plain=plain,
        nested=[] if table is None else [(key, as_text(value)) for key, value in nested],
        table=table,
        rows=[row for row in table.rows if row.has_gaps or not only_gaps] if table is not None else [],
        only_gaps=only_gaps,
        gaps=gaps[:GAPS_SHOWN],
        gaps_count=len(gaps),
        parts=_parts(document),
        text=text if len(text) <= LONGEST_DOCUMENT else "",
        uses=uses,
        offered=_offered(uses),
        planned=standings(list(ScheduledChange.objects.filter(pk__in=uses.changes).order_by("pk"))),
        signers=needed(asked.of_release(release.name)),
        may_edit=user.has_perm("releases.change_release", release),
        may_lock=user.has_perm(lock, release),
        lockers=[] if user.has_perm(lock, release) else people_allowed(lock, release),
        may_delete=user.has_perm("releases.delete_release", release),
        editors=[]
        if user.has_perm("releases.change_release", release)
        else people_allowed("releases.change_release", release),
    )


def versions_of_release(release: Release, before: int | None = None) -> list[Version]:
    """Return the newest states of a whole release, one more than are shown, in two queries."""
    rows = WholeVersion.objects.filter(release_id=release.pk).order_by("-version")
    if before is not None:
        rows = rows.filter(version__lt=before)
    found = list(rows.values_list("version", "change_set_id")[: VERSIONS_SHOWN + 1])
    sets = ChangeSet.objects.in_bulk([key for _, key in found])
    return [Version(number, sets.get(key)) for number, key in found]


def _link(table: ReleaseTable, parts: Parts) -> None:
    """Let the cells of locales lead to what happened to them."""
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            if part := parts.get((column.platform, row.name)):
                cell.url = reverse("history:object", args=[ReleasePart._meta.label_lower, part.pk])


def _parts(document: dict[str, Any]) -> list[str]:
    """Return the names of the releases that a superblob splices; none for other kinds."""
    found = document.get("blobs")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _offered(uses: Uses) -> str:
    """Return in a sentence whether anybody is offered the release now."""
    active, pins = uses.active, len(uses.pins)
    pinned = f"{pins} pin{'' if pins == 1 else 's'}" if pins else ""
    if active:
        count = len(active)
        by = f"{count} rule{'' if count == 1 else 's'}"
        return f"Offered now by {by}{f' and {pinned}' if pinned else ''}."
    if pinned:
        return f"Offered only to clients that pinned themselves: {pinned}."
    if any(use.is_stopped for use in uses.rules):
        return "Offered to nobody: updates are stopped where rules would offer it."
    if any(use.share == 0 and use.how != "list of devices" for use in uses.rules):
        return "Offered to nobody: the rules that name it give it to 0 %."
    if uses.rules:
        return "Offered to nobody: it lists the devices that rules ask for."
    return "Offered to nobody: no rule names it."
