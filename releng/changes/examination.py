"""What a scheduled change would write if it were enacted now, who has agreed to that, and who still must.

Reads only: forms and lists ask it before anything is saved, enacting asks it again at the last moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from history.canonical import canonical_json
from history.context import Change
from history.exceptions import HistoryError
from history.merge import Conflict
from history.values import Json
from releng.changes import conditions
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.requirements import Requirements, Roles
from releng.changes.targets import Target, Values, as_conflicts
from releng.permissions.questions import roles_of, strictest


@dataclass(frozen=True, slots=True)
class ExaminedWrite:
    """One write: the row as it is and as it would be, and what stands against it.

    `values` and `base` are brought up to what the row says now. `problem` says why it cannot be written at all.
    """

    write: ScheduledWrite
    before: Any
    after: Any
    values: Values
    base: Json
    conflicts: tuple[Conflict, ...] = ()
    problem: str = ""

    @property
    def target(self) -> Target:
        """How rows of this kind are handled."""
        return TARGETS[self.write.target]

    @property
    def change(self) -> Change:
        """What happens to the row."""
        change: Change = self.write.change  # type: ignore[assignment]  # a text field with these choices
        return change


@dataclass(frozen=True, slots=True)
class RoleProgress:
    """One role that must agree: how many of its holders, and the names of those who have."""

    role: str
    needed: int
    signed: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many are not there yet."""
        return max(0, self.needed - len(self.signed))


def progress_of(required: Roles, in_force: Sequence[Signoff]) -> list[RoleProgress]:
    """Return how far the signoffs of each needed role are, by the name of the role."""
    return [
        RoleProgress(
            role, needed, tuple(signoff.user.get_username() for signoff in in_force if signoff.role == role)
        )
        for role, needed in sorted(required.items())
    ]


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that decides whether a scheduled change may be enacted, but its conditions."""

    scheduled: ScheduledChange
    writes: tuple[ExaminedWrite, ...]
    digest: str
    required: Roles
    in_force: tuple[Signoff, ...]

    @property
    def missing(self) -> Roles:
        """How many signoffs of each role are not there yet."""
        return {item.role: item.missing for item in self.progress if item.missing}

    @property
    def progress(self) -> list[RoleProgress]:
        """The roles that must agree, each with what is there."""
        return progress_of(self.required, self.in_force)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What the rows have changed underneath, in the same places."""
        return tuple(conflict for write in self.writes for conflict in write.conflicts)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it cannot be written."""
        return tuple(write.problem for write in self.writes if write.problem)

    @property
    def explanation(self) -> str:
        """The conflicts as people read them."""
        return "\n".join(
            f"{write.write}: {conflict}" for write in self.writes for conflict in write.conflicts
        )


def examine(scheduled: ScheduledChange, rows: dict[tuple[str, int], Any] | None = None) -> Examination:
    """Examine a scheduled change against the rows as they are; `rows` has those that are locked already."""
    writes = tuple(_examined(scheduled, write, rows or {}) for write in scheduled.writes.order_by("position"))
    digest = digest_of(scheduled, writes)
    asked = Requirements()
    required = strictest(
        *(
            asked.signoffs(item.change, item.before, item.after, item.values)
            for item in writes
            if item.before is not None or item.after is not None
        )
    )
    signoffs = scheduled.signoffs.select_related("user").order_by("time", "pk")
    in_force = tuple(
        signoff for signoff in signoffs if counts(scheduled, signoff, digest, roles_of(signoff.user))
    )
    return Examination(scheduled, writes, digest, required, in_force)


def counts(scheduled: ScheduledChange, signoff: Signoff, digest: str, roles: Collection[str]) -> bool:
    """Tell whether a signoff is in force: over this content, by somebody who holds the role today.

    `roles` are those that the giver holds.
    """
    if signoff.content_digest != digest or signoff.role not in roles:
        return False
    return settings.AUTHORS_MAY_SIGN_OFF or signoff.user_id != scheduled.author_id


def digest_of(scheduled: ScheduledChange, writes: tuple[ExaminedWrite, ...]) -> str:
    """Return the digest (SHA-256) of exactly what would be written, and when."""
    said: list[Any] = [conditions.stored(scheduled), scheduled.follows_id]
    for item in writes:
        row = item.after if item.after is not None else item.before
        said.append(
            [
                item.write.target,
                item.change,
                item.write.object_id,
                item.values if row is None else item.target.values_of(row),
                item.problem,
            ]
        )
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _examined(
    scheduled: ScheduledChange, write: ScheduledWrite, rows: dict[tuple[str, int], Any]
) -> ExaminedWrite:
    target = TARGETS[write.target]
    change: Change = write.change  # type: ignore[assignment]
    values, base, before = dict(write.values), write.base, None
    if change != "insert":
        before, waits = _before(scheduled, write, target, rows)
        if before is None:
            problem = f"{target.kind} {write.object_name} is not there any more"
            return ExaminedWrite(write, None, None, values, base, as_conflicts(write, base), problem)
        if not waits:
            now = target.base_of(before)
            if base is None:
                base = now
            if change == "delete" and base != now:
                conflicts = (Conflict((), base, now, base),)
                return ExaminedWrite(write, before, None, values, base, conflicts)
            if change == "update":
                rebased = target.rebase(before, values, base)
                values, base = rebased.values, rebased.base
                if rebased.conflicts:
                    return ExaminedWrite(write, before, before, values, write.base, rebased.conflicts)
    try:
        after = target.after(change, before, values)
    except (ValidationError, HistoryError, models.ObjectDoesNotExist) as error:
        return ExaminedWrite(write, before, before, values, base, problem=told(error))
    return ExaminedWrite(write, before, after, values, base)


def _before(
    scheduled: ScheduledChange, write: ScheduledWrite, target: Target, rows: dict[tuple[str, int], Any]
) -> tuple[Any, bool]:
    """Return the row that a write is based on, and whether another change must write it first."""
    if write.object_id is None:
        return None, False
    follows = scheduled.follows
    if follows is not None and follows.is_open and write.base is None:
        for earlier in examine(follows, rows).writes:
            if (earlier.write.target, earlier.write.object_id) == (write.target, write.object_id):
                return earlier.after, True
    key = (write.target, write.object_id)
    return (rows[key] if key in rows else target.find(write.object_id)), False


def told(error: Exception) -> str:
    """Return what stands against a write, in one line for each field."""
    if isinstance(error, ValidationError) and hasattr(error, "message_dict"):
        return "; ".join(
            " ".join(messages) if name == "__all__" else f"{name}: {' '.join(messages)}"
            for name, messages in error.message_dict.items()
        )
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return str(error)
