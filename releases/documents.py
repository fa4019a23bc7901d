"""Whole releases: the verbs that make, replace, lock and delete them (`releases.actions` has all verbs)."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from releases.blobs.document import split
from releases.exceptions import ReleaseExistsError, ReleaseInUseError
from releases.models import Release, checked_blob
from releases.storage import (
    DataVersions,
    Parts,
    insert_parts,
    locked,
    merged,
    parts_of,
    removed,
    versions_of,
    write_document,
)


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
            raise removed(release, place, expected)
        if part.data_version != expected:
            raise part.outdated(expected)
