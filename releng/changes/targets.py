"""The kinds of rows that can be scheduled, and how each is read, checked, brought up to date and written.

A target speaks in JSON values by field name. Its writing methods call the verbs of the row's own room, so that a
scheduled change meets the same guards as a direct one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from history.context import Change
from history.fields import plain
from history.merge import Conflict, Outcome, compare_fields
from history.models import VersionedModel
from history.values import ABSENT, Json, same_value
from releases.validation import shown

Values = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Rebased:
    """Proposed values on top of what a row says now; `conflicts` has what both changed."""

    values: Values
    base: Json
    conflicts: tuple[Conflict, ...] = ()


class Target:
    """One kind of row. This base class serves every model whose rows are written by `full_clean` and `save`."""

    kind: ClassVar[str]
    model: ClassVar[type[VersionedModel]]
    fields: ClassVar[tuple[str, ...]]
    key_fields: ClassVar[tuple[str, ...]] = ()  # given for a new row, and never changed
    changes: ClassVar[frozenset[Change]] = frozenset({"insert", "update", "delete"})
    validate_constraints: ClassVar[bool] = False
    # Fields that name releases: these must not disappear while the change is open.
    release_fields: ClassVar[tuple[str, ...]] = ()

    # --- Reading ------------------------------------------------------------------------------------------

    def find(self, object_id: int, *, lock: bool = False) -> Any:
        """Return the row, or None; locked until the transaction ends when `lock` is set."""
        rows = self.model._base_manager.filter(pk=object_id)
        return (rows.select_for_update(no_key=True, of=("self",)) if lock else rows).first()

    def values_of(self, row: Any) -> Values:
        """Return all that a row says, by field name."""
        fields = [self._field(name) for name in (*self.key_fields, *self.fields)]
        return {field.name: plain(field, getattr(row, field.attname)) for field in fields}

    def base_of(self, row: Any) -> Json:
        """Return which version of a row there is now."""
        return {"data_version": row.data_version}

    def values_at(self, row: Any, base: Json) -> Values | None:
        """Return what the row said at a version, or None when history no longer has it."""
        key = {self.model._meta.pk.attname: row.pk}
        rows = self.model.history.filter(data_version=base["data_version"], **key)
        found = rows.exclude(history_type="-").first()
        return None if found is None else self.values_of(found)

    # --- Checking -----------------------------------------------------------------------------------------

    def after(self, change: Change, row: Any, values: Mapping[str, Json]) -> Any:
        """Return the row as it would be, not saved, None after a deletion.

        `row` is the row as it is, None for a new one. Raises ValidationError naming the fields.
        """
        if change == "delete":
            return None
        self._refuse_unknown(change, values)
        obj = self._copy(row)
        for name, value in values.items():
            setattr(obj, self._field(name).attname, value)
        # Each check constraint is a query of its own; what they check, fields and `clean` have checked already.
        obj.full_clean(validate_constraints=self.validate_constraints)
        return obj

    def proposed(self, after: Any, values: Mapping[str, Json]) -> Values:
        """Return the proposed values as they would be stored: trimmed and the like."""
        return {name: self.values_of(after)[name] for name in values} if after is not None else {}

    def rebase(self, row: Any, values: Values, base: Json) -> Rebased:
        """Bring values that were chosen for version `base` up to what the row says now."""
        now = self.base_of(row)
        if same_value(now, base):
            return Rebased(values, now)
        before = self.values_at(row, base)
        if before is None:
            return Rebased(values, now, (Conflict(("data_version",), base, now, base),))
        current = self.values_of(row)
        comparison = compare_fields(before, current, before | values)
        conflicts = tuple(
            Conflict((field.name,), field.base, field.theirs, field.yours)
            for field in comparison.having(Outcome.CONFLICT)
        )
        return Rebased(values, now, conflicts)

    def name_of(self, row: Any) -> str:
        """Return how people call the row."""
        return str(row)

    def facets(self, row: Any) -> tuple[str | None, str | None]:
        """Return product and channel, as far as the row has them."""
        return getattr(row, "product", None), getattr(row, "channel", None)

    # --- Writing ------------------------------------------------------------------------------------------

    def insert(self, values: Values) -> Any:
        """Write a new row."""
        obj = self.after("insert", None, values)
        obj.save()
        return obj

    def update(self, row: Any, values: Values) -> Any:
        """Write some fields of a row, based on its version."""
        obj = self.after("update", row, values)
        obj.save()
        return obj

    def delete(self, row: Any) -> None:
        """Delete a row, based on its version."""
        row.delete()

    def _field(self, name: str) -> Any:
        return self.model._meta.get_field(name)

    def _copy(self, row: Any) -> Any:
        if row is None:
            return self.model()
        names = [field.attname for field in self.model._meta.concrete_fields]
        return self.model.from_db(DEFAULT_DB_ALIAS, names, [getattr(row, name) for name in names])

    def _refuse_unknown(self, change: Change, values: Mapping[str, Json]) -> None:
        allowed = {*self.fields, *(self.key_fields if change == "insert" else ())}
        if unknown := sorted(values.keys() - allowed):
            raise ValidationError(
                {
                    name: f"{shown(values[name])}: cannot be given to {change} a {self.kind}."
                    for name in unknown
                }
            )


def as_conflicts(row: Model, base: Json) -> tuple[Conflict, ...]:
    """Return the conflict of a change that is based on a row which is there no more."""
    return (Conflict((), base, ABSENT, base),)
