"""What somebody may do with a scheduled change, and if not, what is missing and who can: for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Model

from releng.changes.conditions import Due
from releng.changes.examination import Examination
from releng.changes.exceptions import spelled
from releng.changes.models import ScheduledChange
from releng.changes.policy import missing_permission, needed_permissions
from releng.permissions.questions import is_admin, is_system, roles_of
from releng.permissions.who import people_allowed, people_by_role

State = ScheduledChange.State
ENACT = "changes.enact_scheduledchange"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether somebody may do something now; if not, `why` not, and `who` are the people who can help."""

    yes: bool
    why: str = ""
    who: tuple[str, ...] = ()


YES = Allowed(yes=True)


def needed_for(examination: Examination) -> list[tuple[str, Model]]:
    """Return what a person must be allowed to propose what a change writes: permissions and their objects."""
    return [
        pair
        for item in examination.writes
        if item.before is not None or item.after is not None
        for pair in needed_permissions(
            item.change, item.before, item.after, list(item.values) if item.change == "update" else None
        )
    ]


def refuse_others(user: Any, examination: Examination) -> None:
    """Raise PermissionDenied, naming what is missing, unless a person could propose what a change writes."""
    for permission, obj in needed_for(examination):
        if not user.has_perm(permission, obj):
            raise PermissionDenied(missing_permission(user, permission, obj))


def may_change(user: Any, examination: Examination) -> Allowed:
    """Tell whether a person may edit, cancel and resume a change: whoever could have proposed it."""
    needed = needed_for(examination)
    for permission, obj in needed:
        if not user.has_perm(permission, obj):
            return Allowed(False, missing_permission(user, permission, obj), _people(needed))
    return YES


def may_sign(user: Any, examination: Examination, roles: set[str]) -> Allowed:
    """Tell whether a person's signoff is missing; `roles` are those that the person holds."""
    scheduled, missing = examination.scheduled, examination.missing
    if scheduled.state != State.PENDING:
        return Allowed(False, "Suspended changes are not signed; it must be edited or resumed first.")
    if not examination.required:
        return Allowed(False, "Nobody has to sign it off.")
    if is_system(user):
        return Allowed(False, "A system account never signs off.")
    if any(signoff.user_id == user.pk for signoff in examination.in_force):
        return Allowed(False, "You have signed it off.")
    if not missing:
        return Allowed(False, "All signoffs are there.")
    if not settings.AUTHORS_MAY_SIGN_OFF and scheduled.author_id == user.pk:
        return Allowed(False, "You proposed it, and here somebody else must sign it off.", _signers(missing))
    if not roles & missing.keys():
        return Allowed(
            False,
            f"Signoffs are missing in roles that you do not hold: {spelled(missing)}.",
            _signers(missing),
        )
    return YES


def may_reject(user: Any, examination: Examination, roles: set[str], change: Allowed) -> Allowed:
    """Tell whether a person may reject a change: whoever could sign it, or could have proposed it."""
    if roles & examination.required.keys() or change.yes:
        return YES
    who = {*change.who, *_signers(examination.required)}
    return Allowed(
        False, "Rejecting it needs one of its roles, or the permission to propose it.", tuple(sorted(who))
    )


def may_enact(user: Any, examination: Examination, state: Due) -> Allowed:
    """Tell whether a person may carry a change out now; the agent does it by itself as soon as that is possible."""
    if examination.scheduled.state != State.PENDING:
        return Allowed(False, "It is suspended.")
    if not user.has_perm(ENACT):
        return Allowed(
            False,
            "It is enacted by the agent; by hand that needs the permission to enact scheduled changes.",
            tuple(people_allowed(ENACT)),
        )
    if examination.missing:
        return Allowed(
            False, f"Signoffs are missing: {spelled(examination.missing)}.", _signers(examination.missing)
        )
    if examination.conflicts or examination.problems:
        return Allowed(False, "Something stands against it; see below.")
    if not state.met:
        return Allowed(
            False,
            f"It must not happen: {state.tripped}."
            if state.tripped
            else f"It waits {'; '.join(state.waiting_for)}.",
        )
    return YES


def revocable(user: Any, scheduled: ScheduledChange, roles: set[str]) -> set[int]:
    """Return the ids of the signoffs that a person may take back: one's own, and those of a role that one shares."""
    if not scheduled.is_open or is_system(user):
        return set()
    admin = is_admin(user)
    return {
        signoff.pk
        for signoff in scheduled.signoffs.all()
        if signoff.user_id == user.pk or signoff.role in roles or admin
    }


def roles_held(user: Any) -> set[str]:
    """Return the roles in which somebody may sign off."""
    return set(roles_of(user))


def _signers(missing: dict[str, int]) -> tuple[str, ...]:
    by_role = people_by_role(missing)
    return tuple(f"{name} ({role})" for role in sorted(missing) for name in by_role.get(role, ()))


def _people(needed: list[tuple[str, Model]]) -> tuple[str, ...]:
    found: set[str] | None = None
    # Of many locales of one release the answer is one.
    distinct = {(permission, getattr(obj, "product", None)): obj for permission, obj in needed}
    for (permission, _), obj in distinct.items():
        people = set(people_allowed(permission, obj))
        found = people if found is None else found & people
    return tuple(sorted(found or ()))
