"""What the tests of scheduled changes propose over the contract's addresses: a case for every kind and change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from releases.models import Release
from releng.permissions.models import Permission, PermissionRequiredSignoff, ProductRequiredSignoff
from rules.models import EmergencyShutoff, Rule
from tests.factories import release_document

FAR_AHEAD_MS = 4_102_444_800_000
LATER_MS = FAR_AHEAD_MS + 3_600_000
OF_EVERY_ROW = {
    *("sc_id", "sc_data_version", "scheduled_by", "change_type", "complete", "when", "data_version"),
    *("signoffs", "required_signoffs"),
}
RULE_COLUMNS = {
    *(
        "alias",
        "backgroundRate",
        "buildID",
        "buildTarget",
        "channel",
        "comment",
        "distVersion",
        "distribution",
    ),
    *(
        "fallbackMapping",
        "headerArchitecture",
        "instructionSet",
        "jaws",
        "locale",
        "mapping",
        "memory",
        "mig64",
    ),
    *("osVersion", "priority", "product", "rule_id", "update_type", "version", "whitelist"),
    *("telemetry_product", "telemetry_channel", "telemetry_uptake"),
}
COLUMNS = {
    "rules": RULE_COLUMNS,
    "releases": {"name", "product", "read_only", "data"},
    "permissions": {"username", "permission", "options"},
    "required_signoffs/product": {"product", "channel", "role", "signoffs_required"},
    "required_signoffs/permissions": {"product", "role", "signoffs_required"},
    "emergency_shutoff": {"product", "channel", "comment", "build_target", "locale"},
    "pinnable_releases": {"product", "channel", "version", "mapping"},
}
RULE = -1  # stands for the number of the rule that there is
Q = "required_signoffs/product"
QP = "required_signoffs/permissions"


@dataclass(frozen=True)
class Case:
    """One proposal: what is sent, what its row then shows, an edit, and whether it has happened in the end."""

    kind: str
    change: str
    sent: dict[str, Any]
    shown: dict[str, Any]
    done: Callable[[], bool]
    edit: dict[str, Any] = field(default_factory=dict)
    edited: dict[str, Any] = field(default_factory=dict)

    def body(self, **more: Any) -> dict[str, Any]:
        """Return what is posted to propose it."""
        return numbered({"change_type": self.change, "when": FAR_AHEAD_MS} | self.sent | more)

    def __str__(self) -> str:
        return f"{self.kind.replace('/', '_')}-{self.change}"


def numbered(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with the number of the rule in its place."""
    return {
        key: Rule.objects.get(alias="acme-signed").pk if value == RULE else value
        for key, value in values.items()
    }


def text_of(name: str, version: str) -> str:
    return json.dumps(release_document(name, version))


def version_of_document(name: str) -> str | None:
    release = Release.objects.filter(name=name).first()
    return release.blob()["appVersion"] if release is not None else None


def signoffs(model: Any, **where: Any) -> int | None:
    found: int | None = model.objects.filter(**where).values_list("signoffs_required", flat=True).first()
    return found


