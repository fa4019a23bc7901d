"""Carrying scheduled changes out: once, whole, with the agreement that is in force over exactly this content."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from history import context
from history.exceptions import HistoryError
from history.models import ChangeSet
from history.values import same_value
from releng.changes.conditions import due
from releng.changes.examination import Examination, ExaminedWrite, examine, told
from releng.changes.exceptions import (
    NotDueError,
    OverlappingChangeError,
    SignoffsMissingError,
    WrongChangeStateError,
)
from releng.changes.guard import authority_of
from releng.changes.kinds import TARGETS
from releng.changes.models import EnactFailure, Notice, ScheduledChange
from releng.changes.notices import note
from releng.changes.policy import refuse_unpermitted
from releng.changes.upkeep import by_verb, end, refresh, suspend
from releng.permissions.questions import is_system

logger = logging.getLogger(__name__)

State = ScheduledChange.State

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=30)


class GuardTrippedError(HistoryError):
    """A number that must not rise has risen, so the change must not happen unseen."""

    code = "guard_tripped"


class AuthorMayNotError(HistoryError):
    """Whoever proposed the change may not make it any more."""

    code = "author_may_not"


def enact(change_id: int, enactor: Any) -> ScheduledChange:
    """Carry a scheduled change out, in one transaction and at most once.

    Asks again, at this moment, for everything: the enactor's permission to enact, the state, the conditions, the
    versions of the rows, the signoffs over exactly what is written, and the author's permission to write it. History
    records the author as the one who changed the rows (T16). Raises PermissionDenied, WrongChangeStateError,
    NotDueError, SignoffsMissingError, OverlappingChangeError, GuardTrippedError, AuthorMayNotError and what
    the verbs raise.
    """
    if not enactor.has_perm("changes.enact_scheduledchange"):
        raise PermissionDenied(f"{enactor.get_username()} may not enact scheduled changes.")
    # Numbers of other services are read here, before anything is locked; later their stored readings do.
    seen = ScheduledChange.objects.select_related("follows").get(pk=change_id)
    if seen.state != State.PENDING:
        raise WrongChangeStateError(seen, seen.state, "enacted")
    early = due(seen)
    if not early.met and not early.tripped:
        raise NotDueError(seen, early.waiting_for)
    rows = _locked_rows(change_id)
    scheduled = _locked(change_id)
    if scheduled.state != State.PENDING:
        raise WrongChangeStateError(scheduled, scheduled.state, "enacted")
    examination = examine(scheduled, rows)
    if examination.conflicts:
        raise OverlappingChangeError(scheduled, examination.explanation, examination.conflicts)
    if examination.problems:
        raise ValidationError(list(examination.problems))
    state_of_things = due(scheduled)
    if state_of_things.tripped:
        raise GuardTrippedError(f"Scheduled change {scheduled} must not happen: {state_of_things.tripped}.")
    if not state_of_things.met:
        raise NotDueError(scheduled, state_of_things.waiting_for)
    if examination.missing:
        raise SignoffsMissingError(scheduled, examination.missing)
    _refuse_author(examination)
    _write(examination, enactor)
    return scheduled


class Outcome(StrEnum):
    """What became of an attempt to enact."""

    ENACTED = "enacted"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome, and why it is none better."""

    outcome: Outcome
    detail: str = ""


def attempt(change_id: int, enactor: Any) -> Attempt:
    """Enact a change if that can be done, and record why not: the agent's way of enacting.

    What only people can put right suspends the change; anything else that goes wrong is recorded, and tried
    again after a pause that grows. Raises PermissionDenied and ScheduledChange.DoesNotExist.
    """
    opened = context.require(f"scheduled change {change_id}")
    actor, origin, reason = opened.actor, opened.origin, opened.reason
    try:
        with transaction.atomic():
            enact(change_id, enactor)
        return Attempt(Outcome.ENACTED)
    except Exception as error:  # noqa: BLE001  # one poisoned change must not stop the others
        # What is recorded now is the enactor's doing, not the author's.
        opened.actor, opened.origin, opened.reason = actor, origin, reason
        return _outcome_of(error, change_id)


def _outcome_of(error: Exception, change_id: int) -> Attempt:
    if isinstance(error, (PermissionDenied, ScheduledChange.DoesNotExist)):
        raise error
    if isinstance(error, (NotDueError, SignoffsMissingError, WrongChangeStateError)):
        return Attempt(Outcome.WAITING, str(error))
    if isinstance(error, (OverlappingChangeError, GuardTrippedError, AuthorMayNotError)):
        scheduled = _locked(change_id)
        if scheduled.state == State.PENDING:
            suspend(scheduled, str(error))
        return Attempt(Outcome.SUSPENDED, str(error))
    if isinstance(error, (ValidationError, HistoryError, ObjectDoesNotExist, IntegrityError)):
        return _failed(change_id, told(error))
    logger.error("changes.enact_failed", exc_info=error, extra={"scheduled_change": change_id})
    if isinstance(error, DatabaseError):  # a deadlock, a time-out: the next pass tries again
        return Attempt(Outcome.WAITING, f"The database refused it this time: {type(error).__name__}.")
    return _failed(
        change_id, "It failed in a way that nobody foresaw; the log of the server has the details."
    )


