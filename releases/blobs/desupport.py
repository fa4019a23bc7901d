"""Schema version 50: tell clients that their system is no longer supported (protocol.md section 8)."""

from __future__ import annotations

from releases.blobs.base import Blob, RenderContext, Serve, attribute, is_printable, with_tokens
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import DESUPPORT


class Desupport(Blob):
    """Always served; offers no payload, so the allow-list has nothing to say about it."""

    schema_version = 50
    schema = DESUPPORT

    def serve(self, query: UpdateQuery) -> Serve:
        return Serve.YES

    def header(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return [""]

    def render(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return super().render(query, context) if self.inner(query, context) else []

    def inner(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        details, version = self.top.get("detailsUrl"), self.top.get("displayVersion")
        if not is_printable(details) or not is_printable(version):
            return []
        tokens = {
            "LOCALE": query.locale or "",
            "VERSION": query.version,
            "OS": query.build_target.split("_", 1)[0],
        }
        url = with_tokens(str(details), tokens)
        return [
            f'    <update type="{attribute(context.update_type)}" unsupported="true" '
            f'detailsURL="{attribute(url)}" displayVersion="{attribute(version)}">'
        ]

    def footer(self, query: UpdateQuery, context: RenderContext) -> list[str]:
        return ["</update>"]
