"""Three-way comparison: what two people made of the version that both of them read. Pure, no database.

`theirs` is what is stored now, `yours` is what the stale write wants to store, `base` is the version that
the write was based on. Documents are merged; the fields of rows are only compared, never merged silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from history.canonical import canonical_json
from history.exceptions import HistoryError
from history.values import ABSENT, Absent, Json, Path, copy_value, path_text, same_value

MAX_VALUE_CHARACTERS: Final = 60
"""Longer values are cut in messages; `Conflict` itself has them whole."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A place that both sides changed in different ways. A side without a value there has ABSENT."""

    path: Path
    base: Json | Absent
    theirs: Json | Absent
    yours: Json | Absent

    def as_dict(self) -> dict[str, Any]:
        """Return the conflict for a JSON answer: `path` as list, `where` as text, and the three values.

        A side that has no value is left out and named in the list `absent`, so that it differs from null.
        """
        return {"path": list(self.path), "where": path_text(self.path), **_sides(self)}

    def __str__(self) -> str:
        return (
            f"{path_text(self.path)}: was {_shown(self.base)}, "
            f"theirs {_shown(self.theirs)}, yours {_shown(self.yours)}"
        )


class MergeConflictError(HistoryError):
    """Two changes of one document overlap. `conflicts` has every place; nothing was merged."""

    code = "merge_conflict"

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts

    def __str__(self) -> str:
        places = "one place" if len(self.conflicts) == 1 else f"{len(self.conflicts)} places"
        return "\n".join([f"Both sides changed {places} in different ways.", *map(str, self.conflicts)])


@dataclass(frozen=True, slots=True)
class Merged:
    """A document with the changes of both sides, and where each side had changed it.

    `value` shares nothing with the three inputs; it is ABSENT when the document itself was deleted. A path
    on which both sides made the same change, or to which both added, stands in `theirs` and in `yours`.
    """

    value: Json | Absent
    theirs: tuple[Path, ...]
    yours: tuple[Path, ...]


def no_sets(path: Path) -> bool:
    """Say of every array that it is one value and no set."""
    return False


def merge(
    base: Json | Absent,
    theirs: Json | Absent,
    yours: Json | Absent,
    *,
    is_set: Callable[[Path], bool] = no_sets,
) -> Merged:
    """Combine what `theirs` and `yours` changed in `base` (protocol.md section 12.2).

    Objects are merged key by key; changes of different paths combine; the same change on both sides is one
    change. Everything else is one value: it may be changed, added or deleted by one side only. So is an
    array, unless `is_set(path)` says that its order means nothing and no item occurs twice: then the result
    has what neither side removed, in the order of `base`, then what `theirs` added, then what `yours` added.
    `base` is ABSENT for a document that both sides created.

    Raises MergeConflictError with all overlapping changes, and ValueError for NaN in a set.
    """
    merging = _Merging(is_set)
    value = merging.merge((), base, theirs, yours)
    if merging.conflicts:
        raise MergeConflictError(tuple(merging.conflicts))
    return Merged(value, tuple(merging.theirs), tuple(merging.yours))


@dataclass
class _Merging:
    """One run of `merge`: collects conflicts and changed paths while it walks the three documents."""

    is_set: Callable[[Path], bool]
    conflicts: list[Conflict] = field(default_factory=list)
    theirs: list[Path] = field(default_factory=list)
    yours: list[Path] = field(default_factory=list)

    def merge(
        self, path: Path, base: Json | Absent, theirs: Json | Absent, yours: Json | Absent
    ) -> Json | Absent:
        if isinstance(theirs, dict) and isinstance(yours, dict) and isinstance(base, dict | Absent):
            return self._merge_objects(path, {} if base is ABSENT else base, theirs, yours)
        their_change, your_change = not same_value(base, theirs), not same_value(base, yours)
        if their_change:
            self.theirs.append(path)
        if your_change:
            self.yours.append(path)
        if not their_change or not your_change or same_value(theirs, yours):
            return copy_value(theirs if their_change else yours)
        lists = isinstance(theirs, list) and isinstance(yours, list) and isinstance(base, list | Absent)
        if lists and self.is_set(path):
            return _merge_sets(base, theirs, yours)
        self.conflicts.append(Conflict(path, *map(copy_value, (base, theirs, yours))))
        return ABSENT

    def _merge_objects(
        self, path: Path, base: dict[str, Json], theirs: dict[str, Json], yours: dict[str, Json]
    ) -> dict[str, Json]:
        result = {}
        for key in base | theirs | yours:
            sides = (side.get(key, ABSENT) for side in (base, theirs, yours))
            value = self.merge((*path, key), *sides)
            if value is not ABSENT:
                result[key] = value
        return result


