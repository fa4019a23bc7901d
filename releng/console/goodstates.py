"""The states that a product's channel has been in, which of them were good, and what going back to one would write.

A state is all rules of the product that reach clients of the channel, from one change set to the next. Rules for every
product are no part of it: putting them back would move other products, too. Shutoffs and the contents of releases
are no part either; whether updates were stopped is known of each state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from history.canonical import canonical_json
from history.diff import FieldDiff, diff_fields
from history.models import ChangeSet
from history.timeline import as_of
from releases.models import Release
from releng.changes.actions import Proposal
from releng.changes.kinds import TARGETS
from releng.changes.models import ScheduledWrite
from releng.changes.requirements import Requirements
from releng.console.places import reaches
from releng.permissions.questions import strictest
from rules.actions import RELEASE_FIELDS
from rules.models import EmergencyShutoff, Rule

STATES_READ = 60
KIND = "rule"
DECIDING = tuple(
    field.attname
    for field in Rule._meta.concrete_fields
    if field.attname not in ("alias", "comment", "data_version")
)


@dataclass(slots=True)
class State:
    """What was decided from `since` until the next state; `rules` are history rows in the order of deciding."""

    change_set: ChangeSet
    until: datetime | None
    rules: list[Any]
    stopped: bool

    @property
    def sequence(self) -> int:
        """The number by which the state is named: that of the change set that made it."""
        return self.change_set.sequence

    @property
    def since(self) -> datetime:
        """When it began."""
        return self.change_set.time

    @property
    def lasted(self) -> timedelta:
        """How long it stood; the present one: until now."""
        return (self.until or timezone.now()) - self.since

    @property
    def throttled(self) -> list[Any]:
        """The rules that gave their mapping to some clients only."""
        return [rule for rule in self.rules if rule.background_rate not in (None, 100)]

    @property
    def offered(self) -> list[str]:
        """The releases that were offered, in the order of deciding, each once."""
        return list(dict.fromkeys(rule.mapping_id for rule in self.rules if rule.mapping_id))

    @property
    def is_proven(self) -> bool:
        """Whether it served everybody, unchanged, for as long as the settings ask for."""
        return (
            bool(self.offered)
            and not self.stopped
            and not self.throttled
            and self.lasted >= timedelta(hours=settings.GOOD_STATE_HOURS)
        )


def states_of(product: str, channel: str) -> list[State]:
    """Return the latest states of a product's channel, the present one first: six queries, however many there were.

    At most STATES_READ change sets are looked at.
    """
    keys = list(Rule.history.filter(product=product).order_by().values_list("rule_id", flat=True).distinct())
    rows_of_rules = Rule.history.filter(rule_id__in=keys)
    shutoffs = EmergencyShutoff.history.filter(
        product=product, channel=channel, build_target=None, locale=None
    )
    touching = [
        set(
            rows.order_by("-change_set__sequence").values_list("change_set__sequence", flat=True)[
                : STATES_READ * 20
            ]
        )
        for rows in (rows_of_rules, shutoffs)
    ]
    sequences = sorted(touching[0] | touching[1], reverse=True)[:STATES_READ]
    if not sequences:
        return []
    first = sequences[-1]
    sets = {found.sequence: found for found in ChangeSet.objects.filter(sequence__in=sequences)}
    rules = {row.rule_id: row for row in as_of(Rule, first, keys)}
    stopped = {row.id for row in shutoffs.filter(pk__in=as_of(EmergencyShutoff, first).values("pk"))}
    later: dict[int, list[Any]] = {}
    for row in (
        rows_of_rules.filter(change_set__sequence__gt=first)
        .select_related("change_set")
        .order_by("history_id")
    ):
        later.setdefault(row.change_set.sequence, []).append(row)
    switched: dict[int, list[Any]] = {}
    for row in (
        shutoffs.filter(change_set__sequence__gt=first).select_related("change_set").order_by("history_id")
    ):
        switched.setdefault(row.change_set.sequence, []).append(row)
    found: list[State] = []
    for sequence in reversed(sequences):
        for row in later.get(sequence, ()):
            _put(rules, row.rule_id, row)
        for row in switched.get(sequence, ()):
            (stopped.discard if row.history_type == "-" else stopped.add)(row.id)
        of_place = [row for row in rules.values() if _belongs(row, product, channel)]
        of_place.sort(key=lambda row: (-row.priority, row.rule_id))
        state = State(sets[sequence], None, of_place, bool(stopped))
        if found and _same(found[-1], state):
            continue  # the change set was about other channels of the product
        if found:
            found[-1].until = state.since
        found.append(state)
    return found[::-1]


def suggested(states: list[State]) -> State | None:
    """Return the state that most likely was good: the newest that is proven and not the present one; else None.

    The present one is what one wants to leave; it is returned only where it is proven itself and no earlier one is.
    """
    earlier = next((state for state in states[1:] if state.is_proven), None)
    if earlier is not None or not states:
        return earlier
    return states[0] if states[0].is_proven else None


def _put(rules: dict[int, Any], key: int, row: Any) -> None:
    if row.history_type == "-":
        rules.pop(key, None)
    else:
        rules[key] = row


def _belongs(row: Any, product: str, channel: str) -> bool:
    return row.product == product and reaches(row.channel, channel)


def _same(one: State, other: State) -> bool:
    return (
        one.stopped == other.stopped
        and len(one.rules) == len(other.rules)
        and all(_decide_alike(row, its) for row, its in zip(one.rules, other.rules, strict=True))
    )


def _decide_alike(one: Any, other: Any) -> bool:
    """Tell whether two versions of a rule decide the same: names and comments do not count."""
    return one.history_id == other.history_id or all(
        getattr(one, name) == getattr(other, name) for name in DECIDING
    )


# --- Going back ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Difference:
    """One rule that differs from how it was; `proposal` puts it back. `problem` says why it cannot be put back."""

    key: int
    then: Any | None
    now: Any | None
    changes: list[FieldDiff]
    proposal: Proposal
    problem: str = ""
    scheduled: list[int] = field(default_factory=list)

    @property
    def word(self) -> str:
        """What going back does with the rule."""
        return {"insert": "make again", "update": "change back", "delete": "delete"}[self.proposal.change]

    @property
    def model(self) -> type[Rule]:
        """What kind of row it is, for the table of changes."""
        return Rule

    @property
    def name(self) -> str:
        """What people call the rule."""
        row = self.now if self.now is not None else self.then.instance  # type: ignore[union-attr]
        return f"rule {row}"

    @property
    def channel(self) -> str | None:
        """The channel of the rule as it is now, or was."""
        found: str | None = (self.now if self.now is not None else self.then).channel  # type: ignore[union-attr]
        return found


def differences(product: str, channel: str, sequence: int) -> list[Difference]:
    """Return the rules of a product's channel that differ from how they were after change set `sequence`.

    In the order in which they decide. Five queries, however many rules there are.
    """
    keys = list(Rule.history.filter(product=product).order_by().values_list("rule_id", flat=True).distinct())
    then = {row.rule_id: row for row in as_of(Rule, sequence, keys)}
    now = {row.pk: row for row in Rule.objects.filter(pk__in=keys)}
    found = []
    for key in sorted(then.keys() | now.keys()):
        was, is_now = then.get(key), now.get(key)
        if any(row is not None and _belongs(row, product, channel) for row in (was, is_now)):
            difference = _difference(key, was, is_now)
            if difference is not None:
                found.append(difference)
    found = _without_remade(found)
    _note_what_stands_against(found)
    return sorted(found, key=lambda one: (-(one.then or one.now).priority, one.key))  # type: ignore[union-attr]


def needed_for(found: Iterable[Difference]) -> dict[str, int]:
    """Return who must agree to going back: how many of each role."""
    asked = Requirements()
    return strictest(
        *(
            asked.signoffs(one.proposal.change, one.now, one.then.instance if one.then is not None else None)
            for one in found
        )
    )


def _difference(key: int, then: Any, now: Any) -> Difference | None:
    target = TARGETS[KIND]
    was = target.values_of(then) if then is not None else {}
    is_now = target.values_of(now) if now is not None else {}
    lists = Rule.history_list_fields
    if then is None:
        said = {name: value for name, value in is_now.items() if value not in (None, "")}
        proposal = Proposal(KIND, "delete", {}, key, now.data_version)
        return Difference(key, then, now, diff_fields(said, {}, list_fields=lists), proposal)
    if now is None:
        said = {name: value for name, value in was.items() if value not in (None, "")}
        proposal = Proposal(KIND, "insert", said)
        return Difference(key, then, now, diff_fields({}, said, list_fields=lists), proposal)
    changed = {name: value for name, value in was.items() if value != is_now[name]}
    if not changed:
        return None
    proposal = Proposal(KIND, "update", changed, key, now.data_version)
    return Difference(key, then, now, diff_fields(is_now, is_now | changed, list_fields=lists), proposal)


def _without_remade(found: list[Difference]) -> list[Difference]:
    """Leave out rules that were deleted since and made again just as they were, under another number."""
    made_again: dict[str, list[Difference]] = {}
    for one in found:
        if one.proposal.change == "delete":
            made_again.setdefault(canonical_json(TARGETS[KIND].values_of(one.now)), []).append(one)
    left_out: list[Difference] = []
    for one in found:
        if one.proposal.change == "insert":
            twins = made_again.get(canonical_json(TARGETS[KIND].values_of(one.then)))
            if twins:
                left_out += [one, twins.pop()]
    return [one for one in found if not any(one is other for other in left_out)]


def _note_what_stands_against(found: list[Difference]) -> None:
    names = {one.proposal.values.get(name) for one in found for name in RELEASE_FIELDS} - {None}
    there = set(Release.objects.filter(name__in=names).values_list("name", flat=True))
    writes = ScheduledWrite.objects.filter(
        target=KIND,
        object_id__in=[one.key for one in found],
        scheduled_change__state__in=["pending", "suspended"],
    )
    open_changes: dict[int, list[int]] = {}
    for key, change in writes.values_list("object_id", "scheduled_change_id"):
        open_changes.setdefault(key, []).append(change)
    for one in found:
        one.scheduled = open_changes.get(one.key, [])
        gone = sorted({str(name) for name in map(one.proposal.values.get, RELEASE_FIELDS) if name} - there)
        if gone:
            one.problem = f"The release {', '.join(gone)} is not there any more."
        elif one.scheduled:
            numbers = ", ".join(map(str, one.scheduled))
            one.problem = f"It has an open scheduled change ({numbers}): cancel that one first."
