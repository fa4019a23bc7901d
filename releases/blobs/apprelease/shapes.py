"""The shapes that patches and URL templates have had from schema version to schema version."""

from __future__ import annotations

from typing import Any, ClassVar

from releases.blobs.apprelease.base import AppRelease
from releases.blobs.base import as_dict, as_list
from releases.blobs.query import UpdateQuery

KINDS_IN_LISTS = {"complete": "completes", "partial": "partials"}


class PairedPatches(AppRelease):
    """Versions 1 and 2: at most one complete and one partial patch."""

    def patches(self, data: dict[str, Any], kind: str) -> list[Any]:
        return [data[kind]] if kind in data else []

    def patch_path(self, kind: str, number: int) -> str:
        return kind


class ListedPatches(AppRelease):
    """Versions 3 and later: lists of patches."""

    def patches(self, data: dict[str, Any], kind: str) -> list[Any]:
        return as_list(data.get(KINDS_IN_LISTS[kind]))

    def patch_path(self, kind: str, number: int) -> str:
        return f"{KINDS_IN_LISTS[kind]}.{number}"


class ChannelTemplates(AppRelease):
    """Versions 1 to 3: one URL template a channel, filled from tables of file names and products."""

    plural_names: ClassVar[bool] = False

    def template(self, query: UpdateQuery, kind: str, source: str) -> str | None:
        urls = as_dict(self.top.get("fileUrls"))
        found = urls.get(query.channel, urls.get(query.fallback_channel))
        return found if isinstance(found, str) and found else None

    def template_tokens(self, kind: str, source: str) -> dict[str, str]:
        tokens = {}
        for token, table in (("FILENAME", "ftpFilenames"), ("PRODUCT", "bouncerProducts")):
            entry = as_dict(self.top.get(table))
            value = (
                as_dict(entry.get(KINDS_IN_LISTS[kind])).get(source) if self.plural_names else entry.get(kind)
            )
            tokens[token] = value if isinstance(value, str) else ""
        return tokens


class SourceTemplates(ListedPatches):
    """Versions 4 and later: one URL template for each channel, kind and source release."""

    def template(self, query: UpdateQuery, kind: str, source: str) -> str | None:
        urls = as_dict(self.top.get("fileUrls"))
        for channel in (query.channel, query.fallback_channel, "*"):
            block = urls.get(channel)
            if block and isinstance(block, dict):
                found = as_dict(block.get(KINDS_IN_LISTS[kind])).get(source)
                return found if isinstance(found, str) and found else None
        return None
