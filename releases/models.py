"""What can be offered: releases in parts, and from where payloads may come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from history.fields import CanonicalJSONField
from history.models import VersionedModel
from releases.blobs import BLOB_TYPES, Blob, Document, UnknownSchemaVersion, Whitelist, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.document import join
from releases.exceptions import ReleaseInUseError, ReleaseReadOnlyError
from releases.querysets import ReleaseQuerySet, pointing_relations
from releases.validation import (
    PRODUCT_LENGTH,
    CheckedModel,
    DocumentProblem,
    check_host,
    check_matchable,
    check_name,
    check_path_regex,
    check_prefix,
    check_products,
    invalid_document,
    shown,
    text_lengths,
)
from releases.whole import WholeRelease, WholeVersion  # noqa: F401  # Django finds an app's models here

ReleaseManager = models.Manager.from_queryset(ReleaseQuerySet)

NAME_LENGTH = 100
PLATFORM_LENGTH = 100
LOCALE_LENGTH = 50
HOST_LENGTH = 253
PATH_REGEX_LENGTH = 500


def place_of_path(path: tuple[str | int, ...]) -> str:
    """Return under which heading a change in a release's document is shown: its platform and locale."""
    if path[:1] != ("platforms",) or len(path) < 2:
        return "the whole release"
    return f"{path[1]} {path[3]}" if len(path) > 3 and path[2] == "locales" else str(path[1])


