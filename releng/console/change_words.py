"""Scheduled changes in words, for lists: what each writes, where, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from history.diff import FieldDiff, diff_fields
from history.fields import plain
from history.values import Json
from releng.changes.examination import ExaminedWrite
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.release_targets import PartTarget
from releng.console.rule_words import LABELS

VERBS = {"insert": "new", "update": "change", "delete": "delete"}
PAIRS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Pair:
    """One field that is written: as it is and as it would be. Documents have no values here, only their name."""

    label: str
    old: Json
    new: Json
    is_document: bool = False


@dataclass(frozen=True, slots=True)
class WriteWords:
    """One write: `title` says what happens to which row; `more` fields are written besides `pairs`."""

    title: str
    change: str
    pairs: list[Pair]
    more: int = 0


def write_words(write: ScheduledWrite, before: Any, after: Any = None) -> WriteWords:
    """Return a write in words; `before` is the row as it is, `after` as it would be, None where not known."""
    kind = TARGETS[write.target].model._meta.verbose_name
    name = write.object_name or _name_of_new(write)
    title = f"{VERBS[write.change]} {kind} {name}{_of_release(write, after if before is None else before)}".rstrip()
    if write.change == "delete":
        return WriteWords(title, write.change, [])
    pairs = [_pair(write, before, name) for name in write.values]
    if write.change == "insert":
        pairs = [pair for pair in pairs if pair.new not in (None, "", [], {})]
    return WriteWords(title, write.change, pairs[:PAIRS_SHOWN], max(0, len(pairs) - PAIRS_SHOWN))


def _of_release(write: ScheduledWrite, part: Any) -> str:
    """Return the release that a part belongs to, which its name does not say."""
    if write.target != PartTarget.kind:
        return ""
    return f" of {part.release.name}" if part is not None else ""


def _name_of_new(write: ScheduledWrite) -> str:
    for name in ("alias", "name", "mapping"):
        if isinstance(write.values.get(name), str):
            return str(write.values[name])
    return ""


def _pair(write: ScheduledWrite, before: Any, name: str) -> Pair:
    field: Any = TARGETS[write.target].model._meta.get_field(name)
    new, label = write.values[name], LABELS.get(name, name.replace("_", " "))
    if isinstance(new, Mapping):
        return Pair(label, None, None, is_document=True)
    old = plain(field, getattr(before, field.attname)) if before is not None else None
    return Pair(label, old, new)


def changes_of(item: ExaminedWrite) -> list[FieldDiff]:
    """Return what a write changes, field by field; documents by platform and locale."""
    before = item.target.values_of(item.before) if item.before is not None else {}
    after = item.target.values_of(item.after) if item.after is not None else {}
    given = {name: value for name, value in after.items() if before or value not in (None, "", [], {})}
    lists: Any = getattr(item.target.model, "history_list_fields", {})
    return diff_fields(before, given, list_fields=lists)


def page_of_row(write: ScheduledWrite) -> str:
    """Return the address of the row that a write is about; empty for a new one, or one without a page."""
    if write.object_id is None:
        return ""
    model = TARGETS[write.target].model
    try:
        return reverse(
            f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[write.object_id]
        )
    except NoReverseMatch:
        return reverse("history:object", args=[model._meta.label_lower, write.object_id])


def waits_for(scheduled: ScheduledChange) -> list[str]:
    """Return the numbers and the change that a change waits for, in words; nothing for a time alone."""
    found = []
    if scheduled.uptake_percent is not None:
        where = f" on {scheduled.uptake_build_target}" if scheduled.uptake_build_target else ""
        found.append(
            f"when {scheduled.uptake_percent:g} % of {scheduled.uptake_product} {scheduled.uptake_channel}"
            f"{where} run {scheduled.uptake_version}"
        )
    if scheduled.metric:
        found.append(f"when {scheduled.metric} is above {scheduled.metric_above:g}")
    if scheduled.follows_id is not None:
        found.append(f"after scheduled change {scheduled.follows_id}")
    return found
