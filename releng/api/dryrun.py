"""`dry_run=1`: do everything that a write would do, tell what came of it, and take it back."""

from __future__ import annotations

from collections.abc import Sequence

from history.context import Change, Guard, OpenChangeSet
from history.models import VersionedModel
from releng.changes.exceptions import SignoffRequiredError
from releng.permissions.questions import strictest


class SignoffCollector:
    """A guard that asks another one, and notes who must agree instead of refusing: all of it is to be told."""

    def __init__(self, guard: Guard | None) -> None:
        self.guard = guard
        self.required: dict[str, int] = {}
        self.refused: str = ""

    def __call__(self, opened: OpenChangeSet, change: Change, rows: Sequence[VersionedModel]) -> None:
        if self.guard is None:
            return
        try:
            self.guard(opened, change, rows)
        except SignoffRequiredError as error:
            self.required = strictest(self.required, error.required)
            self.refused = self.refused or error.what

    def refusal(self) -> SignoffRequiredError | None:
        """Return what the write itself would be refused with, for want of signoffs."""
        return SignoffRequiredError(self.refused, self.required) if self.required else None
