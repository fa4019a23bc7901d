"""The one function that decides (protocol.md sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from releases.blobs import Blob, Serve, Superblob
from releases.blobs.query import Force, UpdateQuery
from releases.blobs.versions import parse_pin
from rules.engine.rule import Rule
from rules.engine.snapshot import Snapshot

Dice = Callable[[], int]
FULL_RATE = 100


class Outcome(Enum):
    """How a decision ended; the value is said to people."""

    SERVED = "served"
    SHUT_OFF = "updates are stopped by an emergency shutoff"
    NO_RULE = "no rule matches"
    NO_MAPPING = "the rule has no mapping"
    NO_RATE = "the rule has no background rate"
    THROTTLED = "throttled, and the rule has no fallback mapping"
    NO_RELEASE = "the release does not exist"
    NOT_AN_UPDATE = "the release is no update for this client"
    PIN_NOT_AN_UPDATE = "the release of the client's pin is no update for it"
    NO_CHILDREN = "none of the superblob's releases exists"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one client is offered, and by which rule.

    `query` is the question as it was decided: a superblob's child has its own product. `release` is set when
    something is served; `release_name` also when it was refused. `children` are what a superblob offers.
    `is_fallback` and `pinned` tell how the release was chosen; `rates` are the background rates for which the dice
    were asked, children's included.
    """

    query: UpdateQuery
    outcome: Outcome
    rule: Rule | None = None
    release: Blob | None = None
    release_name: str | None = None
    is_fallback: bool = False
    pinned: bool = False
    children: tuple[Decision, ...] = ()
    rates: tuple[int, ...] = ()

    @property
    def force(self) -> Force | None:
        """The client's wish about throttling, which is always honoured."""
        return self.query.force


def decide(query: UpdateQuery, snapshot: Snapshot, dice: Dice) -> Decision:
    """Decide what `query` is offered.

    `dice` returns 0..99, each time anew; it is asked only when a throttled rule needs it. Raises ClientError
    for a version or pin that cannot be read, and nothing else whatever the snapshot contains.
    """
    decision = _decide_one(query, snapshot, dice)
    superblob = decision.release
    if not isinstance(superblob, Superblob):
        return decision
    tried = _children(superblob, decision, snapshot, dice)
    children = tuple(child for child in tried if _can_be_spliced(child))
    is_empty = not children and not superblob.products
    return replace(
        decision,
        outcome=Outcome.NO_CHILDREN if is_empty else Outcome.SERVED,
        release=None if is_empty else superblob,
        children=children,
        rates=(*decision.rates, *(rate for child in tried for rate in child.rates)),
    )


def _can_be_spliced(child: Decision) -> bool:
    # A superblob inside a superblob offers nothing; so no document can make the decision run in circles.
    return child.outcome is Outcome.SERVED and not isinstance(child.release, Superblob)


def _decide_one(query: UpdateQuery, snapshot: Snapshot, dice: Dice) -> Decision:
    if snapshot.shutoff_for(query) is not None:
        return Decision(query, Outcome.SHUT_OFF)
    rule = snapshot.index.first(query, snapshot.is_listed)
    if rule is None:
        return Decision(query, Outcome.NO_RULE)
    if not rule.mapping:
        return Decision(query, Outcome.NO_MAPPING, rule)
    rate, force = rule.background_rate, query.force
    if rate is None:
        return Decision(query, Outcome.NO_RATE, rule)
    rates: tuple[int, ...] = ()
    loses = False
    if rate < FULL_RATE and force is not Force.MAIN:
        if force is Force.FALLBACK:
            loses = True
        else:
            rates = (rate,)
            loses = dice() >= rate
    name = rule.fallback_mapping if loses else rule.mapping
    if not name:
        return Decision(query, Outcome.THROTTLED, rule, is_fallback=True, rates=rates)
    outcome, release, name, pinned = _offer(query, snapshot, name)
    return Decision(query, outcome, rule, release, name, loses, pinned, (), rates)


def _offer(query: UpdateQuery, snapshot: Snapshot, name: str) -> tuple[Outcome, Blob | None, str, bool]:
    """Ask release `name`, or the one that the client's pin leads to: (outcome, release if served, its name, pinned)."""
    blob = snapshot.blob(name)
    if blob is None:
        return Outcome.NO_RELEASE, None, name, False
    answer = blob.serve(query)
    if answer is Serve.YES:
        return Outcome.SERVED, blob, name, False
    if answer is Serve.NO:
        return Outcome.NOT_AN_UPDATE, None, name, False
    pin = parse_pin(query.pin or "").text
    pinned_name = snapshot.pins.get((query.product, query.fallback_channel, pin))
    if pinned_name is None:
        # A pin that nobody has set is ignored: a client must never be stranded by it.
        return Outcome.SERVED, blob, name, False
    pinned = snapshot.blob(pinned_name)
    if pinned is None:
        return Outcome.NO_RELEASE, None, pinned_name, True
    if pinned.serve(query) is Serve.NO:
        return Outcome.PIN_NOT_AN_UPDATE, None, pinned_name, True
    return Outcome.SERVED, pinned, pinned_name, True


def _children(superblob: Superblob, parent: Decision, snapshot: Snapshot, dice: Dice) -> list[Decision]:
    """Decide for each product, or take each release, that a superblob names."""
    children = [
        _decide_one(replace(parent.query, product=product), snapshot, dice) for product in superblob.products
    ]
    for name in superblob.blobs:
        release = snapshot.releases.get(name)
        if release is not None:
            query = replace(parent.query, product=release.product or parent.query.product)
            children.append(Decision(query, Outcome.SERVED, parent.rule, release.blob, name))
    return children
