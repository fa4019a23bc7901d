"""The list of releases: what it can be asked, and one page of it, without reading a document."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    JSONField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Length

from releases.blobs import BLOB_TYPES
from releases.models import Release, ReleasePart
from releng.console.release_uses import Uses, offering, uses_of

RELEASES_ON_A_PAGE = 50
MOST_WORDS = 10  # of a search; databases limit how long a condition may be
VERSION_KEYS = ("appVersion", "displayVersion", "appv", "extv", "version")
TYPES: dict[int, str] = {
    50: "end of support",
    1000: "GMP plug-ins",
    3000: "list of devices",
    4000: "superblob",
    5000: "system add-ons",
    6000: "settings",
    10000: "installer (Guardian)",
}
USES = {
    "active": "offered now",
    "rules": "named by a rule",
    "pins": "pinned",
    "used": "used by anything",
    "unused": "used by nothing",
}
SIZE_UNITS = ("bytes", "kB", "MB", "GB")


def type_name(schema_version: int) -> str:
    """Return what people call a kind of document."""
    return TYPES.get(schema_version, f"application {schema_version}")


def shown_size(count: int) -> str:
    """Return a number of bytes with three digits at most."""
    size, unit = float(count), 0
    while size >= 1000 and unit + 1 < len(SIZE_UNITS):
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {SIZE_UNITS[unit]}" if unit == 0 or size >= 10 else f"{size:.1f} {SIZE_UNITS[unit]}"


class ReleaseFilters(forms.Form):
    """What the list can be asked; everything stands in the address."""

    q = forms.CharField(
        label="Words, all of which must fit",
        required=False,
        widget=forms.TextInput(
            attrs={"data-search": "", "placeholder": "name, product, version, type, alias"}
        ),
    )
    product = forms.CharField(required=False, widget=forms.TextInput(attrs={"list": "products"}))
    type = forms.TypedChoiceField(
        label="Type",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "any"), *((version, type_name(version)) for version in BLOB_TYPES)],
    )
    use = forms.ChoiceField(label="Use", required=False, choices=[("", "any"), *USES.items()])
    read_only = forms.ChoiceField(
        label="Read-only", required=False, choices=[("", "either"), ("yes", "read-only"), ("no", "writable")]
    )
    order = forms.ChoiceField(
        label="Order", required=False, choices=[("", "by name"), ("new", "newest first")]
    )

    @cached_property
    def chosen(self) -> dict[str, Any]:
        """What is set, of a form that was asked."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}

    def query(self) -> Q:
        """Return the condition for releases."""
        chosen, found = self.chosen, Q()
        for word in chosen.get("q", "").split()[:MOST_WORDS]:
            found &= _fits(word)
        if "product" in chosen:
            found &= Q(product=chosen["product"])
        if "type" in chosen:
            found &= Q(schema_version=chosen["type"])
        if "read_only" in chosen:
            found &= Q(read_only=chosen["read_only"] == "yes")
        if use := chosen.get("use"):
            found &= Q(pk__in=_used(use).order_by().values("pk"))
        return found


def _used(use: str) -> Any:
    releases = Release.objects.all()
    if use in ("active", "rules"):
        return offering(active=use == "active")
    if use == "pins":
        return releases.filter(pinned_by__isnull=False)
    return releases.pointed_at() if use == "used" else releases.unused()


def _fits(word: str) -> Q:
    """Return the condition that a word fits: in name, product, type or a rule's alias, or as a version's beginning."""
    found = Q(name__icontains=word) | Q(product__icontains=word)
    found |= Q(pk__in=offering().filter(_named_by(word)).order_by().values("pk"))
    found |= Q(schema_version__in=[key for key in BLOB_TYPES if word.lower() in type_name(key).lower()])
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    for key in VERSION_KEYS:
        found |= Q(pk__in=_with_text().filter(text__contains=f'"{key}":"{quoted}').values("pk"))
    return found


def _named_by(word: str) -> Q:
    return Q(mapped_by__alias__icontains=word) | Q(fallback_of__alias__icontains=word)


def _with_text() -> Any:
    return Release.objects.order_by().annotate(text=Cast("document", TextField()))


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    release: Any
    uses: Uses

    @property
    def type(self) -> str:
        """What people call its kind of document."""
        return type_name(self.release.schema_version)

    @property
    def version(self) -> str:
        """The version that the document's top names."""
        row = self.release
        return row.display_version or row.app_version or row.old_version or ""

    @property
    def shown_size(self) -> str:
        """The size of the whole document."""
        return shown_size(self.release.top_size + (self.release.parts_size or 0))

    @property
    def locales(self) -> int:
        """How many locales it has on all platforms together."""
        return self.release.locales or 0


class ReleaseList:
    """One page of the list: two queries, and those of `uses_of`; only superblobs' documents are read."""

    def __init__(self, form: ReleaseFilters, page: int) -> None:
        self.form = form
        ordering = "-pk" if form.chosen.get("order") == "new" else "name"
        matched = form.query()
        hit = ExpressionWrapper(matched, BooleanField()) if matched else Value(True)
        every = Release.objects.order_by(ordering).annotate(hit=hit).values_list("pk", "product", "hit")
        found_keys = list(every)
        self.products = sorted({product for _, product, _ in found_keys})
        keys = [key for key, _, is_hit in found_keys if is_hit]
        self.count = len(keys)
        self.pages = max(1, -(-self.count // RELEASES_ON_A_PAGE))
        self.page = min(max(1, page), self.pages)
        chosen = keys[(self.page - 1) * RELEASES_ON_A_PAGE : self.page * RELEASES_ON_A_PAGE]
        found = _described().in_bulk(chosen)
        releases = [found[key] for key in chosen if key in found]
        uses = uses_of([release.name for release in releases]) if releases else {}
        self.rows = [Row(release, uses[release.name]) for release in releases]

    def address_of(self, page: int) -> str:
        """Return the query of another page of the same list."""
        return "?" + urlencode(self.form.chosen | ({"page": page} if page > 1 else {}))

    @property
    def before(self) -> str:
        """The address of the page before, if there is one."""
        return self.address_of(self.page - 1) if self.page > 1 else ""

    @property
    def after(self) -> str:
        """The address of the next page, if there is one."""
        return self.address_of(self.page + 1) if self.page < self.pages else ""


def _described() -> Any:
    """Return releases with what their lines say of their documents, which are not read."""
    document = Cast("document", JSONField())
    parts = ReleasePart.objects.filter(release=OuterRef("pk")).order_by().values("release_id")
    text = Length(Cast("document", TextField())) + Length("platform") + Length("locale")
    return Release.objects.without_documents().annotate(
        locales=Subquery(parts.annotate(found=Count("pk")).values("found")),
        parts_size=Subquery(parts.annotate(found=Sum(text)).values("found")),
        top_size=Length(Cast("document", TextField())),
        app_version=KeyTextTransform("appVersion", document),
        display_version=KeyTextTransform("displayVersion", document),
        old_version=Coalesce(KeyTextTransform("appv", document), KeyTextTransform("version", document)),
    )
