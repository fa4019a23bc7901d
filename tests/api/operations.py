"""Every operation of the API as a request that succeeds, with who may send it: written by hand, asked by many tests.

An address or method that is not here is refused to everybody, or a test fails (tests/api/test_authorization.py).
"""

from __future__ import annotations

from typing import Any

from history.changesets import change_set
from releng.permissions.models import ProductRequiredSignoff
from rules.actions import update_rule
from rules.models import Rule
from tests.api.operation import read, write
from tests.api.operations_scheduled import SCHEDULED, due
from tests.api.roles import (
    ANY_ADMIN,
    CHANGE_PERMISSIONS,
    CREATE_RELEASES,
    CREATE_RULES,
    DELETE_RELEASES,
    DELETE_RULES,
    ENACT,
    EVERYBODY,
    GIVE_PERMISSIONS,
    LOCK,
    MACHINES,
    MODIFY_RELEASES,
    MODIFY_RULES,
    PIN,
    READ_PEOPLE,
    READERS,
    REQUIRE,
    RESUME,
    SIGN,
    STOP,
    SUBMIT_LOCALES,
    TAKE_PERMISSIONS,
    UNLOCK,
    WRITERS,
)
from tests.api.world import DOCUMENT_TEXT, FAR_AHEAD_MS, LIMITED, LOCALE_TEXT, World, text_of
from tests.factories import PLATFORM, locale_document, release_document

# --- Rules --------------------------------------------------------------------------------------------------

NEW_RULE = {
    "product": "Acme",
    "channel": "nightly",
    "mapping": "Acme-1",
    "backgroundRate": 100,
    "priority": 50,
    "update_type": "minor",
}


def _first_version(world: World) -> dict[str, Any]:
    return {"change_id": Rule.history.filter(rule_id=world.keys["rule_id"]).earliest("history_id").history_id}


def _changed_rule(world: World, change_id: int) -> None:
    with change_set(actor_name="tests"):
        update_rule(world.keys["rule_id"], {"priority": 61}, based_on=1)


RULES = [
    *read("/api/rules"),
    write("POST", "/api/rules", CREATE_RULES, NEW_RULE),
    *read("/api/rules/history"),
    *read("/api/rules/columns/{column}"),
    *read("/api/rules/{rule_id}/revisions"),
    write("POST", "/api/rules/{rule_id}/revisions", MODIFY_RULES, _first_version, prepare=_changed_rule),
    *read("/api/rules/{id_or_alias}"),
    *[
        write(method, "/api/rules/{id_or_alias}", MODIFY_RULES, {"priority": 60, "data_version": 1})
        for method in ("POST", "PUT")
    ],
    write("DELETE", "/api/rules/{id_or_alias}", DELETE_RULES, query="data_version=1"),
]


def nobody_must_agree(world: World, change_id: int) -> None:
    """Let nothing of Acme need signoffs."""
    with change_set(actor_name="tests"):
        ProductRequiredSignoff.objects.get(product="Acme").delete()


# --- Decisions ----------------------------------------------------------------------------------------------

CLIENT = {"product": "Acme", "version": "1.0", "build_target": PLATFORM, "channel": "release"}

# Asking writes nothing, by POST neither, so auditors may.
DECISIONS = [
    *read(
        "/api/decide",
        is_open=False,
        query="&".join(f"{name}={value}" for name, value in CLIENT.items()),
    ),
    write("POST", "/api/decide", READERS, {"fields": CLIENT}),
]

# --- Releases -----------------------------------------------------------------------------------------------

RELEASE = {"name": "Acme-1"}
NEW = {"name": "Acme-3"}
SPARE = {"name": "Acme-spare"}
LOCKED = {"name": "Acme-locked"}
OLD = {"product": "Acme", "hashFunction": "sha512", "data_version": 1}
LOCALE = {"platform": PLATFORM, "locale": "fr"}
LOCALE_ADDRESS = "/api/releases/{name}/builds/{platform}/{locale}"
BATCH = {"product": "Acme", "data_version": 1, "builds": [{**LOCALE, "data": locale_document()}]}

