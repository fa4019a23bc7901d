"""The life of objects: their versions, what each changed, and how everything was at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db import models

from history.chain import sequence_at
from history.diff import FieldDiff, diff_fields
from history.models import VersionedModel

PAGE_ROWS = 50

__all__ = ["PAGE_ROWS", "Entry", "as_of", "compare", "field_values", "sequence_at", "timeline"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an object: its history row and what it changed against the version before."""

    row: Any
    changes: list[FieldDiff]


def field_values(row: Any) -> dict[str, Any]:
    """Return what a history row or a live row says, by field name; the version itself is left out."""
    fields = getattr(row, "tracked_fields", row._meta.concrete_fields)
    return {field.name: getattr(row, field.attname) for field in fields if field.name != "data_version"}


def _lists(model: type[VersionedModel]) -> Mapping[str, Any]:
    return getattr(model, "history_list_fields", {})


def timeline(
    model: type[VersionedModel], object_id: Any, *, before: int | None = None, limit: int = PAGE_ROWS
) -> list[Entry]:
    """Return an object's versions, newest first, deleted objects' too; `before` is the last history id already seen.

    Two queries, however long the history is.
    """
    rows = model.history.filter(**{model._meta.pk.attname: object_id}).select_related("change_set")
    if before is not None:
        rows = rows.filter(history_id__lt=before)
    found = list(rows.order_by("-history_id")[: limit + 1])
    entries = [Entry(newer, compare(older, newer)) for newer, older in pairwise(found)]
    if found and len(found) <= limit:
        entries.append(Entry(found[-1], []))
    return entries


def compare(base: Any, other: Any) -> list[FieldDiff]:
    """Return the differences of two versions (history rows or live rows), against the base that the reader chose."""
    model = getattr(base, "instance_type", type(base))
    return diff_fields(field_values(base), field_values(other), list_fields=_lists(model))


def as_of(model: type[VersionedModel], sequence: int) -> models.QuerySet[Any]:
    """Return the history rows that were the live rows after change set number `sequence`.

    `sequence_at(moment)` gives the number for a moment.
    """
    rows = model.history.filter(change_set__sequence__lte=sequence)
    newest = (
        rows.order_by().values(model._meta.pk.attname).annotate(last=models.Max("history_id")).values("last")
    )
    return model.history.filter(history_id__in=newest).exclude(history_type="-")
