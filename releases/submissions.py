"""Single locales, as builds submit them: the verbs (`releases.actions` has all verbs)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from history import bulk
from history.values import same_value
from releases.blobs import AppRelease, Document, UnknownSchemaVersion, blob_for
from releases.blobs.base import as_dict
from releases.blobs.document import Place
from releases.documents import create_release
from releases.exceptions import ReleaseExistsError
from releases.models import Release, ReleasePart, checked_blob, stored_allowlist
from releases.storage import Parts, last_versions, locked, merged_part
from releases.validation import invalid_document, shown


@dataclass(frozen=True, slots=True)
class Locale:
    """One locale that is submitted: its object, and the platforms that shall be aliases of its platform.

    `base_version` is the version of the locale that the sender has read, 0 when there was none: a stale one is merged.
    None replaces what is there, as builds do that never look.
    """

    platform: str
    name: str
    document: dict[str, Any]
    aliases: tuple[str, ...] = ()
    base_version: int | None = None


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
    each of `aliases` becomes an alias of the platform unless it is listed already. `base_version` is that of
    `Locale`. Submissions of different locales never refuse each other, not even the first ones.

    Raises ReleaseReadOnlyError, StaleDocumentError and ValidationError.
    """
    sent = [Locale(platform, locale, document, tuple(aliases), base_version)]
    return _submitted(release_name, product, sent, schema_version, hash_function, write_same=True)[0]


def submit_locales(
    release_name: str,
    product: str,
    locales: Sequence[Locale],
    *,
    schema_version: int | None = None,
    hash_function: str | None = None,
    write_same: bool = False,
) -> list[Submission]:
    """Store many locales of one release as `submit_locale` does each: all of them, or none.

    A locale that is stored just so already is left alone unless `write_same`. Raises what `submit_locale` raises,
    with everything that is wrong with any of them.
    """
    return _submitted(release_name, product, locales, schema_version, hash_function, write_same=write_same)


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


def refuse_disagreement(
    release: Release, product: str, schema_version: int | None, hash_function: str | None
) -> None:
    """Raise ValidationError for what is meant for another product, type or hash function than the release has."""
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


# --- Parts of the verbs -------------------------------------------------------------------------------------


def _submitted(
    name: str,
    product: str,
    locales: Sequence[Locale],
    schema_version: int | None,
    hash_function: str | None,
    *,
    write_same: bool,
) -> list[Submission]:
    _refuse_names(locales)
    try:
        release = _held(name, locales)
    except Release.DoesNotExist:
        _create_for_submission(name, product, schema_version, hash_function, locales)
        release = _held(name, locales)
    release.refuse_read_only()
    refuse_disagreement(release, product, schema_version, hash_function)
    top, platforms = _with_platforms(release.document, locales)
    sent = _by_place(locales, platforms)
    _check_locales(release, {place: item.document for place, item in sent.items()})
    if top != release.document:
        checked_blob(top, name=release.name, product=release.product)
        release.document = top
        release.save()
    stored = _put_parts(release, sent, write_same=write_same)
    return [
        Submission(release, part, created=not (replaced and part.platform == item.platform))
        for item, (part, replaced) in zip(locales, (stored[place] for place in sent), strict=True)
    ]


def _refuse_names(locales: Iterable[Locale]) -> None:
    seen = set()
    for item in locales:
        for platform in (item.platform, *item.aliases):
            if (platform, item.name) not in seen:
                seen.add((platform, item.name))
                ReleasePart(platform=platform, locale=item.name).clean_fields(exclude={"release", "document"})


def _by_place(locales: Iterable[Locale], platforms: Iterable[str]) -> dict[Place, Locale]:
    found: dict[Place, Locale] = {}
    for item, platform in zip(locales, platforms, strict=True):
        place = (platform, item.name)
        if place in found:
            raise ValidationError({"document": f"{platform} {item.name}: is sent twice."})
        found[place] = item
    return found


