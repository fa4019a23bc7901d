"""The operations of scheduled changes, of rollouts and of the agent (tests/api/operations.py)."""

from __future__ import annotations

from typing import Any

from history.changesets import change_set
from releng.changes import actions, upkeep
from releng.changes.models import ScheduledChange
from tests.api.operation import Operation, read, write
from tests.api.roles import (
    AGENT_TOO,
    CHANGE_PERMISSIONS,
    ENACT,
    MACHINES,
    MODIFY_RELEASES,
    MODIFY_RULES,
    PIN,
    REQUIRE,
    RESUME,
    SIGN,
    WRITERS,
)
from tests.api.world import FAR_AHEAD, FAR_AHEAD_MS, KIND_OF_PLACE, LIMITED, World, text_of


def due(world: World, change_id: int) -> None:
    """Let a change wait for nothing."""
    scheduled = ScheduledChange.objects.get(pk=change_id)
    with change_set(actor=scheduled.author):
        actions.edit(change_id, scheduled.author, based_on=scheduled.data_version, conditions={"when": None})


def suspended(world: World, change_id: int) -> None:
    """Let somebody have to look at a change."""
    with change_set(actor_name="tests"):
        upkeep.suspend(ScheduledChange.objects.get(pk=change_id), "for a look")


# The kinds of the contract: what is proposed, what is edited, and who may do either.
CONTRACT: dict[str, tuple[dict[str, Any] | None, dict[str, Any], frozenset[str]]] = {
    "rule": (
        {"change_type": "update", "rule_id": "acme-release", "data_version": 1, "priority": 8},
        {"priority": 9},
        MODIFY_RULES,
    ),
    "release": (
        {"change_type": "update", "name": "Acme-1", "data_version": 1, "data": text_of("Acme-1")},
        {"data": text_of("Acme-2")},
        MODIFY_RELEASES,
    ),
    "permission": (
        {
            "change_type": "update",
            "username": "subject",
            "permission": "release",
            "data_version": 1,
            "options": LIMITED,
        },
        {"options": LIMITED},
        CHANGE_PERMISSIONS,
    ),
    "emergency_shutoff": (
        {"change_type": "delete", "product": "Acme", "channel": "release", "locale": "de", "data_version": 1},
        {"when": FAR_AHEAD_MS + 1000},
        RESUME,
    ),
    "product_signoff": (
        {
            "change_type": "insert",
            "product": "Acme",
            "channel": "nightly",
            "role": "qa",
            "signoffs_required": 1,
        },
        {"when": FAR_AHEAD_MS + 1000},
        REQUIRE,
    ),
    "permission_signoff": (
        {"change_type": "insert", "product": "Acme", "role": "qa", "signoffs_required": 1},
        {"when": FAR_AHEAD_MS + 1000},
        REQUIRE - {"admin of Acme", "signoffs of Acme"},
    ),
    "pinnable_release": (None, {"mapping": "Acme-1"}, PIN),
}


def _of_kind(kind: str, place: str) -> list[Operation]:
    proposed, edited, may = CONTRACT[kind]
    base = f"/api/scheduled_changes/{place}"
    one = f"{base}/{{sc_id}}"
    # What the world has of permission signoffs is of Zeta, and what is proposed here of Acme.
    propose = REQUIRE if kind == "permission_signoff" else may

    def first(world: World) -> dict[str, Any]:
        rows = ScheduledChange.history.filter(id=world.changes[kind])
        return {"change_id": rows.earliest("history_id").history_id}

    return [
        *read(base, AGENT_TOO),
        *([write("POST", base, propose, {**proposed, "when": FAR_AHEAD_MS})] if proposed is not None else []),
        *read(one, AGENT_TOO),
        write("POST", one, may, {**edited, "sc_data_version": 2}),
        write("DELETE", one, may, query="data_version=2"),
        write("POST", f"{one}/enact", ENACT, prepare=due),
        write("POST", f"{one}/signoffs", SIGN, {"role": "qa"}, of_machines=400),
        write("DELETE", f"{one}/signoffs", WRITERS - MACHINES, of_machines=400),
        *read(f"{one}/revisions", AGENT_TOO),
        write("POST", f"{one}/revisions", may, first),
    ]


CHANGES = "/api/v2/scheduled_changes"
ONE = f"{CHANGES}/{{change_id}}"
SCHEDULED = [
    *[operation for kind, place in KIND_OF_PLACE.items() for operation in _of_kind(kind, place)],
    *read("/api/scheduled_change/diff/release/{sc_id}", AGENT_TOO),
    *read(CHANGES, AGENT_TOO, is_open=False),
    write(
        "POST",
        CHANGES,
        MODIFY_RULES,
        lambda world: {
            "writes": [
                {
                    "target": "rule",
                    "change": "update",
                    "object_id": world.keys["rule_id"],
                    "values": {"priority": 8},
                }
            ],
            "conditions": {"as_soon_as_signed": True},
        },
        status=201,
    ),
    *read(ONE, AGENT_TOO, is_open=False),
    write("PATCH", ONE, MODIFY_RULES, {"data_version": 2, "values": {"0": {"priority": 9}}}),
    write("DELETE", ONE, MODIFY_RULES, query="data_version=2"),
    write("POST", f"{ONE}/signoffs", SIGN, {"role": "qa"}, of_machines=409),
    write("DELETE", f"{ONE}/signoffs", WRITERS - MACHINES, of_machines=409),
    write("POST", f"{ONE}/reject", MODIFY_RULES | SIGN, {"comment": "not now"}),
    write("POST", f"{ONE}/resume", MODIFY_RULES, prepare=suspended),
    write("POST", f"{ONE}/enact", ENACT, prepare=due),
    write(
        "POST",
        "/api/v2/rollouts",
        MODIFY_RULES,
        lambda world: {
            "rule_id": world.keys["rule_id"],
            "mapping": "Acme-2",
            "rate": 25,
            "target_percent": 10,
            "start": "2099-01-01T00:00:00Z",
            "time_limit": FAR_AHEAD.isoformat(),
        },
        status=201,
    ),
    write("POST", "/api/v2/agent/work", ENACT, {"name": "one"}),
    write("POST", "/api/v2/agent/mails", ENACT, {"notice_ids": []}),
    write("POST", "/api/v2/agent/enact/{change_id}", ENACT),
    *read("/api/v2/agent/status", AGENT_TOO, is_open=False),
]
