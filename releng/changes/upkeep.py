"""Keeping scheduled changes true to their rows, and ending them: what several verbs share.

Nothing here asks who may: the verbs do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from history import context
from history.values import same_value
from releng.changes.examination import Examination, examine
from releng.changes.exceptions import WrongChangeStateError
from releng.changes.models import Notice, ScheduledChange
from releng.changes.notices import note

State = ScheduledChange.State


@contextmanager
def by_verb() -> Iterator[None]:
    """Within the block rows of this room may be written: the verb has asked what the guard would ask."""
    with context.require("a scheduled change").guarded_by(None):
        yield


def opened(change_id: int, verb: str, *, states: Iterable[str] = ScheduledChange.OPEN) -> ScheduledChange:
    """Return a change that nobody else changes until the transaction ends; refuse one that is over."""
    rows = ScheduledChange.objects.select_for_update(of=("self",), no_key=True)
    found: ScheduledChange = rows.select_related("author").get(pk=change_id)
    if found.state not in set(states):
        raise WrongChangeStateError(found, found.state, verb)
    return found


def suspend(scheduled: ScheduledChange, why: str) -> None:
    """Stop a change from being enacted until somebody has looked at it."""
    scheduled.state, scheduled.state_reason = State.SUSPENDED, why
    with by_verb():
        scheduled.save()
    note(scheduled, Notice.Kind.SUSPENDED, f"version {scheduled.data_version}")


def refresh(scheduled: ScheduledChange) -> Examination:
    """Bring a pending change up to what its rows say now, and store that.

    Changes in other fields are merged in, which voids the signoffs of all but the author; changes in the same fields
    suspend it, with what both sides did. Called whenever such a row is written, and before every signoff.
    """
    examination = examine(scheduled)
    if scheduled.state != State.PENDING:
        return examination
    with by_verb():
        if examination.conflicts:
            suspend(scheduled, _overlap(examination))
            return examination
        for item in examination.writes:
            if not (same_value(item.write.values, item.values) and same_value(item.write.base, item.base)):
                item.write.values, item.write.base = item.values, item.base
                item.write.save()
        if scheduled.content_digest != examination.digest:
            scheduled.content_digest = examination.digest
            scheduled.save()
            for signoff in scheduled.signoffs.exclude(user=scheduled.author_id):
                signoff.delete()
            rebind(scheduled, scheduled.author)
            for follower in scheduled.followers.filter(state=State.PENDING):
                refresh(follower)
    return examination


def end(scheduled: ScheduledChange, state: str, why: str) -> None:
    """Store the end of a change; what it referred to is free again, and what follows it learns of it."""
    scheduled.state, scheduled.state_reason = state, why
    scheduled.save()
    scheduled.references.all().delete()
    if state == State.ENACTED:
        note(scheduled, Notice.Kind.ENACTED)
    else:
        for follower in scheduled.followers.filter(state=State.PENDING):
            suspend(follower, f"Scheduled change {scheduled}, which it follows, was {state}.")


def rebind(scheduled: ScheduledChange, user: Any) -> None:
    """What somebody writes, that person agrees to: the author's own signoff goes along with the content."""
    signoff = scheduled.signoffs.filter(user=user).first()
    if signoff is not None and signoff.content_digest != scheduled.content_digest:
        signoff.content_digest = scheduled.content_digest
        signoff.save()


def _overlap(examination: Examination) -> str:
    return f"The same was changed meanwhile. Edit it or cancel it.\n{examination.explanation}"
