"""States in which rules, shutoffs and pins cannot be changed; each error has a stable `code`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from history.exceptions import OutdatedDataError
from history.merge import FieldComparison
from releases.exceptions import WrongStateError


@dataclass
class StaleRuleError(OutdatedDataError):
    """An edit was based on an old version of a rule. Fields of rules are never merged unseen.

    `comparison` has each field as it was, as it is now, and as the edit wanted it.
    """

    comparison: FieldComparison

    def __str__(self) -> str:
        return f"{super().__str__()} In detail: {self.comparison}."

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = super().__reduce__()[:2]
        return kind, (*arguments, self.comparison)


class ShutoffExistsError(WrongStateError):
    """Updates of this product and channel are shut off already."""

    code = "shutoff_exists"

    def __init__(self, shutoff: object) -> None:
        super().__init__(f"Updates are shut off already: {shutoff}.")


class ExistingPinIsNewerError(WrongStateError):
    """A pin was to be pointed to an older release than it points to now (features K08)."""

    code = "existing_pin_is_newer"

    def __init__(self, pin: str, current: str, wanted: str) -> None:
        super().__init__(f"Pin {pin} stays with {current}, which is newer than {wanted}.")
