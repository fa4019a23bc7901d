"""Schema version 1: clients before version 4 of the application."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from releases.blobs.apprelease.base import Attributes
from releases.blobs.apprelease.shapes import ChannelTemplates, PairedPatches
from releases.blobs.base import RenderContext
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION
from releases.blobs.versions import MozVersion, parse_version

# A version of old clients, as `MozVersion.key`.
_V2_0, _V3_5, _V3_6, _V4_0 = ((*numbers, 0, 1, "", 0) for numbers in ((2, 0), (3, 5), (3, 6), (4, 0)))


class AppReleaseV1(ChannelTemplates, PairedPatches):
    """Versions are called `appv` and `extv`."""

    schema_version = 1
    schema = APPLICATION[1]
    version_key = "extv"

    def variant(self, query: UpdateQuery) -> Hashable:
        return query.version if self.top.get("oldVersionSpecialCases") is True else None

    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> Attributes:
        version, extension = self.value(data, "appv"), self.value(data, "extv")
        client = parse_version(query.version)
        if self.top.get("oldVersionSpecialCases") is True and isinstance(client, MozVersion):
            # These old clients compare what they are offered with themselves in ways of their own (features H13).
            if _V2_0 <= client.key < _V3_5:
                version, extension = query.version, None
            elif _V3_5 <= client.key < _V3_6:
                extension = None
            elif _V3_6 <= client.key < _V4_0:
                extension = query.version
        line: Attributes = [("type", context.update_type), ("version", version)]
        if extension is not None:
            line.append(("extensionVersion", extension))
        line.append(("buildID", build_id))
        for key, name in (("detailsUrl", "detailsURL"), ("licenseUrl", "licenseURL")):
            url = self.localized(key, query.locale or "")
            if url is not None:
                line.append((name, url))
        return line
