"""Rows of many tables in one query: what keeps the history pages at few queries, however many models there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connections, models
from django.db.models import Case, F, IntegerField, Max, Q, QuerySet, TextField, Value, When
from django.db.models.functions import MD5, Cast, JSONObject, Length
from django.db.models.lookups import LessThanOrEqual

from history.diff import FieldDiff, diff_fields
from history.models import ChangeSet, VersionedModel

# A page shows many rows; of a document that is longer than this it says only whether it changed.
SHOWN_CHARACTERS = 20_000
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class LongText:
    """A text or document that was left unread because of its length; equal ones have the same digest (MD5)."""

    characters: int
    digest: str

    def __str__(self) -> str:
        return f"({self.characters:,} characters, not shown here)".replace(",", "\u2009")


@dataclass(slots=True)
class Entry:
    """One version of an object: its history row, what it changed, and the version before it (`base`).

    For a creation `changes` has the values that it was made with, for a deletion those that it had. `parent` is
    the name of the object that this one is a part of, empty for others.
    """

    row: Any
    base: Any | None
    changes: list[FieldDiff]
    parent: str = ""

    @property
    def base_is_gone(self) -> bool:
        """The version before was removed by retention, so nobody can say what this one changed."""
        return self.base is None and self.row.history_type == "~"

    @property
    def name(self) -> str:
        """What people call the object, as it was named then."""
        return " ".join(filter(None, (self.parent, str(self.row.instance))))


def read_rows(sources: Iterable[QuerySet[Any]], *, whole: bool = False) -> list[Any]:
    """Return the rows of querysets of any models as instances: one query for all of them, in no order.

    Unless `whole`, values of unlimited fields that are longer than SHOWN_CHARACTERS come as `LongText`.
    """
    rows_of = [_without_slice(source).order_by() for source in sources]
    if not rows_of:
        return []
    selects = [
        rows.values_list(Value(number, output_field=IntegerField()), _as_json(rows.model, whole=whole))
        for number, rows in enumerate(rows_of)
    ]
    found = selects[0].union(*selects[1:], all=True) if len(selects) > 1 else selects[0]
    return [_instance(rows_of[number], values) for number, values in found]


def _without_slice(rows: QuerySet[Any]) -> QuerySet[Any]:
    # SQLite takes no LIMIT in the parts of a union.
    return rows.model._base_manager.filter(pk__in=rows.values("pk")) if rows.query.is_sliced else rows


def _as_json(model: type[models.Model], *, whole: bool) -> JSONObject:
    said: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        said[field.attname] = F(field.attname)
        if isinstance(field, models.TextField) and not whole:
            text = Cast(field.attname, TextField())
            is_short: Any = LessThanOrEqual(Length(text), SHOWN_CHARACTERS)
            said[field.attname] = Case(When(is_short, then=text), default=None)
            said[f"{field.attname}:digest"] = Case(When(is_short, then=None), default=MD5(text))
            said[f"{field.attname}:length"] = Length(text)
    return JSONObject(**said)


def _instance(rows: QuerySet[Any], values: dict[str, Any]) -> Any:
    fields = rows.model._meta.concrete_fields
    python = [
        LongText(values[f"{field.attname}:length"], values[f"{field.attname}:digest"])
        if values.get(f"{field.attname}:digest")
        else _python_value(field, values[field.attname], rows.db)
        for field in fields
    ]
    return rows.model.from_db(rows.db, [field.attname for field in fields], python)


def _python_value(field: models.Field[Any, Any], value: Any, using: str) -> Any:
    """Return a value that came as JSON as the field has it; every database writes some types in its own way."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if value is None:
        return None
    if hasattr(field, "from_db_value"):
        return field.from_db_value(value, None, connections[using])
    value = field.to_python(value)
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value


# --- What a version says, and what it changed ---------------------------------------------------------------


def field_values(row: Any) -> dict[str, Any]:
    """Return what a history row or a live row says, by field name; the version itself is left out."""
    fields = getattr(row, "tracked_fields", row._meta.concrete_fields)
    return {field.name: getattr(row, field.attname) for field in fields if field.name != "data_version"}


