"""Rollouts made easy: the changes of a throttled rollout, prepared and signed as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.core.exceptions import ValidationError

from releases.models import Release
from releases.validation import shown
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from rules.actions import application_version
from rules.models import Rule


@dataclass(frozen=True, slots=True)
class Rollout:
    """The plan of a throttled rollout.

    At `start` the rule offers `mapping` to `rate` of 100 clients, and `fallback_mapping`, when given, to the others.
    When `target_percent` of the clients of the rule's product and channel run its version, or at `time_limit`,
    nobody is offered it any more; at `finish`, when given, everybody is. `guard_metric` above `guard_above`
    suspends whatever has not happened yet.
    """

    rule_id: int
    mapping: str
    rate: int
    target_percent: float
    time_limit: datetime
    start: datetime | None = None
    finish: datetime | None = None
    guard_metric: str | None = None
    guard_above: float | None = None
    version: str | None = None
    fallback_mapping: str | None = None


def throttled_rollout(author: Any, plan: Rollout, *, reason: str = "") -> list[ScheduledChange]:
    """Prepare the changes of a rollout, each following the one before; sign the first with its followers.

    Returns two changes, or three when the plan has a finish. Raises what `propose` raises, and
    ValidationError naming what the rule or the release lacks.
    """
    rule = _rule(plan)
    version = plan.version or _version(plan.mapping)
    channel = str(rule.channel).removesuffix("*")
    guard = {"guard_metric": plan.guard_metric, "guard_above": plan.guard_above} if plan.guard_metric else {}
    told = f"{reason.strip()} " if reason.strip() else ""

    def step(values: dict[str, Any], conditions: Mapping[str, Any], what: str, after: Any) -> ScheduledChange:
        proposal = Proposal("rule", "update", values, plan.rule_id)
        return propose(
            author,
            [proposal],
            conditions={**conditions, **guard},
            reason=f"{told}Rollout of {plan.mapping}: {what}",
            follows=after,
        )

    raised = step(
        {"mapping": plan.mapping, "background_rate": plan.rate}
        | ({"fallback_mapping": plan.fallback_mapping} if plan.fallback_mapping else {}),
        {"when": plan.start},
        f"offer it to {plan.rate} %.",
        None,
    )
    uptake = {
        "uptake_product": rule.product,
        "uptake_channel": channel,
        "uptake_version": version,
        "uptake_percent": plan.target_percent,
        "at_latest": plan.time_limit,
    }
    paused = step(
        {"background_rate": 0}, uptake, f"pause at {plan.target_percent:g} % uptake of {version}.", raised
    )
    if plan.finish is None:
        return [raised, paused]
    finished = step({"background_rate": 100}, {"when": plan.finish}, "offer it to everybody.", paused)
    return [raised, paused, finished]


def _rule(plan: Rollout) -> Any:
    """Return the rule of a plan that can be carried out."""
    rule = Rule.objects.filter(pk=plan.rule_id).first()
    if rule is None:
        raise ValidationError({"rule_id": f"{plan.rule_id}: there is no such rule."})
    if not rule.product or not rule.channel:
        raise ValidationError(
            {"rule_id": f"Rule {rule} must name a product and a channel: uptake is counted for one of each."}
        )
    if not 0 < plan.rate < 100:
        raise ValidationError({"rate": f"{plan.rate}: must be from 1 to 99."})
    moments = [
        (name, moment)
        for name, moment in (("start", plan.start), ("time_limit", plan.time_limit), ("finish", plan.finish))
        if moment is not None
    ]
    for (earlier, first), (later, second) in pairwise(moments):
        if second <= first:
            raise ValidationError(
                {later: f"{second.isoformat()}: must be after {earlier}, {first.isoformat()}."}
            )
    return rule


def _version(mapping: str) -> str:
    release = Release.objects.filter(name=mapping).first()
    if release is None:
        raise ValidationError({"mapping": f"{shown(mapping)}: there is no such release."})
    found = application_version(release)
    if found is None:
        raise ValidationError(
            {"mapping": f"{shown(mapping)}: has no application version; name the version to count."}
        )
    return str(found.text)
