"""The life of objects: their versions, and how everything was at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.db.models import IntegerField, Q, QuerySet, Value

from history.diff import FieldDiff
from history.models import ChangeSet, VersionedModel
from history.reading import Entry, compare, entries, key_of, model_of, parent_key, parent_names, read_rows

PAGE_ROWS = 50


def timeline(
    model: type[VersionedModel], object_id: Any, *, before: int | None = None, limit: int = PAGE_ROWS
) -> tuple[list[Entry], int | None]:
    """Return an object's versions, newest first, deleted objects' too, and the history id to go on `before`.

    Few queries, however long the history is.
    """
    rows = model.history.filter(**{model._meta.pk.attname: object_id})
    if before is not None:
        rows = rows.filter(history_id__lt=before)
    ids = list(rows.order_by("-history_id").values_list("history_id", flat=True)[: limit + 1])
    found = entries([model.history.filter(history_id__in=ids[:limit])]) if ids else []
    found.sort(key=lambda entry: entry.row.history_id, reverse=True)
    return found, ids[limit - 1] if len(ids) > limit else None


def as_of(
    model: type[VersionedModel], sequence: int, keys: Iterable[Any] | None = None, **never_changing: Any
) -> QuerySet[Any]:
    """Return the history rows that were the live rows after change set number `sequence`: one query.

    `history.chain.sequence_at(moment)` gives the number for a moment. `keys` limits it to some objects, and so do the
    values of fields that no write ever changes.
    """
    key = model._meta.pk.attname
    rows = model.history.filter(change_set__sequence__lte=sequence, **never_changing)
    if keys is not None:
        rows = rows.filter(**{f"{key}__in": keys})
    newest = rows.order_by().values(key).annotate(last=models.Max("history_id")).values("last")
    return model.history.filter(history_id__in=newest).exclude(history_type="-")


# --- Then and now -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Line:
    """One object then and now: history row and live row, None where there was or is none."""

    key: Any
    then: Any | None
    now: Any | None
    parent: str = ""
    changes: list[FieldDiff] = field(default_factory=list)

    @property
    def sign(self) -> str:
        """`+` added since, `-` removed since, `~` changed since, `=` the same."""
        if self.then is None or self.now is None:
            return "+" if self.then is None else "-"
        return "=" if self.then.data_version == self.now.data_version else "~"

    @property
    def word(self) -> str:
        """The sign in a word."""
        return {"+": "added since", "-": "removed since", "~": "changed since", "=": "unchanged"}[self.sign]

    @property
    def row(self) -> Any:
        """The live row, or the last one that history has."""
        return self.now if self.now is not None else self.then

    @property
    def name(self) -> str:
        """What people call the object, now or, if it is gone, then."""
        return " ".join(filter(None, (self.parent, str(getattr(self.row, "instance", self.row)))))


@dataclass(slots=True)
class Table:
    """The objects of one model then and now; `after` is the key to go on from, None at the end."""

    model: type[VersionedModel]
    lines: list[Line] = field(default_factory=list)
    after: Any | None = None


def side_by_side(
    chosen: Sequence[type[VersionedModel]],
    sequence: int,
    *,
    after: Any | None = None,
    only_differences: bool = True,
    limit: int = PAGE_ROWS,
) -> list[Table]:
    """Compare the rows of each chosen model after change set `sequence` with those of now: four queries at most.

    Each table has at most `limit` lines, in the order of the keys, those greater than `after`.
    """
    tables = [Table(model) for model in chosen]
    keys: list[list[Any]] = [[] for _ in chosen]
    for number, key in _keys(chosen, sequence, after, limit, only_differences=only_differences):
        keys[number].append(key)
    wanted = []
    for table, found in zip(tables, keys, strict=True):
        ordered = sorted(set(found))
        table.after = ordered[limit - 1] if len(ordered) > limit else None
        wanted.append(ordered[:limit])
    pairs = list(zip(chosen, wanted, strict=True))
    then = _by_key(as_of(model, sequence, some) for model, some in pairs)
    now = _by_key(model._base_manager.filter(pk__in=some) for model, some in pairs)
    parents = parent_names([*then.values(), *now.values()])
    for table, some in zip(tables, wanted, strict=True):
        for key in some:
            line = Line(key, then.get((table.model, key)), now.get((table.model, key)))
            if line.row is None:
                continue  # it came and went since
            line.parent = parents.get(parent_key(line.row), "")
            if line.then is not None and line.now is not None:
                line.changes = compare(line.then, line.now)
            table.lines.append(line)
    return tables


def _by_key(sources: Iterable[QuerySet[Any]]) -> dict[tuple[type[VersionedModel], Any], Any]:
    return {(model_of(row), key_of(row)): row for row in read_rows(sources)}


def _keys(
    chosen: Sequence[type[VersionedModel]],
    sequence: int,
    after: Any | None,
    limit: int,
    *,
    only_differences: bool,
) -> Iterable[tuple[int, Any]]:
    """Return the first keys of each model, by its number: those that were written since, and the live ones."""
    sources: list[QuerySet[Any]] = []
    since = ChangeSet.objects.filter(sequence__gt=sequence).values("id")
    for number, model in enumerate(chosen):
        key = model._meta.pk.attname
        beyond = Q() if after is None else Q(**{f"{key}__gt": after})
        # What was written since is all that can differ; an object that is not live now is among it, too.
        written = model.history.filter(beyond, change_set__in=since).order_by(key).values(key)
        found = [
            model.history.filter(**{f"{key}__in": written.distinct()[: limit + 1]}).values(key).distinct()
        ]
        if not only_differences:
            live = model._base_manager.filter(beyond).order_by("pk").values("pk")[: limit + 1]
            found.append(model._base_manager.filter(pk__in=live))
        sources += [
            rows.order_by()
            .annotate(number=Value(number, output_field=IntegerField()))
            .values_list("number", key)
            for rows in found
        ]
    return sources[0].union(*sources[1:]) if sources else ()