def pause_after(failures: Sequence[datetime]) -> datetime:
    """Return the moment before which a change that failed at these moments is not tried again."""
    if not failures:
        return datetime.min.replace(tzinfo=UTC)
    return failures[-1] + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(len(failures) - 1, 10))


# --- Parts --------------------------------------------------------------------------------------------------


def _failed(change_id: int, why: str) -> Attempt:
    scheduled = ScheduledChange.objects.get(pk=change_id)
    failure = EnactFailure.objects.create(scheduled_change=scheduled, time=timezone.now(), message=why)
    note(scheduled, Notice.Kind.FAILED, f"failure {failure.pk}")
    logger.error("changes.enact_failed", extra={"scheduled_change": change_id, "reason": why})
    return Attempt(Outcome.FAILED, why)


def _locked_rows(change_id: int) -> dict[tuple[str, int], Any]:
    """Lock the rows that a change writes, always in the same order and before the change itself.

    Whoever edits such a row holds it and then brings its changes up to date: the same order.
    """
    scheduled = ScheduledChange.objects.get(pk=change_id)
    keys = sorted(
        (write.target, write.object_id) for write in scheduled.writes.all() if write.object_id is not None
    )
    found = {key: TARGETS[key[0]].find(key[1], lock=True) for key in keys}
    return {key: row for key, row in found.items() if row is not None}


def _locked(change_id: int) -> ScheduledChange:
    rows = ScheduledChange.objects.select_for_update(of=("self",), no_key=True)
    found: ScheduledChange = rows.select_related("author").get(pk=change_id)
    return found


def _refuse_author(examination: Examination) -> None:
    author = examination.scheduled.author
    if not author.is_active:
        raise AuthorMayNotError(f"{author} proposed this change, and is not active any more.")
    for item in examination.writes:
        try:
            fields = list(item.values) if item.change == "update" else None
            refuse_unpermitted(author, item.change, item.before, item.after, fields)
        except PermissionDenied as error:
            raise AuthorMayNotError(f"The author may not make this change any more: {error}") from error


def _write(examination: Examination, enactor: Any) -> None:
    scheduled = examination.scheduled
    opened = context.require(f"scheduled change {scheduled}")
    opened.actor = scheduled.author
    if is_system(enactor):
        opened.origin = ChangeSet.Origin.AGENT
    opened.reason = _reason(examination, enactor, opened.reason)
    # The state first: what the writes below set in motion must find this change over.
    with by_verb():
        scheduled.content_digest = examination.digest
        scheduled.enacted_at, scheduled.enacted_by = timezone.now(), enactor
        end(scheduled, State.ENACTED, "")
    for item in examination.writes:
        with opened.guarded_by(authority_of(scheduled.author)):
            row = _written(item)
        with by_verb():
            _record(item, row)
    with by_verb():
        _hand_over(scheduled)


def _written(item: ExaminedWrite) -> Any:
    target = item.target
    if item.change == "insert":
        return target.insert(item.values)
    # An earlier write of the same change may have written this row too.
    row = target.find(item.write.object_id or 0, lock=True)
    if item.change == "update":
        return target.update(row, item.values)
    target.delete(row)
    return None


def _record(item: ExaminedWrite, row: Any) -> None:
    write = item.write
    if item.change == "insert":
        write.object_id, write.object_name = row.pk, item.target.name_of(row)[:300]
        write.save()
    elif not same_value(write.values, item.values) or not same_value(write.base, item.base):
        write.values, write.base = item.values, item.base
        write.save()


def _hand_over(scheduled: ScheduledChange) -> None:
    """What follows is from now on based on the rows as they have just been written."""
    written = {
        (write.target, write.object_id) for write in scheduled.writes.all() if write.object_id is not None
    }
    for follower in scheduled.followers.filter(state=State.PENDING).order_by("pk"):
        for write in follower.writes.filter(base=None).exclude(change="insert"):
            row = TARGETS[write.target].find(write.object_id or 0)
            if (write.target, write.object_id) in written and row is not None:
                write.base = TARGETS[write.target].base_of(row)
                write.save()
        refresh(follower)


def _reason(examination: Examination, enactor: Any, remark: str) -> str:
    scheduled = examination.scheduled
    signed = ", ".join(map(str, examination.in_force)) or "nobody had to sign it off"
    said = f"{scheduled.reason} " if scheduled.reason else ""
    by = f"{enactor}: {remark}" if remark else f"{enactor}"
    return (
        f"{said}(scheduled change {scheduled} by {scheduled.author}; signed off: {signed}; enacted by {by})"
    )
