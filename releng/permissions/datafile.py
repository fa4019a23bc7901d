"""The sections of a data file about people: permissions, roles, required signoffs (docs/data-format.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from history import bulk
from history.exceptions import HistoryError
from history.models import VersionedModel
from releng.permissions import actions
from releng.permissions.models import (
    Permission,
    PermissionRequiredSignoff,
    ProductRequiredSignoff,
    Role,
)

Row = dict[str, Any]


class Section:
    """One key of the file: the tables that it fills, and how a row of it is stored by its verb."""

    def __init__(
        self,
        models: tuple[type[VersionedModel], ...],
        required: tuple[str, ...],
        optional: tuple[str, ...],
        store: Callable[[Row], Any],
    ) -> None:
        self._models, self._store = models, store
        self.required, self.optional = required, optional

    def empty(self) -> None:
        """Delete all rows."""
        for model in self._models:
            bulk.delete(model._base_manager.all())

    def store(self, row: Row) -> None:
        """Store one row; raise ValueError with what is wrong."""
        if not isinstance(row, dict):
            raise ValueError("must be an object")
        known = {*self.required, *self.optional}
        if unknown := sorted(row.keys() - known):
            raise ValueError(f"{unknown[0]}: unknown field; known are {', '.join(sorted(known))}")
        if missing := [name for name in self.required if name not in row]:
            raise ValueError(f"{missing[0]}: is missing")
        try:
            self._store(row)
        except ValidationError as error:
            raise ValueError(" ".join(error.messages)) from error
        except HistoryError as error:
            raise ValueError(str(error)) from error


def _user(row: Row) -> Any:
    """Return the account of a row; one that is not there yet is made, without a password."""
    name = row["username"]
    found = get_user_model().objects.filter(username=name).first() if isinstance(name, str) else None
    if found is not None:
        return found
    return actions.create_person(str(name), str(name) if "@" in str(name) else "", password=None)


def _permission(row: Row) -> None:
    options = row.get("options") or {}
    if isinstance(options, str):  # as the API of the reference sends them
        options = json.loads(options)
    if not isinstance(options, dict) or options.keys() - {"products", "actions"}:
        raise ValueError('options: must be an object with "products" and "actions"')
    actions.grant(
        _user(row), row["permission"], _listed(options.get("products")), _listed(options.get("actions"))
    )


def _listed(value: Any) -> list[str] | None:
    if value is not None and not isinstance(value, list):
        raise ValueError("options: products and actions must be lists")
    return value or None


def _role(row: Row) -> None:
    _, fresh = actions.grant_role(_user(row), row["role"])
    if not fresh:
        raise ValueError(f"{row['username']} has the role {row['role']} already")


def _requirement(row: Row) -> None:
    if row.get("channel") is None:
        actions.require_for_permissions(row["product"], row["role"], row["signoffs_required"])
    else:
        actions.require_for_product(row["product"], row["channel"], row["role"], row["signoffs_required"])


SECTIONS: dict[str, Section] = {
    "permissions": Section((Permission,), ("username", "permission"), ("options",), _permission),
    "roles": Section((Role,), ("username", "role"), (), _role),
    "required_signoffs": Section(
        (ProductRequiredSignoff, PermissionRequiredSignoff),
        ("product", "role", "signoffs_required"),
        ("channel",),
        _requirement,
    ),
}


def load_section(key: str, rows: Iterable[Any], *, replace: bool) -> int:
    """Store the rows of one section; return how many. Raises ValueError naming the row."""
    section, stored = SECTIONS[key], 0
    if replace:
        section.empty()
    for number, row in enumerate(rows):
        try:
            section.store(row)
        except ValueError as error:
            raise ValueError(f"{key}[{number}]: {error}.") from error
        stored += 1
    return stored
