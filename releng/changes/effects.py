"""What clients get instead when rules, releases, shutoffs or pins change: example clients, before and after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError

from releases.blobs import AppRelease, ClientError, Whitelist
from releases.models import Release, ReleasePart
from releases.reading import consistent_read
from releng.changes.drafting import Proposal
from releng.changes.trials import Moment, Trial, trial
from releng.updates.asking import DEFAULTS, Answers, Question, ask_all, question_of_fields
from rules.engine.examples import Client, examples
from rules.engine.rule import Rule as EngineRule

MOST_EFFECTS = 12
MOST_RULES = 20


@dataclass(frozen=True, slots=True)
class Effect:
    """Clients like `question`, what they are answered before and after; `client` is what tells them from others."""

    question: Question
    client: Client
    before: Answers
    after: Answers

    @property
    def is_same(self) -> bool:
        """Whether these clients would see no difference."""
        return self.before.same_as(self.after)

    @property
    def rule_before(self) -> EngineRule | None:
        """The rule that decides before."""
        return self.before.wins.explanation.winner

    @property
    def rule_after(self) -> EngineRule | None:
        """The rule that decides after."""
        return self.after.wins.explanation.winner


@dataclass(slots=True)
class Effects:
    """Effects of a change, those that clients see first; `more` counts kinds of clients that are not shown.

    None at all means that no client was found about whom the rules in question decide.
    """

    effects: list[Effect] = field(default_factory=list)
    more: int = 0

    def __iter__(self) -> Iterator[Effect]:
        return iter(self.effects)

    def __len__(self) -> int:
        return len(self.effects)

    @property
    def changed(self) -> list[Effect]:
        """Those that clients see."""
        return [effect for effect in self.effects if not effect.is_same]


def effects_of(proposals: Sequence[Proposal] = (), *, changes: Sequence[int] = ()) -> Effects:
    """Return what clients get instead when these proposals, or scheduled changes, are written now.

    For the page that deletes a rule: `effects_of([Proposal("rule", "delete", object_id=rule.pk)])`. Raises
    ValidationError as `trials.trial` does.
    """
    with consistent_read():
        before = trial(Moment())
        after = trial(Moment(changes=tuple(changes), drafts=tuple(proposals)))
        return effects_between(before, after)


def effects_between(before: Trial, after: Trial) -> Effects:
    """Compare two states by clients about whom rules decide that differ, or whose release, shutoff or pin differs."""
    groups: dict[Hashable, tuple[Question, Client]] = {}
    touched = _touched_rules(before, after)
    for state in (before, after):
        state.material.releases.fetch(
            {rule.mapping for rule in touched[:MOST_RULES] if rule.mapping}
            | {rule.whitelist for rule in touched[:MOST_RULES] if rule.whitelist}
        )
    ids = {rule.rule_id for rule in touched}
    neighbours = _by_product(before, after)
    for rule in touched[:MOST_RULES]:
        for client in _clients(rule, neighbours, before, after):
            try:
                question = question_of_fields(client)
            except ValidationError:
                continue
            kinds = tuple(_kind(question, state, ids) for state in (before, after))
            if any(kind[0] for kind in kinds):
                groups.setdefault(kinds, (question, client))
    chosen = list(groups.values())
    for state in (before, after):
        state.material.releases.fetch(
            _releases_of(state, [question for question, _ in chosen[:MOST_EFFECTS]])
        )
    found = [
        Effect(question, client, ask_all(question, before.snapshot), ask_all(question, after.snapshot))
        for question, client in chosen[:MOST_EFFECTS]
    ]
    found.sort(key=lambda effect: effect.is_same)
    return Effects(found, max(0, len(chosen) - MOST_EFFECTS))


def client_of(rule_id: int, state: Trial) -> Question | None:
    """Return the request of a client about whom a rule decides, or else of one that fulfils its conditions.

    None when there is no such rule, or no client was found.
    """
    rule = state.material.rules.get(rule_id)
    if rule is None:
        return None
    found: Question | None = None
    for client in _clients(rule, _by_product(state), state, state):
        try:
            question = question_of_fields(client)
        except ValidationError:
            continue
        found = found or question
        if _winner(question, state) == rule:
            return question
    return found


# --- Which clients are worth asking for ---------------------------------------------------------------------


def _touched_rules(before: Trial, after: Trial) -> list[EngineRule]:
    """Return the rules that differ, or that serve or stop what differs: as they are before, new ones as after."""
    old, new = before.material.rules, after.material.rules
    found = [rule for key, rule in new.items() if old.get(key) != rule]
    found += [rule for key, rule in old.items() if new.get(key) != rule]
    names = before.material.releases.replaced() | after.material.releases.replaced()
    names |= _written_between(*sorted((before.sequence, after.sequence)))
    places = {(stop.product, stop.channel) for stop in _differing(before, after, "shutoffs")}
    places |= {(pin.product, pin.channel) for pin in _differing(before, after, "pins")}
    for rule in new.values():
        serves = names & {rule.mapping, rule.fallback_mapping, rule.whitelist}
        if serves or any(_reaches(rule, product, channel) for product, channel in places):
            found.append(rule)
    return list(dict.fromkeys(found))


def _written_between(first: int, last: int) -> set[str]:
    """Return the releases that were written after one change set and up to another: two queries at most."""
    if first == last:
        return set()
    sets = {"change_set__sequence__gt": first, "change_set__sequence__lte": last}
    tops = Release.history.filter(**sets).order_by().values_list("name", flat=True).distinct()
    parts = ReleasePart.history.filter(**sets).order_by().values("release_id").distinct()
    return {*tops, *Release.objects.filter(pk__in=parts).values_list("name", flat=True)}


def _differing(before: Trial, after: Trial, kind: str) -> list[Any]:
    old, new = getattr(before.material, kind), getattr(after.material, kind)
    return [
        row
        for rows, others in ((old, new), (new, old))
        for key, row in rows.items()
        if others.get(key) != row
    ]


def _reaches(rule: EngineRule, product: str, channel: str) -> bool:
    if rule.product not in (None, product):
        return False
    return (
        rule.channel is None
        or rule.channel.rstrip("*") == channel.rstrip("*")
        or (rule.channel.endswith("*") and channel.startswith(rule.channel[:-1]))
    )


def _by_product(*states: Trial) -> dict[str | None, list[EngineRule]]:
    """Return the rules of all states by their product, in decision order; those that differ as often as they do."""
    found: dict[str | None, list[EngineRule]] = defaultdict(list)
    for rule in dict.fromkeys(rule for state in states for rule in state.snapshot.index.rules):
        found[rule.product].append(rule)
    return found


def _winner(question: Question, state: Trial) -> EngineRule | None:
    """Return the rule that decides, None also for a client whose version cannot be read."""
    try:
        return state.snapshot.index.first(question.query, state.snapshot.is_listed)
    except ClientError:
        return None


def _clients(
    rule: EngineRule, neighbours: Mapping[str | None, list[EngineRule]], before: Trial, after: Trial
) -> Iterator[Client]:
    """Yield clients that a rule accepts; where shutoffs or pins differ, those whom these are about."""
    products = list(neighbours) if rule.product is None else [rule.product, None]
    others = [
        other
        for product in products
        for other in neighbours.get(product, ())
        if other.rule_id != rule.rule_id
    ]
    extra = [
        {"channel": stop.channel}
        | {name: value for name in ("build_target", "locale") if (value := getattr(stop, name))}
        for stop in _differing(before, after, "shutoffs")
    ]
    extra += [
        {"channel": pin.channel, "pin": pin.version, "version": f"{pin.version}0"}
        for pin in _differing(before, after, "pins")
    ]
    for client in examples(rule, others, listed=_listed_by(after), plain=_usual(rule, before, after)):
        yield client
        yield from ({**client, **more} for more in extra)


def _usual(rule: EngineRule, before: Trial, after: Trial) -> Client:
    """Return what a client tells whom the rule's release is an update for; of a place that differs, if there is one."""
    old, blob = (state.snapshot.blob(rule.mapping) if rule.mapping else None for state in (before, after))
    if not isinstance(blob, AppRelease):
        return {}
    differing = set()
    if isinstance(old, AppRelease) and old is not blob:
        differing = {
            place
            for place in blob.document.places()
            if old.document.locale(*place) != blob.document.locale(*place)
        }
    places = sorted(
        blob.document.places(), key=lambda place: (place not in differing, place[1] != DEFAULTS["locale"])
    )
    found = {"build_target": places[0][0], "locale": places[0][1]} if places else {}
    text = blob.value(blob.document.locale(*places[0]) if places else None, blob.version_key)
    major = text.partition(".")[0] if isinstance(text, str) else ""
    return (
        {**found, "version": f"{max(1, int(major) - 1)}.0"} if major.isdecimal() and len(major) < 9 else found
    )


def _listed_by(state: Trial) -> Any:
    def listed(name: str) -> str | None:
        blob = state.snapshot.blob(name)
        return blob.first() if isinstance(blob, Whitelist) else None

    return listed


def _kind(question: Question, state: Trial, touched: Collection[int]) -> tuple[Any, ...]:
    """Return what decides about a client: whether that is in question, and all that shapes the answer but the gate.

    `touched` are the ids of the rules in question.
    """
    rule = _winner(question, state)
    stopped = state.snapshot.shutoff_for(question.query) is not None
    return rule is not None and rule.rule_id in touched, rule, stopped, question.query.pin


def _releases_of(state: Trial, questions: Iterable[Question]) -> set[str]:
    rules = [_winner(question, state) for question in questions]
    return {
        name for rule in rules if rule is not None for name in (rule.mapping, rule.fallback_mapping) if name
    }
