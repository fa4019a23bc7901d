"""Schema version 4000: one answer made of several releases (protocol.md section 8)."""

from __future__ import annotations

from releases.blobs.addons import CLOSE, OPEN
from releases.blobs.base import Blob, RenderContext, Serve, as_list
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import SUPERBLOB


class Superblob(Blob):
    """Names either products, each decided by the rules, or releases. The engine splices the children's lines."""

    schema_version = 4000
    schema = SUPERBLOB
    set_lists = frozenset({"products", "blobs"})

    @property
    def products(self) -> list[str]:
        """Products to decide for, in their order."""
        return [name for name in as_list(self.top.get("products")) if isinstance(name, str)]

    @property
    def blobs(self) -> list[str]:
        """Releases to splice, in their order."""
        return [name for name in as_list(self.top.get("blobs")) if isinstance(name, str)]

    def serve(self, query: UpdateQuery) -> Serve:
        return Serve.YES

    def header(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return [OPEN]

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return []

    def footer(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return [CLOSE]

    def referenced_releases(self) -> frozenset[str]:
        return frozenset(self.blobs)
