"""Why a client is offered what it is offered: every rule in order, what rejected it, and what followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from releases.blobs.errors import ClientError
from releases.blobs.query import Force, UpdateQuery
from rules.engine.decide import FULL_RATE, Decision, Dice, Outcome, decide
from rules.engine.fields import ALL
from rules.engine.rule import Rule, unusable_field
from rules.engine.snapshot import Snapshot


class Stage(Enum):
    """The parts of a decision, in their order."""

    SHUTOFF = "shutoff"
    RULE = "rule"
    THROTTLE = "throttle"
    PIN = "pin"
    GATE = "gate"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule: `rejected_by` names the first field that did not match, with both values; None for a match."""

    rule: Rule
    rejected_by: str | None = None
    rule_value: Any = None
    client_value: Any = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage of the decision came to, as a sentence."""

    stage: Stage
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and how it came about; when the question could not be read there is an `error` instead."""

    query: UpdateQuery
    considered: tuple[Considered, ...]
    steps: tuple[Step, ...]
    decision: Decision | None
    error: str | None = None

    @property
    def winner(self) -> Rule | None:
        """The rule that decided."""
        return self.decision.rule if self.decision is not None else None


def explain(query: UpdateQuery, snapshot: Snapshot, dice: Dice) -> Explanation:
    """Decide as `decide` does, and tell how.

    Rules are considered until the first that matches, also where a shutoff forestalls them; rules for other products
    are left out. Never raises.
    """
    considered = tuple(_consider(query, snapshot))
    try:
        decision = decide(query, snapshot, dice)
    except ClientError as error:
        return Explanation(query, considered, (), None, str(error))
    return Explanation(query, considered, tuple(_steps(decision, snapshot)), decision)


def _consider(query: UpdateQuery, snapshot: Snapshot) -> Iterator[Considered]:
    """Test rule by rule; those that nobody can match, whose order may not even be known, come first."""
    for rules in ((rule for rule, _ in snapshot.index.unusable), snapshot.index.rules):
        for rule in rules:
            if rule.product in (None, query.product):
                verdict = _test(rule, query, snapshot)
                yield verdict
                if verdict.rejected_by is None:
                    return


def _test(rule: Rule, query: UpdateQuery, snapshot: Snapshot) -> Considered:
    unusable = unusable_field(rule)
    if unusable is not None:
        return Considered(rule, unusable, getattr(rule, unusable), getattr(query, unusable, None))
    for field in ALL:
        mine, theirs = getattr(rule, field.name), getattr(query, field.name)
        if mine is not None and not field.accepts(mine, theirs, query.product):
            return Considered(rule, field.name, mine, theirs)
    if rule.whitelist is not None and not snapshot.is_listed(rule.whitelist, query.imei):
        return Considered(rule, "whitelist", rule.whitelist, query.imei)
    return Considered(rule)


def _steps(decision: Decision, snapshot: Snapshot) -> Iterator[Step]:
    query, rule = decision.query, decision.rule
    shutoff = snapshot.shutoff_for(query)
    if shutoff is not None:
        where = " ".join(part for part in shutoff if part is not None)
        yield Step(Stage.SHUTOFF, f"Updates are stopped for {where}, whatever the rules say.")
        return
    if rule is None:
        yield Step(Stage.RULE, "No rule matches: nothing is offered.")
        return
    name = f"Rule {rule.rule_id}{f' ({rule.alias})' if rule.alias else ''}"
    mapping = f"its mapping is {rule.mapping}" if rule.mapping else "it has no mapping: nothing is offered"
    yield Step(Stage.RULE, f"{name} matches, with priority {rule.priority}; {mapping}.")
    if not rule.mapping:
        return
    if rule.background_rate is None:
        yield Step(Stage.THROTTLE, "The rule has no background rate: nothing is offered.")
        return
    if rule.background_rate < FULL_RATE:
        yield Step(Stage.THROTTLE, _throttle(decision, rule))
        if decision.outcome is Outcome.THROTTLED:
            return
    if decision.pinned:
        yield Step(
            Stage.PIN, f"That is beyond the client's pin {query.pin}, which leads to {decision.release_name}."
        )
    elif query.pin is not None and decision.outcome is Outcome.SERVED:
        yield Step(Stage.PIN, f"The client's pin {query.pin} does not change this.")
    yield Step(Stage.GATE, _gate(decision, rule))
    for child in decision.children:
        yield Step(Stage.CHILD, f"With {child.release_name}, for {child.query.product}.")


def _throttle(decision: Decision, rule: Rule) -> str:
    why = {
        Force.MAIN: "the client forces the mapping",
        Force.FALLBACK: "the client forces the fallback mapping",
        None: "the dice decide",
    }[decision.query.force]
    given = "the mapping"
    if decision.is_fallback:
        given = f"the fallback mapping {rule.fallback_mapping}" if rule.fallback_mapping else "nothing"
    return f"Throttled to {rule.background_rate} %: {why}; this client is given {given}."


def _gate(decision: Decision, rule: Rule) -> str:
    if decision.outcome is Outcome.SERVED:
        return f"{decision.release_name} is offered, as a {rule.update_type} update."
    return f"{decision.release_name} is not offered: {decision.outcome.value}."
