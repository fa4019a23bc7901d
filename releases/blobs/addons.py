"""Documents that offer add-ons: GMP plug-ins (1000) and system add-ons (5000), protocol.md section 8."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from releases.blobs import schemas
from releases.blobs.base import (
    Blob,
    RenderContext,
    Serve,
    alias_problem,
    as_dict,
    as_list,
    attribute,
    hash_problem,
    is_printable,
)
from releases.blobs.errors import Problem
from releases.blobs.query import UpdateQuery

DEFAULT_PLATFORM = "default"
FILE_KEYS = ("fileUrl", "hashValue", "filesize")
OPEN, CLOSE = "    <addons>", "    </addons>"


class _AddonBlob(Blob):
    """Entries by id, each with one file for each platform, or a default one."""

    entries_key: str

    def serve(self, query: UpdateQuery) -> Serve:
        return Serve.YES

    def entries(self) -> dict[str, Any]:
        """The add-ons or plug-ins by id."""
        return as_dict(self.top.get(self.entries_key))

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        lines = []
        entries = self.entries()
        for name in sorted(entries):
            entry = as_dict(entries[name])
            file = _file_for(as_dict(entry.get("platforms")), query.build_target)
            if file is None or not all(map(is_printable, (entry.get("version"), *map(file.get, FILE_KEYS)))):
                continue
            url = str(file["fileUrl"])
            if not context.allowlist.allows(url, query.product):
                continue
            line = (
                f'        <addon id="{attribute(name)}" URL="{attribute(url)}"'
                f' hashFunction="{attribute(self.top.get("hashFunction"))}"'
                f' hashValue="{attribute(file.get("hashValue"))}" size="{attribute(file.get("filesize"))}"'
                f' version="{attribute(entry.get("version"))}"'
            )
            mirrors = self.mirrors(file, query, context)
            lines += [f"{line}>", *mirrors, "        </addon>"] if mirrors else [f"{line}/>"]
        return lines

    @abstractmethod
    def mirrors(self, file: dict[str, Any], query: UpdateQuery, context: RenderContext) -> list[str]:
        """Return the lines of further places where `file` can be had."""

    def files(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (path, file object) of every file in the document."""
        for name, entry in self.entries().items():
            for platform, file in as_dict(as_dict(entry).get("platforms")).items():
                if isinstance(file, dict) and "alias" not in file:
                    yield f"{self.entries_key}.{name}.platforms.{platform}", file

    def payloads(self) -> Iterator[tuple[str, str]]:
        for path, file in self.files():
            if isinstance(file.get("fileUrl"), str):
                yield f"{path}.fileUrl", file["fileUrl"]
            for number, mirror in enumerate(as_list(file.get("mirrorUrls"))):
                yield f"{path}.mirrorUrls.{number}", str(mirror)

    def own_problems(self) -> list[Problem]:
        found = []
        function = self.top.get("hashFunction")
        for path, file in self.files():
            found += hash_problem(f"{path}.hashValue", function, file.get("hashValue"))
        for name, entry in self.entries().items():
            platforms = as_dict(as_dict(entry).get("platforms"))
            for platform, file in platforms.items():
                path = f"{self.entries_key}.{name}.platforms.{platform}.alias"
                found += alias_problem(path, as_dict(file).get("alias"), platforms)
        return found


def _file_for(platforms: dict[str, Any], platform: str) -> dict[str, Any] | None:
    """Return the file for `platform` (one hop of aliases), else the default one, else None."""
    found = platforms.get(platform, platforms.get(DEFAULT_PLATFORM))
    if isinstance(found, dict) and isinstance(found.get("alias"), str):
        found = platforms.get(found["alias"])
    return found if isinstance(found, dict) else None


class GMP(_AddonBlob):
    """Plug-ins, with mirrors."""

    schema_version = 1000
    schema = schemas.GMP
    entries_key = "vendors"
    set_lists = frozenset({"vendors.*.platforms.*.mirrorUrls"})

    def header(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return [OPEN]

    def footer(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return [CLOSE]

    def mirrors(self, file: dict[str, Any], query: UpdateQuery, context: RenderContext) -> list[str]:
        return [
            f'            <mirror URL="{attribute(url)}"/>'
            for url in as_list(file.get("mirrorUrls"))
            if isinstance(url, str) and context.allowlist.allows(url, query.product)
        ]


class SystemAddons(_AddonBlob):
    """Add-ons that clients install or, when told so, drop altogether."""

    schema_version = 5000
    schema = schemas.SYSTEM_ADDONS
    entries_key = "addons"

    def mirrors(self, file: dict[str, Any], query: UpdateQuery, context: RenderContext) -> list[str]:
        return []

    def render(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        inner = self.inner(query, context)
        # An empty element means "remove all"; no element, but two empty lines, means "no change".
        if inner or self.top.get("uninstall") is True:
            return [OPEN, *inner, CLOSE]
        return ["", ""]
