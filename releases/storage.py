"""Release documents as rows: reading them at any version, merging stale ones, writing only what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from history import bulk
from history.exceptions import OutdatedDataError
from history.merge import Conflict, MergeConflictError, merge
from history.values import ABSENT, Json, Path, same_value
from releases.blobs import Blob
from releases.blobs.base import as_dict
from releases.blobs.document import Place, join, split
from releases.exceptions import StaleDocumentError
from releases.models import Release, ReleasePart
from releases.validation import shown

Parts = dict[Place, ReleasePart]


@dataclass(frozen=True, slots=True)
class DataVersions:
    """The version of each row of one release: `top` of the release's own (0: not told), `places` of its locales."""

    top: int
    places: Mapping[Place, int] = field(default_factory=dict)

    @classmethod
    def of(cls, release: Release) -> DataVersions:
        """Return the versions that are stored now."""
        rows = release.parts.order_by().values_list("platform", "locale", "data_version")
        return cls(release.data_version, {(platform, locale): version for platform, locale, version in rows})

    def as_tree(self) -> dict[str, Any]:
        """Return `{".": n, "platforms": {P: {"locales": {L: n}}}}` (protocol.md section 12.2); no "." for 0."""
        platforms: dict[str, Any] = {}
        for (platform, locale), version in sorted(self.places.items()):
            platforms.setdefault(platform, {"locales": {}})["locales"][locale] = version
        return ({".": self.top} if self.top else {}) | ({"platforms": platforms} if platforms else {})

    @classmethod
    def from_tree(cls, tree: Any, *, partial: bool = False) -> DataVersions:
        """Read what `as_tree` returns; raise ValueError naming the place of what is no such tree.

        `partial`: the top need not be told; its version is 0 then.
        """
        if not isinstance(tree, Mapping) or tree.keys() - {".", "platforms"}:
            raise ValueError('must be an object with "." and, for locales, "platforms"')
        places: dict[Place, int] = {}
        for platform, entry in _inner(tree, "platforms", "platforms").items():
            for locale, version in _inner(entry, "locales", f"platforms.{platform}.locales").items():
                places[platform, locale] = _version(version, f"platforms.{platform}.locales.{locale}")
        return cls(0 if partial and "." not in tree else _version(tree.get("."), "."), places)


def _inner(value: Any, key: str, path: str) -> Mapping[str, Any]:
    inner = value.get(key, {}) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping):
        raise ValueError(f"{path}: must be an object")
    return inner


def _version(value: Any, path: str) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{path}: {shown(value)} must be a whole number, at least 1")
    return value


def locked(name: str, *, exclusive: bool = True) -> Release:
    """Return a release whose row nobody else changes until the transaction ends; raise Release.DoesNotExist.

    Who only adds locales holds the row together with others who do (not `exclusive`); that keeps out who
    changes the top, replaces the document or makes it read-only.
    """
    if exclusive or connection.vendor != "postgresql":  # SQLite has one writer at a time anyway
        return Release.objects.select_for_update(no_key=True).get(name=name)
    query = Release.objects.filter(name=name).query
    sql, parameters = query.sql_with_params()
    found = list(Release.objects.raw(f"{sql} FOR SHARE", parameters))
    if not found:
        raise Release.DoesNotExist(f"There is no release {name!r}.")
    return found[0]


def parts_of(release: Release) -> Parts:
    """Return all parts of a release by place."""
    return {(part.platform, part.locale): part for part in release.parts.order_by("platform", "locale")}


def whole_of(release: Release, parts: Parts) -> dict[str, Any]:
    """Return the document that rows make together."""
    return join(release.document, {place: part.document for place, part in parts.items()})


def versions_of(release: Release, parts: Parts) -> DataVersions:
    """Return the versions of rows that have been read already."""
    return DataVersions(release.data_version, {place: part.data_version for place, part in parts.items()})


def set_paths(kind: type[Blob]) -> Callable[[Path], bool]:
    """Return the question whether the list at a path of this type's documents is a set."""
    patterns = [tuple(pattern.split(".")) for pattern in kind.set_lists]

    def is_set(path: Path) -> bool:
        return any(
            len(pattern) == len(path)
            and all(step in ("*", key) for step, key in zip(pattern, path, strict=True))
            for pattern in patterns
        )

    return is_set


def merged(
    release: Release, parts: Parts, based_on: DataVersions, document: dict[str, Any], kind: type[Blob]
) -> dict[str, Any]:
    """Return `document`, based on old versions, with what has changed since; raise StaleDocumentError."""
    base = document_at(release, parts, based_on)
    if base is None:
        raise stale(release, parts, based_on)
    theirs = whole_of(release, parts)
    try:
        found = merge(base, theirs, document, is_set=set_paths(kind))
    except MergeConflictError as error:
        raise stale(release, parts, based_on, error.conflicts) from error
    return as_dict(found.value)


