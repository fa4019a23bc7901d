"""Writing a release part by part, the strict way: every part that changes names the version that it was based on.

That is how the contract's v2 writes (protocol.md section 12.6): nothing is merged. `update_release` merges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from history.context import Change
from history.values import Json, same_value
from releases.blobs.document import Place, split
from releases.documents import checked_update
from releases.models import Release
from releases.storage import (
    DataVersions,
    Parts,
    locked,
    parts_of,
    removed,
    versions_of,
    whole_of,
    write_document,
)


@dataclass(frozen=True, slots=True)
class Differences:
    """Where two documents of one release differ: in the `top`, and in which places, how.

    Platforms that say nothing of their own do not count: they come and go with their locales.
    """

    top: bool
    places: dict[Place, Change] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.top or bool(self.places)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Differences:
    """Compare two whole documents."""
    (old_top, old), (new_top, new) = split(before), split(after)
    places: dict[Place, Change] = {}
    for place in sorted(old.keys() | new.keys()):
        if place not in new:
            places[place] = "delete"
        elif place not in old:
            places[place] = "insert"
        elif not same_value(old[place], new[place]):
            places[place] = "update"
    return Differences(not same_value(_telling(old_top), _telling(new_top)), places)


def laid_over(document: Json, more: Json) -> Json:
    """Return a document with another one laid over it: objects key by key, anything else replaced."""
    if not isinstance(document, dict) or not isinstance(more, dict):
        return more
    return document | {
        key: laid_over(document[key], value) if key in document else value for key, value in more.items()
    }


def refuse_outdated(release: Release, parts: Parts, changed: Differences, told: DataVersions) -> None:
    """Raise OutdatedDataError unless `told` has the current version of each stored part that changes; 0 names none."""
    if changed.top and told.top != release.data_version:
        raise release.outdated(told.top)
    for place in changed.places:
        part, version = parts.get(place), told.places.get(place, 0)
        if part is None and version:
            raise removed(release, place, version)
        if part is not None and part.data_version != version:
            raise part.outdated(version)


def replace_places(
    name: str,
    document: Mapping[str, Any],
    *,
    told: DataVersions,
    product: str | None = None,
    partial: bool = False,
) -> tuple[Release, DataVersions]:
    """Write a document, or with `partial` lay one over what is stored, and the product when one is given.

    Writes only the parts that differ, and returns their new versions; the top's is 0 where it was not written.
    Raises Release.DoesNotExist, ReleaseReadOnlyError, OutdatedDataError, ReleaseInUseError and ValidationError.
    """
    release = locked(name)
    parts = parts_of(release)
    before = versions_of(release, parts)
    stored = whole_of(release, parts)
    after: dict[str, Any] = laid_over(stored, document) if partial else dict(document)
    changed = differences(stored, after)
    moved = product is not None and product != release.product
    refuse_outdated(release, parts, Differences(changed.top or moved, changed.places), told)
    product = release.product if product is None else product
    after = checked_update(release, parts, after, based_on=before, product=product)
    write_document(release, parts, after, product=product)
    now = DataVersions.of(release)
    written = {place: now.places[place] for place in changed.places if place in now.places}
    return release, DataVersions(now.top if now.top != before.top else 0, written)


def _telling(top: Mapping[str, Any]) -> dict[str, Any]:
    platforms = top.get("platforms")
    if not isinstance(platforms, dict):
        return dict(top)
    return {**top, "platforms": {name: own for name, own in platforms.items() if own != {"locales": {}}}}
