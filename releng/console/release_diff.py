"""The difference of any two versions, of one release or of two: by platform and locale, with an address to share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from history.canonical import canonical_json
from history.diff import DocumentDiff, diff_document
from history.difftree import Group, Leaf
from history.feed import as_number
from history.values import Path, path_text
from releases.models import Release, place_of_path
from releases.numbering import version_of, versions_at
from releases.storage import document_at, parts_of, whole_of
from releng.console.pages import Page, render_page

VIEW = "releases.view_release"
GROUPS_ON_A_PAGE = 40
ALIKE = 3
"""Places with the same change from which on it is told once for all of them."""

LARGEST_VERSION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Side:
    """A release at one of its versions."""

    release: Release
    version: int
    newest: int
    document: dict[str, Any]

    def __str__(self) -> str:
        return (
            f"{self.release.name} at version {self.version}{' (now)' if self.version == self.newest else ''}"
        )


class CompareForm(forms.Form):
    """Two releases by name, each at a version, or as it is now."""

    base = forms.CharField(label="From release", widget=forms.TextInput(attrs={"list": "releases"}))
    base_version = forms.IntegerField(
        label="at version (empty: now)", required=False, min_value=1, max_value=LARGEST_VERSION
    )
    other = forms.CharField(
        label="to release", required=False, widget=forms.TextInput(attrs={"list": "releases"})
    )
    other_version = forms.IntegerField(
        label="at version (empty: now)", required=False, min_value=1, max_value=LARGEST_VERSION
    )
    place = forms.CharField(
        label="Only where it contains",
        required=False,
        widget=forms.TextInput(attrs={"data-search": "", "placeholder": "platform or locale"}),
    )

    def clean(self) -> dict[str, Any]:
        """Read both documents; without another release, two versions of one are compared."""
        values = self.cleaned_data
        if not self.errors:
            values["other"] = values.get("other") or values["base"]
            for name in ("base", "other"):
                try:
                    values[f"{name}_side"] = side_of(values[name], values.get(f"{name}_version"))
                except ValidationError as error:
                    self.add_error(name, error)
        return values

    @property
    def address(self) -> dict[str, Any]:
        """What the address of this comparison has."""
        names = ("base", "base_version", "other", "other_version", "place")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}

    @property
    def swapped(self) -> str:
        """The query of the comparison the other way round."""
        values = self.address
        turned = {
            name.replace("base", "-").replace("other", "base").replace("-", "other"): value
            for name, value in values.items()
        }
        return "?" + urlencode(turned)


def side_of(name: str, version: int | None) -> Side:
    """Return a release at a version, None being now; raise ValidationError where there is no such thing."""
    release = Release.objects.filter(name=name).first()
    if release is None:
        raise ValidationError(f"{name}: there is no release of this name.")
    newest, parts = version_of(release), parts_of(release)
    if version is None or version == newest:
        return Side(release, newest, newest, whole_of(release, parts))
    versions = versions_at(release, version)
    document = document_at(release, parts, versions) if versions is not None else None
    if document is None:
        raise ValidationError(f"{name}: history has no version {version}; the newest is {newest}.")
    return Side(release, version, newest, document)


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs, as the page shows it."""

    leaf: Leaf

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The lines of a nested value as (sign, text); none for plain ones."""
        if not isinstance(self.leaf.old, (dict, list)) and not isinstance(self.leaf.new, (dict, list)):
            return []
        return [(line[0], line[1:]) for line in self.leaf.lines()]


@dataclass(frozen=True, slots=True)
class Alike:
    """The same change in many places: `where` has a star for platform and locale."""

    where: str
    leaf: Leaf
    count: int


@dataclass(frozen=True)
class Comparison:
    """What two documents differ in."""

    found: DocumentDiff
    place: str = ""
    page: int = 1
    per_page: int = field(default=GROUPS_ON_A_PAGE)

    @cached_property
    def groups(self) -> list[Group[str]]:
        """The differences by platform and locale."""
        wanted = self.place.lower()
        return [group for group in self.found.grouped(place_of_path) if wanted in group.key.lower()]

    @cached_property
    def pages(self) -> int:
        """How many pages the groups fill."""
        return max(1, -(-len(self.groups) // self.per_page))

    @property
    def shown(self) -> list[tuple[Group[str], list[Change]]]:
        """The groups of this page, with their changes."""
        start = (min(max(1, self.page), self.pages) - 1) * self.per_page
        return [
            (group, [Change(leaf) for leaf in group.changes()])
            for group in self.groups[start : start + self.per_page]
        ]

    @cached_property
    def alike(self) -> list[Alike]:
        """Changes that are the same in several places, the most frequent first."""
        return alike(leaf for group in self.groups for leaf in group.changes())


def alike(leaves: Iterable[Leaf]) -> list[Alike]:
    """Return the changes of plain values that several places have in common, the most frequent first."""
    counted: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], Leaf] = {}
    for leaf in leaves:
        if isinstance(leaf.old, (dict, list)) or isinstance(leaf.new, (dict, list)):
            continue
        key = (_pattern(leaf.path), _told(leaf.old), _told(leaf.new))
        counted[key] += 1
        first.setdefault(key, leaf)
    found = [Alike(key[0], first[key], count) for key, count in counted.items() if count >= ALIKE]
    return sorted(found, key=lambda one: (-one.count, one.where))


def _told(value: Any) -> str:
    return canonical_json(value) if value is None or isinstance(value, (str, int, float, bool)) else ""


def _pattern(path: Path) -> str:
    if path[:1] != ("platforms",) or len(path) < 3:
        return path_text(path)
    stars: list[str | int] = ["platforms", "\u2217", *path[2:]]
    if len(path) > 4 and path[2] == "locales":
        stars[3] = "\u2217"
    return path_text(tuple(stars)).replace('"\u2217"', "*").replace("\u2217", "*")


def compare(request: HttpRequest) -> HttpResponse:
    """Ask for two sides, and show in what they differ."""
    form = CompareForm(request.GET if "base" in request.GET else None)
    context: dict[str, Any] = {}
    title = "Compare releases"
    if form.is_bound and form.is_valid():
        base, other = form.cleaned_data["base_side"], form.cleaned_data["other_side"]
        number = as_number(request.GET.get("page")) or 1
        found = diff_document(base.document, other.document)
        comparison = Comparison(found, form.cleaned_data["place"], number)
        title = f"{base} \u2192 {other}"
        context = {"base": base, "other": other, "comparison": comparison}
        context["earlier"], context["later"] = _neighbours(form, comparison)
    names = Release.objects.order_by("name").values_list("name", flat=True)
    return render_page(request, "console/release_compare.html", title, form=form, names=names, **context)


def _neighbours(form: CompareForm, comparison: Comparison) -> tuple[str, str]:
    number, pages = min(max(1, comparison.page), comparison.pages), comparison.pages
    address: Mapping[str, Any] = form.address
    earlier = "?" + urlencode({**address, "page": number - 1}) if number > 1 else ""
    later = "?" + urlencode({**address, "page": number + 1}) if number < pages else ""
    return earlier, later


PAGES = (Page("releases/release/compare/", "release_compare", compare, (VIEW,)),)
