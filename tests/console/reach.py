"""Who may open which page of the admin, and what comes of sending its form: written by hand, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.api.roles import (
    AGENT_TOO,
    ANY_ADMIN,
    CHANGE_PERMISSIONS,
    CREATE_RULES,
    DELETE_RELEASES,
    DELETE_RULES,
    EVERYBODY,
    GIVE_PERMISSIONS,
    LOCK,
    MODIFY_RELEASES,
    MODIFY_RULES,
    PIN,
    READ_PEOPLE,
    READERS,
    REQUIRE,
    RESUME,
    STOP,
    SUBMIT_LOCALES,
    TAKE_PERMISSIONS,
    WRITERS,
)

People = frozenset[str]
NOBODY: People = frozenset()
STAFF = EVERYBODY - {"anonymous"}
ADMIN: People = frozenset({"admin"})


# What those get who may, to a form that has mistakes or none.
LET_IN = frozenset({200, 302, 400, 409})
DONE = frozenset({302})


@dataclass(frozen=True)
class Models:
    """Who may do what on the pages of one model, with the row that the tests ask about.

    `add` are those who may make any row at all, `change` and `delete` those who may do it to that row.
    """

    see: People
    add: People = NOBODY
    change: People = NOBODY
    delete: People = NOBODY
    # Its list and its page only read.
    only_read: bool = False


@dataclass(frozen=True)
class Reach:
    """Who may open a page, and who may send its form with `data`; `post` None: 405 to everybody.

    Those who may send it get one of `done`; the others 403.
    """

    get: People
    post: People | None = None
    query: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    get_status: int = 200
    done: frozenset[int] = LET_IN
    is_linked: bool = True


OTHERS_RULES = frozenset({"admin of Other", "rule of Other", "signer"})
ADD_RULES = CREATE_RULES | OTHERS_RULES

MODELS: dict[str, Models] = {
    "rules_rule": Models(
        READERS,
        ADD_RULES,
        MODIFY_RULES,
        DELETE_RULES,
    ),
    "rules_emergencyshutoff": Models(READERS, STOP | {"admin of Other", "shutoff of Other"}, NOBODY, RESUME),
    "rules_pinnablerelease": Models(READERS, PIN | {"admin of Other", "pin of Other"}, PIN, PIN),
    "releases_release": Models(
        READERS,
        ANY_ADMIN
        | {"release", "release of Acme", "release of Other", "release create"}
        | {"builds", "builds of Acme", "builds of Other"},
        MODIFY_RELEASES,
        DELETE_RELEASES,
    ),
    "releases_releasepart": Models(
        READERS, SUBMIT_LOCALES | {"admin of Other", "builds of Other"}, SUBMIT_LOCALES, SUBMIT_LOCALES
    ),
    "releases_alloweddomain": Models(READERS, ADMIN, ADMIN, ADMIN),
    "releases_specialforcehost": Models(READERS, ADMIN, ADMIN, ADMIN),
    "permissions_permission": Models(READ_PEOPLE, GIVE_PERMISSIONS, CHANGE_PERMISSIONS, TAKE_PERMISSIONS),
    "permissions_role": Models(READ_PEOPLE, GIVE_PERMISSIONS, NOBODY, TAKE_PERMISSIONS),
    "permissions_productrequiredsignoff": Models(
        READERS, REQUIRE | {"admin of Other", "signoffs of Other"}, REQUIRE, REQUIRE
    ),
    # The row is of Zeta.
    "permissions_permissionrequiredsignoff": Models(
        READERS,
        REQUIRE | {"admin of Other", "signoffs of Other"},
        REQUIRE - {"admin of Acme", "signoffs of Acme"},
        REQUIRE - {"admin of Acme", "signoffs of Acme"},
    ),
    "changes_scheduledchange": Models(AGENT_TOO, only_read=True),
    "auth_user": Models(READ_PEOPLE, ADMIN, ADMIN, NOBODY),
    # What would let somebody act as somebody else is seen by nobody.
    **{
        f"oauth2_provider_{name}": Models(NOBODY)
        for name in ("accesstoken", "grant", "idtoken", "refreshtoken")
    },
    **{f"axes_{name}": Models(NOBODY) for name in ("accessattempt", "accesslog", "accessfailurelog")},
}

ACME = "product=Acme&channel=release"
PLACE = {"product": "Acme", "channel": "release"}
PAGES: dict[str, Reach] = {
    # --- Of the admin itself
    "admin:index": Reach(STAFF, STAFF, done=DONE),
    "admin:password_change": Reach(STAFF, STAFF, is_linked=False),
    "admin:password_change_done": Reach(STAFF, is_linked=False),
    "admin:jsi18n": Reach(STAFF, is_linked=False),
    "admin:autocomplete": Reach(
        READERS, None, "app_label=rules&model_name=rule&field_name=mapping", is_linked=False
    ),
    # --- What happened
    "history:feed": Reach(READERS),
    "history:export_csv": Reach(READERS),
    "history:export_json": Reach(READERS),
    "history:moment": Reach(READERS),
    "history:change_set": Reach(READERS),
    "history:object": Reach(READERS),
    # --- Scheduled changes
    "admin:changes_scheduledchange_do": Reach(
        AGENT_TOO,
        MODIFY_RULES,
        data={"based_on": "2", "comment": "not now"},
        get_status=405,
        done=DONE,
        is_linked=False,
    ),
    "admin:changes_scheduledchange_history": Reach(READERS),
    "admin:console_changes_together": Reach(WRITERS, WRITERS, is_linked=False),
    # --- Rules
    "admin:console_rule": Reach(READERS, READERS, get_status=302, done=DONE),
    "admin:console_rule_move": Reach(MODIFY_RULES, MODIFY_RULES),
    # Asked by the form while it is filled in.
    "admin:console_rule_check": Reach(
        ADD_RULES | MODIFY_RULES, ADD_RULES | MODIFY_RULES, get_status=405, is_linked=False
    ),
    "admin:console_asking": Reach(READERS, READERS),
    # --- Releases
    "admin:releases_release_change": Reach(READERS),
    "admin:console_release_document": Reach(READERS, READERS),
    "admin:console_release_compare": Reach(READERS, READERS),
    "admin:console_release_edit": Reach(MODIFY_RELEASES, MODIFY_RELEASES),
    "admin:console_release_lock": Reach(LOCK, LOCK),
    # --- What happens when
    "admin:console_changes_calendar": Reach(AGENT_TOO, AGENT_TOO),
    "admin:console_rollouts": Reach(READERS, READERS),
    "admin:console_rollout_plan": Reach(MODIFY_RULES | OTHERS_RULES, MODIFY_RULES | OTHERS_RULES),
    # --- People
    "admin:console_people": Reach(READ_PEOPLE, READ_PEOPLE),
    "admin:console_me": Reach(STAFF, STAFF),
    "admin:console_person_add": Reach(ADMIN, ADMIN),
    "admin:console_person": Reach(READ_PEOPLE, READ_PEOPLE),
    "admin:console_person_switch": Reach(CHANGE_PERMISSIONS, CHANGE_PERMISSIONS),
    "admin:console_person_unlock": Reach(ADMIN, ADMIN, get_status=302, done=DONE, is_linked=False),
    # Leads on to the front page when there is nothing to go on with.
    "admin:console_confirmed": Reach(STAFF, STAFF, get_status=302, done=DONE, is_linked=False),
    "admin:console_requirements": Reach(READERS, READERS),
    "admin:console_clients": Reach(READ_PEOPLE, ADMIN),
    "admin:console_client_rotate": Reach(ADMIN, ADMIN),
    "admin:console_client_revoke": Reach(ADMIN, ADMIN, done=DONE),
    "admin:console_sessions": Reach(ADMIN, ADMIN, data={"session": "0"}, done=frozenset({404})),
    # One's own sessions, and with the permission those of others.
    "admin:console_session_end": Reach(
        STAFF, STAFF, data={"others": "yes"}, get_status=302, done=DONE, is_linked=False
    ),
    # --- Emergency
    "admin:console_emergency": Reach(READERS, READERS),
    "admin:console_emergency_stop": Reach(
        STOP,
        STOP,
        "product=Acme&channel=nightly",
        {"product": "Acme", "channel": "nightly", "reason": "crashes"},
        done=DONE,
    ),
    "admin:console_emergency_resume": Reach(RESUME, RESUME),
    "admin:console_emergency_states": Reach(READERS, READERS, ACME, PLACE),
    "admin:console_emergency_back": Reach(READERS, READERS, f"{ACME}&to=1", {**PLACE, "to": "1"}),
}
# Addresses that lead on, or to nothing: to everybody alike.
LEAD_ON = frozenset(
    {"admin:login", "admin:logout", "admin:view_on_site", "admin:app_list", "admin:None", "admin:index"}
    | {":oidc_begin", ":oidc_callback"}
)
