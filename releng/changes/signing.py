"""Signing off, and taking that back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from releng.changes.examination import Examination
from releng.changes.exceptions import (
    ContentChangedError,
    FollowerNotSeenError,
    SignoffRefusedError,
    WrongChangeStateError,
)
from releng.changes.models import ScheduledChange, Signoff
from releng.changes.upkeep import State, by_verb, opened, refresh
from releng.permissions.questions import is_admin, is_system, roles_of


def sign_off(
    change_id: int,
    user: Any,
    role: str,
    *,
    comment: str = "",
    digest: str | None = None,
    with_followers: bool = False,
    follower_digests: Mapping[int, str] | None = None,
) -> Signoff:
    """Agree, in a role, to what the change would write now; `digest` is that of what the person has looked at.

    Signing again in the same role does nothing, in another one is refused (T09). `with_followers` signs what
    follows too, as a rollout is signed as one; whoever gives a digest then gives `follower_digests` as well, by
    the id of each follower, and none is signed that was not looked at. Raises SignoffRefusedError,
    ContentChangedError, FollowerNotSeenError, WrongChangeStateError, PermissionDenied.
    """
    scheduled = opened(change_id, "signed off", states=(State.PENDING,))
    if is_system(user):
        raise SignoffRefusedError(f"{user.get_username()} is a system account, and these never sign off.")
    if role not in roles_of(user):
        raise PermissionDenied(f"{user.get_username()} does not hold the role {role}.")
    if not settings.AUTHORS_MAY_SIGN_OFF and scheduled.author_id == user.pk:
        raise SignoffRefusedError("The author of a change cannot sign it off here; somebody else must.")
    with by_verb():
        refresh(scheduled)
        if scheduled.state != State.PENDING:
            raise WrongChangeStateError(
                scheduled, f"{scheduled.state}: {scheduled.state_reason}", "signed off"
            )
        if digest is not None and digest != scheduled.content_digest:
            raise ContentChangedError(scheduled)
        signoff = _sign(scheduled, user, role, comment)
        if with_followers:
            seen = follower_digests or {}
            for follower in scheduled.followers.filter(state=State.PENDING).order_by("pk"):
                if digest is not None and follower.pk not in seen:
                    raise FollowerNotSeenError(scheduled, follower)
                sign_off(
                    follower.pk,
                    user,
                    role,
                    comment=comment,
                    digest=seen.get(follower.pk),
                    with_followers=True,
                    follower_digests=seen,
                )
    return signoff


def followers_of(scheduled: ScheduledChange) -> list[ScheduledChange]:
    """Return what `with_followers` signs besides a change: all pending ones that follow it, in their order."""
    found = []
    for follower in scheduled.followers.filter(state=State.PENDING).order_by("pk"):
        found += [follower, *followers_of(follower)]
    return found


def revoke_signoff(change_id: int, actor: Any, *, user: Any = None) -> bool:
    """Take back one's own signoff, or somebody else's when one holds that role or administrates (T10).

    Returns whether there was one. Raises SignoffRefusedError and WrongChangeStateError.
    """
    scheduled = opened(change_id, "changed")
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
    with by_verb():
        signoff.delete()
    return True


def sign_at_once(examination: Examination, author: Any) -> None:
    roles = sorted(roles_of(author) & examination.required.keys())
    if settings.AUTHORS_MAY_SIGN_OFF and len(roles) == 1:
        _sign(examination.scheduled, author, roles[0], "")


def _sign(scheduled: ScheduledChange, user: Any, role: str, comment: str) -> Signoff:
    found = scheduled.signoffs.filter(user=user).first()
    if found is not None and found.role != role:
        raise SignoffRefusedError(
            f"{user} has signed this change off as {found.role}; one person signs in one role. Revoke that first."
        )
    if found is not None and found.content_digest == scheduled.content_digest:
        return found
    signoff = found or Signoff(scheduled_change=scheduled, user=user, role=role)
    signoff.comment, signoff.time, signoff.content_digest = (
        comment.strip(),
        timezone.now(),
        scheduled.content_digest,
    )
    signoff.clean_fields()
    signoff.save()
    return signoff
