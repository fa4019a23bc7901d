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
    SHUT_OFF = "updates are stopped for this product and channel"
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
    something is served; `children` are what a superblob offers. `is_fallback` and `pinned` tell how the
    release was chosen; `rates` are the background rates for which the dice were asked, children's included.
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
    if not isinstance(decision.release, Superblob):
        return decision
    tried = _children(decision.release, decision, snapshot, dice)
    children = tuple(child for child in tried if _can_be_spliced(child))
    rates = (*decision.rates, *(rate for child in tried for rate in child.rates))
    if not children and not decision.release.products:
        return replace(decision, outcome=Outcome.NO_CHILDREN, release=None, rates=rates)
    return replace(decision, children=children, rates=rates)


def _can_be_spliced(child: Decision) -> bool:
    return child.outcome is Outcome.SERVED and not isinstance(child.release, Superblob)


def _decide_one(query: UpdateQuery, snapshot: Snapshot, dice: Dice) -> Decision:
    if snapshot.is_shut_off(query):
        return Decision(query, Outcome.SHUT_OFF)
    rule = snapshot.index.first(query, snapshot.is_listed)
    if rule is None:
        return Decision(query, Outcome.NO_RULE)
    if not rule.mapping:
        return Decision(query, Outcome.NO_MAPPING, rule)
    rate = rule.background_rate
    if rate is None:
        return Decision(query, Outcome.NO_RATE, rule)
    name: str | None = rule.mapping
    loses = False
    rates: tuple[int, ...] = ()
    if query.force is not Force.MAIN and rate < FULL_RATE:
        if query.force is Force.FALLBACK:
            loses = True
        else:
            loses, rates = dice() >= rate, (rate,)
    if loses:
        name = rule.fallback_mapping
    if not name:
        return Decision(query, Outcome.THROTTLED, rule, is_fallback=True, rates=rates)
    offered = _offer(query, snapshot, rule, name, is_fallback=loses)
    return replace(offered, rates=rates) if rates else offered


def _offer(query: UpdateQuery, snapshot: Snapshot, rule: Rule, name: str, *, is_fallback: bool) -> Decision:
    blob = snapshot.blob(name)

    def ended(outcome: Outcome) -> Decision:
        return Decision(query, outcome, rule, release_name=name, is_fallback=is_fallback)

    if blob is None:
        return ended(Outcome.NO_RELEASE)
    answer = blob.serve(query)
    if answer is Serve.NO:
        return ended(Outcome.NOT_AN_UPDATE)
    if answer is Serve.MAYBE and query.pin is not None:
        # Beyond the client's pin. An unknown pin is ignored: a client must never be stranded by it.
        pinned_name = snapshot.pins.get((query.product, query.fallback_channel, parse_pin(query.pin).text))
        pinned = snapshot.blob(pinned_name) if pinned_name is not None else None
        if pinned is not None:
            if pinned.serve(query) is Serve.NO:
                return ended(Outcome.PIN_NOT_AN_UPDATE)
            return Decision(query, Outcome.SERVED, rule, pinned, pinned_name, is_fallback, pinned=True)
    return Decision(query, Outcome.SERVED, rule, blob, name, is_fallback)


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