def _merge_sets(base: Json | Absent, theirs: Json, yours: Json) -> list[Json]:
    base_items, their_items, your_items = (
        {} if items is ABSENT else {canonical_json(item): item for item in items}
        for items in (base, theirs, yours)
    )
    removed = {key for key in base_items if key not in their_items or key not in your_items}
    every = base_items | their_items | your_items
    return [copy_value(item) for key, item in every.items() if key not in removed]


class Outcome(StrEnum):
    """What became of one field of a row on the two sides."""

    UNCHANGED = "unchanged"
    ONLY_THEIRS = "only theirs"
    ONLY_YOURS = "only yours"
    SAME = "same"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One field of a row in three versions; ABSENT where a version does not have the field."""

    name: str
    outcome: Outcome
    base: Any
    theirs: Any
    yours: Any

    def as_dict(self) -> dict[str, Any]:
        """Return the field for a JSON answer, its three values as `Conflict.as_dict` has them."""
        return {"name": self.name, "outcome": self.outcome.value, **_sides(self)}


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """All fields of a row in three versions, in the order of the row: what a refused stale edit is told."""

    fields: tuple[ComparedField, ...]

    def having(self, *outcomes: Outcome) -> tuple[ComparedField, ...]:
        """Return the fields with one of `outcomes`."""
        return tuple(compared for compared in self.fields if compared.outcome in outcomes)

    @property
    def changed(self) -> tuple[ComparedField, ...]:
        """The fields that at least one side changed."""
        return tuple(compared for compared in self.fields if compared.outcome is not Outcome.UNCHANGED)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The fields that both sides changed to different values, in the form that `merge` reports."""
        return tuple(
            Conflict((compared.name,), compared.base, compared.theirs, compared.yours)
            for compared in self.having(Outcome.CONFLICT)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the changed fields for a JSON answer: `{"fields": [...]}`."""
        return {"fields": [compared.as_dict() for compared in self.changed]}

    def __str__(self) -> str:
        return "; ".join(
            f"{outcome.value}: {', '.join(compared.name for compared in fields)}"
            for outcome in Outcome
            if outcome is not Outcome.UNCHANGED and (fields := self.having(outcome))
        )


def compare_fields(
    base: Mapping[str, Any], theirs: Mapping[str, Any], yours: Mapping[str, Any]
) -> FieldComparison:
    """Compare three versions of a row field by field, and merge nothing: a field is one value.

    Each mapping has all fields of the row: a field that a mapping lacks counts as absent, not as unchanged,
    so complete an edit of some fields with `base | edit` first.
    """
    compared = []
    for name in {**base, **theirs, **yours}:
        sides = [copy_value(side.get(name, ABSENT)) for side in (base, theirs, yours)]
        compared.append(ComparedField(name, _outcome(*sides), *sides))
    return FieldComparison(tuple(compared))


def _outcome(base: Any, theirs: Any, yours: Any) -> Outcome:
    their_change, your_change = not same_value(base, theirs), not same_value(base, yours)
    if their_change and your_change:
        return Outcome.SAME if same_value(theirs, yours) else Outcome.CONFLICT
    if their_change:
        return Outcome.ONLY_THEIRS
    return Outcome.ONLY_YOURS if your_change else Outcome.UNCHANGED


def _sides(compared: Conflict | ComparedField) -> dict[str, Any]:
    values = {"base": compared.base, "theirs": compared.theirs, "yours": compared.yours}
    absent = [side for side, value in values.items() if value is ABSENT]
    present = {side: value for side, value in values.items() if value is not ABSENT}
    return present | {"absent": absent}


def _shown(value: Any) -> str:
    try:
        text = str(value) if value is ABSENT else canonical_json(value)
    except (TypeError, ValueError):  # a field of a row may hold a date, which is no JSON
        text = str(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[: MAX_VALUE_CHARACTERS - 1]}…"