def compare(base: Any, other: Any) -> list[FieldDiff]:
    """Return the differences of two versions (history rows or live rows), against the base that the reader chose."""
    return diff_fields(field_values(base), field_values(other), list_fields=_list_fields(model_of(base)))


def model_of(row: Any) -> type[VersionedModel]:
    """Return the versioned model of a history row or of a live row."""
    model: type[VersionedModel] = getattr(row, "instance_type", type(row))
    return model


def key_of(row: Any) -> Any:
    """Return the primary key of the object that a history row or a live row is about."""
    return getattr(row, model_of(row)._meta.pk.attname)


def _list_fields(model: type[VersionedModel]) -> Mapping[str, str]:
    return getattr(model, "history_list_fields", {})


def entries(
    sources: Iterable[QuerySet[Any]],
    change_sets: Mapping[Any, ChangeSet] | None = None,
    *,
    whole: bool = False,
) -> list[Entry]:
    """Return history rows of any models with what each changed, in no order: four queries at most.

    `change_sets` has those that the caller knows already, by id. `whole`: long texts are read, too.
    """
    rows = read_rows(sources, whole=whole)
    known = dict(change_sets or {})
    if unknown := {row.change_set_id for row in rows} - known.keys():
        known |= ChangeSet.objects.in_bulk(unknown)
    bases = {
        (model_of(row), key_of(row), row.data_version): row
        for row in read_rows(_bases(rows), whole=whole)
        if row.history_type != "-"
    }
    parents = parent_names(rows)
    found = []
    for row in rows:
        row.change_set = known[row.change_set_id]
        base = (
            bases.get((model_of(row), key_of(row), row.data_version - 1)) if row.history_type == "~" else None
        )
        found.append(Entry(row, base, _changes(base, row), parents.get(parent_key(row), "")))
    return found


def _changes(base: Any | None, row: Any) -> list[FieldDiff]:
    if row.history_type == "~":
        return compare(base, row) if base is not None else []
    key = model_of(row)._meta.pk.name
    said = {name: value for name, value in field_values(row).items() if name != key and value not in _EMPTY}
    before, after = ({}, said) if row.history_type == "+" else (said, {})
    return diff_fields(before, after, list_fields={})


def _bases(rows: Iterable[Any]) -> list[QuerySet[Any]]:
    """Return a queryset for each model with the versions that changed `rows` were made from."""
    wanted: dict[type[VersionedModel], Q] = defaultdict(Q)
    for row in rows:
        if row.history_type == "~":
            model = model_of(row)
            wanted[model] |= Q(**{model._meta.pk.attname: key_of(row)}, data_version=row.data_version - 1)
    return [model.history.filter(condition) for model, condition in wanted.items()]


# --- Parts and the objects that they belong to --------------------------------------------------------------


def parent_field(model: type[VersionedModel]) -> Any | None:
    """Return the foreign key to the object that rows of `model` are parts of (`history_parent`), or None."""
    name = getattr(model, "history_parent", None)
    return model._meta.get_field(name) if name else None


def parent_key(row: Any) -> tuple[Any, Any] | None:
    """Return model and key of the object that a row is a part of, None when it is no part."""
    field = parent_field(model_of(row))
    return None if field is None else (field.related_model, getattr(row, field.attname))


def parent_names(rows: Iterable[Any]) -> dict[tuple[Any, Any] | None, str]:
    """Return what the parents of `rows` were last called, by model and key; deleted ones too: one query."""
    keys: dict[Any, set[Any]] = defaultdict(set)
    for row in rows:
        if (key := parent_key(row)) is not None:
            keys[key[0]].add(key[1])
    sources = []
    for model, found in keys.items():
        target = model._meta.pk.attname
        last = model.history.filter(**{f"{target}__in": found}).order_by().values(target)
        sources.append(
            model.history.filter(history_id__in=last.annotate(last=Max("history_id")).values("last"))
        )
    return {(model_of(row), key_of(row)): str(row.instance) for row in read_rows(sources)}
