"""Schema version 1: clients before version 4 of the application."""

from __future__ import annotations

from typing import Any

from releases.blobs.apprelease.base import ChannelTemplates, PairedPatches
from releases.blobs.base import RenderContext, with_tokens
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION
from releases.blobs.versions import MozVersion, parse_version


class AppReleaseV1(ChannelTemplates, PairedPatches):
    """Versions are called `appv` and `extv`."""

    schema_version = 1
    schema = APPLICATION[1]
    version_key = "extv"

    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> list[tuple[str, Any]]:
        version, extension = self.value(data, "appv"), self.value(data, "extv")
        client = parse_version(query.version)
        if self.top.get("oldVersionSpecialCases") is True and isinstance(client, MozVersion):
            # These old clients compare what they are offered with themselves in ways of their own.
            if (2, 0) <= client.key[:2] < (3, 5):
                version, extension = query.version, None
            elif client.key[:2] == (3, 5):
                extension = None
            elif (3, 6) <= client.key[:2] < (4, 0):
                extension = query.version
        line: list[tuple[str, Any]] = [("type", context.update_type), ("version", version)]
        if extension is not None:
            line.append(("extensionVersion", extension))
        line.append(("buildID", build_id))
        for key, name in (("detailsUrl", "detailsURL"), ("licenseUrl", "licenseURL")):
            if key in self.top:
                line.append((name, with_tokens(str(self.top[key]), {"LOCALE": query.locale or ""})))
        return line