CASES = [
    Case(
        "rules",
        "insert",
        {
            "product": "Acme",
            "channel": "signed",
            "mapping": "Acme-2",
            "priority": 5,
            "backgroundRate": "50",
            "update_type": "minor",
        },
        {"mapping": "Acme-2", "backgroundRate": 50, "rule_id": None, "data_version": None},
        lambda: Rule.objects.filter(priority=6, mapping="Acme-2").exists(),
        {"priority": 6},
        {"priority": 6, "mapping": "Acme-2"},
    ),
    Case(
        "rules",
        "update",
        {"rule_id": RULE, "data_version": 1, "priority": 7},
        {"rule_id": RULE, "priority": 7, "mapping": "Acme-1", "channel": "signed", "data_version": 1},
        lambda: Rule.objects.filter(priority=7, background_rate=25, mapping="Acme-1").exists(),
        {"backgroundRate": 25},
        {"priority": 7, "backgroundRate": 25},
    ),
    Case(
        "rules",
        "delete",
        {"rule_id": RULE, "data_version": 1},
        {"rule_id": RULE, "mapping": "Acme-1", "data_version": 1},
        lambda: not Rule.objects.exists(),
    ),
    Case(
        "releases",
        "insert",
        {"name": "Acme-3", "product": "Acme", "data": text_of("Acme-3", "12.0")},
        {"name": "Acme-3", "data": release_document("Acme-3", "12.0"), "data_version": None},
        lambda: version_of_document("Acme-3") == "12.1",
        {"data": text_of("Acme-3", "12.1")},
        {"data": release_document("Acme-3", "12.1")},
    ),
    Case(
        "releases",
        "update",
        {"name": "Acme-1", "product": "Acme", "data": text_of("Acme-1", "11.0"), "data_version": 1},
        {"name": "Acme-1", "data": release_document("Acme-1", "11.0"), "read_only": False, "data_version": 1},
        lambda: version_of_document("Acme-1") == "11.1",
        {"data": text_of("Acme-1", "11.1")},
        {"data": release_document("Acme-1", "11.1")},
    ),
    Case(
        "releases",
        "delete",
        {"name": "Acme-2", "data_version": 1},
        {"name": "Acme-2", "product": "Acme", "data_version": 1},
        lambda: not Release.objects.filter(name="Acme-2").exists(),
    ),
    Case(
        "permissions",
        "insert",
        {"username": "subject", "permission": "release", "options": '{"products": ["Zeta"]}'},
        {"username": "subject", "permission": "release", "options": {"products": ["Zeta"]}},
        lambda: Permission.objects.filter(permission="release", actions=["create"]).exists(),
        {"options": '{"products": ["Zeta"], "actions": ["create"]}'},
        {"options": {"products": ["Zeta"], "actions": ["create"]}},
    ),
    Case(
        "permissions",
        "update",
        {
            "username": "subject",
            "permission": "rule",
            "options": '{"products": ["Acme", "Zeta"]}',
            "data_version": 1,
        },
        {"username": "subject", "options": {"products": ["Acme", "Zeta"]}, "data_version": 1},
        lambda: Permission.objects.filter(permission="rule", products=["Acme"]).exists(),
        {"options": '{"products": ["Acme"]}'},
        {"options": {"products": ["Acme"]}},
    ),
    Case(
        "permissions",
        "delete",
        {"username": "subject", "permission": "rule", "data_version": 1},
        {"username": "subject", "permission": "rule", "options": {"products": ["Zeta"]}},
        lambda: not Permission.objects.filter(user__username="subject", permission="rule").exists(),
    ),
    Case(
        Q,
        "insert",
        {"product": "Acme", "channel": "beta", "role": "qa", "signoffs_required": 2},
        {"channel": "beta", "role": "qa", "signoffs_required": 2, "data_version": None},
        lambda: signoffs(ProductRequiredSignoff, channel="beta") == 1,
        {"signoffs_required": 1},
        {"signoffs_required": 1},
    ),
    Case(
        Q,
        "update",
        {
            "product": "Acme",
            "channel": "signed",
            "role": "relman",
            "signoffs_required": 2,
            "data_version": 1,
        },
        {"channel": "signed", "signoffs_required": 2, "data_version": 1},
        lambda: signoffs(ProductRequiredSignoff, channel="signed") == 2,
    ),
    Case(
        Q,
        "delete",
        {"product": "Acme", "channel": "signed", "role": "relman", "data_version": 1},
        {"channel": "signed", "signoffs_required": 1},
        lambda: signoffs(ProductRequiredSignoff, channel="signed") is None,
    ),
    Case(
        QP,
        "insert",
        {"product": "Zeta", "role": "qa", "signoffs_required": 2},
        {"product": "Zeta", "role": "qa", "signoffs_required": 2, "data_version": None},
        lambda: signoffs(PermissionRequiredSignoff, role="qa") == 1,
        {"signoffs_required": 1},
        {"signoffs_required": 1},
    ),
    Case(
        QP,
        "update",
        {"product": "Zeta", "role": "relman", "signoffs_required": 2, "data_version": 1},
        {"product": "Zeta", "signoffs_required": 2, "data_version": 1},
        lambda: signoffs(PermissionRequiredSignoff, role="relman") == 2,
    ),
    Case(
        QP,
        "delete",
        {"product": "Zeta", "role": "relman", "data_version": 1},
        {"product": "Zeta", "signoffs_required": 1},
        lambda: signoffs(PermissionRequiredSignoff, role="relman") is None,
    ),
    Case(
        "emergency_shutoff",
        "delete",
        {"product": "Acme", "channel": "signed", "data_version": 1},
        {"product": "Acme", "channel": "signed", "comment": "crashes at start", "data_version": 1},
        lambda: not EmergencyShutoff.objects.exists(),
    ),
]
