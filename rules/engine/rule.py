"""A rule as the engine sees it: plain values, immutable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Who is offered what; `None` in a matching field accepts everything (protocol.md section 4).

    `background_rate` is in percent, 0 to 100.
    """

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


_INTEGERS = ("rule_id", "data_version", "priority")
_FLAGS = ("jaws", "mig64")
_TEXTS = (
    "mapping",
    "fallback_mapping",
    "product",
    "channel",
    "version",
    "build_target",
    "build_id",
    "locale",
    "os_version",
    "memory",
    "instruction_set",
    "distribution",
    "dist_version",
    "header_architecture",
    "whitelist",
)


def decision_order(rule: Rule) -> tuple[int, int]:
    """Sort key: the highest priority first, then the lowest rule id (protocol.md section 4.1)."""
    return (-rule.priority, rule.rule_id)


def unusable_field(rule: Rule) -> str | None:
    """Return the first field whose value is of a type that the field cannot have, or None.

    A database may be filled by others than us, and not every one checks types; such a rule matches nobody.
    """
    for name in _TEXTS:
        value = getattr(rule, name)
        if value is not None and not isinstance(value, str):
            return name
    for name in _INTEGERS:
        if not isinstance(getattr(rule, name), int):
            return name
    for name in _FLAGS:
        if getattr(rule, name) not in (None, True, False):
            return name
    if rule.background_rate is not None and not isinstance(rule.background_rate, int):
        return "background_rate"
    return None if isinstance(rule.update_type, str) else "update_type"
