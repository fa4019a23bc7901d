"""Batches: several proposals put together, to be signed and enacted as one, and taken apart again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from releng.changes.actions import Proposal, propose
from releng.changes.allowed import refuse_others
from releng.changes.conditions import FIELDS
from releng.changes.examination import examine
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.upkeep import State, opened


def put_together(
    author: Any,
    changes: Mapping[int, int],
    *,
    more: Sequence[Proposal] = (),
    conditions: Mapping[str, Any] | None = None,
    reason: str = "",
) -> ScheduledChange:
    """Replace pending changes by one that writes all that they would write, and `more`.

    `changes` has the version of each that somebody looked at, by its id. Whoever does it becomes the author, and what
    others have signed must be signed anew. Changes that follow others, or are followed, cannot be put together.
    Raises what `propose` and `cancel` raise.
    """
    parts = [_part(key, based_on, author) for key, based_on in sorted(changes.items())]
    proposals = [_proposal(write) for part in parts for write in _writes(part)]
    if len(proposals) + len(more) < 2:
        raise ValidationError("A batch has two proposals at least; choose more of them.")
    return propose(author, [*proposals, *more], conditions=conditions, reason=reason, replaces=parts)


def take_apart(change_id: int, author: Any, *, based_on: int) -> list[ScheduledChange]:
    """Replace a batch by one change for each of its writes, under the same conditions.

    Raises what `put_together` raises, and ValidationError when there is nothing to take apart.
    """
    batch = _part(change_id, based_on, author)
    writes = _writes(batch)
    if len(writes) < 2:
        raise ValidationError("It is no batch: there is one proposal only.")
    conditions = conditions_in(batch)
    found: list[ScheduledChange] = []
    for write in writes:
        replaces = () if found else (batch,)
        found.append(
            propose(author, [_proposal(write)], conditions=conditions, reason=batch.reason, replaces=replaces)
        )
    return found


def conditions_in(scheduled: ScheduledChange) -> dict[str, Any]:
    """Return the conditions of a change, to be given to another one; a `when` that is over says nothing any more."""
    given = {name: getattr(scheduled, name) for name in FIELDS if getattr(scheduled, name) is not None}
    if "when" in given and given["when"] <= timezone.now():
        del given["when"]
    return given


def _part(change_id: int, based_on: int, author: Any) -> ScheduledChange:
    found = opened(change_id, "put together or taken apart", states=(State.PENDING,))
    if found.data_version != based_on:
        raise found.outdated(based_on)
    if found.follows_id is not None or found.followers.filter(state__in=ScheduledChange.OPEN).exists():
        raise ValidationError(
            f"Scheduled change {found} is one of several that follow each other; these cannot be put together or "
            "taken apart."
        )
    refuse_others(author, examine(found))
    return found


def _writes(scheduled: ScheduledChange) -> list[ScheduledWrite]:
    return list(scheduled.writes.order_by("position"))


def _proposal(write: ScheduledWrite) -> Proposal:
    change: Any = write.change
    return Proposal(write.target, change, write.values, write.object_id, write.base)
