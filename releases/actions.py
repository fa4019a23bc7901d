"""What can be done with releases: every change of one goes through a verb of this module.

A verb first guards (state, version, contents), then writes; history records. All need an open change set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from history.exceptions import OutdatedDataError
from history.models import VersionedModel
from releases.blobs import AppRelease, Document, UnknownSchemaVersion, blob_for
from releases.blobs.base import as_dict
from releases.blobs.document import Place, split
from releases.exceptions import ReleaseExistsError, ReleaseInUseError
from releases.models import Release, ReleasePart, checked_blob, stored_allowlist
from releases.storage import (
    DataVersions,
    Parts,
    insert_parts,
    locked,
    merged,
    merged_part,
    parts_of,
    versions_of,
    write_document,
)
from releases.validation import invalid_document, shown

Row = TypeVar("Row", bound=VersionedModel)

# --- Whole releases -----------------------------------------------------------------------------------------


def create_release(name: str, product: str, document: dict[str, Any], *, read_only: bool = False) -> Release:
    """Store a new release.

    Raises ReleaseExistsError, and ValidationError with everything that is wrong with the document.
    """
    if Release.objects.filter(name=name).exists():
        raise ReleaseExistsError(name)
    blob = checked_blob(document, name=name, product=product)
    top, documents = split(document)
    release = Release(
        name=name, product=product, schema_version=blob.schema_version, read_only=read_only, document=top
    )
    release.clean_fields(exclude={"document"})
    try:
        with transaction.atomic():
            release.save()
    except IntegrityError as error:  # somebody else was faster
        raise ReleaseExistsError(name) from error
    insert_parts(release, documents)
    return release


def update_release(
    name: str, document: dict[str, Any], *, based_on: DataVersions, product: str | None = None
) -> Release:
    """Replace a release's document, and its product when one is given; write only the parts that differ.

    `based_on` has the versions that the caller read; a locale that it does not list was not there. Where other
    versions are stored now, what was changed since is merged in, and the result is validated as a whole.
    Raises Release.DoesNotExist, ReleaseReadOnlyError, StaleDocumentError where both changed the same,
    ReleaseInUseError where something needs the kind of document that it was, and ValidationError.
    """
    release = locked(name)
    product = release.product if product is None else product
    parts = parts_of(release)
    document = checked_update(release, parts, document, based_on=based_on, product=product)
    write_document(release, parts, document, product=product)
    return release


def checked_update(
    release: Release, parts: Parts, document: dict[str, Any], *, based_on: DataVersions, product: str
) -> dict[str, Any]:
    """Return the document that `update_release` would write, merged where need be; write nothing.

    Raises what `update_release` raises: for forms, which tell it before anything is written.
    """
    release.refuse_read_only()
    blob = checked_blob(document, name=release.name, product=product)
    if based_on != versions_of(release, parts):
        document = merged(release, parts, based_on, document, type(blob))
        blob = checked_blob(document, name=release.name, product=product)
    release.refuse_other_kind(blob.schema_version)
    changed = Release(name=release.name, product=product, schema_version=blob.schema_version)
    changed.clean_fields(exclude={"document"})
    return document


def set_read_only(name: str, read_only: bool, *, based_on: int) -> Release:  # noqa: FBT001  # the verb's object
    """Lock a release against every change, or unlock it; `based_on` is the version of its own row.

    Locking a locked release changes nothing; unlocking always writes (features N09). Raises
    Release.DoesNotExist and OutdatedDataError.
    """
    release = locked(name)
    if release.data_version != based_on:
        raise release.outdated(based_on)
    if read_only and release.read_only:
        return release
    release.read_only = read_only
    release.save()
    return release


def delete_release(name: str, *, based_on: DataVersions | None = None) -> None:
    """Delete a release with all its parts; `based_on` None deletes whatever is stored.

    Raises Release.DoesNotExist, OutdatedDataError, ReleaseReadOnlyError, and ReleaseInUseError when
    something still points to it.
    """
    release = locked(name)
    parts = parts_of(release)
    if based_on is not None:
        _refuse_outdated(release, parts, based_on)
    release.refuse_read_only()
    if pointers := release.pointers():
        raise ReleaseInUseError(name, pointers)
    for part in parts.values():
        part.delete()
    release.delete()


def _refuse_outdated(release: Release, parts: Parts, based_on: DataVersions) -> None:
    if release.data_version != based_on.top:
        raise release.outdated(based_on.top)
    for place in parts.keys() | based_on.places.keys():
        part = parts.get(place)
        expected = based_on.places.get(place, 0)
        if part is None:
            raise _removed(release, place, expected)
        if part.data_version != expected:
            raise part.outdated(expected)


def _removed(release: Release, place: Place, expected: int) -> OutdatedDataError:
    gone = ReleasePart(release=release, platform=place[0], locale=place[1])
    rows = ReleasePart.history.filter(release_id=release.pk, platform=place[0], locale=place[1])
    last = rows.select_related("change_set").first()
    return OutdatedDataError(gone, expected, None, last.change_set.actor_name if last else None, ())


# --- Single locales -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """What a submission did. `created`: the platform that was named had no such locale before."""

    release: Release
    part: ReleasePart
    created: bool


def submit_locale(
    release_name: str,
    product: str,
    platform: str,
    locale: str,
    document: dict[str, Any],
    *,
    schema_version: int | None = None,
    hash_function: str | None = None,
    aliases: Iterable[str] = (),
    base_version: int | None = None,
) -> Submission:
    """Store one locale of an application release (features N06, protocol.md section 12.5).

    Makes the release and the platform when they are missing; `schema_version` and `hash_function` are needed for a
    new release, and must agree with an existing one when given. A platform that is an alias stands for its target;
    each of `aliases` becomes an alias of the platform unless it is listed already. `base_version` is the version of
    the locale that the caller read: a stale one is merged. None replaces what is there, as builds do that
    never look. Submissions of different locales never refuse each other, not even the first ones.

    Raises ReleaseReadOnlyError, StaleDocumentError and ValidationError.
    """
    aliases = tuple(aliases)
    for name in (platform, *aliases):
        ReleasePart(platform=name, locale=locale).clean_fields(exclude={"release", "document"})
    try:
        release = _held(release_name, platform, aliases)
    except Release.DoesNotExist:
        _create_for_submission(release_name, product, schema_version, hash_function, platform, aliases)
        release = _held(release_name, platform, aliases)
    release.refuse_read_only()
    _refuse_disagreement(release, product, schema_version, hash_function)
    top, real = _with_platforms(release.document, platform, aliases)
    _check_locale(release, real, locale, document)
    if top != release.document:
        checked_blob(top, name=release.name, product=release.product)
        release.document = top
        release.save()
    part, replaced = _put_part(release, (real, locale), document, base_version)
    return Submission(release, part, created=not (replaced and real == platform))


def remove_locale(release_name: str, platform: str, locale: str, *, based_on: int) -> None:
    """Delete one locale whose version `based_on` the caller has read.

    Raises Release.DoesNotExist, ReleasePart.DoesNotExist, ReleaseReadOnlyError and OutdatedDataError.
    """
    release = locked(release_name)
    release.refuse_read_only()
    part = release.parts.get(platform=platform, locale=locale)
    if part.data_version != based_on:
        raise part.outdated(based_on)
    part.delete()


def _create_for_submission(
    name: str,
    product: str,
    schema_version: int | None,
    hash_function: str | None,
    platform: str,
    aliases: tuple[str, ...],
) -> None:
    """Make the release that a first locale belongs to; somebody who was faster is welcome."""
    missing = {
        key: ValidationError(f"is missing, and release {name} does not exist yet.", code="required")
        for key, value in (("schema_version", schema_version), ("hash_function", hash_function))
        if value is None
    }
    if missing:
        raise ValidationError(missing)
    top: dict[str, Any] = {
        "name": name,
        "schema_version": schema_version,
        "hashFunction": hash_function,
        "platforms": {},
    }
    top, _ = _with_platforms(top, platform, aliases)
    _application_release(top)
    try:
        create_release(name, product, top)
    except ReleaseExistsError:
        return


def _application_release(top: dict[str, Any]) -> AppRelease:
    version = top.get("schema_version")
    try:
        blob = blob_for(Document(top, {}))
    except UnknownSchemaVersion as error:
        raise ValidationError({"schema_version": f"{shown(version)}: is not known."}) from error
    if not isinstance(blob, AppRelease):
        raise ValidationError(
            {"schema_version": f"{shown(version)}: documents of this type have no locales."}
        )
    return blob


def _held(name: str, platform: str, aliases: tuple[str, ...]) -> Release:
    """Return the release, held alone when its own row must change for this submission, else with others."""
    seen = Release.objects.get(name=name)
    top, _ = _with_platforms(seen.document, platform, aliases)
    return locked(name, exclusive=top != seen.document)


def _with_platforms(
    top: dict[str, Any], platform: str, aliases: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """Return the top with the platform and its aliases, and the platform that the named one stands for."""
    platforms = as_dict(top.get("platforms"))
    target = as_dict(platforms.get(platform)).get("alias")
    real = target if isinstance(target, str) else platform
    fresh: dict[str, Any] = {} if real in platforms else {real: {"locales": {}}}
    fresh |= {alias: {"alias": real} for alias in aliases if alias not in platforms and alias != real}
    return ({**top, "platforms": {**platforms, **fresh}} if fresh else top), real


def _refuse_disagreement(
    release: Release, product: str, schema_version: int | None, hash_function: str | None
) -> None:
    """A submission that names another product, type or hash function than the release is meant for another one."""
    pairs = {
        "product": (product, release.product),
        "schema_version": (schema_version, release.schema_version),
        "hash_function": (hash_function, release.document.get("hashFunction")),
    }
    errors = {
        key: ValidationError(
            f"{shown(given)}: differs from the release's {key}, {shown(stored)}.", code="disagreement"
        )
        for key, (given, stored) in pairs.items()
        if given is not None and given != stored
    }
    if errors:
        raise ValidationError(errors)


def _check_locale(release: Release, platform: str, locale: str, document: Any) -> None:
    blob = _application_release(release.document)
    problems = blob.locale_problems(platform, locale, document, stored_allowlist(), release.product)
    if problems:
        raise invalid_document(problems)


def _put_part(
    release: Release, place: Place, document: dict[str, Any], base_version: int | None
) -> tuple[ReleasePart, bool]:
    """Write one locale; return its row, and whether there was one before."""
    part = _part(release, place)
    if part is None and base_version is None:
        part = ReleasePart(release=release, platform=place[0], locale=place[1], document=document)
        try:
            with transaction.atomic():
                part.save()
        except IntegrityError:
            part = _part(release, place)  # somebody else submitted this very locale just now
        else:
            return part, False
    if base_version is not None and (part is None or part.data_version != base_version):
        document = merged_part(release, part, place, base_version, document)
        _check_locale(release, *place, document)
    if part is None:
        raise ReleasePart.DoesNotExist
    part.document = document
    part.save()
    return part, True


def _part(release: Release, place: Place) -> ReleasePart | None:
    rows = ReleasePart.objects.select_for_update(of=("self",))
    found: ReleasePart | None = rows.filter(release=release, platform=place[0], locale=place[1]).first()
    return found


# --- The allow-list and the special hosts --------------------------------------------------------------------


def store(row: Row) -> Row:
    """Validate and write an entry of the allow-list or of the special hosts, new or based on its version.

    Raises ValidationError and OutdatedDataError.
    """
    row.full_clean()
    row.save()
    return row


def remove(row: VersionedModel) -> None:
    """Delete such an entry, based on its version; raise OutdatedDataError."""
    row.delete()
