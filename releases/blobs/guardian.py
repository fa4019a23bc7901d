"""Schema version 10000: a whole installer, answered as JSON (protocol.md section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from releases.blobs.base import Blob, RenderContext, Serve, as_dict
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import GUARDIAN
from releases.blobs.versions import parse_loose


class Guardian(Blob):
    """Served to clients that are loosely older; speaks JSON only."""

    schema_version = 10000
    schema = GUARDIAN

    def serve(self, query: UpdateQuery) -> Serve:
        version = self.top.get("version")
        if query.build_target not in as_dict(self.top.get("platforms")) or not isinstance(version, str):
            return Serve.NO
        return Serve.YES if parse_loose(query.version).compare(parse_loose(version)) == -1 else Serve.NO

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return []  # over an XML route there is nothing to say

    def render_json(self, query: UpdateQuery, context: RenderContext) -> dict[str, Any] | None:
        platform = as_dict(as_dict(self.top.get("platforms")).get(query.build_target))
        url, hash_value = platform.get("fileUrl"), platform.get("hashValue")
        version, hash_function = self.top.get("version"), self.top.get("hashFunction")
        if not isinstance(url, str) or not context.allowlist.allows(url, query.product):
            return {}
        if not all(isinstance(value, str) for value in (version, hash_value, hash_function)):
            return None  # clients refuse a file that they cannot verify
        return {
            "version": version,
            "url": url,
            # Optional in the document; clients read it, and an update that is not said to be required is not.
            "required": self.top.get("required") is True,
            "hashFunction": hash_function,
            "hashValue": hash_value,
        }

    def payloads(self) -> Iterator[tuple[str, str]]:
        for name, platform in as_dict(self.top.get("platforms")).items():
            if isinstance(as_dict(platform).get("fileUrl"), str):
                yield f"platforms.{name}.fileUrl", platform["fileUrl"]
