"""What is scheduled for releases, as the contract's v2 shows it: by part, and all of one release as one.

What is sent to v2 with `when` becomes one scheduled change for the whole release, so it is signed and enacted as one;
each part that it would change shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from releases.blobs.document import Place
from releases.models import Release, ReleasePart
from releases.places import differences, laid_over
from releng.api.revisions import milliseconds
from releng.changes.examination import examine
from releng.changes.exceptions import ChangeScheduledError
from releng.changes.models import ScheduledChange, ScheduledWrite

TARGETS = ("release", "release_part")


def open_changes(release: Release | None, name: str) -> list[ScheduledChange]:
    """Return the open scheduled changes of a release or of locales of it, or of one that is still to be made."""
    keys = {write.scheduled_change_id for write in _writes(release, name)}
    rows = ScheduledChange.objects.filter(pk__in=keys)
    return list(rows.select_related("author").prefetch_related("signoffs__user").order_by("pk"))


def own_changes(release: Release | None, name: str, what: str) -> list[ScheduledChange]:
    """Return the same for doing something with all of them, `what` in words.

    Raises ChangeScheduledError when one of them writes other things, too, which nobody has seen here.
    """
    found = open_changes(release, name)
    own = {write.pk for write in _writes(release, name)}
    beyond = ScheduledWrite.objects.filter(scheduled_change__in=found).exclude(pk__in=own)
    if keys := sorted(set(beyond.values_list("scheduled_change_id", flat=True))):
        hint = (
            f"it writes more than this release, so it cannot be {what} here; see /api/v2/scheduled_changes."
        )
        raise ChangeScheduledError(f"release {name}", keys, hint)
    return found


def _writes(release: Release | None, name: str) -> list[ScheduledWrite]:
    rows = ScheduledWrite.objects.filter(scheduled_change__state__in=ScheduledChange.OPEN)
    if release is None:
        return list(rows.filter(target="release", object_id=None, object_name=name))
    whole = rows.filter(target="release", object_id=release.pk)
    of_parts = rows.filter(target="release_part")
    stored = of_parts.filter(object_id__in=release.parts.values("pk"))
    fresh = [write for write in of_parts.filter(object_id=None) if write.values.get("release") == release.pk]
    return [*whole, *stored, *fresh]


def leaf(scheduled: ScheduledChange, change: str) -> dict[str, Any]:
    """Return what stands for a scheduled change in a tree of versions."""
    return {
        "sc_id": scheduled.pk,
        "change_type": change,
        "data_version": scheduled.data_version,
        "signoffs": _signoffs(scheduled),
        "when": milliseconds(scheduled.when) if scheduled.when is not None else None,
    }


def tree_of(top: Any, places: Mapping[Place, Any]) -> dict[str, Any]:
    """Return anything by part as a tree; no top for None."""
    tree: dict[str, Any] = {} if top is None else {".": top}
    for (platform, locale), value in sorted(places.items()):
        locales = tree.setdefault("platforms", {}).setdefault(platform, {}).setdefault("locales", {})
        locales[locale] = value
    return tree


def leaves(scheduled: ScheduledChange, places: Mapping[Place, str], *, top: str | None) -> dict[str, Any]:
    """Return the tree of what a scheduled change would do: `top` to the top, `places` to the locales."""
    one = leaf(scheduled, "")
    return tree_of(
        None if top is None else {**one, "change_type": top},
        {place: {**one, "change_type": change} for place, change in places.items()},
    )


def as_scheduled(
    scheduled: Iterable[ScheduledChange], before: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the document as it would be after all these changes, and the tree of their versions.

    Both are empty when nothing is scheduled; the document is empty when the release would be deleted.
    """
    document: dict[str, Any] = {}
    top: int | None = None
    places: dict[Place, int] = {}
    for change in scheduled:
        for item in examine(change).writes:
            if item.after is None:
                top = change.data_version if item.write.target == "release" else top
            elif item.write.target == "release":
                after: Any = item.target.values_of(item.after)["document"]
                changed = differences(before, after)
                document = laid_over(document, after)
                places |= dict.fromkeys(changed.places, change.data_version)
                only_flag = not changed.places  # such as read_only: it stands in the top
                top = change.data_version if changed.top or only_flag else top
            elif item.write.target == "release_part":
                place = (item.after.platform, item.after.locale)
                partial = {"platforms": {place[0]: {"locales": {place[1]: item.after.document}}}}
                document = laid_over(document or before, partial)
                places[place] = change.data_version
    return document, tree_of(top, places)


def pending_rows() -> dict[str, list[dict[str, Any]]]:
    """Return what is scheduled for releases and their locales, by the name of the release, in a few queries."""
    writes = (
        ScheduledWrite.objects.filter(target__in=TARGETS, scheduled_change__state__in=ScheduledChange.OPEN)
        .select_related("scheduled_change__author")
        .prefetch_related("scheduled_change__signoffs__user")
        .order_by("scheduled_change", "position")
    )
    parts = ReleasePart.objects.select_related("release").defer("document", "release__document")
    stored = parts.in_bulk([write.object_id for write in writes if write.target == "release_part"])
    new_in = {write.values["release"] for write in writes if "release" in write.values}
    names = dict(Release.objects.filter(pk__in=new_in).values_list("pk", "name"))
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for write in writes:
        name, path = write.object_name, "."
        if write.target == "release_part":
            part = stored.get(write.object_id)
            name = part.release.name if part is not None else names.get(write.values.get("release"), "")
            place = (part.platform, part.locale) if part is not None else _place(write.values)
            path = ".platforms.{}.locales.{}".format(*place)
        found[name].append(_row(write, name, path))
    return found


def _row(write: ScheduledWrite, name: str, path: str) -> dict[str, Any]:
    scheduled = write.scheduled_change
    base = write.base or {}
    return {
        "name": name,
        "product": write.values.get("product", write.product),
        "read_only": write.values.get("read_only"),
        "data_version": base.get(".", base.get("data_version")),
        "path": path,
        "sc_id": scheduled.pk,
        "sc_data_version": scheduled.data_version,
        "scheduled_by": scheduled.author.get_username(),
        "change_type": write.change,
        "complete": False,
        "when": milliseconds(scheduled.when) if scheduled.when is not None else None,
        "signoffs": _signoffs(scheduled),
    }


def _signoffs(scheduled: ScheduledChange) -> dict[str, str]:
    """Return whose signoffs are over what the change says now."""
    return {
        signoff.user.get_username(): signoff.role
        for signoff in scheduled.signoffs.all()
        if signoff.content_digest == scheduled.content_digest
    }


def _place(values: Mapping[str, Any]) -> Place:
    return str(values.get("platform")), str(values.get("locale"))
