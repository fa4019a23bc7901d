"""What changed since somebody last looked: acts of others, and how many submissions machines made."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, Value

from history.models import ChangeSet
from history.views import visible_models
from releases.models import Release, ReleasePart
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.console.models import LastLook

ACTS_SHOWN = 12
# A page that is opened often reads no further back than this, however long somebody was away.
ACTS_READ = 300
# Builds are submitted by the thousand; the front page counts them.
SUBMITTED = frozenset({Release, ReleasePart})
WHOLE_OF: dict[type[Any], type[Any]] = {ReleasePart: Release, ScheduledWrite: ScheduledChange}


@dataclass(frozen=True, slots=True)
class Act:
    """One change set of somebody else, and what it touched, in words."""

    change_set: ChangeSet
    touched: str


@dataclass(frozen=True, slots=True)
class News:
    """What changed after change set `after`, up to `newest`: acts, and submissions of builds by who made them.

    `since` is None for somebody who never said that all was read. `unread` counts all acts in between, also one's own.
    """

    after: int
    newest: int
    since: datetime | None
    acts: list[Act]
    submissions: list[tuple[str, int]]
    unread: int

    @property
    def more(self) -> int:
        """How many acts are not told here one by one."""
        return max(0, self.unread - len(self.acts) - sum(count for _, count in self.submissions))


def news_for(user: Any) -> News | None:
    """Return what others changed since somebody last looked: three queries; None for whoever may not read history."""
    try:
        visible = visible_models(user)
    except PermissionDenied:
        return None
    look = LastLook.objects.filter(user=user).first()
    after = look.sequence if look is not None else 0
    rows = list(ChangeSet.objects.filter(sequence__gt=after).order_by("-sequence")[:ACTS_READ])
    newest = rows[0].sequence if rows else after
    others = [row for row in rows if row.actor_id != user.pk]
    touched = _touched(visible, others)
    acts, submissions = [], Counter[str]()
    for row in others:
        models = touched.get(row.pk)
        if not models:
            continue  # only what this person may not see
        if models.keys() <= SUBMITTED:
            submissions[row.actor_name] += 1
        else:
            acts.append(Act(row, _words(models)))
    return News(
        after,
        newest,
        look.time if look is not None else None,
        acts[:ACTS_SHOWN],
        submissions.most_common(),
        newest - after,
    )


def acts_of(visible: Sequence[type[Any]], rows: Sequence[ChangeSet]) -> list[Act]:
    """Return change sets (the newest first) with what each touched, as far as it is visible: one query."""
    touched = _touched(visible, rows)
    return [Act(row, _words(touched[row.pk])) for row in rows if touched.get(row.pk)]


def _touched(visible: Sequence[type[Any]], acts: Sequence[ChangeSet]) -> dict[Any, dict[type[Any], int]]:
    """Return how many rows of each model each act wrote: one query over all models."""
    found: dict[Any, dict[type[Any], int]] = defaultdict(dict)
    if not acts:
        return found
    sources = [
        model.history.filter(change_set__sequence__gte=acts[-1].sequence)
        .order_by()
        .values("change_set_id")
        .annotate(number=Value(number, output_field=IntegerField()), rows=Count("*"))
        .values_list("change_set_id", "number", "rows")
        for number, model in enumerate(visible)
    ]
    for change_set_id, number, rows in sources[0].union(*sources[1:], all=True):
        found[change_set_id][visible[number]] = rows
    return found


def _words(models: dict[type[Any], int]) -> str:
    """Return what was touched, parts with what they are parts of."""
    return ", ".join(
        f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"
        for model, count in models.items()
        if WHOLE_OF.get(model) not in models
    )
