"""The names that rules have on the wire (protocol.md section 11), in the order of their listing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from releases.validation import shown
from rules.models import EmergencyShutoff, Rule

# Wire name -> attribute; releases stand under their names.
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
_FIELDS: dict[str, models.Field[Any, Any]] = {
    wire: Rule._meta.get_field(attribute)  # type: ignore[misc]  # no relation from elsewhere is among them
    for wire, attribute in WIRE_NAMES.items()
}
# Field name -> wire name, for messages.
WIRE_NAME_OF: dict[str, str] = {field.name: wire for wire, field in _FIELDS.items()}


def rule_to_wire(rule: Rule) -> dict[str, Any]:
    """Return a rule as the read API and data files show it."""
    return {name: getattr(rule, attribute) for name, attribute in WIRE_NAMES.items()}


def values_from_wire(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a rule on the wire by field name; blank texts become None.

    Raises ValidationError, by wire name, for unknown names and for values of the wrong type. Values themselves are
    validated when they are written.
    """
    errors: dict[str, ValidationError] = {}
    values = {}
    for wire, value in row.items():
        field = _FIELDS.get(wire)
        if field is None:
            errors[wire] = ValidationError(
                f"{shown(value)}: rules have no such field; known are {', '.join(WIRE_NAMES)}.",
                code="unknown",
            )
        elif value is not None and (wrong := _wrong_type(field, value)):
            errors[wire] = ValidationError(f"{shown(value)}: {wrong}", code="type")
        else:
            values[field.name] = (
                None if field.null and isinstance(value, str) and not value.strip() else value
            )
    if errors:
        raise ValidationError(errors)
    return values


def _wrong_type(field: models.Field[Any, Any], value: Any) -> str | None:
    if isinstance(field, models.BooleanField):
        return None if isinstance(value, bool) else "must be true, false or null."
    if isinstance(field, models.CharField | models.ForeignKey):
        return None if isinstance(value, str) else "must be a text."
    # Old clients send numbers as texts (protocol.md section 12.4).
    return None if type(value) is int or isinstance(value, str) else "must be a whole number."


def shutoff_to_wire(shutoff: EmergencyShutoff) -> dict[str, Any]:
    """Return a shutoff for an answer or a file; platform and locale only where it is limited to one."""
    row = {name: getattr(shutoff, name) for name in ("product", "channel", "comment", "data_version")}
    limits = {name: getattr(shutoff, name) for name in ("build_target", "locale")}
    return row | {name: value for name, value in limits.items() if value is not None}
