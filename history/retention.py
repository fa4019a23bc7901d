"""Retention: removing old history through the one door that the guards leave open.

What a history row said is lost; that it existed, whose change set it belongs to and its digest are kept in
`PrunedRow`, so that the chain still verifies. Which objects may lose their history is for the application to say:
it registers a `Selection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from django.db import connection, models

from history import context
from history.models import PrunedRow, VersionedModel

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Criteria:
    """What `prune_history` was asked for."""

    before: datetime
    product: str | None = None
    name_glob: str = "*"


@dataclass(frozen=True)
class Candidate:
    """An object that may go, with what belongs to it: its live rows first, the parts before the whole."""

    name: str
    live: tuple[VersionedModel, ...]
    history: tuple[tuple[type[VersionedModel], tuple[int, ...]], ...]


Selection = Callable[[Criteria], Iterator[Candidate]]


@dataclass
class Pruned:
    """What was removed, or would be."""

    objects: list[str] = field(default_factory=list)
    live_rows: int = 0
    history_rows: int = 0


_selections: list[Selection] = []


def register(selection: Selection) -> Selection:
    """Let `selection` say which objects may be pruned; usable as a decorator."""
    if selection not in _selections:
        _selections.append(selection)
    return selection


def name_matches(criteria: Criteria, name: str) -> bool:
    """Tell whether `name` matches the glob; letter case counts."""
    return fnmatchcase(name, criteria.name_glob)


def prune(criteria: Criteria, *, dry_run: bool = False) -> Pruned:
    """Delete the objects that the selections name, and then all their history; needs an open change set.

    The deletion itself is an ordinary, recorded one, and its history row stays: what remains of an object is
    that it existed, and who removed it. With `dry_run` nothing is written.
    """
    result = Pruned()
    for selection in _selections:
        for candidate in list(selection(criteria)):
            result.objects.append(candidate.name)
            result.live_rows += len(candidate.live)
            if not dry_run:
                for row in candidate.live:
                    row.delete(change_reason="pruned")
            for model, keys in candidate.history:
                result.history_rows += _prune_history(model, keys, dry_run=dry_run)
    return result


def _prune_history(model: type[VersionedModel], keys: tuple[int, ...], *, dry_run: bool) -> int:
    opened = context.current()
    rows = model.history.filter(**{f"{model._meta.pk.attname}__in": keys})
    if opened is not None:
        rows = rows.exclude(change_set_id=opened.id)  # the deletion that this very act records
    if dry_run:
        return rows.count()
    removed = 0
    while batch := list(rows.order_by("history_id")[:ROWS_AT_ONCE]):
        _remove(model, batch)
        removed += len(batch)
    return removed


def _remove(model: type[VersionedModel], batch: list[Any]) -> None:
    opened = context.require("history to be pruned")
    opened.touched.add(PrunedRow)
    table = model.history.model._meta.db_table
    PrunedRow._base_manager.bulk_create(
        PrunedRow(
            change_set_id=row.change_set_id,
            pruned_by_id=opened.id,
            table_name=table,
            history_id=row.history_id,
            object_id=getattr(row, model._meta.pk.attname),
            data_version=row.data_version,
            digest=row.digest,
        )
        for row in batch
    )
    gone: models.QuerySet[Any] = model.history.filter(history_id__in=[row.history_id for row in batch])
    gone._raw_delete(using=connection.alias)
