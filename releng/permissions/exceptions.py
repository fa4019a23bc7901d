"""Why a permission, role or requirement cannot be as somebody wants it; each error has a stable `code`."""

from __future__ import annotations

from history.exceptions import HistoryError


class PermissionStateError(HistoryError):
    """Base of all refusals because of how things stand."""

    code = "permission_state"


class RoleNeededError(PermissionStateError):
    """A role was to be taken from somebody without whom a requirement could never be met (features R05)."""

    code = "role_needed"

    def __init__(self, role: str, holders: int, required: int) -> None:
        super().__init__(
            f"role {role}: {required} of its holders must agree to some changes, and only {holders} would be left. "
            "Give somebody else the role first, or lower the requirement."
        )


class TooFewHoldersError(PermissionStateError):
    """A requirement that nobody could ever meet (features S05)."""

    code = "too_few_holders"

    def __init__(self, role: str, holders: int, required: int) -> None:
        super().__init__(
            f"signoffs_required {required}: only {holders} active people hold the role {role}. "
            "Give the role to more people first, or require fewer."
        )


class NoPermissionsError(PermissionStateError):
    """A role was to be given to somebody who may do nothing at all (features R04)."""

    code = "no_permissions"

    def __init__(self, user: object) -> None:
        super().__init__(f"{user} has no permission yet; give one first, then the role.")


class ExistsError(PermissionStateError):
    """There is such a row already."""

    code = "exists"


class LastAdministratorError(PermissionStateError):
    """Nobody would be left who administrates everything."""

    code = "last_administrator"

    def __init__(self) -> None:
        super().__init__(
            "Nobody else administrates everything; make another administrator first "
            "(manage.py create_admin makes one from the command line)."
        )
