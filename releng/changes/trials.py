"""What would be decided at another moment, or with changes that are only proposed: snapshots that nobody has stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import timezone

from history.chain import sequence_at
from history.context import Change
from history.models import Generation
from releases.models import Release
from releases.validation import shown
from releng.changes.drafting import Proposal
from releng.changes.examination import examine
from releng.changes.exceptions import spelled
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledChange, ScheduledWrite
from releng.changes.overlay import DECIDING, NotThereError, Write, apply
from releng.changes.policy import VERBS
from releng.changes.standing import Standing, standings
from releng.updates.material import Material
from rules.engine.snapshot import Snapshot

MOST_CHANGES = 20
MOST_DRAFTS = 50

State = ScheduledChange.State


@dataclass(frozen=True, slots=True)
class Moment:
    """Which state is asked for: `at` None is now; `changes` are ids of scheduled changes, `drafts` unsaved values.

    `sequence` asks for the state after that change set instead. Of a moment ahead, the scheduled changes that would be
    enacted until then are applied first; then `changes`, and `drafts` last.
    """

    at: datetime | None = None
    changes: tuple[int, ...] = ()
    drafts: tuple[Proposal, ...] = ()
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Considered:
    """A scheduled change that was applied, or left out and `why`; `when` it would be enacted, as far as known."""

    scheduled: ScheduledChange
    when: datetime | None = None
    why: str = ""

    @property
    def products(self) -> frozenset[str | None]:
        """The products that it is about; None stands for all of them."""
        return frozenset(write.product for write in self.scheduled.writes.all())


@dataclass
class Trial:
    """A state that can be asked: what it is made of, and what decides in it.

    `sequence` is the last change set that it includes. Releases are read when a decision needs them: ask within the
    `releases.reading.consistent_read` in which the trial was made.
    """

    moment: Moment
    material: Material
    is_past: bool = False
    applied: list[Considered] = field(default_factory=list)
    left_out: list[Considered] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stored = frozenset(self.material.rules)

    def stores(self, rule_id: int) -> bool:
        """Tell whether a rule is stored in the state that this one was made of."""
        return rule_id in self._stored

    @cached_property
    def snapshot(self) -> Snapshot:
        """What decides; made when it is first asked for, of the rows as they are then."""
        return self.material.snapshot()

    @property
    def sequence(self) -> int:
        """The number of the last change set that is included."""
        return self.material.sequence

    def concerning(self, products: Collection[str]) -> tuple[list[Considered], list[Considered]]:
        """Return the changes that are about some products, or about all: those applied, and those left out."""
        wanted = {None, *products}
        applied, left_out = (
            [item for item in items if item.products & wanted] for items in (self.applied, self.left_out)
        )
        return applied, left_out


def trial(moment: Moment, now: datetime | None = None) -> Trial:
    """Make the state that is asked for; nothing is stored.

    Raises ValidationError naming `at`, `changes`, `values`, or for unsaved values the fields that cannot be stored.
    """
    now = timezone.now() if now is None else now
    if len(moment.changes) > MOST_CHANGES:
        raise ValidationError({"changes": f"At most {MOST_CHANGES} changes can be tried at once."})
    if len(moment.drafts) > MOST_DRAFTS:
        raise ValidationError({"values": f"At most {MOST_DRAFTS} unsaved rows can be tried at once."})
    if moment.sequence is not None:
        return _past(moment, moment.sequence)
    if moment.at is not None and moment.at <= now:
        return _past(moment, sequence_at(moment.at))
    material = Material.now()
    made = Trial(moment, material)
    if moment.at is not None:
        _apply_upcoming(made, moment.at, now)
    for key in dict.fromkeys(moment.changes):
        _apply_named(made, key)
    for draft in moment.drafts:
        _apply_draft(made, draft)
    return made


def _past(moment: Moment, sequence: int) -> Trial:
    if moment.changes or moment.drafts:
        name = "changes" if moment.changes else "values"
        raise ValidationError({name: "Changes can be tried now or at a moment ahead, not in the past."})
    if sequence > Generation.objects.values_list("number", flat=True).get(pk=Generation.HEAD):
        raise ValidationError({"at": f"#{sequence}: there is no such change set yet."})
    material = Material.after(sequence)
    return Trial(moment, material, is_past=True)


# --- A moment ahead -----------------------------------------------------------------------------------------


def _apply_upcoming(made: Trial, until: datetime, now: datetime) -> None:
    """Apply what would be enacted until a moment, in the order in which the agents would do it."""
    pending = ScheduledChange.objects.pending().select_related("author", "follows").order_by("when", "pk")
    waiting = {standing.scheduled.pk: standing for standing in standings(list(pending))}
    enacted: dict[int, datetime] = {}
    written: dict[str, int] = {}  # releases, and by which change last
    authors: dict[int, Any] = {}  # one object for each: it keeps the permissions that it has read
    while waiting:
        due = {
            key: moment
            for key, standing in waiting.items()
            if (moment := _due(standing.scheduled, enacted, now)) is not None and moment <= until
        }
        if not due:
            break
        key = min(due, key=lambda key: (due[key], key))
        standing = waiting.pop(key)
        author = authors.setdefault(standing.scheduled.author_id, standing.scheduled.author)
        before = made.material.copy()
        why = _hindrance(standing, author)
        why = why or _written(made, [_stored(write) for write in standing.writes])
        releases = made.material.releases.put_since(before.releases)
        if others := sorted(
            {written.get(name, key) for name in releases} - {key, standing.scheduled.follows_id}
        ):
            made.material = before
            why = (
                f"writes the same release as change {others[0]}, which comes first: it must be agreed to anew"
            )
        if not why:
            enacted[key] = due[key]
            written |= dict.fromkeys(releases, key)
        if _decides(standing):
            found = made.left_out if why else made.applied
            found.append(Considered(standing.scheduled, due[key], why))
    for standing in waiting.values():
        if _decides(standing) and (why := _unforeseen(standing.scheduled, until)):
            made.left_out.append(Considered(standing.scheduled, None, why))


def _decides(standing: Standing) -> bool:
    return any(write.target in DECIDING for write in standing.writes)


def _due(scheduled: ScheduledChange, enacted: dict[int, datetime], now: datetime) -> datetime | None:
    """Return when the agents would enact a change; None when nobody can foresee it, or not yet."""
    found = max(scheduled.when or now, now)
    if _awaited(scheduled):
        if scheduled.at_latest is None:
            return None
        found = max(scheduled.at_latest, now)
    follows = scheduled.follows
    if follows is None or follows.state == State.ENACTED:
        return found
    return max(found, enacted[follows.pk]) if follows.pk in enacted else None


def _awaited(scheduled: ScheduledChange) -> str:
    """Return the number that a change waits for, in words."""
    if scheduled.uptake_percent is not None:
        return (
            f"until {scheduled.uptake_percent:g} % of {scheduled.uptake_product} on {scheduled.uptake_channel} "
            f"run {scheduled.uptake_version}"
        )
    return f"for {scheduled.metric}" if scheduled.metric is not None else ""


def _unforeseen(scheduled: ScheduledChange, until: datetime) -> str:
    """Return why a change that might be enacted until a moment is not taken as enacted; nothing for a later one."""
    if scheduled.when is not None and scheduled.when > until:
        return ""
    if awaited := _awaited(scheduled):
        return f"waits {awaited}, which nobody can foresee"
    return f"follows change {scheduled.follows_id}, which is not enacted by then"


def _hindrance(standing: Standing, author: Any) -> str:
    """Return why a due change would not be enacted, as far as that is known before it is tried."""
    if standing.missing:
        return f"lacks signoffs: {spelled(standing.missing)}"
    if not author.is_active:
        return f"was proposed by {author}, who is not active any more"
    for write in standing.writes:
        if write.target not in DECIDING:
            continue
        permission, obj = _needed(write)
        if not author.has_perm(permission, obj):
            return f"was proposed by {author}, who may not do this any more"
    return ""


def _needed(write: ScheduledWrite) -> tuple[str, Model]:
    """Return the permission that a write needs, and the row that it is asked for, as far as its product goes."""
    change: Change = write.change  # type: ignore[assignment]  # a text field with these choices
    model: Any = Release if write.target == "release_part" else TARGETS[write.target].model
    verb = "change" if write.target == "release_part" else VERBS[change]
    row = model(product=write.product) if hasattr(model, "product") else model()
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}", row


# --- What is named ------------------------------------------------------------------------------------------


def _apply_named(made: Trial, key: int) -> None:
    """Apply an open change as it would be written, whatever it waits for; first what it follows."""
    rows = ScheduledChange.objects.select_related("author", "follows").prefetch_related("writes")
    scheduled = rows.filter(pk=key).first()
    if scheduled is None:
        raise ValidationError({"changes": f"{key}: there is no such scheduled change."})
    if not scheduled.is_open:
        raise ValidationError(
            {"changes": f"{key}: this change is {scheduled.state}; only open ones can be tried."}
        )
    if any(item.scheduled.pk == key for item in made.applied):
        return
    if scheduled.follows is not None and scheduled.follows.is_open:
        _apply_named(made, scheduled.follows.pk)
    examination = examine(scheduled)
    hindrances = [*map(str, examination.conflicts), *examination.problems]
    writes = [
        Write(item.write.target, item.change, item.write.object_id, item.values)
        for item in examination.writes
    ]
    why = "; ".join(hindrances) or _written(made, writes)
    if why:
        raise ValidationError({"changes": f"{key}: it cannot be written as things are: {why}"})
    made.left_out = [item for item in made.left_out if item.scheduled.pk != key]
    made.applied.append(Considered(scheduled, scheduled.when))


def _apply_draft(made: Trial, draft: Proposal) -> None:
    target = TARGETS.get(draft.target)
    if target is None:
        raise ValidationError({"values": f"{shown(draft.target)}: known are {', '.join(TARGETS)}."})
    if draft.change not in target.changes:
        raise ValidationError({"values": f"{draft.change}: cannot be done to a {target.kind}."})
    row = None
    if draft.change != "insert":
        row = target.find(draft.object_id) if draft.object_id is not None else None
        if row is None:
            raise ValidationError({"values": f"{draft.object_id}: there is no such {target.kind}."})
    after = target.after(draft.change, row, draft.values)
    values = target.proposed(after, draft.values)
    why = _written(made, [Write(target.kind, draft.change, draft.object_id, values)])
    if why:
        raise ValidationError({"values": why})


# --- Writing ------------------------------------------------------------------------------------------------


def _written(made: Trial, writes: Sequence[Write]) -> str:
    """Apply writes, all of them or none; return what stands against it."""
    before = made.material.copy()
    try:
        for write in writes:
            apply(made.material, write)
    except NotThereError as error:
        made.material = before
        return str(error)
    return ""


def _stored(write: ScheduledWrite) -> Write:
    change: Change = write.change  # type: ignore[assignment]  # a text field with these choices
    return Write(write.target, change, write.object_id, write.values)
