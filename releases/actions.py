"""What can be done with releases: every change of one goes through a verb of this module.

A verb first guards (state, version, contents), then writes; history records. All need an open change set.
"""

from __future__ import annotations

from typing import TypeVar

from history.models import VersionedModel
from releases.documents import checked_update, create_release, delete_release, set_read_only, update_release
from releases.places import replace_places
from releases.submissions import (
    Locale,
    Submission,
    refuse_disagreement,
    remove_locale,
    submit_locale,
    submit_locales,
)

__all__ = [
    "Locale",
    "Submission",
    "checked_update",
    "create_release",
    "delete_release",
    "refuse_disagreement",
    "remove",
    "remove_locale",
    "replace_places",
    "set_read_only",
    "store",
    "submit_locale",
    "submit_locales",
    "update_release",
]

Row = TypeVar("Row", bound=VersionedModel)


def store(row: Row) -> Row:
    """Validate and write an entry of the allow-list or of the special hosts, new or based on its version.

    Raises ValidationError and OutdatedDataError.
    """
    row.full_clean()
    row.save()
    return row


def remove(row: VersionedModel) -> None:
    """Delete such an entry, based on its version; raise OutdatedDataError."""
    row.delete()
