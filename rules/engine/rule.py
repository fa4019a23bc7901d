"""A rule as the engine sees it: plain values, immutable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Who is offered what; `None` in a matching field accepts everything (protocol.md section 4)."""

    rule_id: int
    data_version: int
    priority: int
    mapping: str | None = None
    fallback_mapping: str | None = None
    background_rate: int | None = 100
    update_type: str = "minor"
    product: str | None = None
    channel: str | None = None
    version: str | None = None
    build_target: str | None = None
    build_id: str | None = None
    locale: str | None = None
    os_version: str | None = None
    memory: str | None = None
    instruction_set: str | None = None
    jaws: bool | None = None
    mig64: bool | None = None
    distribution: str | None = None
    dist_version: str | None = None
    header_architecture: str | None = None
    whitelist: str | None = None
    alias: str | None = None
    comment: str | None = None


def decision_order(rule: Rule) -> tuple[int, int]:
    """Sort key: the highest priority first, then the lowest rule id (protocol.md section 4.1)."""
    return (-rule.priority, rule.rule_id)
