"""A release document as a table, with what its siblings have and a cell lacks. Pure, no database.

A release of an application has a row for each locale, a column for each platform; one of add-ons has a row for each
add-on. A gap is what stands out beside its siblings: nothing here forbids to offer the release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from releases.blobs import AppRelease, Document, blob_for
from releases.blobs.addons import GMP, SystemAddons
from releases.blobs.base import HASH_LENGTHS, as_dict, is_printable
from releases.blobs.errors import UnknownSchemaVersion

# Built under another name for one platform alone: no platform has both.
COUNTERPARTS: dict[str, str] = {"ja": "ja-JP-mac", "ja-JP-mac": "ja"}
EXPECTED_SHARE = 0.5
"""What at least this share of the siblings have is missed where it is not."""

KINDS = ("complete", "partial")
OS_NAMES = ("OS_BOUNCER", "OS_FTP")


@dataclass
class Cell:
    """One locale or add-on on one platform: what it says at a glance, more about it, its gaps, and where it leads."""

    head: str = ""
    notes: tuple[str, ...] = ()
    gaps: list[str] = field(default_factory=list)
    is_there: bool = True
    url: str = ""

    @property
    def sign(self) -> str:
        """One character, so that colour is not the only sign."""
        if self.gaps:
            return "!"
        return "\u2713" if self.is_there else "\u2013"


@dataclass
class Column:
    """One platform: the platforms that are aliases of it, and what its cells have in common."""

    platform: str
    aliases: list[str] = field(default_factory=list)
    usual: str = ""
    notes: tuple[str, ...] = ()
    gaps: list[str] = field(default_factory=list)


@dataclass
class Row:
    """One locale or add-on on all platforms, in the order of the columns."""

    name: str
    note: str = ""
    cells: list[Cell] = field(default_factory=list)

    @property
    def has_gaps(self) -> bool:
        """Whether one of its cells lacks something."""
        return any(cell.gaps for cell in self.cells)


@dataclass
class ReleaseTable:
    """The rows are `row_kind`s; `gaps` are those of the whole document."""

    row_kind: str
    columns: list[Column]
    rows: list[Row]
    gaps: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many cells have something."""
        return sum(cell.is_there for row in self.rows for cell in row.cells)

    @property
    def found(self) -> list[tuple[str, str]]:
        """All gaps as (where, what)."""
        whole = [("the whole release", gap) for gap in self.gaps]
        whole += [(column.platform, gap) for column in self.columns for gap in column.gaps]
        return whole + [
            (f"{column.platform} {row.name}", gap)
            for row in self.rows
            for column, cell in zip(self.columns, row.cells, strict=True)
            for gap in cell.gaps
        ]


def table_of(document: Mapping[str, Any]) -> ReleaseTable | None:
    """Return the table of a document, or None where its kind has neither locales nor files for platforms."""
    try:
        blob = blob_for(Document.from_dict(document))
    except UnknownSchemaVersion:
        return None
    if isinstance(blob, AppRelease):
        return _Application(blob).table()
    if isinstance(blob, (GMP, SystemAddons)):
        return _addons(blob)
    return None


@dataclass
class _Build:
    """One locale of one platform as the document has it."""

    build_id: str
    version: str
    patches: dict[str, list[dict[str, Any]]]

    def sources(self, kind: str) -> list[str]:
        return [str(patch.get("from", "")) for patch in self.patches[kind]]


