"""Scheduled changes as the contract has them: the table of protocol.md section 12.9, each row of it for every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from history.changesets import change_set
from history.models import ChangeSet
from releases.models import Release
from releng.permissions.models import Permission, ProductRequiredSignoff
from rules.models import PinnableRelease
from tests.api.client import Api
from tests.api.proposals import (
    CASES,
    COLUMNS,
    FAR_AHEAD_MS,
    LATER_MS,
    OF_EVERY_ROW,
    QP,
    RULE,
    Case,
    Q,
    numbered,
    text_of,
)
from tests.factories import PinFactory, ReleaseFactory, RuleFactory, ShutoffFactory
from tests.people import permissions_require, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]

BASE = "/api/scheduled_changes"
EDITED = [case for case in CASES if case.edit]
each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_edit = pytest.mark.parametrize("case", EDITED, ids=str)
first_of_kind = pytest.mark.parametrize(
    "case", {case.kind: case for case in reversed(CASES)}.values(), ids=str
)


@pytest.fixture
def api(client: Any) -> Api:
    """A world of one row of each kind, and the client of somebody who may change all of it."""
    RuleFactory(mapping=ReleaseFactory(name="Acme-1"), channel="signed", alias="acme-signed")
    ReleaseFactory(name="Acme-2")
    ReleaseFactory(name="Acme-0")
    ShutoffFactory(channel="signed")
    PinFactory(version="10.", mapping=Release.objects.get(name="Acme-0"))
    person("subject", "rule", "pinnable_release", products=["Zeta"])
    for name in ("rita", "rosa"):
        person(name, "rule", roles=["qa", "relman"])
    requires("Acme", "signed", relman=1)
    permissions_require("Zeta", relman=1)
    # Holds none of the roles that are needed, so that nothing is signed by itself.
    client.force_login(person("author", "admin", roles=["qa", "releng"]))
    return Api(client)


def proposed(api: Api, case: Case, **more: Any) -> int:
    """Propose a case; return its number."""
    answer = api.post(f"{BASE}/{case.kind}", case.body(**more))
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"sc_id", "signoffs"}
    assert answer.json()["signoffs"] == {}
    return int(answer.json()["sc_id"])


def listed(api: Api, kind: str, **asked: Any) -> list[dict[str, Any]]:
    """Return the rows of a list, whose count must be right."""
    answer = api.get(f"{BASE}/{kind}", asked)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert set(body) == {"count", "scheduled_changes"}
    assert body["count"] == len(body["scheduled_changes"])
    rows: list[dict[str, Any]] = body["scheduled_changes"]
    return rows


def only(api: Api, kind: str, **asked: Any) -> dict[str, Any]:
    (row,) = listed(api, kind, **asked)
    return row


def sign(client: Any, kind: str, sc_id: int, row: dict[str, Any]) -> None:
    """Let as many of each role agree as the row says, each person in one role."""
    # Nobody's session but the author's is needed afterwards.
    author = client.session["_auth_user_id"]
    people = iter(("rita", "rosa"))
    for role, count in row["required_signoffs"].items():
        for _ in range(count):
            sign_as(client, next(people), kind, sc_id, role)
    client.force_login(user_by(pk=author))


def user_by(**where: Any) -> Any:
    return Permission._meta.get_field("user").related_model.objects.get(**where)


def sign_as(client: Any, name: str, kind: str, sc_id: int, role: str, status: int = 200) -> Any:
    client.force_login(user_by(username=name))
    answer = Api(client).post(f"{BASE}/{kind}/{sc_id}/signoffs", {"role": role})
    assert answer.status_code == status, answer.content
    return answer.json()


def make_due(api: Api, sc_id: int) -> None:
    """Let a change wait for nothing but its signoffs: times that have passed cannot be asked for."""
    address = f"/api/v2/scheduled_changes/{sc_id}"
    version = api.get(address).json()["data_version"]
    answer = api.patch(address, {"data_version": version, "conditions": {"when": None}})
    assert answer.status_code == 200, answer.content


# --- GET and POST / --------------------------------------------------------------------------------------------


@each_case
def test_propose__row_of_the_list__has_base_columns_and_those_of_the_change(api: Api, case: Case) -> None:
    assert listed(api, case.kind) == []
    assert api.get(f"{BASE}/{case.kind}/").json() == {"count": 0, "scheduled_changes": []}
    sc_id = proposed(api, case)
    row = only(api, case.kind)
    assert set(row) == OF_EVERY_ROW | COLUMNS[case.kind]
    assert {key: row[key] for key in case.shown} == numbered(case.shown)
    assert (row["sc_id"], row["change_type"], row["when"]) == (sc_id, case.change, FAR_AHEAD_MS)
    assert (row["scheduled_by"], row["complete"], row["signoffs"]) == ("author", False, {})
    if case.change != "insert":
        assert row["data_version"] == 1
    read = api.get(f"{BASE}/{case.kind}/{sc_id}")
    assert (read.status_code, read.json()) == (200, {"scheduled_change": row})
    assert read["X-Data-Version"] == str(row["sc_data_version"])
    assert api.head(f"{BASE}/{case.kind}/{sc_id}")["X-Data-Version"] == read["X-Data-Version"]


def test_propose__pin__is_listed_and_enacted_but_not_posted(api: Api, client: Any) -> None:
    body = {"product": "Acme", "channel": "release", "version": "10.", "when": FAR_AHEAD_MS}
    answer = api.put("/api/v2/releases/Acme-2/pinnable", body)
    assert answer.status_code == 200, answer.content
    row = only(api, "pinnable_releases")
    assert set(row) == OF_EVERY_ROW | COLUMNS["pinnable_releases"]
    assert (row["mapping"], row["change_type"], row["data_version"]) == ("Acme-2", "update", 1)
    assert api.post(f"{BASE}/pinnable_releases", body).status_code == 405
    make_due(api, row["sc_id"])
    assert api.post(f"{BASE}/pinnable_releases/{row['sc_id']}/enact").json() == {}
    assert PinnableRelease.objects.get().mapping_id == "Acme-2"


@first_of_kind
@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"when": None}, "when"),
        ({"when": "soon"}, "when"),
        ({"when": 1_000}, "when"),
        ({"change_type": None}, "change_type"),
        ({"change_type": "destroy"}, "change_type"),
    ],
    ids=["no time", "no number", "past", "no change", "unknown change"],
)
def test_propose__mistake__is_400_and_named(api: Api, case: Case, more: Any, named: str) -> None:
    answer = api.post(f"{BASE}/{case.kind}", case.body(**more))
    assert answer.status_code == 400, answer.content
    assert named in json.dumps(answer.json())
    assert listed(api, case.kind) == []


def test_propose__permission_without_options__is_without_limits_as_in_a_direct_write(api: Api) -> None:
    body = {"username": "subject", "permission": "scheduled_change", "change_type": "insert"}
    answer = api.post(f"{BASE}/permissions", body | {"when": FAR_AHEAD_MS})
    assert answer.status_code == 200, answer.content
    assert only(api, "permissions")["options"] is None


@pytest.mark.parametrize("case", [case for case in CASES if case.change != "insert"], ids=str)
def test_propose__update_or_delete__needs_the_current_version(api: Api, case: Case) -> None:
    sent = case.body()
    without = api.post(f"{BASE}/{case.kind}", {key: sent[key] for key in sent if key != "data_version"})
    assert without.status_code == 400
    assert "data_version" in without.json()["detail"]
    old = api.post(f"{BASE}/{case.kind}", sent | {"data_version": 7})
    assert (old.status_code, old.json()["detail"]) == (400, "OutdatedDataError")
    assert listed(api, case.kind) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.change != "insert"], ids=str)
def test_propose__second_of_a_row__is_refused(api: Api, case: Case) -> None:
    proposed(api, case)
    answer = api.post(f"{BASE}/{case.kind}", case.body(when=LATER_MS))
    assert (answer.status_code, answer.json()["detail"]) == (400, "ChangeScheduledError")
    assert len(listed(api, case.kind)) == 1


@pytest.mark.parametrize(
    ("kind", "narrow", "other"),
    [
        ("rules", {"rule_id": RULE}, {"rule_id": 10**6}),
        ("releases", {"name": "Acme-1"}, {"name": "Acme-2"}),
        (Q, {"product": "Acme", "channel": "signed"}, {"channel": "beta"}),
        (QP, {"product": "Zeta"}, {"product": "Acme"}),
        ("emergency_shutoff", {"product": "Acme"}, {"channel": "beta"}),
    ],
    ids=["rules", "releases", "product signoffs", "permission signoffs", "shutoffs"],
)
def test_list__arguments__narrow_it(api: Api, kind: str, narrow: Any, other: Any) -> None:
    case = next(case for case in CASES if case.kind == kind and case.change in ("update", "delete"))
    proposed(api, case)
    assert len(listed(api, kind, **numbered(narrow))) == 1
    assert listed(api, kind, **other) == []
    assert api.get(f"{BASE}/{kind}", {"nonsense": 1}).status_code == 400


# --- POST and DELETE /{id} --------------------------------------------------------------------------------------


@each_edit
def test_edit__sent_fields_change__the_others_stay(api: Api, case: Case) -> None:
    sc_id = proposed(api, case)
    address = f"{BASE}/{case.kind}/{sc_id}"
    version = only(api, case.kind)["sc_data_version"]
    missing = api.post(address, case.edit)
    assert missing.status_code == 400
    assert "sc_data_version" in missing.json()["detail"]
    old = api.post(address, case.edit | {"sc_data_version": version + 5})
    assert (old.status_code, old.json()["detail"]) == (400, "OutdatedDataError")
    answer = api.post(address, case.edit | {"sc_data_version": version, "when": LATER_MS})
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"new_data_version", "signoffs"}
    row = only(api, case.kind)
    assert row["sc_data_version"] == answer.json()["new_data_version"] > version
    assert (row["when"], {key: row[key] for key in case.edited}) == (LATER_MS, case.edited)
    kept = case.shown.keys() - case.edited.keys() - {"data_version"}
    assert {key: row[key] for key in kept} == numbered({key: case.shown[key] for key in kept})


@each_case
def test_cancel__needs_its_own_version__then_is_gone(api: Api, case: Case) -> None:
    sc_id = proposed(api, case)
    address = f"{BASE}/{case.kind}/{sc_id}"
    version = only(api, case.kind)["sc_data_version"]
    assert api.delete(address).status_code == 400
    assert api.delete(f"{address}?data_version={version + 5}").json()["detail"] == "OutdatedDataError"
    answer = api.delete(f"{address}?data_version={version}")
    assert (answer.status_code, answer.json()) == (200, {})
    assert listed(api, case.kind) == listed(api, case.kind, all=1) == []
    assert api.get(address).status_code == 404
    assert not case.done()


# --- POST /{id}/enact, signoffs ---------------------------------------------------------------------------------


@each_case
def test_enact__signed_and_due__writes_the_row_as_its_author(api: Api, client: Any, case: Case) -> None:
    sc_id = proposed(api, case)
    address = f"{BASE}/{case.kind}/{sc_id}"
    if case.edit:
        version = only(api, case.kind)["sc_data_version"]
        api.post(address, case.edit | {"sc_data_version": version})
    early = api.post(f"{address}/enact")
    assert (early.status_code, early.json()["code"]) == (400, "not_due")
    make_due(api, sc_id)
    row = only(api, case.kind)
    if row["required_signoffs"]:
        unsigned = api.post(f"{address}/enact")
        assert (unsigned.status_code, unsigned.json()["detail"]) == (400, "Signoff Required")
        assert not case.done()
    sign(client, case.kind, sc_id, row)
    agent = person("agent", "scheduled_change:enact", system=True)
    client.force_login(agent)
    answer = api.post(f"{address}/enact")
    assert (answer.status_code, answer.json()) == (200, {})
    assert case.done()
    assert ChangeSet.objects.order_by("-sequence")[0].actor_name == "author"

    client.force_login(user_by(username="author"))
    assert listed(api, case.kind) == []
    enacted = only(api, case.kind, all=1)
    assert (enacted["sc_id"], enacted["complete"]) == (sc_id, True)
    again = api.post(f"{address}/enact")
    assert again.status_code == 400
    edited = api.post(address, {"sc_data_version": enacted["sc_data_version"], "when": LATER_MS})
    assert edited.status_code == 400, "what has been enacted does not change any more"


def test_enact__where_nothing_is_scheduled__is_404(api: Api) -> None:
    for kind in COLUMNS:
        assert api.post(f"{BASE}/{kind}/99/enact").status_code == 404


@each_case
def test_signoffs__given_and_taken_back(api: Api, client: Any, case: Case) -> None:
    sc_id = proposed(api, case)
    address = f"{BASE}/{case.kind}/{sc_id}/signoffs"
    for _ in range(2):  # the same role again changes nothing
        answer = api.post(address, {"role": "qa"})
        assert (answer.status_code, answer.json()) == (200, {})
    assert only(api, case.kind)["signoffs"] == {"author": "qa"}
    assert api.post(address, {"role": "releng"}).status_code == 400, "one person, one role"
    assert api.post(address, {"role": "relman"}).status_code == 403, "a role of others"
    assert api.post(address, {}).status_code == 400
    sign_as(client, "rita", case.kind, sc_id, "qa")
    assert only(api, case.kind)["signoffs"] == {"author": "qa", "rita": "qa"}
    # Who holds the same role may take it back for another.
    answer = api.delete(f"{address}?username=author")
    assert (answer.status_code, answer.json()) == (200, {})
    assert api.delete(address).json() == {}
    nothing = api.delete(address)
    assert (nothing.status_code, set(nothing.json())) == (200, {"error"})
    assert only(api, case.kind)["signoffs"] == {}


@each_edit
def test_edit__signoffs_of_others_are_dropped__those_of_the_editor_stay(
    api: Api, client: Any, case: Case
) -> None:
    sc_id = proposed(api, case)
    sign_as(client, "rita", case.kind, sc_id, "relman")
    client.force_login(user_by(username="author"))
    api.post(f"{BASE}/{case.kind}/{sc_id}/signoffs", {"role": "qa"})
    version = only(api, case.kind)["sc_data_version"]
    answer = api.post(f"{BASE}/{case.kind}/{sc_id}", case.edit | {"sc_data_version": version})
    assert answer.json()["signoffs"] == {"author": "qa"}
    assert only(api, case.kind)["signoffs"] == {"author": "qa"}


def test_propose__author_of_one_needed_role__has_signed(api: Api, client: Any) -> None:
    client.force_login(person("lena", "rule", products=["Acme"], roles=["relman"]))
    case = next(case for case in CASES if (case.kind, case.change) == ("rules", "update"))
    assert api.post(f"{BASE}/rules", case.body()).json()["signoffs"] == {"lena": "relman"}
    assert only(api, "rules")["signoffs"] == {"lena": "relman"}


# --- Revisions ----------------------------------------------------------------------------------------------------


@each_edit
def test_revisions__each_version_of_the_proposal__and_back_to_one(api: Api, case: Case) -> None:
    sc_id = proposed(api, case)
    address = f"{BASE}/{case.kind}/{sc_id}"
    before = only(api, case.kind)
    api.post(address, case.edit | {"sc_data_version": before["sc_data_version"], "when": LATER_MS})
    answer = api.get(f"{address}/revisions", {"limit": 2})
    assert (answer.status_code, set(answer.json())) == (200, {"count", "revisions"})
    newest, older = answer.json()["revisions"]
    assert set(newest) == (OF_EVERY_ROW - {"signoffs", "required_signoffs"}) | COLUMNS[case.kind] | {
        "change_id", "changed_by", "timestamp"
    }  # fmt: skip
    assert {key: newest[key] for key in case.edited} == case.edited
    assert {key: older[key] for key in case.shown} == numbered(case.shown)
    assert (older["when"], older["changed_by"]) == (FAR_AHEAD_MS, "author")
    back = api.post(f"{address}/revisions", {"change_id": older["change_id"]})
    assert back.status_code == 200, back.content
    row = only(api, case.kind)
    assert (row["when"], {key: row[key] for key in case.shown}) == (FAR_AHEAD_MS, numbered(case.shown))
    assert api.post(f"{address}/revisions", {"change_id": 10**9}).status_code == 404


# --- The row underneath -------------------------------------------------------------------------------------------


def test_direct_change__of_a_signed_row__is_refused_and_names_the_roles(api: Api) -> None:
    for answer in (
        api.post("/api/rules/acme-signed", {"data_version": 1, "priority": 3}),
        api.delete("/api/rules/acme-signed?data_version=1"),
        api.put(
            "/api/releases/Acme-1",
            {"product": "Acme", "blob": text_of("Acme-1", "9"), "data_version": 1},
        ),
        api.delete("/api/emergency_shutoff/Acme/signed?data_version=1"),
        api.delete("/api/users/subject/permissions/rule?data_version=1"),
        api.delete(
            "/api/required_signoffs/product", {"product": "Acme", "channel": "signed", "role": "relman"}
        ),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (400, "Signoff Required"), answer.content
        assert answer.json()["required_signoffs"] == {"relman": 1}


def test_direct_change__of_another_column__is_merged_into_the_proposal(api: Api) -> None:
    with change_set(actor_name="factory"):
        ProductRequiredSignoff.objects.get().delete()
    proposed(api, next(case for case in CASES if (case.kind, case.change) == ("rules", "update")))
    assert api.post("/api/rules/acme-signed", {"data_version": 1, "comment": "looked at"}).status_code == 200
    row = only(api, "rules")
    assert (row["comment"], row["priority"], row["data_version"]) == ("looked at", 7, 2)
    deleted = api.delete("/api/rules/acme-signed?data_version=2")
    assert (deleted.status_code, deleted.json()["detail"]) == (400, "ChangeScheduledError")


def test_release_diff__is_text(api: Api) -> None:
    sc_id = proposed(api, next(case for case in CASES if (case.kind, case.change) == ("releases", "update")))
    answer = api.get(f"/api/scheduled_change/diff/release/{sc_id}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    lines = answer.content.decode().splitlines()
    assert '-    "appVersion": "10.0",' in lines
    assert '+    "appVersion": "11.0",' in lines
    assert api.get("/api/scheduled_change/diff/release/99").status_code == 404
