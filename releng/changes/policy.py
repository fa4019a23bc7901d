"""What a change of a row needs: which permissions of the person, and whose agreement.

One place for both questions, asked by the guard of direct writes, by forms before they save, and for scheduled changes
when they are proposed, signed and enacted. `before` and `after` are instances, None for a row that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model

from history.context import Change
from releases.models import Release, ReleasePart
from releng.changes.requirements import (
    Roles,
    changed_fields,
    release_requirements,
    releases_requirements,
    required_signoffs,
    unlock_requirements,
)

__all__ = [
    "Roles",
    "changed_fields",
    "missing_permission",
    "needed_permissions",
    "refuse_unpermitted",
    "release_requirements",
    "releases_requirements",
    "required_signoffs",
    "unlock_requirements",
]

VERBS: dict[Change, str] = {"insert": "add", "update": "change", "delete": "delete"}


def needed_permissions(
    change: Change, before: Any, after: Any, fields: Iterable[str] | None = None
) -> list[tuple[str, Model]]:
    """Return what the person must be allowed: pairs of Django permission and the object that it is asked for.

    `fields` are the names of those that change, where the instances do not show it.
    """
    row = after if after is not None else before
    states = [state for state in (before, after) if state is not None]
    if isinstance(row, ReleasePart):
        return [("releases.change_release", state.release) for state in states[:1]]
    names = [f"{row._meta.app_label}.{VERBS[change]}_{row._meta.model_name}"]
    if isinstance(row, Release) and change == "update":
        names = _release_permissions(
            after, changed_fields(before, after) if fields is None else frozenset(fields)
        )
    return [(name, state) for name in names for state in states]


def _release_permissions(after: Release, fields: frozenset[str]) -> list[str]:
    names = ["releases.change_release"] if fields - {"read_only"} else []
    if "read_only" in fields or not fields:  # unlocking writes even where nothing is locked (N09)
        names.append("releases.set_read_only" if after.read_only else "releases.unset_read_only")
    return names


def refuse_unpermitted(
    user: Any, change: Change, before: Any, after: Any, fields: Iterable[str] | None = None
) -> None:
    """Raise PermissionDenied, naming what is missing, unless the person may make this change."""
    for permission, obj in needed_permissions(change, before, after, fields):
        if not user.has_perm(permission, obj):
            raise PermissionDenied(missing_permission(user, permission, obj))


def missing_permission(user: Any, permission: str, obj: Any) -> str:
    """Return the sentence that says what somebody may not do."""
    verb, _, what = permission.partition(".")[2].partition("_")
    product = getattr(obj, "product", None)
    name = user.get_username() or "nobody"
    scope = f" of {product}" if isinstance(product, str) else " of all products" if obj is not None else ""
    return f"{name} may not {verb} {what.replace('_', ' ')}{scope}: the permission {permission} is missing."
