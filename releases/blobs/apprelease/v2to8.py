"""Schema versions 2 to 8: one update line, with more optional attributes from version to version."""

from __future__ import annotations

from typing import Any, ClassVar

from releases.blobs.apprelease.base import LOCALIZED_URLS, AppRelease, Attributes
from releases.blobs.apprelease.shapes import ChannelTemplates, ListedPatches, PairedPatches, SourceTemplates
from releases.blobs.base import RenderContext, is_printable
from releases.blobs.query import UpdateQuery
from releases.blobs.schemas import APPLICATION

_PROMPTS = ("showPrompt", "showNeverForVersion", "actions", "openURL", "notificationURL", "alertURL")


class _SingleLine(AppRelease):
    optional: ClassVar[tuple[str, ...]] = ("billboardURL", *_PROMPTS)

    def update_line(
        self, query: UpdateQuery, data: dict[str, Any], build_id: str, context: RenderContext
    ) -> Attributes:
        locale = query.locale or ""
        line: Attributes = [
            ("type", context.update_type),
            ("displayVersion", self.value(data, "displayVersion")),
            ("appVersion", self.value(data, "appVersion")),
            ("platformVersion", self.value(data, "platformVersion")),
            ("buildID", build_id),
        ]
        for key, name in (("detailsUrl", "detailsURL"), ("licenseUrl", "licenseURL")):
            url = self.localized(key, locale)
            if url is not None:
                line.append((name, url))
        if data.get("isOSUpdate") is True:
            line.append(("isOSUpdate", True))
        for name in self.optional:
            value = self.localized(name, locale) if name in LOCALIZED_URLS else self.top.get(name)
            if is_printable(value):
                line.append((name, value))
        return line


class AppReleaseV2(_SingleLine, ChannelTemplates, PairedPatches):
    schema_version = 2
    schema = APPLICATION[2]


class AppReleaseV3(_SingleLine, ChannelTemplates, ListedPatches):
    schema_version = 3
    schema = APPLICATION[3]
    plural_names = True


class AppReleaseV4(_SingleLine, SourceTemplates):
    schema_version = 4
    schema = APPLICATION[4]


class AppReleaseV5(_SingleLine, SourceTemplates):
    schema_version = 5
    schema = APPLICATION[5]
    optional = (*_SingleLine.optional, "promptWaitTime")


class AppReleaseV6(_SingleLine, SourceTemplates):
    schema_version = 6
    schema = APPLICATION[6]
    optional = (*_PROMPTS, "promptWaitTime")


class AppReleaseV8(_SingleLine, SourceTemplates):
    schema_version = 8
    schema = APPLICATION[8]
    proofs = True
    optional = (*AppReleaseV6.optional, "binTransMerkleRoot", "binTransCertificate", "binTransSCTList")
