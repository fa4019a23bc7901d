"""The names that rules have on the wire (protocol.md section 11), in the order of their listing."""

from __future__ import annotations

from typing import Any

from rules.models import Rule

WIRE_NAMES: dict[str, str] = {
    "rule_id": "rule_id",
    "alias": "alias",
    "priority": "priority",
    "mapping": "mapping_id",
    "fallbackMapping": "fallback_mapping_id",
    "backgroundRate": "background_rate",
    "update_type": "update_type",
    "product": "product",
    "version": "version",
    "channel": "channel",
    "buildTarget": "build_target",
    "buildID": "build_id",
    "locale": "locale",
    "osVersion": "os_version",
    "memory": "memory",
    "instructionSet": "instruction_set",
    "jaws": "jaws",
    "mig64": "mig64",
    "distribution": "distribution",
    "distVersion": "dist_version",
    "headerArchitecture": "header_architecture",
    "comment": "comment",
    "data_version": "data_version",
    "whitelist": "whitelist_id",
}


def rule_to_wire(rule: Rule) -> dict[str, Any]:
    """Return a rule as the read API and data files show it."""
    return {name: getattr(rule, attribute) for name, attribute in WIRE_NAMES.items()}
