"""The chain of change sets: each digest covers its own rows and the digest before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.utils import timezone

from history.canonical import canonical_json
from history.context import OpenChangeSet
from history.models import ChangeSet, Generation, PrunedRow, VersionedModel


def versioned_models() -> list[type[VersionedModel]]:
    """Return every concrete versioned model, in a stable order."""
    found = [
        model for model in apps.get_models() if issubclass(model, VersionedModel) and not model._meta.proxy
    ]
    return sorted(found, key=lambda model: model._meta.label_lower)


def link(previous: str, row: ChangeSet, row_digests: Iterable[str]) -> str:
    """Return the digest (SHA-256, hexadecimal) of change set `row`, whose history rows have `row_digests`."""
    said: list[Any] = [
        previous,
        str(row.id),
        row.sequence,
        row.time.astimezone(UTC).isoformat(),
        row.actor_id,
        row.actor_name,
        row.reason,
        row.origin,
        row.request_id,
        row.client_address,
    ]
    digest = hashlib.sha256(canonical_json(said).encode())
    for row_digest in sorted(row_digests):
        digest.update(row_digest.encode())
    return digest.hexdigest()


def pruning(row: PrunedRow) -> str:
    """Return what the change set that pruned a history row is digested with: no row can be pruned beside it."""
    return f"pruned {row.table_name} {row.history_id} {row.digest}"


def seal(opened: OpenChangeSet) -> ChangeSet | None:
    """Write the row of a change set that is about to be committed, and move the chain's head on.

    The head is locked from here to the commit that follows at once, so that change sets are numbered in the order of
    their commits. The digests are read back from the database: rows of a savepoint that was
    rolled back are not among them. Returns None when no history row is left.
    """
    digests: list[str] = []
    for model in opened.touched:
        if model is PrunedRow:
            digests += map(pruning, PrunedRow.objects.filter(pruned_by_id=opened.id))
        else:
            digests += (
                model.history.filter(change_set_id=opened.id).order_by().values_list("digest", flat=True)
            )
    if not digests:
        return None
    actor = opened.resolved_actor()
    head = Generation.objects.select_for_update().get(pk=Generation.HEAD)
    now = timezone.now()
    row = ChangeSet(
        id=opened.id,
        sequence=head.number + 1,
        time=max(now, head.time or now),
        actor_id=actor.pk if actor is not None else None,
        actor_name=opened.actor_name or (actor.get_username() if actor is not None else "anonymous"),
        reason=opened.reason,
        origin=opened.origin,
        request_id=opened.request_id[:100],
        client_address=opened.client_address,
    )
    row.digest = link(head.digest, row, digests)
    row.save(force_insert=True)
    head.number, head.digest, head.time = row.sequence, row.digest, row.time
    head.save(force_update=True)
    return row


def sequence_at(moment: datetime) -> int:
    """Return the number of the last change set that was committed by `moment`; 0 before the first."""
    found = (
        ChangeSet.objects.filter(time__lte=moment).order_by("-sequence").values_list("sequence", flat=True)
    )
    return found.first() or 0
