"""What can be done with scheduled changes: propose, edit, reject, cancel, resume; from `signing`: sign off, revoke.

A verb first guards (permission, state, version, contents), then writes; history records. All need an open change
set. Enacting is in `releng.changes.enacting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError

from history.values import Json
from releases.models import Release
from releng.changes import conditions
from releng.changes.allowed import refuse_others
from releng.changes.drafting import Proposal, drafted
from releng.changes.examination import Examination, examine
from releng.changes.exceptions import WrongChangeStateError
from releng.changes.models import ScheduledChange, ScheduledReference
from releng.changes.signing import revoke_signoff, sign_at_once, sign_off
from releng.changes.upkeep import State, by_verb, end, opened, rebind, refresh
from releng.permissions.questions import roles_of

__all__ = [
    "Proposal",
    "cancel",
    "edit",
    "propose",
    "reject",
    "resume",
    "revoke_signoff",
    "sign_off",
]


def propose(
    author: Any,
    proposals: Sequence[Proposal],
    *,
    conditions: Mapping[str, Any] | None = None,
    reason: str = "",
    follows: ScheduledChange | None = None,
    replaces: Sequence[ScheduledChange] = (),
) -> ScheduledChange:
    """Schedule writes that happen as one; `conditions` by field name, none of them means as soon as signed.

    Several proposals are a batch. `follows` is an open change whose result this one is based on. `replaces` are open
    changes that end with this one; whether the author may end them has been asked (`releng.changes.batches`). Where
    the author holds exactly one of the roles that must agree, that signoff is given at once (features T08). Raises
    ValidationError, PermissionDenied, ChangeScheduledError (T05), OutdatedDataError, PastTimeError.
    """
    checked = _conditions(conditions or {})
    if not proposals:
        raise ValidationError("A scheduled change has at least one write.")
    if follows is not None and not follows.is_open:
        raise WrongChangeStateError(follows, follows.state, "followed")
    with by_verb():
        scheduled = ScheduledChange(author=author, reason=reason.strip(), follows=follows, **checked)
        scheduled.clean_fields(exclude={"content_digest"})
        scheduled.save()
        for replaced in replaces:
            end(replaced, State.CANCELLED, f"Replaced by scheduled change {scheduled}.")
        for position, proposal in enumerate(proposals):
            drafted(scheduled, position, proposal).save()
        examination = _settled(scheduled, author)
        _refer(scheduled, examination)
        sign_at_once(examination, author)
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
    scheduled = opened(change_id, "edited")
    if scheduled.data_version != based_on:
        raise scheduled.outdated(based_on)
    for name, value in _conditions(conditions or {}, stored=scheduled).items():
        setattr(scheduled, name, value)
    scheduled.author = editor
    scheduled.reason = scheduled.reason if reason is None else reason.strip()
    scheduled.state, scheduled.state_reason = State.PENDING, ""
    scheduled.clean_fields(exclude={"content_digest"})
    with by_verb():
        for write in scheduled.writes.all():
            if values is None or write.position not in values:
                continue
            proposal = Proposal(
                write.target,
                write.change,
                values[write.position],
                write.object_id,
            )
            fresh = drafted(scheduled, write.position, proposal)
            write.values, write.base = fresh.values, fresh.base
            write.save()
        examination = _settled(scheduled, editor)
        _refer(scheduled, examination)
        for signoff in scheduled.signoffs.exclude(user=editor):
            signoff.delete()
        rebind(scheduled, editor)
        sign_at_once(examination, editor)
    return scheduled


def reject(change_id: int, actor: Any, *, comment: str) -> ScheduledChange:
    """End a change because it must not happen; a comment is needed.

    For those who could sign it or could have proposed it. Raises PermissionDenied, ValidationError,
    WrongChangeStateError.
    """
    scheduled = opened(change_id, "rejected")
    if not comment.strip():
        raise ValidationError({"comment": "Say why: the author must know what to do differently."})
    examination = examine(scheduled)
    if not (roles_of(actor) & examination.required.keys()):
        refuse_others(actor, examination)
    return _ended(scheduled, State.REJECTED, comment)


def cancel(change_id: int, actor: Any, *, based_on: int | None = None, comment: str = "") -> ScheduledChange:
    """Take a change back; for those who could have proposed it (T17).

    Raises PermissionDenied, OutdatedDataError, WrongChangeStateError.
    """
    scheduled = opened(change_id, "cancelled")
    if based_on is not None and scheduled.data_version != based_on:
        raise scheduled.outdated(based_on)
    refuse_others(actor, examine(scheduled))
    return _ended(scheduled, State.CANCELLED, comment)


def resume(change_id: int, actor: Any) -> ScheduledChange:
    """Let a suspended change wait for its conditions again, when nothing stands against it any more.

    Raises PermissionDenied, WrongChangeStateError, OverlappingChangeError's explanation as ValidationError.
    """
    scheduled = opened(change_id, "resumed", states=(State.SUSPENDED,))
    examination = examine(scheduled)
    refuse_others(actor, examination)
    if examination.conflicts or examination.problems:
        told = examination.explanation or "; ".join(examination.problems)
        raise ValidationError(f"It cannot be resumed as it is; edit it. {told}")
    scheduled.state, scheduled.state_reason = State.PENDING, ""
    with by_verb():
        scheduled.save()
        refresh(scheduled)
    return scheduled


# --- Parts of the verbs -------------------------------------------------------------------------------------


def _conditions(given: Mapping[str, Any], *, stored: ScheduledChange | None = None) -> dict[str, Any]:
    return conditions.checked(given, stored=stored)


def _settled(scheduled: ScheduledChange, author: Any) -> Examination:
    """Store the digest of a change that is new or edited, when its author may make it."""
    examination = examine(scheduled)
    if examination.conflicts or examination.problems:
        raise ValidationError(examination.explanation or "; ".join(examination.problems))
    refuse_others(author, examination)
    scheduled.content_digest = examination.digest
    scheduled.save()
    for follower in scheduled.followers.filter(state=State.PENDING):
        refresh(follower)
    return examination


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


def _ended(scheduled: ScheduledChange, state: str, comment: str) -> ScheduledChange:
    with by_verb():
        end(scheduled, state, comment.strip())
    return scheduled
