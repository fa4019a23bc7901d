"""One feed over everything: change sets, newest first, with what each of them did.

Which rows belong to a product or a channel is declared by the models, so that this package needs to know none:
`history_facets = {"product": "product"}` names a field, or a path over foreign keys (`release__product`);
`history_parent = "release"` names the object that a row is a part of.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import islice
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, Window
from django.db.models.functions import RowNumber

from history.chain import versioned_models
from history.models import ChangeSet, VersionedModel
from history.reading import Entry, entries, model_of, parent_field

PAGE_CHANGE_SETS = 25
# A change set that loads a whole data set touches a hundred thousand rows; the feed shows the first of them.
ROWS_SHOWN = 10
PAGE_ROWS = 100
ROWS_AT_ONCE = 500

Models = Sequence[type[VersionedModel]]
Place = tuple[int, int]
"""Where a page of rows ends: the number of the model, and the history id."""


@dataclass(frozen=True)
class Filters:
    """Which history to show; what is None does not count.

    `model` is a label such as `rules.Rule` and `object` a key; both bring the parts of what they name along.
    `facets` are values by the names that models declare.
    """

    person: str | None = None
    model: str | None = None
    object: int | None = None
    origin: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    facets: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Act:
    """One change set and the first of its rows that the filters let through; `more` counts those not shown."""

    change_set: ChangeSet
    entries: list[Entry] = field(default_factory=list)
    more: int = 0


def declared_facets(visible: Models) -> list[str]:
    """Return the names of all facets that models declare, in order."""
    return sorted({name for model in visible for name in getattr(model, "history_facets", {})})


# --- Filters as conditions ----------------------------------------------------------------------------------


def _of_change_set(filters: Filters, prefix: str = "") -> Q:
    """Return the condition on change sets, or with a prefix that on what points to them."""
    wanted = {
        "actor_name": filters.person,
        "origin": filters.origin,
        "time__gte": filters.since,
        "time__lte": filters.until,
        "reason__icontains": filters.text,
    }
    return Q(**{f"{prefix}{name}": value for name, value in wanted.items() if value})


def _rows(filters: Filters, visible: Models) -> list[QuerySet[Any]]:
    """Return for each model that is concerned the history rows that meet the conditions on objects."""
    found = []
    for model in visible:
        conditions = _conditions(model, filters)
        if conditions is not None:
            found.append(model.history.filter(*conditions).order_by())
    return found


def _conditions(model: type[VersionedModel], filters: Filters) -> list[Q] | None:
    """Return the conditions on history rows of `model`; None when no row of it can meet the filters."""
    parent = parent_field(model)
    labels = [model._meta.label, *([parent.related_model._meta.label] if parent is not None else [])]
    if filters.model and filters.model not in labels:
        return None
    conditions = []
    if filters.object is not None:
        is_it = Q()
        if not filters.model or filters.model == labels[0]:
            is_it |= Q(**{model._meta.pk.attname: filters.object})
        if parent is not None and (not filters.model or filters.model == labels[1]):
            is_it |= Q(**{parent.attname: filters.object})
        conditions.append(is_it)
    for name, value in filters.facets.items():
        path = getattr(model, "history_facets", {}).get(name)
        if path is None:
            return None
        conditions.append(_has(model, path, value))
    return conditions


def _has(model: type[VersionedModel], path: str, value: str) -> Q:
    """Return the condition that a history row has the value, or took it away; parts follow their parents.

    The change by which a rule leaves a product concerns that product as much as any other does.
    """
    name, _, rest = path.partition("__")
    of_row: Any = model._meta.get_field(name)
    if rest:
        related = of_row.related_model
        if issubclass(related, VersionedModel):
            parents = related.history.filter(_has(related, rest, value))
        else:  # users have no history of their own
            parents = related._base_manager.filter(**{rest: value})
        return Q(**{f"{of_row.attname}__in": parents.values(of_row.target_field.attname)})
    key = model._meta.pk.attname
    having = model.history.filter(**{of_row.attname: value})
    before = having.filter(**{key: OuterRef(key)}, data_version=OuterRef("data_version") - 1)
    taken_away = Q(Q(**{f"{key}__in": having.values(key)}), Exists(before))
    return Q(**{of_row.attname: value}) | taken_away


def as_number(text: str | None) -> int | None:
    """Return a whole number that fits a key of the database, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


# --- Pages --------------------------------------------------------------------------------------------------


def change_sets(filters: Filters, visible: Models) -> QuerySet[ChangeSet]:
    """Return the change sets that meet `filters` and touched one of the `visible` models, newest first."""
    found = ChangeSet.objects.filter(_of_change_set(filters)).order_by("-sequence")
    if (
        filters.model
        or filters.object is not None
        or filters.facets
        or len(visible) < len(versioned_models())
    ):
        touching = [Q(id__in=rows.values("change_set_id")) for rows in _rows(filters, visible)]
        found = found.filter(reduce(operator.or_, touching)) if touching else found.none()
    return found


