"""What can go wrong when a versioned row is written; each has a stable `code` for the API and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from history.models import VersionedModel


class HistoryError(Exception):
    """Base of all refusals of this package."""

    code = "history_error"


class NoChangeSetError(HistoryError):
    """A versioned row was written outside a change set, so nobody would know who did it."""

    code = "no_change_set"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was to be written outside a change set. Write inside "
            "`with change_set(actor=..., reason=...)`; requests get one from ChangeSetMiddleware."
        )


class UnversionedWriteError(HistoryError):
    """A write was tried on a path that has neither version check nor history."""

    code = "unversioned_write"


@dataclass
class OutdatedDataError(HistoryError):
    """A write was based on a version that is no longer the current one; nothing was written.

    `current` is None when the row has been deleted meanwhile, `expected` 0 when it was not there before.
    `changed_by` is the name of whoever wrote the current version; `changed_fields` are the names of the fields that
    differ between the version that the write was based on and the current one, as far as history knows them.
    """

    object: VersionedModel
    expected: int
    current: int | None
    changed_by: str | None
    changed_fields: tuple[str, ...]

    code = "outdated"

    def __str__(self) -> str:
        name = f"{self.object._meta.verbose_name} {self.object}"
        if self.current is None:
            return f"{name} was deleted by {self.changed_by or 'somebody'} since version {self.expected}."
        if self.expected < 1:
            return f"{name} was not there when you looked: {self.changed_by or 'somebody'} made it meanwhile."
        fields = ", ".join(self.changed_fields) or "no field"
        return (
            f"{name} is at version {self.current}, not {self.expected}: "
            f"{self.changed_by or 'somebody'} changed {fields} meanwhile. Look at the change and try again."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.object, self.expected, self.current, self.changed_by, self.changed_fields)


class UnconfirmedError(HistoryError):
    """Something was to be deleted or switched without saying which version of it was looked at."""

    code = "unconfirmed"

    def __init__(self, obj: object) -> None:
        super().__init__(
            f"Which version of {obj} you looked at is not known; open the page that shows it and choose it there."
        )