class _Application:
    """The table of an application release."""

    def __init__(self, blob: AppRelease) -> None:
        self.blob = blob
        self.platforms: list[str] = []
        self.aliases: dict[str, str] = {}
        for name, entry in sorted(blob.document.platforms.items()):
            alias = as_dict(entry).get("alias")
            if isinstance(alias, str):
                self.aliases[name] = alias
            else:
                self.platforms.append(name)
        self.builds = {place: self._build(*place) for place in blob.document.places()}
        self.locales = {
            platform: {locale for own, locale in self.builds if own == platform}
            for platform in self.platforms
        }
        self.version = _usual(build.version for build in self.builds.values())
        self.usual = {
            platform: _usual(build.build_id for (own, _), build in self.builds.items() if own == platform)
            for platform in self.platforms
        }
        self.build_id = _usual(filter(None, self.usual.values()))
        self.sources = _expected([set(build.sources("partial")) for build in self.builds.values()])
        self.has_completes = any(build.patches["complete"] for build in self.builds.values())
        self.names = {
            name
            for name in OS_NAMES
            if any(name in as_dict(blob.document.platforms.get(platform)) for platform in self.platforms)
        }

    def table(self) -> ReleaseTable:
        locales = sorted({locale for _, locale in self.builds})
        rows = [
            Row(locale, cells=[self._cell(platform, locale) for platform in self.platforms])
            for locale in locales
        ]
        gaps = [
            f"{name} is an alias of {target}, which is not listed"
            for name, target in self.aliases.items()
            if target not in self.platforms
        ]
        return ReleaseTable("locale", [self._column(name) for name in self.platforms], rows, gaps)

    def _build(self, platform: str, locale: str) -> _Build:
        data = self.blob.document.locale(platform, locale) or {}
        version = self.blob.value(data, self.blob.version_key)
        patches = {kind: [as_dict(patch) for patch in self.blob.patches(data, kind)] for kind in KINDS}
        return _Build(
            self.blob.build_id(platform, locale) or "", str(version) if is_printable(version) else "", patches
        )

    def _column(self, platform: str) -> Column:
        column = Column(
            platform,
            sorted(name for name, target in self.aliases.items() if target == platform),
            self.usual[platform],
        )
        entry = as_dict(self.blob.document.platforms.get(platform))
        column.notes = tuple(str(entry[name]) for name in OS_NAMES if name in entry)
        if not self.locales[platform]:
            column.gaps.append("no locales")
        elif column.usual != self.build_id:
            column.gaps.append(f"other build than most platforms, which have {self.build_id}")
        column.gaps += [f"no {name}" for name in sorted(self.names - entry.keys())]
        return column

    def _cell(self, platform: str, locale: str) -> Cell:
        build = self.builds.get((platform, locale))
        if build is None:
            gaps = ["missing"] if self._is_expected(platform, locale) else []
            return Cell(gaps=gaps, is_there=False)
        cell = Cell(build.build_id or "no build ID")
        if build.build_id != self.usual[platform]:
            cell.gaps.append("other build ID than its siblings" if build.build_id else "no build ID")
        if build.version != self.version:
            cell.gaps.append(f"version {build.version or 'missing'}")
        if self.has_completes and not build.patches["complete"]:
            cell.gaps.append("no complete")
        missing = sorted(self.sources - set(build.sources("partial")))
        cell.gaps += [f"no partial from {source}" for source in missing]
        for kind in KINDS:
            for patch in build.patches[kind]:
                label = kind if kind == "complete" else f"partial from {patch.get('from')}"
                cell.gaps += [
                    f"{label}: {gap}" for gap in _file_gaps(patch, self.blob.top.get("hashFunction"))
                ]
        partials = len(build.patches["partial"])
        cell.notes = (f"{partials} partial{'' if partials == 1 else 's'}",) if partials else ()
        return cell

    def _is_expected(self, platform: str, locale: str) -> bool:
        """Tell whether most platforms have a locale, and this one not even by another name."""
        if COUNTERPARTS.get(locale) in self.locales[platform]:
            return False
        filled = [found for found in self.locales.values() if found]
        return sum(locale in found for found in filled) >= max(1.0, len(filled) * EXPECTED_SHARE)


def _addons(blob: GMP | SystemAddons) -> ReleaseTable:
    entries = blob.entries()
    files = {name: as_dict(as_dict(entry).get("platforms")) for name, entry in entries.items()}
    platforms = sorted({platform for found in files.values() for platform in found})
    expected = _expected([set(found) for found in files.values()])
    rows = []
    for name, found in sorted(files.items()):
        row = Row(name, note=str(as_dict(entries[name]).get("version", "")))
        for platform in platforms:
            gaps = ["missing"] if platform in expected and platform not in found else []
            cell = Cell(gaps=gaps, is_there=platform in found)
            file = as_dict(found.get(platform))
            if "alias" in file:
                alias = str(file["alias"])
                cell.head = f"as {alias}"
                cell.gaps += [] if alias in found else [f"{alias} is not listed"]
            elif cell.is_there:
                cell.head = f"{file.get('filesize')} bytes"
                cell.gaps += _file_gaps(file, blob.top.get("hashFunction"))
            row.cells.append(cell)
        rows.append(row)
    return ReleaseTable("add-on", [Column(platform) for platform in platforms], rows)


def _file_gaps(file: Mapping[str, Any], function: Any) -> list[str]:
    """Return what is wrong with size and hash of one file."""
    gaps = [] if file.get("filesize") not in (None, "", 0, "0") else ["no size"]
    value, length = file.get("hashValue"), HASH_LENGTHS.get(str(function).lower())
    if not value:
        gaps.append("no hash")
    elif length is not None and len(str(value)) != length:
        gaps.append(f"hash has {len(str(value))} digits, {function} has {length}")
    return gaps


def _usual(values: Iterable[str]) -> str:
    """Return the value that most have; of several, the greatest."""
    counted = Counter(values)
    return max(counted, key=lambda value: (counted[value], value), default="")


def _expected(sets: list[set[str]]) -> set[str]:
    """Return what enough of the sets have."""
    counted = Counter(item for found in sets for item in found)
    return {item for item, count in counted.items() if count >= max(1.0, len(sets) * EXPECTED_SHARE)}


def top_facts(document: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return what a document says at its top besides its platforms: plain values, and nested ones."""
    own = {
        key: value for key, value in document.items() if key not in ("name", "schema_version", "platforms")
    }
    plain = [(key, value) for key, value in sorted(own.items()) if not isinstance(value, (dict, list))]
    nested = [(key, value) for key, value in sorted(own.items()) if isinstance(value, (dict, list))]
    return plain, nested