RELEASES = [
    *read("/api/releases"),
    write(
        "POST",
        "/api/releases",
        CREATE_RELEASES,
        {**NEW, "product": "Acme", "blob": DOCUMENT_TEXT},
        status=201,
    ),
    *read("/api/releases/columns/{column}"),
    *read("/api/releases/{name}"),
    write(
        "PUT",
        "/api/releases/{name}",
        CREATE_RELEASES,
        {"product": "Acme", "blob": DOCUMENT_TEXT},
        keys=NEW,
        status=201,
    ),
    write(
        "PUT",
        "/api/releases/{name}",
        MODIFY_RELEASES,
        lambda _: {"data_version": 1, "blob": text_of("Acme-1")},
        keys=RELEASE,
    ),
    write(
        "POST",
        "/api/releases/{name}",
        CREATE_RELEASES,
        {"product": "Acme", "data": DOCUMENT_TEXT},
        keys=NEW,
        status=201,
    ),
    write(
        "POST",
        "/api/releases/{name}",
        MODIFY_RELEASES,
        {**OLD, "data": '{"appVersion": "12.0"}'},
        keys=RELEASE,
    ),
    write("DELETE", "/api/releases/{name}", DELETE_RELEASES, query="data_version=1", keys=SPARE),
    write("POST", "/api/releases/{name}/builds", SUBMIT_LOCALES, BATCH, keys=RELEASE, status=201),
    *read(LOCALE_ADDRESS),
    write(
        "PUT", LOCALE_ADDRESS, SUBMIT_LOCALES, {**OLD, "data": LOCALE_TEXT}, keys=RELEASE | LOCALE, status=201
    ),
    *read("/api/releases/{name}/read_only"),
    write(
        "PUT",
        "/api/releases/{name}/read_only",
        LOCK,
        {"read_only": True, "data_version": 1},
        keys=SPARE,
        status=201,
    ),
    write(
        "PUT",
        "/api/releases/{name}/read_only",
        UNLOCK,
        {"read_only": False, "data_version": 1},
        keys=LOCKED,
        status=201,
        prepare=nobody_must_agree,
    ),
    *read("/api/releases/{name}/read_only/product/required_signoffs"),
    *read("/api/releases/{name}/revisions"),
    *read("/api/releases/{name}/revisions/{version}", keys={"version": 1}),
]


V2 = "/api/v2/releases/{name}"
CHANGED_TOP = {"blob": {"appVersion": "12.0"}, "old_data_versions": {".": 1}}
RELEASES_V2 = [
    *read("/api/v2/releases"),
    *read(V2),
    write("PUT", V2, CREATE_RELEASES, {"product": "Acme", "blob": release_document("Acme-3")}, keys=NEW),
    write(
        "PUT",
        V2,
        MODIFY_RELEASES,
        {"blob": release_document("Acme-1", "12.0"), "old_data_versions": {".": 1}},
        keys=RELEASE,
    ),
    write("POST", V2, MODIFY_RELEASES, CHANGED_TOP, keys=RELEASE),
    write("POST", V2, MODIFY_RELEASES, {**CHANGED_TOP, "when": FAR_AHEAD_MS}, keys=RELEASE),
    write("DELETE", V2, DELETE_RELEASES, keys=SPARE),
    *read(f"{V2}/data_versions"),
    *read(f"{V2}/{{place}}/data_version"),
    write("PUT", f"{V2}/read_only", LOCK, {"read_only": True, "old_data_version": 1}, keys=SPARE),
    write("PUT", f"{V2}/read_only", UNLOCK, {"read_only": False, "old_data_version": 1}, keys=LOCKED),
    write("PUT", f"{V2}/signoff", SIGN, {"role": "qa"}, of_machines=400),
    write("DELETE", f"{V2}/signoff", WRITERS - MACHINES, of_machines=400),
    write("POST", f"{V2}/enact", ENACT, prepare=lambda world, _: due(world, world.changes["release"])),
    write(
        "PUT",
        f"{V2}/pinnable",
        PIN,
        {"product": "Acme", "channel": "beta", "version": "9."},
        keys=RELEASE,
    ),
    write(
        "PUT",
        f"{V2}/pinnable",
        PIN,
        {"product": "Acme", "channel": "beta", "version": "9.", "when": FAR_AHEAD_MS},
        keys=RELEASE,
    ),
    *read("/api/v2/pins"),
    *read("/api/v2/pins/{product}/{channel}/{version}"),
    write(
        "DELETE",
        "/api/v2/pins/{product}/{channel}/{version}",
        PIN,
        query="data_version=1",
        keys={"version": "11."},
    ),
]

# --- Shutoffs, people, requirements -------------------------------------------------------------------------