class Release(CheckedModel, VersionedModel):
    """A named document that rules point to. Its locales are rows of their own (`ReleasePart`).

    `document` is the document without its locales; `blob()` puts the whole together. Written by the verbs of
    `releases.actions` alone.
    """

    history_facets: ClassVar[dict[str, str]] = {"product": "product", "name": "name"}
    history_group = staticmethod(place_of_path)

    name = models.CharField(max_length=NAME_LENGTH, unique=True, validators=[check_name])
    product = models.CharField(max_length=PRODUCT_LENGTH, db_index=True, validators=[check_matchable])
    schema_version = models.PositiveIntegerField(choices=[(version, str(version)) for version in BLOB_TYPES])
    read_only = models.BooleanField(default=False)
    document = CanonicalJSONField()

    objects: ClassVar[Any] = ReleaseManager()  # type: ignore[assignment]

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=text_lengths({"name": NAME_LENGTH, "product": PRODUCT_LENGTH}),
                name="release_text_lengths",
            ),
            models.CheckConstraint(
                condition=Q(schema_version__in=sorted(BLOB_TYPES)), name="release_schema_version_known"
            ),
            models.CheckConstraint(condition=Q(data_version__gte=1), name="release_data_version_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    def parts_by_place(self) -> dict[tuple[str, str], Any]:
        """Return every locale's object by (platform, locale)."""
        rows = self.parts.order_by("platform", "locale").values_list("platform", "locale", "document")
        return {(platform, locale): document for platform, locale, document in rows}

    def blob(self) -> dict[str, Any]:
        """Return the whole document, put together from its parts."""
        return join(self.document, self.parts_by_place())

    def refuse_read_only(self) -> None:
        """Raise ReleaseReadOnlyError when the release is locked."""
        if self.read_only:
            raise ReleaseReadOnlyError(self.name)

    def refuse_other_kind(self, schema_version: int) -> None:
        """Raise ReleaseInUseError when pointers to this release do not fit a document of that type.

        What points to a whitelist needs one, and what points to something else does not.
        """
        if (self.schema_version == Whitelist.schema_version) == (schema_version == Whitelist.schema_version):
            return
        if pointers := self.pointers():
            raise ReleaseInUseError(self.name, pointers)

    def revert_save(self, change_reason: str) -> None:
        """Write an earlier version of this row, guarded like any update (history.actions.revert)."""
        stored = Release.objects.select_for_update(no_key=True).filter(pk=self.pk).first()
        if stored is not None:
            if self.read_only:  # an earlier version that was writable may come back
                stored.refuse_read_only()
            stored.refuse_other_kind(self.schema_version)
        checked_blob(self.blob(), name=self.name, product=self.product)
        self.save(change_reason=change_reason)

    def typed_blob(self) -> Blob:
        """Return the document as the engine sees it; raises UnknownSchemaVersion."""
        return blob_for(Document.from_dict(self.blob()))

    def pointers(self) -> list[models.Model]:
        """Return the rules, pins and whatever else points here, each once."""
        found: dict[tuple[str, Any], models.Model] = {}
        for relation in pointing_relations(type(self)):
            field = relation.field
            target = getattr(self, field.target_field.attname)
            for row in relation.related_model._base_manager.filter(**{field.attname: target}).order_by("pk"):
                found[row._meta.label, row.pk] = row
        return list(found.values())


class ReleasePart(CheckedModel, VersionedModel):
    """One locale of one platform of an application release."""

    history_facets: ClassVar[dict[str, str]] = {"product": "release__product", "name": "release__name"}
    history_parent: ClassVar[str] = "release"

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="parts")
    platform = models.CharField(max_length=PLATFORM_LENGTH)
    locale = models.CharField(max_length=LOCALE_LENGTH)
    document = CanonicalJSONField(blank=True, default=dict)

    class Meta:
        ordering = ["release", "platform", "locale"]
        constraints = [
            models.UniqueConstraint(fields=["release", "platform", "locale"], name="release_part_once"),
            models.CheckConstraint(
                condition=text_lengths({"platform": PLATFORM_LENGTH, "locale": LOCALE_LENGTH}),
                name="release_part_text_lengths",
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="release_part_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.locale}"

    def revert_save(self, change_reason: str) -> None:
        """Write an earlier version of this row, guarded like any submission (history.actions.revert)."""
        release = Release.objects.select_for_update(no_key=True).get(pk=self.release_id)
        release.refuse_read_only()
        parts = release.parts_by_place() | {(self.platform, self.locale): self.document}
        checked_blob(join(release.document, parts), name=release.name, product=release.product)
        self.save(change_reason=change_reason)


class AllowedDomain(CheckedModel, VersionedModel):
    """A host, or some paths of it, from which payloads of some products may come (protocol.md section 9).

    For one host, rows with a `path_regex` are tried in the order of `position`; the first one that matches the
    whole path decides. A row without `path_regex` permits every path, and stands alone.
    """

    host = models.CharField(
        max_length=HOST_LENGTH,
        validators=[check_host],
        help_text="Exactly as in the URL, with the port if there is one.",
    )
    path_regex = models.CharField(
        max_length=PATH_REGEX_LENGTH,
        blank=True,
        default="",
        validators=[check_path_regex],
        help_text="What the whole path must match; empty: every path.",
    )
    position = models.PositiveIntegerField(
        default=0, help_text="Of several expressions for one host, the lowest is tried first."
    )
    products = CanonicalJSONField(
        default=list, blank=True, help_text="A JSON list of product names; empty: nobody."
    )

    class Meta:
        ordering = ["host", "position", "path_regex"]
        constraints = [
            models.UniqueConstraint(fields=["host", "path_regex"], name="allowed_domain_once"),
            models.CheckConstraint(
                condition=text_lengths({"host": HOST_LENGTH}), name="allowed_domain_text_lengths"
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="allowed_domain_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.path_regex}".rstrip()

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        if "products" not in (exclude or ()):
            check_products(self.products)  # Django's validators do not see empty values

    def clean(self) -> None:
        others = AllowedDomain.objects.filter(host=self.host).exclude(pk=self.pk)
        contrary = others.filter(path_regex="") if self.path_regex else others.exclude(path_regex="")
        if contrary.exists():
            raise ValidationError(
                {
                    "path_regex": f"{self.path_regex!r}: {self.host} has an entry for every path, or entries for "
                    "some paths; it cannot have both. Change the other one."
                }
            )


class SpecialForceHost(CheckedModel, VersionedModel):
    """A URL prefix whose payload URLs carry the client's `force` on (features E11)."""

    prefix = models.CharField(max_length=HOST_LENGTH, unique=True, validators=[check_prefix])

    class Meta:
        ordering = ["prefix"]
        constraints = [
            models.CheckConstraint(
                condition=text_lengths({"prefix": HOST_LENGTH}), name="special_force_host_text_lengths"
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="special_force_host_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.prefix


def checked_blob(document: Any, *, name: str, product: str) -> Blob:
    """Return a document that may be stored as release `name` of `product`; raise ValidationError with all problems."""
    if not isinstance(document, dict):
        raise ValidationError({"document": f"{shown(document)}: must be a JSON object."})
    if document.get("name") != name:
        told = f"name: {shown(document.get('name'))}: differs from the release's name {name!r}."
        raise ValidationError({"document": DocumentProblem(told, "name")})
    try:
        blob = blob_for(Document.from_dict(document))
    except UnknownSchemaVersion as error:
        raise ValidationError({"document": DocumentProblem(str(error), "schema_version")}) from error
    if problems := blob.problems(stored_allowlist(), product):
        raise invalid_document(problems)
    return blob


def allowlisted_domains() -> dict[str, Any]:
    """Return the stored allow-list in the form of docs/data-format.md."""
    rows = AllowedDomain.objects.order_by("host", "position", "pk")
    return domains_of(rows.values_list("host", "path_regex", "products"))


def domains_of(rows: Iterable[tuple[str, str, Any]]) -> dict[str, Any]:
    """Return the allow-list that rows make: host, expression for the path, and products, in their order."""
    hosts: dict[str, Any] = {}
    for host, path_regex, products in rows:
        if not path_regex:
            hosts[host] = products
        elif isinstance(hosts.setdefault(host, {}), dict):
            hosts[host][path_regex] = products
    return hosts


def stored_allowlist() -> Allowlist:
    """Return the allow-list that the stored rows make."""
    return Allowlist(allowlisted_domains())


def stored_special_force_hosts() -> list[str]:
    """Return the prefixes of special hosts, in order."""
    return list(SpecialForceHost.objects.order_by("prefix").values_list("prefix", flat=True))
