"""The guard of direct writes: permission first, then whether others must agree.

Asked by what the setting HISTORY_GUARD names, so every request's change set carries it, and no view, form or verb
can go round it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied

from history.context import Change, Guard, OpenChangeSet, Written
from history.models import VersionedModel
from releases.models import Release, ReleasePart
from releng.changes.exceptions import ChangeScheduledError, SignoffRequiredError
from releng.changes.kinds import KIND_OF
from releng.changes.models import ScheduledChange, ScheduledWrite, Signoff
from releng.changes.policy import refuse_unpermitted, required_signoffs


def guard(opened: OpenChangeSet, change: Change, rows: Sequence[VersionedModel]) -> None:
    """Raise PermissionDenied, SignoffRequiredError or ChangeScheduledError unless the actor may write these rows."""
    actor = opened.resolved_actor()
    for before, after in _permitted(opened, actor, change, rows):
        required = required_signoffs(change, before, after)
        if required:
            raise SignoffRequiredError(_named(before if before is not None else after), required)
        if change == "delete":
            _refuse_scheduled(before)


def authority_of(user: Any) -> Guard:
    """Return the guard for enacting what others have agreed to: the permissions of the person who proposed it."""

    def guard_of_author(opened: OpenChangeSet, change: Change, rows: Sequence[VersionedModel]) -> None:
        for _ in _permitted(opened, user, change, rows):
            pass

    return guard_of_author


def _permitted(
    opened: OpenChangeSet, user: Any, change: Change, rows: Sequence[VersionedModel]
) -> Iterator[tuple[Any, Any]]:
    """Yield each row's state before and after, once the person's permission for it is known."""
    if isinstance(rows[0], (ScheduledChange, ScheduledWrite, Signoff)):
        raise PermissionDenied("Scheduled changes are written by their verbs alone.")
    if user is None:
        raise PermissionDenied("Sign in first: nobody is known to make this change.")
    seen = set()
    for before, after in _states(change, rows):
        row = after if after is not None else before
        if isinstance(row, ReleasePart):
            # The locales of a release are one question, and who makes or deletes the release deals with them too.
            if row.release_id in seen:
                continue
            seen.add(row.release_id)
            if _release_permission(opened, user, change, row.release):
                yield before, after
                continue
        refuse_unpermitted(user, change, before, after)
        yield before, after


def _release_permission(opened: OpenChangeSet, user: Any, change: Change, release: Release) -> bool:
    if change == "delete":
        return bool(user.has_perm("releases.delete_release", release))
    return Written("insert", Release, release.pk) in opened.written


def _states(change: Change, rows: Sequence[VersionedModel]) -> Iterator[tuple[Any, Any]]:
    if change == "insert":
        yield from ((None, row) for row in rows)
        return
    stored = type(rows[0])._base_manager.in_bulk([row.pk for row in rows])
    for row in rows:
        before = stored.get(row.pk)
        if before is not None:  # else the comparison of versions refuses the write
            yield before, (row if change == "update" else None)


def _refuse_scheduled(row: Any) -> None:
    kind = KIND_OF.get(type(row))
    if kind is None:
        return
    scheduled = list(ScheduledChange.objects.open().writing(kind, row.pk))
    if scheduled:
        raise ChangeScheduledError(_named(row), scheduled, "cancel it before you delete.")


def _named(row: Any) -> str:
    return f"{row._meta.verbose_name} {row}"
