"""Single locales of releases, and many of them at once (protocol.md section 12.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from releases import actions
from releases.actions import Locale, Submission
from releases.blobs.base import as_dict
from releases.models import Release, ReleasePart
from releases.numbering import part_version_at, version_of, versions_at
from releng.api import release_shapes as shapes
from releng.api.conditional import versioned
from releng.api.idempotency import idempotent
from releng.api.parsing import json_text, text
from releng.api.releases import FIRST_SUBMISSION, VIEW, ReleaseView, found_release, names_in
from releng.api.shapes import (
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    ONE,
    READ,
    REASON,
    VERSION_HEADERS,
    NewVersion,
    documented,
)

CHANGE_LOCALE = "releases.change_releasepart"
MOST_LOCALES = 10_000  # of one request


class LocaleView(ReleaseView):
    """Base of what builds submit."""

    def submit(
        self, name: str, sent: list[Locale], body: Mapping[str, Any], *, write_same: bool
    ) -> list[Submission]:
        """Store what was sent in one release, all of it or nothing."""
        product = text(body.get("product"), "product")
        self.require(CHANGE_LOCALE, Release(name=name, product=product))
        return actions.submit_locales(
            name,
            product,
            sent,
            schema_version=body.get("schema_version"),
            hash_function=body.get("hashFunction"),
            write_same=write_same,
        )


class LocaleDetail(LocaleView):
    """One locale of a release: read it, submit it."""

    needed = {"GET": VIEW, "PUT": CHANGE_LOCALE}

    @documented("releases_locale", shapes.Document, *VERSION_HEADERS, refusals=READ)
    def get(self, request: Request, name: str, platform: str, locale: str) -> Response:
        """Its object; a platform that is an alias shows what it stands for. The version is that of the whole."""
        release = found_release(name)
        version = version_of(release)
        rows = ReleasePart.objects.filter(platform=_target(release, platform), locale=locale)
        part = rows.filter(release=release).first()
        if part is None:
            raise Http404(f"{platform} {locale} of release {name} not found")
        return versioned(part.document, version)

    @documented(
        "releases_submit_locale",
        {200: NewVersion, 201: NewVersion},
        IF_MATCH,
        DRY_RUN,
        REASON,
        *VERSION_HEADERS,
        body=shapes.SubmittedLocale,
        refusals=ONE,
        examples=[shapes.SUBMITTED_LOCALE],
    )
    def put(self, request: Request, name: str, platform: str, locale: str) -> Response:
        """Submit a locale; the release, the platform and its aliases are made where they are missing.

        Based on the version of the whole release: other locales may have changed since. Submissions of
        different locales never refuse each other; the same one is merged. Who names no version says that there was
        no release.
        """
        body = self.body()
        self.give_reason(body.get("reason"))
        data = self.document("data")
        # Builds say these in either place.
        body |= {
            key: data[key] for key in ("schema_version", "hashFunction") if key in data and key not in body
        }
        aliases = tuple(names_in(body.get("alias"), "alias"))
        bases: dict[str, int | None] = dict.fromkeys(names_in(body.get("copyTo"), "copyTo"))
        bases[name] = self._base(name, platform, locale, body)
        # In the order of their names, so that two who copy to each other's releases do not wait for each other.
        done = {
            target: self.submit(
                target, [Locale(platform, locale, data, aliases, bases[target])], body, write_same=True
            )[0]
            for target in sorted(bases)
        }
        return self.written(
            done[name].release, status=201 if done[name].created else 200, at_least=FIRST_SUBMISSION
        )

    def _base(self, name: str, platform: str, locale: str, body: Mapping[str, Any]) -> int:
        """Return the version of the locale itself at the version of the whole that is told: 0 where there was none."""
        version = self.version_named(body.get("data_version"))
        release = Release.objects.filter(name=name).first()
        if release is None or version is None:
            return 0
        place = (_target(release, platform), locale)
        return int(self.known(release, version, part_version_at(release, place, version)))


class LocaleBatch(LocaleView):
    """Many locales of a release in one request."""

    needed = {"POST": CHANGE_LOCALE}

    @documented(
        "releases_submit_locales",
        {200: shapes.SubmittedBatch, 201: shapes.SubmittedBatch},
        IF_MATCH,
        DRY_RUN,
        IDEMPOTENCY_KEY,
        REASON,
        *VERSION_HEADERS,
        body=shapes.LocalesOfBatch,
        refusals=ONE,
        examples=[shapes.BATCH],
    )
    @idempotent
    def post(self, request: Request, name: str) -> Response:
        """Submit many locales as each would be submitted alone: all of them are stored, or none is.

        Every mistake is told with the place where it stands. A locale that is stored just so already is left alone.
        """
        body = self.body()
        self.give_reason(body.get("reason"))
        sent = self._locales(name, body)
        done = self.submit(name, sent, body, write_same=False)
        created = [item.created for item in done]
        response = self.written(
            done[0].release, status=201 if any(created) else 200, at_least=FIRST_SUBMISSION
        )
        response.data["builds"] = [
            {"platform": item.platform, "locale": item.name, "created": is_new}
            for item, is_new in zip(sent, created, strict=True)
        ]
        return response

    def _locales(self, name: str, body: Mapping[str, Any]) -> list[Locale]:
        rows = body.get("builds")
        if not isinstance(rows, list) or not 0 < len(rows) <= MOST_LOCALES:
            raise ValidationError({"builds": f"must be a list of 1 to {MOST_LOCALES} locales."})
        version = self.version_named(body.get("data_version"))
        release = Release.objects.filter(name=name).first()
        then: Mapping[tuple[str, str], int] = {}
        if release is not None and version is not None:
            then = self.known(release, version, versions_at(release, version)).places
        return [_locale(row, f"builds[{number}]", release, then) for number, row in enumerate(rows)]


def _locale(row: Any, where: str, release: Release | None, then: Mapping[tuple[str, str], int]) -> Locale:
    if not isinstance(row, dict) or (unknown := row.keys() - {"platform", "locale", "data", "alias"}):
        said = f"{', '.join(sorted(unknown))} is unknown" if isinstance(row, dict) else "must be an object"
        raise ValidationError({where: f"{said}; a build has platform, locale, data and perhaps alias."})
    platform, locale = (text(row.get(key), f"{where}.{key}") for key in ("platform", "locale"))
    data = json_text(row.get("data"), f"{where}.data")
    if not isinstance(data, dict):
        raise ValidationError({f"{where}.data": "must be an object, or its JSON text."})
    target = platform if release is None else _target(release, platform)
    aliases = tuple(names_in(row.get("alias"), f"{where}.alias"))
    return Locale(platform, locale, data, aliases, then.get((target, locale), 0))


def _target(release: Release, platform: str) -> str:
    """Return the platform that a named one stands for."""
    target = as_dict(as_dict(release.document.get("platforms")).get(platform)).get("alias")
    return target if isinstance(target, str) else platform