def merged_part(
    release: Release, part: ReleasePart | None, place: Place, version: int, yours: dict[str, Any]
) -> dict[str, Any]:
    """Return one locale's object, based on an old version (0: there was none), with what has changed since.

    Raises StaleDocumentError; always when the locale has been removed meanwhile (`part` is None).
    """
    platform, locale = place
    parts = {} if part is None else {place: part}
    based_on = DataVersions(release.data_version, {place: version})
    base = _part_at(release, place, version)
    if part is None:
        path = ("platforms", platform, "locales", locale)
        raise stale(release, parts, based_on, (Conflict(path, base, ABSENT, yours),))
    if base is ABSENT and version:
        raise stale(release, parts, based_on)

    def placed(value: Json) -> Json:
        return {"platforms": {platform: {"locales": {} if value is ABSENT else {locale: value}}}}

    try:
        value: Any = merge(placed(base), placed(part.document), placed(yours)).value
    except MergeConflictError as error:
        raise stale(release, parts, based_on, error.conflicts) from error
    return as_dict(value["platforms"][platform]["locales"][locale])


def document_at(release: Release, parts: Parts, versions: DataVersions) -> dict[str, Any] | None:
    """Return the whole document as it was at `versions`, or None when history lacks one of them."""
    top = release.document
    if versions.top != release.data_version:
        rows = Release.history.filter(id=release.pk, data_version=versions.top).exclude(history_type="-")
        found = rows.first()
        if found is None:
            return None
        top = found.document
    documents = {}
    for place, version in versions.places.items():
        part = parts.get(place)
        current = part is not None and part.data_version == version
        documents[place] = (
            part.document if part is not None and current else _part_at(release, place, version)
        )
        if documents[place] is ABSENT:
            return None
    return join(top, documents)


def _part_at(release: Release, place: Place, version: int) -> Json:
    platform, locale = place
    rows = ReleasePart.history.filter(
        release_id=release.pk, platform=platform, locale=locale, data_version=version
    )
    found = rows.exclude(history_type="-").first()
    return ABSENT if found is None else found.document


def stale(
    release: Release, parts: Parts, based_on: DataVersions, conflicts: tuple[Conflict, ...] = ()
) -> StaleDocumentError:
    """Return the error that tells who changed what since `based_on`."""
    refusals = [] if based_on.top == release.data_version else [release.outdated(based_on.top)]
    refusals += [
        part.outdated(based_on.places[place])
        for place, part in parts.items()
        if place in based_on.places and part.data_version != based_on.places[place]
    ]
    names = sorted({refusal.changed_by for refusal in refusals if refusal.changed_by})
    return StaleDocumentError(
        object=release,
        expected=based_on.top,
        current=release.data_version,
        changed_by=", ".join(names) or None,
        changed_fields=("document",),
        conflicts=conflicts,
    )


def removed(release: Release, place: Place, expected: int) -> OutdatedDataError:
    """Return the error that tells who has removed a locale since its version `expected`."""
    gone = ReleasePart(release=release, platform=place[0], locale=place[1])
    rows = ReleasePart.history.filter(release_id=release.pk, platform=place[0], locale=place[1])
    last = rows.select_related("change_set").first()
    return OutdatedDataError(gone, expected, None, last.change_set.actor_name if last else None, ())


def write_document(release: Release, parts: Parts, document: dict[str, Any], *, product: str) -> None:
    """Write the rows in which a document that may be stored differs from what is stored, and no others."""
    top, documents = split(document)
    values = {"document": top, "product": product, "schema_version": top["schema_version"]}
    if any(not same_value(getattr(release, name), value) for name, value in values.items()):
        for name, value in values.items():
            setattr(release, name, value)
        release.save()
    for place, part in parts.items():
        if place not in documents:
            part.delete()
        elif not same_value(part.document, documents[place]):
            part.document = documents[place]
            part.save()
    insert_parts(release, {place: data for place, data in documents.items() if place not in parts})


def insert_parts(release: Release, documents: Mapping[Place, Json]) -> None:
    """Add locales that the release does not have; raise ValidationError for names that are too long."""
    fresh = [
        ReleasePart(release=release, platform=platform, locale=locale, document=data)
        for (platform, locale), data in documents.items()
    ]
    last = last_versions(release)
    for part in fresh:
        part.clean_fields(exclude={"release", "document"})
        part.data_version = 1 + last.get((part.platform, part.locale), 0)
    bulk.insert(fresh)


def last_versions(release: Release, **where: str) -> dict[Place, int]:
    """Return the last version of each locale that a release once had: one that comes back counts on from there.

    So a version of a locale means one state of it, whatever happened in between.
    """
    gone = ReleasePart.history.filter(release_id=release.pk, history_type="-", **where).order_by("history_id")
    rows = gone.values_list("platform", "locale", "data_version")
    return {(platform, locale): version for platform, locale, version in rows}
