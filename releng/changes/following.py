"""Keeping open scheduled changes true to the rows that they would write, whoever writes these."""

from __future__ import annotations

from typing import Any

from history.context import OpenChangeSet
from releases.models import Release, ReleasePart
from releng.changes.kinds import KIND_OF
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.upkeep import refresh


def follow_rows(change_set: OpenChangeSet, **kwargs: Any) -> None:
    """Bring the changes up to date whose rows were written: part of the same act, in the same transaction."""
    written = [item for item in change_set.written if item.model in KIND_OF and item.change != "insert"]
    parts = ReleasePart in change_set.touched
    if not written and not parts:
        return
    open_writes = ScheduledWrite.objects.filter(scheduled_change__state=ScheduledChange.State.PENDING)
    wanted = dict.fromkeys(open_writes.exclude(object_id=None).values_list("target", "object_id"))
    if not wanted:
        return
    keys = {(KIND_OF[item.model], item.key) for item in written}
    if parts:
        rows = ReleasePart.history.filter(change_set_id=change_set.id)
        keys |= {(KIND_OF[Release], key) for key in rows.values_list("release_id", flat=True).distinct()}
    for kind, object_id in sorted(keys & wanted.keys()):
        changes = ScheduledChange.objects.pending().writing(kind, object_id)
        for scheduled in changes.select_for_update(of=("self",), no_key=True).order_by("pk"):
            refresh(scheduled)
