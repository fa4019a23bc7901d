"""How far many scheduled changes are, for lists: who must agree, who has, and who still can; in few queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model, prefetch_related_objects

from history.context import Change
from releases.models import Release, ReleasePart
from releng.changes.examination import RoleProgress, counts, progress_of
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.policy import needed_permissions
from releng.changes.requirements import Requirements, Roles
from releng.permissions.questions import strictest
from releng.permissions.who import people_by_role


@dataclass(frozen=True, slots=True)
class Standing:
    """A scheduled change, its writes, and how far its signoffs are."""

    scheduled: ScheduledChange
    writes: tuple[ScheduledWrite, ...]
    required: Roles
    in_force: tuple[Signoff, ...]
    rows: tuple[tuple[Any, Any], ...]
    """For each write the row as it is and as it would be, as far as `standings` tells; None where there is none."""

    @property
    def progress(self) -> list[RoleProgress]:
        """The roles that must agree, each with what is there."""
        return progress_of(self.required, self.in_force)

    @property
    def missing(self) -> Roles:
        """How many signoffs of each role are not there yet."""
        return {item.role: item.missing for item in self.progress if item.missing}

    @property
    def places(self) -> list[tuple[str, str]]:
        """The products and channels that it is about, each once; empty texts stand for all of them."""
        return sorted({(write.product or "", write.channel or "") for write in self.writes})

    def can_be_signed_by(self, user: Any, roles: Collection[str]) -> list[str]:
        """Return the roles, out of those that somebody holds, in which that person's signoff is missing."""
        if self.scheduled.state != ScheduledChange.State.PENDING:
            return []
        if any(signoff.user_id == user.pk for signoff in self.in_force):
            return []
        if not settings.AUTHORS_MAY_SIGN_OFF and self.scheduled.author_id == user.pk:
            return []
        return sorted(self.missing.keys() & set(roles))

    def could_be_proposed_by(self, user: Any) -> bool:
        """Tell whether somebody is allowed everything that it writes: who is may edit, cancel and put it together."""
        return all(
            user.has_perm(permission, obj)
            for write, (before, after) in zip(self.writes, self.rows, strict=True)
            if before is not None or after is not None
            for permission, obj in _needed(write, before, after)
        )


def standings(
    changes: Sequence[ScheduledChange], by_role: Mapping[str, list[str]] | None = None
) -> list[Standing]:
    """Return how far open scheduled changes are, by what is stored: contents are not checked anew.

    `by_role` has the people of every role (`people_by_role`), where they have been read already. A follower is
    taken as based on what it follows where that is among `changes`, else on the row as it is.
    """
    prefetch_related_objects(changes, "writes", "signoffs__user")
    rows = _rows([write for scheduled in changes for write in scheduled.writes.all()])
    releases = {row.name for row in rows.values() if isinstance(row, Release)}
    releases |= {row.release.name for row in rows.values() if isinstance(row, ReleasePart)}
    asked, held = Requirements(releases), _roles_held(people_by_role() if by_role is None else by_role)
    states: dict[tuple[int | None, str, int | None], Any] = {}
    found = {}
    for scheduled in sorted(changes, key=lambda scheduled: scheduled.pk):
        writes, needed, sketched = tuple(scheduled.writes.all()), [], []
        for write in writes:
            before = rows.get((write.target, write.object_id))
            if write.base is None and write.object_id is not None:
                before = states.get((scheduled.follows_id, write.target, write.object_id), before)
            after = _sketch(write, before)
            states[scheduled.pk, write.target, write.object_id] = after
            sketched.append((before, after))
            if before is not None or after is not None:
                change: Change = write.change
                needed.append(asked.signoffs(change, before, after, write.values))
        in_force = tuple(
            signoff
            for signoff in scheduled.signoffs.all()
            if counts(scheduled, signoff, scheduled.content_digest, held[signoff.user.get_username()])
        )
        found[scheduled.pk] = Standing(scheduled, writes, strictest(*needed), in_force, tuple(sketched))
    return [found[scheduled.pk] for scheduled in changes]


def _needed(write: ScheduledWrite, before: Any, after: Any) -> list[tuple[str, Model]]:
    change: Any = write.change
    return needed_permissions(change, before, after, list(write.values) if change == "update" else None)


def _roles_held(by_role: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Return the roles of each person, by name."""
    found = defaultdict(set)
    for role, names in by_role.items():
        for name in names:
            found[name].add(role)
    return found


def _rows(writes: Sequence[ScheduledWrite]) -> dict[tuple[str, int | None], Any]:
    """Return the rows that are written, by kind and key; of releases without their documents."""
    keys = defaultdict(set)
    for write in writes:
        if write.object_id is not None:
            keys[write.target].add(write.object_id)
    found: dict[tuple[str, int | None], Any] = {}
    for kind, wanted in keys.items():
        model: Any = TARGETS[kind].model
        rows = model._base_manager.filter(pk__in=wanted)
        if model is Release:
            rows = rows.defer("document")
        elif model is ReleasePart:
            rows = rows.select_related("release").defer("document", "release__document")
        found |= {(kind, row.pk): row for row in rows}
    return found


def _sketch(write: ScheduledWrite, before: Any) -> Any:
    """Return the row as it would be, as far as requirements ask for it; not checked."""
    if write.change == "delete" or (before is None and write.change == "update"):
        return None
    model = TARGETS[write.target].model
    after = model() if before is None else copy(before)
    for name, value in write.values.items():
        field: Any = model._meta.get_field(name)
        setattr(after, field.attname, value)
    return after
