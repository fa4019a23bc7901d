"""Release documents ("blobs"): one module a family; pure Python (protocol.md sections 5 to 9).

A new type is one new module, its schema, and one line in the table here.
"""

from __future__ import annotations

from releases.blobs.addons import GMP, SystemAddons
from releases.blobs.apprelease import (
    AppRelease,
    AppReleaseV1,
    AppReleaseV2,
    AppReleaseV3,
    AppReleaseV4,
    AppReleaseV5,
    AppReleaseV6,
    AppReleaseV8,
    AppReleaseV9,
)
from releases.blobs.base import Blob, RenderContext, Serve
from releases.blobs.desupport import Desupport
from releases.blobs.document import Document
from releases.blobs.errors import ClientError, Problem, UnknownSchemaVersion
from releases.blobs.guardian import Guardian
from releases.blobs.settings import Settings
from releases.blobs.superblob import Superblob
from releases.blobs.whitelist import Whitelist

BLOB_TYPES: dict[int, type[Blob]] = {
    blob.schema_version: blob
    for blob in (
        AppReleaseV1,
        AppReleaseV2,
        AppReleaseV3,
        AppReleaseV4,
        AppReleaseV5,
        AppReleaseV6,
        AppReleaseV8,
        AppReleaseV9,
        Desupport,
        GMP,
        Whitelist,
        Superblob,
        SystemAddons,
        Settings,
        Guardian,
    )
}


def blob_for(document: Document) -> Blob:
    """Return the blob of a document's type; raise UnknownSchemaVersion."""
    version = document.top.get("schema_version")
    kind = BLOB_TYPES.get(version) if type(version) is int else None
    if kind is None:
        raise UnknownSchemaVersion(version)
    return kind(document)


__all__ = [
    "BLOB_TYPES",
    "AppRelease",
    "Blob",
    "ClientError",
    "Document",
    "Problem",
    "RenderContext",
    "Serve",
    "Superblob",
    "UnknownSchemaVersion",
    "Whitelist",
    "blob_for",
]