SHUTOFF = "/api/emergency_shutoff/{product}/{channel}"
BETA = {"channel": "beta"}
USER = "/api/users/{username}"
HELD = f"{USER}/permissions/{{permission}}"
ROLE = f"{USER}/roles/{{role}}"
NEW_PERMISSION = {"permission": "pinnable_release"}
SIGNOFFS = "/api/required_signoffs"
OTHERS = [
    *read("/api/emergency_shutoff"),
    write(
        "POST",
        "/api/emergency_shutoff",
        STOP,
        {"product": "Acme", "channel": "nightly", "comment": "crashes"},
        status=201,
    ),
    *read(SHUTOFF, keys=BETA),
    write("DELETE", SHUTOFF, RESUME, query="data_version=1&locale=de"),
    *read("/api/users", READ_PEOPLE, is_open=False),
    *read(USER, READ_PEOPLE, is_open=False),
    *read(f"{USER}/permissions", READ_PEOPLE, is_open=False),
    *read(HELD, READ_PEOPLE, is_open=False),
    write(
        "PUT", HELD, GIVE_PERMISSIONS, {"options": '{"products": ["Acme"]}'}, keys=NEW_PERMISSION, status=201
    ),
    write(
        "PUT", HELD, GIVE_PERMISSIONS, {"options": LIMITED}, keys={"username": "new@example.com"}, status=201
    ),
    write(
        "POST",
        HELD,
        CHANGE_PERMISSIONS,
        {"options": LIMITED, "data_version": 1},
        keys={"permission": "release"},
    ),
    write("DELETE", HELD, TAKE_PERMISSIONS, query="data_version=1", keys={"permission": "release"}),
    *read(f"{USER}/roles", READ_PEOPLE, is_open=False),
    write("PUT", ROLE, GIVE_PERMISSIONS, keys={"role": "relman"}, status=201),
    write("DELETE", ROLE, TAKE_PERMISSIONS, query="data_version=1"),
    *read("/api/permissions/history", READ_PEOPLE, is_open=False),
    *read(f"{SIGNOFFS}/product"),
    write(
        "POST",
        f"{SIGNOFFS}/product",
        REQUIRE,
        {"product": "Acme", "channel": "nightly", "role": "qa", "signoffs_required": 1},
        status=201,
    ),
    # Refused to all who are asked at all: it is scheduled, never done at once.
    write(
        "DELETE",
        f"{SIGNOFFS}/product",
        REQUIRE | ANY_ADMIN | {"signoffs of Other"},
        query="product=Acme&channel=signed&role=qa",
        status=400,
    ),
    *read(f"{SIGNOFFS}/product/revisions", query="product=Acme&channel=signed&role=qa"),
    *read(f"{SIGNOFFS}/product/history"),
    *read(f"{SIGNOFFS}/permissions"),
    write(
        "POST",
        f"{SIGNOFFS}/permissions",
        REQUIRE,
        {"product": "Acme", "role": "qa", "signoffs_required": 1},
        status=201,
    ),
    write(
        "DELETE",
        f"{SIGNOFFS}/permissions",
        REQUIRE | ANY_ADMIN | {"signoffs of Other"},
        query="product=Zeta&role=qa",
        status=400,
    ),
    *read(f"{SIGNOFFS}/permissions/revisions", query="product=Zeta&role=qa"),
    *read(f"{SIGNOFFS}/permissions/history"),
]

# --- For everybody ------------------------------------------------------------------------------------------

PUBLIC = [
    *read("/api/v1/rules", EVERYBODY),
    *read("/api/v1/rules/{rule_id}/revisions", EVERYBODY),
    *read("/api/v1/rules/{id_or_alias}", EVERYBODY),
    *read("/api/v1/releases", EVERYBODY),
    *read("/api/v1/releases/{name}", EVERYBODY),
    *read("/api/v1/releases/{name}/builds/{platform}/{locale}", EVERYBODY),
    *read("/api/v1/emergency_shutoff", EVERYBODY),
    *read("/api/v1/emergency_shutoff/{product}/{channel}", EVERYBODY, keys=BETA),
    *read("/api/v1/pins/{product}/{channel}/{version}", EVERYBODY),
]

OPERATIONS = [*RULES, *DECISIONS, *RELEASES, *RELEASES_V2, *OTHERS, *SCHEDULED, *PUBLIC]
