"""Application releases: Firefox and everything that updates like it, schema versions 1 to 9."""

from releases.blobs.apprelease.base import AppRelease
from releases.blobs.apprelease.v1 import AppReleaseV1
from releases.blobs.apprelease.v2to8 import (
    AppReleaseV2,
    AppReleaseV3,
    AppReleaseV4,
    AppReleaseV5,
    AppReleaseV6,
    AppReleaseV8,
)
from releases.blobs.apprelease.v9 import AppReleaseV9

__all__ = [
    "AppRelease",
    "AppReleaseV1",
    "AppReleaseV2",
    "AppReleaseV3",
    "AppReleaseV4",
    "AppReleaseV5",
    "AppReleaseV6",
    "AppReleaseV8",
    "AppReleaseV9",
]
