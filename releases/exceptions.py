"""States in which a release cannot be changed; each error has a stable `code` for the API and the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from history.exceptions import HistoryError, OutdatedDataError
from history.merge import Conflict

MAX_POINTERS_SHOWN = 10


class WrongStateError(HistoryError):
    """Base of all refusals because of the state that something is in: the API's 409.

    A HistoryError, so that the history pages, which put versions back, tell it like their own refusals.
    """

    code = "wrong_state"


class ReleaseExistsError(WrongStateError):
    """A release of this name is there already."""

    code = "release_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"name {name!r}: there is a release of this name already; change that one instead.")
        self.name = name


class ReleaseReadOnlyError(WrongStateError):
    """A read-only release was to be changed or deleted."""

    code = "release_read_only"

    def __init__(self, name: str) -> None:
        super().__init__(f"Release {name} is read-only; make it writable first.")
        self.name = name


class ReleaseInUseError(WrongStateError):
    """A release that something points to was to be deleted, or to become another kind of document."""

    code = "release_in_use"

    def __init__(self, name: str, pointers: Sequence[models.Model]) -> None:
        listed = [f"{row._meta.verbose_name} {row}" for row in pointers[:MAX_POINTERS_SHOWN]]
        if len(pointers) > MAX_POINTERS_SHOWN:
            listed.append(f"{len(pointers) - MAX_POINTERS_SHOWN} more")
        super().__init__(f"Release {name} is in use by {', '.join(listed)}; point these elsewhere first.")
        self.name = name
        self.pointers = list(pointers)


@dataclass
class StaleDocumentError(OutdatedDataError):
    """A stale write changed what others had changed meanwhile; `conflicts` has every path with three values.

    Without conflicts the version that the write was based on is no longer in history, so nothing could be merged.
    """

    conflicts: tuple[Conflict, ...] = field(default=())

    def __str__(self) -> str:
        head = (
            f"{self.object._meta.verbose_name} {self.object} was changed by {self.changed_by or 'somebody'} "
            f"since version {self.expected}"
        )
        if not self.conflicts:
            return f"{head}, which history no longer has; look at the current document and try again."
        return "\n".join([f"{head}, in the same places as you:", *map(str, self.conflicts)])

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = super().__reduce__()[:2]
        return kind, (*arguments, self.conflicts)