def _create_for_submission(
    name: str,
    product: str,
    schema_version: int | None,
    hash_function: str | None,
    locales: Iterable[Locale],
) -> None:
    """Make the release that first locales belong to; somebody who was faster is welcome."""
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
    top, _ = _with_platforms(top, locales)
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


def _held(name: str, locales: Iterable[Locale]) -> Release:
    """Return the release, held alone when its own row must change for this submission, else with others."""
    seen = Release.objects.get(name=name)
    top, _ = _with_platforms(seen.document, locales)
    return locked(name, exclusive=top != seen.document)


def _with_platforms(top: dict[str, Any], locales: Iterable[Locale]) -> tuple[dict[str, Any], list[str]]:
    """Return the top with all platforms and aliases, and for each locale the platform that its own stands for."""
    platforms = dict(as_dict(top.get("platforms")))
    known, found = len(platforms), []
    for item in locales:
        target = as_dict(platforms.get(item.platform)).get("alias")
        real = target if isinstance(target, str) else item.platform
        found.append(real)
        platforms.setdefault(real, {"locales": {}})
        for alias in item.aliases:
            platforms.setdefault(alias, {"alias": real})
    return ({**top, "platforms": platforms} if len(platforms) > known else top), found


def _check_locales(release: Release, documents: Mapping[Place, Any]) -> None:
    blob, allowlist = _application_release(release.document), stored_allowlist()
    problems = [
        problem
        for place, document in documents.items()
        for problem in blob.locale_problems(*place, document, allowlist, release.product)
    ]
    if problems:
        raise invalid_document(problems)


def _put_parts(
    release: Release, sent: Mapping[Place, Locale], *, write_same: bool
) -> dict[Place, tuple[ReleasePart, bool]]:
    """Write locales; return each one's row, and whether there was one before."""
    parts = _parts(release, sent)
    stored = {(part.platform, part.locale): (part, False) for part in _inserted(release, sent, parts)}
    for place, item in sent.items():
        if place not in stored:
            part = _replaced(release, parts.get(place), place, item, write_same=write_same)
            stored[place] = (part, True)
    return stored


def _inserted(release: Release, sent: Mapping[Place, Locale], parts: Parts) -> list[ReleasePart]:
    """Add the locales that are not there; add to `parts` those that somebody else submits just now."""
    where = {"platform": next(iter(sent))[0], "locale": next(iter(sent))[1]} if len(sent) == 1 else {}
    while missing := [place for place, item in sent.items() if place not in parts and not item.base_version]:
        last = last_versions(release, **where)
        fresh = [
            ReleasePart(
                release=release,
                platform=place[0],
                locale=place[1],
                document=sent[place].document,
                data_version=1 + last.get(place, 0),
            )
            for place in missing
        ]
        try:
            with transaction.atomic():
                bulk.insert(fresh)
        except IntegrityError:
            faster = _parts(release, missing)
            if not faster:
                raise
            parts |= faster
        else:
            return fresh
    return []


def _replaced(
    release: Release, part: ReleasePart | None, place: Place, item: Locale, *, write_same: bool
) -> ReleasePart:
    document = item.document
    if item.base_version is not None and (part is None or part.data_version != item.base_version):
        document = merged_part(release, part, place, item.base_version, document)
        _check_locales(release, {place: document})
    if part is None:
        raise ReleasePart.DoesNotExist
    if write_same or not same_value(part.document, document):
        part.document = document
        part.save()
    return part


def _parts(release: Release, places: Iterable[Place]) -> Parts:
    """Return the rows of some locales, which nobody else changes until the transaction ends."""
    wanted = set(places)
    rows = ReleasePart.objects.select_for_update(of=("self",)).filter(
        release=release,
        platform__in={platform for platform, _ in wanted},
        locale__in={locale for _, locale in wanted},
    )
    found: Iterable[ReleasePart] = rows.order_by("platform", "locale")
    return {(part.platform, part.locale): part for part in found if (part.platform, part.locale) in wanted}
