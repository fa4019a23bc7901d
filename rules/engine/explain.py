"""Why a client is offered what it is offered: every rule in order, with the field that rejected it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from releases.blobs.errors import ClientError
from releases.blobs.query import Force, UpdateQuery
from rules.engine.decide import FULL_RATE, Decision, Dice, Outcome, decide
from rules.engine.fields import ALL
from rules.engine.rule import Rule
from rules.engine.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule: `rejected_by` names the first field that did not match, with both values; None for a match."""

    rule: Rule
    rejected_by: str | None = None
    rule_value: Any = None
    client_value: Any = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and how it came about; when the question could not be read there is an `error` instead."""

    query: UpdateQuery
    considered: tuple[Considered, ...]
    steps: tuple[str, ...]
    decision: Decision | None
    error: str | None = None

    @property
    def winner(self) -> Rule | None:
        """The rule that decided."""
        return self.decision.rule if self.decision is not None else None


def explain(query: UpdateQuery, snapshot: Snapshot, dice: Dice) -> Explanation:
    """Decide as `decide` does, and tell how.

    Rules are considered until the first that matches; rules for other products are left out. Never raises.
    """
    considered = tuple(_consider(query, snapshot))
    try:
        decision = decide(query, snapshot, dice)
    except ClientError as error:
        return Explanation(query, considered, (str(error),), None, str(error))
    return Explanation(query, considered, tuple(_steps(decision, snapshot)), decision)


def _consider(query: UpdateQuery, snapshot: Snapshot) -> Iterator[Considered]:
    for rule in snapshot.index.rules:
        if rule.product not in (None, query.product):
            continue
        verdict = _test(rule, query, snapshot)
        yield verdict
        if verdict.rejected_by is None:
            return


def _test(rule: Rule, query: UpdateQuery, snapshot: Snapshot) -> Considered:
    for field in ALL:
        mine, theirs = getattr(rule, field.name), getattr(query, field.name)
        if mine is not None and not field.accepts(mine, theirs, query.product):
            return Considered(rule, field.name, mine, theirs)
    if rule.whitelist is not None and not snapshot.is_listed(rule.whitelist, query.imei):
        return Considered(rule, "whitelist", rule.whitelist, query.imei)
    return Considered(rule)


def _steps(decision: Decision, snapshot: Snapshot) -> Iterator[str]:
    query, rule = decision.query, decision.rule
    if decision.outcome is Outcome.SHUT_OFF:
        yield f"Updates are stopped for {query.product} {query.fallback_channel}, whatever the rules say."
        return
    if rule is None:
        yield "No rule matches: nothing is offered."
        return
    name = f"Rule {rule.rule_id}{f' ({rule.alias})' if rule.alias else ''}"
    if rule.mapping is None:
        yield f"{name} matches and has no mapping: nothing is offered."
        return
    yield f"{name} matches, with priority {rule.priority}; its mapping is {rule.mapping}."
    if rule.background_rate is not None and rule.background_rate < FULL_RATE:
        yield _throttle_step(decision, rule, query)
    if decision.pinned:
        yield f"That is beyond the client's pin {query.pin}; the pin leads to {decision.release_name}."
    elif query.pin is not None and decision.outcome is Outcome.SERVED:
        yield f"The client's pin {query.pin} does not change this."
    if decision.outcome is not Outcome.SERVED:
        yield f"Nothing is offered: {decision.outcome.value}."
        return
    yield f"{decision.release_name} is offered, as a {rule.update_type} update."
    for child in decision.children:
        yield f"  with {child.release_name}, for {child.query.product}."


def _throttle_step(decision: Decision, rule: Rule, query: UpdateQuery) -> str:
    chosen = f"the fallback mapping {rule.fallback_mapping}" if decision.is_fallback else "the mapping"
    if decision.is_fallback and not rule.fallback_mapping:
        chosen = "no fallback mapping"
    why = {
        Force.MAIN: "the client forces the mapping",
        Force.FALLBACK: "the client forces the fallback",
        None: "the dice decide",
    }[query.force]
    return f"Throttled to {rule.background_rate} %: {why}; this client gets {chosen}."
