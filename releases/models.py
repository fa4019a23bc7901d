"""What can be offered: releases in parts, and from where payloads may come."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q

from history.fields import CanonicalJSONField
from history.models import VersionedModel
from releases.blobs import BLOB_TYPES, Blob, Document, blob_for
from releases.blobs.allowlist import Allowlist
from releases.blobs.document import join
from releases.validation import PRODUCT_LENGTH, check_path_regex, check_prefix

NAME_LENGTH = 100
PLATFORM_LENGTH = 100
LOCALE_LENGTH = 50


class Release(VersionedModel):
    """A named document that rules point to. Its locales are rows of their own (`ReleasePart`).

    `document` is the document without its locales; `blob()` puts the whole together.
    """

    history_facets: ClassVar[dict[str, str]] = {"product": "product"}

    name = models.CharField(max_length=NAME_LENGTH, unique=True, validators=[MinLengthValidator(1)])
    product = models.CharField(max_length=PRODUCT_LENGTH, db_index=True)
    schema_version = models.PositiveIntegerField(choices=[(version, str(version)) for version in BLOB_TYPES])
    read_only = models.BooleanField(default=False)
    document = CanonicalJSONField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="release_name_not_empty"),
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

    def typed_blob(self) -> Blob:
        """Return the document as the engine sees it; raises UnknownSchemaVersion."""
        return blob_for(Document.from_dict(self.blob()))


class ReleasePart(VersionedModel):
    """One locale of one platform of an application release."""

    history_facets: ClassVar[dict[str, str]] = {"product": "release__product"}

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="parts")
    platform = models.CharField(max_length=PLATFORM_LENGTH)
    locale = models.CharField(max_length=LOCALE_LENGTH)
    document = CanonicalJSONField(blank=True, default=dict)

    class Meta:
        ordering = ["release", "platform", "locale"]
        constraints = [
            models.UniqueConstraint(fields=["release", "platform", "locale"], name="release_part_once"),
            models.CheckConstraint(
                condition=~Q(platform="") & ~Q(locale=""), name="release_part_place_given"
            ),
            models.CheckConstraint(
                condition=Q(data_version__gte=1), name="release_part_data_version_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.locale}"


class AllowedDomain(VersionedModel):
    """A host, or some paths of it, from which payloads of some products may come (protocol.md section 9).

    For one host, rows with a `path_regex` are tried in the order of `position`; the first one that matches the
    whole path decides. A row without `path_regex` permits every path, and stands alone.
    """

    host = models.CharField(max_length=253, help_text="Exactly as in the URL, with the port if there is one.")
    path_regex = models.CharField(max_length=500, blank=True, default="", validators=[check_path_regex])
    position = models.PositiveIntegerField(default=0)
    products = CanonicalJSONField(default=list, help_text="A JSON list of product names.")

    class Meta:
        ordering = ["host", "position", "path_regex"]
        constraints = [models.UniqueConstraint(fields=["host", "path_regex"], name="allowed_domain_once")]

    def __str__(self) -> str:
        return f"{self.host}{' ' + self.path_regex if self.path_regex else ''}"

    def clean(self) -> None:
        if not isinstance(self.products, list) or not all(
            isinstance(item, str) and item for item in self.products
        ):
            raise ValidationError({"products": f"{self.products!r} is not a list of product names."})
        others = AllowedDomain.objects.filter(host=self.host).exclude(pk=self.pk)
        if (
            others.filter(path_regex="").exists()
            if self.path_regex
            else others.exclude(path_regex="").exists()
        ):
            raise ValidationError(
                {
                    "path_regex": f"{self.host} has an entry for every path already, or for some; it cannot have both."
                }
            )


class SpecialForceHost(VersionedModel):
    """A URL prefix whose payload URLs carry the client's `force` on (features E11)."""

    prefix = models.CharField(max_length=253, unique=True, validators=[check_prefix])

    class Meta:
        ordering = ["prefix"]

    def __str__(self) -> str:
        return self.prefix


def allowlisted_domains() -> dict[str, Any]:
    """Return the stored allow-list in the form of docs/data-format.md."""
    hosts: dict[str, Any] = {}
    rows = AllowedDomain.objects.order_by("host", "position", "pk")
    for host, path_regex, products in rows.values_list("host", "path_regex", "products"):
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
