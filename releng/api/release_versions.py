"""The one `data_version` that a release has in the contract's v1, though each of its parts has its own."""

from __future__ import annotations

from releases.models import Release
from releases.storage import DataVersions


def contract_version(versions: DataVersions) -> int:
    """Return the version of a whole release: every write of its top or of a locale adds one to it."""
    return versions.top + sum(versions.places.values())


def version_of(release: Release) -> int:
    """Return the version that a release has now."""
    return contract_version(DataVersions.of(release))
