"""Turning what somebody proposes into the rows of a scheduled change, checked and reduced to what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from history.context import Change
from history.values import Json, same_value
from releases.validation import shown
from releng.changes.examination import examine
from releng.changes.exceptions import ChangeScheduledError
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite


@dataclass(frozen=True, slots=True)
class Proposal:
    """One write as somebody proposes it.

    `target` is a kind of `releng.changes.kinds`; `values` are by field name, only those that are to change;
    `object_id` is the row's key, None for a new row. `base` says which version the values were chosen for
    (`Target.base_of`, or a whole number where that is enough); None stands for the row as it is now.
    """

    target: str
    change: Change
    values: Mapping[str, Json] = field(default_factory=dict)
    object_id: int | None = None
    base: Json = None


def drafted(scheduled: ScheduledChange, position: int, proposal: Proposal) -> ScheduledWrite:
    """Return the row of one proposal, with only those values that differ from what the row says."""
    target = TARGETS.get(proposal.target)
    if target is None:
        raise ValidationError({"target": f"{shown(proposal.target)}: known are {', '.join(TARGETS)}."})
    if proposal.change not in target.changes:
        raise ValidationError({"change": f"{proposal.change}: cannot be scheduled for a {target.kind}."})
    write = ScheduledWrite(
        scheduled_change=scheduled,
        position=position,
        target=target.kind,
        change=proposal.change,
        object_id=proposal.object_id,
        values=dict(proposal.values) if proposal.change != "delete" else {},
    )
    if proposal.change == "insert":
        after = target.after("insert", None, write.values)
        write.values = target.proposed(after, write.values)
        write.object_name = target.name_of(after)[:300] if target.key_fields else ""
        write.product, write.channel = target.facets(after)
        return write
    row, waits = _row(scheduled, target.kind, proposal.object_id)
    _refuse_competition(scheduled, target.kind, row)
    if not waits:
        write.base = _base(target, row, proposal.base)
    if proposal.change == "update":
        rebased = target.rebase(row, write.values, write.base) if not waits else None
        if rebased is not None and rebased.conflicts:
            raise row.outdated(_version(proposal.base, row))
        if rebased is not None:
            write.values, write.base = rebased.values, rebased.base
        after = target.after("update", row, write.values)
        current = target.values_of(row)
        write.values = {
            name: value
            for name, value in target.proposed(after, write.values).items()
            if not same_value(value, current[name])
        }
        if not write.values:
            raise ValidationError("Nothing would change: every value is as it is now.")
    write.object_name = target.name_of(row)[:300]
    write.product, write.channel = target.facets(row)
    return write


def _row(scheduled: ScheduledChange, kind: str, object_id: int | None) -> tuple[Any, bool]:
    """Return the row that a write is for, as it is or as the change that comes first leaves it."""
    if scheduled.follows is not None and object_id is not None:
        for item in examine(scheduled.follows).writes:
            if (item.write.target, item.write.object_id) == (kind, object_id) and item.after is not None:
                return item.after, True
    row = TARGETS[kind].find(object_id) if object_id is not None else None
    if row is None:
        raise ValidationError({"object_id": f"{object_id}: there is no such {kind}."})
    return row, False


def _base(target: Any, row: Any, given: Json) -> Json:
    if given is None:
        return target.base_of(row)
    if isinstance(given, int):
        now = target.base_of(row)
        if row.data_version != given:
            if "." in now:
                raise row.outdated(given)
            return {"data_version": given}
        return now
    return given


def _version(base: Json, row: Any) -> int:
    if isinstance(base, Mapping):
        found = base.get("data_version", base.get(".", row.data_version))
        return int(found)
    return base if isinstance(base, int) else int(row.data_version)


def _refuse_competition(scheduled: ScheduledChange, kind: str, row: Any) -> None:
    """Refuse a second open change for a row, unless it follows the one that is there (T05)."""
    others = ScheduledChange.objects.open().writing(kind, row.pk).exclude(pk=scheduled.pk)
    others = others.exclude(pk__in=_family(scheduled))
    found = list(others)
    if found:
        raise ChangeScheduledError(
            f"{kind} {row}", found, "edit that one, cancel it, or schedule yours to follow it."
        )


def _family(scheduled: ScheduledChange) -> set[int]:
    """Return the keys of all changes that it follows, and of all that follow one of these."""
    root = scheduled
    while root.follows is not None:
        root = root.follows
    found, newest = {root.pk}, {root.pk}
    while newest:
        newest = set(ScheduledChange.objects.filter(follows__in=newest).values_list("pk", flat=True))
        found |= newest
    return found
