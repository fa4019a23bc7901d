"""One feed over everything: change sets, newest first, with what each of them did."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

from django.db.models import F, Q, QuerySet, Value, Window
from django.db.models.functions import RowNumber

from history.chain import versioned_models
from history.diff import FieldDiff
from history.models import ChangeSet, VersionedModel
from history.timeline import compare

PAGE_CHANGE_SETS = 25
# A change set that loads a whole data set touches a hundred thousand rows; a page shows the first of them.
ROWS_SHOWN = 20
# What objects of different models have in common; a model's `history_facets` names its field for each.
FACETS = ("product", "channel", "name")


@dataclass(frozen=True)
class Filters:
    """Which change sets to show; what is None does not count. `model` is a label such as `rules.Rule`."""

    person: str | None = None
    model: str | None = None
    object_id: int | None = None
    product: str | None = None
    channel: str | None = None
    name: str | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


@dataclass
class Act:
    """One change set and the first of its history rows, each with what it changed; `more` counts the rest."""

    change_set: ChangeSet
    changes: list[tuple[Any, list[FieldDiff]]] = field(default_factory=list)
    more: bool = False


def facet(model: type[VersionedModel], name: str) -> str | None:
    """Return the field path by which history rows of `model` know `name` (one of FACETS), or None."""
    facets: dict[str, str] = getattr(model, "history_facets", {})
    return facets.get(name)


def change_sets(filters: Filters, visible: list[type[VersionedModel]]) -> QuerySet[ChangeSet]:
    """Return the change sets that meet `filters` and touched one of the `visible` models, newest first."""
    rows = ChangeSet.objects.order_by("-sequence")
    if filters.person:
        rows = rows.filter(actor_name=filters.person)
    if filters.origin:
        rows = rows.filter(origin=filters.origin)
    if filters.since is not None:
        rows = rows.filter(time__gte=filters.since)
    if filters.until is not None:
        rows = rows.filter(time__lte=filters.until)
    if filters.text:
        rows = rows.filter(reason__icontains=filters.text)
    narrowing = (
        filters.model or filters.object_id is not None or any(getattr(filters, name) for name in FACETS)
    )
    if narrowing or len(visible) < len(versioned_models()):
        touching = [Q(id__in=found.values("change_set_id")) for found in _rows_of(filters, visible)]
        rows = rows.filter(reduce(operator.or_, touching)) if touching else rows.none()
    return rows


def _rows_of(filters: Filters, visible: list[type[VersionedModel]]) -> Iterator[QuerySet[Any]]:
    """Yield for each model the history rows that meet the filters on objects."""
    for model in visible:
        if filters.model and model._meta.label != filters.model:
            continue
        rows = model.history.order_by()
        if filters.object_id is not None:
            rows = rows.filter(**{model._meta.pk.attname: filters.object_id})
        wanted = {name: getattr(filters, name) for name in FACETS if getattr(filters, name)}
        paths = {name: facet(model, name) for name in wanted}
        if None in paths.values():
            continue
        yield rows.filter(**{str(paths[name]): value for name, value in wanted.items()})


def page(
    filters: Filters,
    visible: list[type[VersionedModel]],
    *,
    before: int | None = None,
    limit: int = PAGE_CHANGE_SETS,
) -> tuple[list[Act], int | None]:
    """Return one page of acts, and the sequence to ask for the next one, if there is any.

    Nothing is counted; the number of queries does not depend on how much history there is.
    """
    rows = change_sets(filters, visible)
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    found = list(rows[: limit + 1])
    acts = {change_set.id: Act(change_set) for change_set in found[:limit]}
    for model, history_ids in _first_rows(visible, acts).items():
        _add_changes(model, history_ids, acts)
    return list(acts.values()), found[limit - 1].sequence if len(found) > limit else None


def _first_rows(
    visible: list[type[VersionedModel]], acts: dict[Any, Act]
) -> dict[type[VersionedModel], list[int]]:
    """Choose the history rows to show, at most ROWS_SHOWN of a model for each act: one query over all models."""
    sources = [
        model.history.filter(change_set_id__in=list(acts))
        .order_by()
        .annotate(
            place=Window(RowNumber(), partition_by=F("change_set_id"), order_by=F("history_id").asc()),
            number=Value(number),
        )
        .filter(place__lte=ROWS_SHOWN + 1)
        .values_list("number", "change_set_id", "history_id", "place")
        for number, model in enumerate(visible)
    ]
    chosen: dict[type[VersionedModel], list[int]] = defaultdict(list)
    if not acts or not sources:
        return chosen
    for number, change_set_id, history_id, place in sources[0].union(*sources[1:], all=True):
        if place > ROWS_SHOWN:
            acts[change_set_id].more = True
        else:
            chosen[visible[number]].append(history_id)
    return chosen


def _add_changes(model: type[VersionedModel], history_ids: list[int], acts: dict[Any, Act]) -> None:
    """Add the chosen history rows of one model to their acts: two queries."""
    rows = list(model.history.filter(history_id__in=history_ids).order_by("history_id"))
    older = _versions_before(model, rows)
    for row in rows:
        base = older.get(row.history_id)
        acts[row.change_set_id].changes.append((row, compare(base, row) if base is not None else []))


def _versions_before(model: type[VersionedModel], rows: list[Any]) -> dict[int, Any]:
    """Return for each changed row the version that it changed, by history id: one query."""
    key = model._meta.pk.attname
    changed = [row for row in rows if row.history_type == "~"]
    if not changed:
        return {}
    wanted = reduce(
        operator.or_, (Q(**{key: getattr(row, key)}, data_version=row.data_version - 1) for row in changed)
    )
    found = {
        (getattr(row, key), row.data_version): row
        for row in model.history.filter(wanted).exclude(history_type="-")
    }
    return {
        row.history_id: base
        for row in changed
        if (base := found.get((getattr(row, key), row.data_version - 1))) is not None
    }


def stream(
    filters: Filters, visible: list[type[VersionedModel]], batch: int = 200
) -> Iterator[dict[str, Any]]:
    """Yield one plain record for each history row of the feed, newest change set first, in bounded memory."""
    before: int | None = None
    while True:
        rows = change_sets(filters, visible)
        if before is not None:
            rows = rows.filter(sequence__lt=before)
        found = list(rows[:batch])
        for change_set in found:
            for model in visible:
                for row in (
                    model.history.filter(change_set_id=change_set.id).order_by("history_id").iterator()
                ):
                    yield record(change_set, model, row)
        if len(found) < batch:
            return
        before = found[-1].sequence


def record(change_set: ChangeSet, model: type[VersionedModel], row: Any) -> dict[str, Any]:
    """Return one history row as people export it."""
    return {
        "sequence": change_set.sequence,
        "time": change_set.time.isoformat(),
        "who": change_set.actor_name,
        "why": change_set.reason,
        "origin": change_set.origin,
        "model": model._meta.label,
        "object": getattr(row, model._meta.pk.attname),
        "name": str(row.instance),
        "version": row.data_version,
        "change": row.get_history_type_display().lower(),
        "note": row.history_change_reason or "",
    }