def page(
    filters: Filters, visible: Models, *, before: int | None = None, limit: int = PAGE_CHANGE_SETS
) -> tuple[list[Act], int | None]:
    """Return one page of acts, and the sequence to go on `before`, None at the end.

    Nothing is counted over the whole table; the number of queries depends neither on how much history there is
    nor on how many models have some.
    """
    found = change_sets(filters, visible)
    if before is not None:
        found = found.filter(sequence__lt=before)
    sets = list(found[: limit + 1])
    acts = {change_set.id: Act(change_set) for change_set in sets[:limit]}
    shown: dict[Any, list[Place]] = defaultdict(list)
    for number, change_set_id, history_id, of_model in _first_rows(filters, visible, acts):
        acts[change_set_id].more += of_model
        if len(shown[change_set_id]) < ROWS_SHOWN:
            acts[change_set_id].more -= 1
            shown[change_set_id].append((number, history_id))
    known = {change_set.id: change_set for change_set in sets}
    for entry in _read([place for places in shown.values() for place in places], visible, known):
        acts[entry.row.change_set_id].entries.append(entry)
    return list(acts.values()), sets[limit - 1].sequence if len(sets) > limit else None


def _numbered(rows: QuerySet[Any], visible: Models) -> QuerySet[Any]:
    number = visible.index(rows.model.instance_type)
    return rows.order_by().annotate(number=Value(number, output_field=IntegerField()))


def _first_rows(
    filters: Filters, visible: Models, acts: Mapping[Any, Act]
) -> Iterator[tuple[int, Any, int, int]]:
    """Yield (number of the model, change set, history id, rows of the model) for the first rows of each act.

    One query over all models. The count stands with the first row of a model, others have 0.
    """
    sources = []
    for rows in _rows(filters, visible) if acts else ():
        of_set: dict[str, Any] = {"partition_by": F("change_set_id")}
        counted = _numbered(rows.filter(change_set_id__in=list(acts)), visible).annotate(
            place=Window(RowNumber(), order_by=F("history_id").asc(), **of_set),
            of_model=Window(Count("*"), **of_set),
        )
        sources.append(
            counted.filter(place__lte=ROWS_SHOWN).values_list(
                "number", "change_set_id", "history_id", "of_model", "place"
            )
        )
    if not sources:
        return
    for number, change_set_id, history_id, of_model, place in (
        sources[0].union(*sources[1:], all=True).order_by("number", "history_id")
    ):
        yield number, change_set_id, history_id, of_model if place == 1 else 0


def entries_of(
    change_set: ChangeSet, visible: Models, *, after: Place | None = None, limit: int = PAGE_ROWS
) -> tuple[list[Entry], Place | None]:
    """Return one page of what a change set did, and the place to go on `after`, None at the end."""
    sources = []
    for number, model in enumerate(visible):
        rows = _numbered(model.history.filter(change_set_id=change_set.id), visible)
        if after is not None:
            if number < after[0]:
                continue
            rows = rows.filter(history_id__gt=after[1]) if number == after[0] else rows
        sources.append(rows.values_list("number", "history_id"))
    if not sources:
        return [], None
    places = list(sources[0].union(*sources[1:], all=True).order_by("number", "history_id")[: limit + 1])
    found = _read(places[:limit], visible, {change_set.id: change_set})
    return found, places[limit - 1] if len(places) > limit else None


def _read(
    places: Sequence[Place], visible: Models, known: Mapping[Any, ChangeSet] | None = None
) -> list[Entry]:
    """Return the entries at some places, in their order."""
    ids: dict[int, list[int]] = defaultdict(list)
    for number, history_id in places:
        ids[number].append(history_id)
    sources = [visible[number].history.filter(history_id__in=some) for number, some in ids.items()]
    found = {(model_of(entry.row), entry.row.history_id): entry for entry in entries(sources, known)}
    return [found[visible[number], history_id] for number, history_id in places]


# --- Everything ---------------------------------------------------------------------------------------------


def stream(filters: Filters, visible: Models) -> Iterator[Entry]:
    """Yield every entry that the filters let through, newest change set first, in bounded memory."""
    sources = [
        _numbered(rows.filter(_of_change_set(filters, "change_set__")), visible)
        .annotate(of_sequence=F("change_set__sequence"))  # a name that no model's own field has
        .values_list("number", "history_id", "of_sequence")
        for rows in _rows(filters, visible)
    ]
    if not sources:
        return
    found = sources[0].union(*sources[1:], all=True).order_by("-of_sequence", "number", "history_id")
    places = found.iterator(chunk_size=ROWS_AT_ONCE)
    while batch := [(number, history_id) for number, history_id, _ in islice(places, ROWS_AT_ONCE)]:
        yield from _read(batch, visible)
