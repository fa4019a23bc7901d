"""What can be done with scheduled changes: propose, edit, sign off, revoke, reject, cancel, resume.

A verb first guards (permission, state, version, contents), then writes; history records. All need an open change
set. Enacting is in `releng.changes.enacting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from history import context
from history.context import Change
from history.values import Json, same_value
from releases.models import Release
from releases.validation import shown
from releng.changes import conditions
from releng.changes.examination import Examination, ExaminedWrite, examine
from releng.changes.exceptions import (
    ChangeScheduledError,
    ContentChangedError,
    SignoffRefusedError,
    WrongChangeStateError,
)
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledReference, ScheduledWrite, Signoff
from releng.changes.policy import refuse_unpermitted
from releng.permissions.questions import is_admin, is_system, roles_of

State = ScheduledChange.State


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


def propose(
    author: Any,
    proposals: Sequence[Proposal],
    *,
    conditions: Mapping[str, Any] | None = None,
    reason: str = "",
    follows: ScheduledChange | None = None,
) -> ScheduledChange:
    """Schedule writes that happen as one; `conditions` by field name, none of them means as soon as signed.

    Several proposals are a batch. `follows` is an open change whose result this one is based on. Where the author holds
    exactly one of the roles that must agree, that signoff is given at once (features T08). Raises
    ValidationError, PermissionDenied, ChangeScheduledError (T05), OutdatedDataError, PastTimeError.
    """
    checked = _conditions(conditions or {})
    if not proposals:
        raise ValidationError("A scheduled change has at least one write.")
    if follows is not None and not follows.is_open:
        raise WrongChangeStateError(follows, follows.state, "followed")
    with _by_verb():
        scheduled = ScheduledChange(author=author, reason=reason.strip(), follows=follows, **checked)
        scheduled.full_clean(exclude={"digest"})
        scheduled.save()
        for position, proposal in enumerate(proposals):
            _write(scheduled, position, proposal).save()
        examination = _settled(scheduled, author)
        _refer(scheduled, examination)
        _sign_at_once(examination, author)
    return scheduled


def edit(
    change_id: int,
    editor: Any,
    *,
    based_on: int,
    values: Mapping[int, Mapping[str, Json]] | None = None,
    conditions: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> ScheduledChange:
    """Change what would be written, or when; `values` by the position of the write, complete for that write.

    The editor becomes the author, and what others have signed is void (T11). What is edited counts as chosen for the
    rows as they are now, so this is how a suspended change is put right. Raises what `propose` raises.
    """
    scheduled = _open(change_id, "edited")
    if scheduled.data_version != based_on:
        raise scheduled.outdated(based_on)
    for name, value in _conditions(conditions or {}, stored=scheduled).items():
        setattr(scheduled, name, value)
    scheduled.author = editor
    scheduled.reason = scheduled.reason if reason is None else reason.strip()
    scheduled.state, scheduled.state_reason = State.PENDING, ""
    scheduled.full_clean(exclude={"digest"})
    with _by_verb():
        for write in scheduled.writes.all():
            if values is None or write.position not in values:
                continue
            proposal = Proposal(
                write.target,
                write.change,
                values[write.position],
                write.object_id,
            )
            fresh = _write(scheduled, write.position, proposal)
            write.values, write.base = fresh.values, fresh.base
            write.save()
        examination = _settled(scheduled, editor)
        _refer(scheduled, examination)
        for signoff in scheduled.signoffs.exclude(user=editor):
            signoff.delete()
        _rebind(scheduled, editor)
        _sign_at_once(examination, editor)
    return scheduled


def sign_off(
    change_id: int,
    user: Any,
    role: str,
    *,
    comment: str = "",
    digest: str | None = None,
    with_followers: bool = False,
) -> Signoff:
    """Agree, in a role, to what the change would write now; `digest` is that of what the person has looked at.

    Signing again in the same role does nothing, in another one is refused (T09). `with_followers` signs what
    follows too, as a rollout is signed as one. Raises SignoffRefusedError, ContentChangedError,
    WrongChangeStateError, PermissionDenied.
    """
    scheduled = _open(change_id, "signed off", states=(State.PENDING,))
    if is_system(user):
        raise SignoffRefusedError(f"{user.get_username()} is a system account, and these never sign off.")
    if role not in roles_of(user):
        raise PermissionDenied(f"{user.get_username()} does not hold the role {role}.")
    if not settings.AUTHORS_MAY_SIGN_OFF and scheduled.author_id == user.pk:
        raise SignoffRefusedError("The author of a change cannot sign it off here; somebody else must.")
    with _by_verb():
        refresh(scheduled)
        if scheduled.state != State.PENDING:
            raise WrongChangeStateError(
                scheduled, f"{scheduled.state}: {scheduled.state_reason}", "signed off"
            )
        if digest is not None and digest != scheduled.digest:
            raise ContentChangedError(scheduled)
        signoff = _sign(scheduled, user, role, comment)
        if with_followers:
            for follower in scheduled.followers.filter(state=State.PENDING).order_by("pk"):
                sign_off(follower.pk, user, role, comment=comment, with_followers=True)
    return signoff


def revoke_signoff(change_id: int, actor: Any, *, user: Any = None) -> bool:
    """Take back one's own signoff, or somebody else's when one holds that role or administrates (T10).

    Returns whether there was one. Raises SignoffRefusedError and WrongChangeStateError.
    """
    scheduled = _open(change_id, "changed")
    if is_system(actor):
        raise SignoffRefusedError(f"{actor.get_username()} is a system account, and these never sign off.")
    signoff = scheduled.signoffs.filter(user=actor if user is None else user).first()
    if signoff is None:
        return False
    if signoff.user_id != actor.pk and signoff.role not in roles_of(actor) and not is_admin(actor):
        raise SignoffRefusedError(
            f"Only {signoff.user}, somebody else with the role {signoff.role}, or an administrator can "
            "take this signoff back."
        )
    with _by_verb():
        signoff.delete()
    return True


def reject(change_id: int, actor: Any, *, comment: str) -> ScheduledChange:
    """End a change because it must not happen; a comment is needed.

    For those who could sign it or could have proposed it. Raises PermissionDenied, ValidationError,
    WrongChangeStateError.
    """
    scheduled = _open(change_id, "rejected")
    if not comment.strip():
        raise ValidationError({"comment": "Say why: the author must know what to do differently."})
    examination = examine(scheduled)
    if not (roles_of(actor) & examination.required.keys()):
        _refuse_unpermitted(actor, examination)
    return _ended(scheduled, State.REJECTED, comment)


def cancel(change_id: int, actor: Any, *, based_on: int | None = None, comment: str = "") -> ScheduledChange:
    """Take a change back; for those who could have proposed it (T17).

    Raises PermissionDenied, OutdatedDataError, WrongChangeStateError.
    """
    scheduled = _open(change_id, "cancelled")
    if based_on is not None and scheduled.data_version != based_on:
        raise scheduled.outdated(based_on)
    _refuse_unpermitted(actor, examine(scheduled))
    return _ended(scheduled, State.CANCELLED, comment)


def resume(change_id: int, actor: Any) -> ScheduledChange:
    """Let a suspended change wait for its conditions again, when nothing stands against it any more.

    Raises PermissionDenied, WrongChangeStateError, OverlappingChangeError's explanation as ValidationError.
    """
    scheduled = _open(change_id, "resumed", states=(State.SUSPENDED,))
    examination = examine(scheduled)
    _refuse_unpermitted(actor, examination)
    if examination.conflicts or examination.problems:
        told = examination.explanation or "; ".join(examination.problems)
        raise ValidationError(f"It cannot be resumed as it is; edit it. {told}")
    scheduled.state, scheduled.state_reason = State.PENDING, ""
    with _by_verb():
        scheduled.save()
        refresh(scheduled)
    return scheduled


def suspend(scheduled: ScheduledChange, why: str) -> None:
    """Stop a change from being enacted until somebody has looked at it."""
    scheduled.state, scheduled.state_reason = State.SUSPENDED, why
    with _by_verb():
        scheduled.save()


def refresh(scheduled: ScheduledChange) -> Examination:
    """Bring a pending change up to what its rows say now, and store that.

    Changes in other fields are merged in, which voids the signoffs of all but the author; changes in the same fields
    suspend it, with what both sides did. Called whenever such a row is written, and before every signoff.
    """
    examination = examine(scheduled)
    if scheduled.state != State.PENDING:
        return examination
    with _by_verb():
        if examination.conflicts:
            suspend(scheduled, _overlap(examination))
            return examination
        for item in examination.writes:
            if not (same_value(item.write.values, item.values) and same_value(item.write.base, item.base)):
                item.write.values, item.write.base = item.values, item.base
                item.write.save()
        if scheduled.digest != examination.digest:
            scheduled.digest = examination.digest
            scheduled.save()
            for signoff in scheduled.signoffs.exclude(user=scheduled.author_id):
                signoff.delete()
            _rebind(scheduled, scheduled.author)
            for follower in scheduled.followers.filter(state=State.PENDING):
                refresh(follower)
    return examination


def end(scheduled: ScheduledChange, state: str, why: str) -> None:
    """Store the end of a change; what it referred to is free again, and what follows it learns of it."""
    scheduled.state, scheduled.state_reason = state, why
    scheduled.save()
    scheduled.references.all().delete()
    if state != State.ENACTED:
        for follower in scheduled.followers.filter(state=State.PENDING):
            suspend(follower, f"Scheduled change {scheduled}, which it follows, was {state}.")


# --- Parts of the verbs -------------------------------------------------------------------------------------


@contextmanager
def _by_verb() -> Iterator[None]:
    """Within the block rows of this room may be written: the verb has asked what the guard would ask."""
    with context.require("a scheduled change").guarded_by(None):
        yield


def _conditions(given: Mapping[str, Any], *, stored: ScheduledChange | None = None) -> dict[str, Any]:
    return conditions.checked(given, stored=stored)


def _open(change_id: int, verb: str, *, states: Iterable[str] = ScheduledChange.OPEN) -> ScheduledChange:
    """Return a change that nobody else changes until the transaction ends; refuse one that is over."""
    rows = ScheduledChange.objects.select_for_update(of=("self",), no_key=True)
    found: ScheduledChange = rows.select_related("author").get(pk=change_id)
    if found.state not in set(states):
        raise WrongChangeStateError(found, found.state, verb)
    return found


def _write(scheduled: ScheduledChange, position: int, proposal: Proposal) -> ScheduledWrite:
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


def _settled(scheduled: ScheduledChange, author: Any) -> Examination:
    """Store the digest of a change that is new or edited, when its author may make it."""
    examination = examine(scheduled)
    if examination.conflicts or examination.problems:
        raise ValidationError(examination.explanation or "; ".join(examination.problems))
    _refuse_unpermitted(author, examination)
    scheduled.digest = examination.digest
    scheduled.save()
    for follower in scheduled.followers.filter(state=State.PENDING):
        refresh(follower)
    return examination


def _refuse_unpermitted(user: Any, examination: Examination) -> None:
    for item in examination.writes:
        if item.before is not None or item.after is not None:
            refuse_unpermitted(user, item.change, item.before, item.after, _fields(item))


def _fields(item: ExaminedWrite) -> list[str] | None:
    return list(item.values) if item.change == "update" else None


def _refer(scheduled: ScheduledChange, examination: Examination) -> None:
    """Note which releases must not disappear while this change is open."""
    names = set()
    for item in examination.writes:
        names |= {item.values.get(name) for name in item.target.release_fields}
        if item.write.target == "release" and item.change == "update":
            names.add(item.write.object_name)
    scheduled.references.all().delete()
    existing = Release.objects.filter(name__in=names - {None}).values_list("name", flat=True)
    ScheduledReference.objects.bulk_create(
        ScheduledReference(scheduled_change=scheduled, release_id=name) for name in existing
    )


def _sign_at_once(examination: Examination, author: Any) -> None:
    roles = sorted(roles_of(author) & examination.required.keys())
    if settings.AUTHORS_MAY_SIGN_OFF and len(roles) == 1:
        _sign(examination.scheduled, author, roles[0], "")


def _sign(scheduled: ScheduledChange, user: Any, role: str, comment: str) -> Signoff:
    found = scheduled.signoffs.filter(user=user).first()
    if found is not None and found.role != role:
        raise SignoffRefusedError(
            f"{user} has signed this change off as {found.role}; one person signs in one role. Revoke that first."
        )
    if found is not None and found.digest == scheduled.digest:
        return found
    signoff = found or Signoff(scheduled_change=scheduled, user=user, role=role)
    signoff.comment, signoff.time, signoff.digest = comment.strip(), timezone.now(), scheduled.digest
    signoff.full_clean()
    signoff.save()
    return signoff


def _rebind(scheduled: ScheduledChange, user: Any) -> None:
    """What somebody writes, that person agrees to: the author's own signoff goes along with the content."""
    signoff = scheduled.signoffs.filter(user=user).first()
    if signoff is not None and signoff.digest != scheduled.digest:
        signoff.digest = scheduled.digest
        signoff.save()


def _ended(scheduled: ScheduledChange, state: str, comment: str) -> ScheduledChange:
    with _by_verb():
        end(scheduled, state, comment.strip())
    return scheduled


def _overlap(examination: Examination) -> str:
    return f"The same was changed meanwhile. Edit it or cancel it.\n{examination.explanation}"
