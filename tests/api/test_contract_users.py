"""Users, permissions, roles and requirements over the contract's addresses: protocol.md 12.7 and 12.8, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from releng.permissions.models import Permission
from tests.api.client import Api
from tests.api.test_contract_rules import OF_A_REVISION, refused
from tests.people import person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]

USERS = "/api/users"
OF_PRODUCT = "/api/required_signoffs/product"
OF_PERMISSIONS = "/api/required_signoffs/permissions"
NAMES = (
    *("admin", "emergency_shutoff", "release", "release_locale", "release_read_only", "rule"),
    *("pinnable_release", "permission", "required_signoff", "scheduled_change"),
)


@pytest.fixture
def api(client: Any) -> Api:
    """An administrator; rita and rosa hold the role qa."""
    for name in ("rita", "rosa"):
        person(name, "rule", products=["Acme"], roles=["qa"])
    client.force_login(person("ada", "admin"))
    return Api(client)


# --- Section 12.7 -----------------------------------------------------------------------------------------------


def test_users__list_and_one__have_permissions_and_roles(api: Api) -> None:
    limited = {"options": {"products": ["Acme"]}, "data_version": 1}
    found = api.get(USERS).json()
    assert found["rita"] == {"permissions": {"rule": limited}, "roles": [{"role": "qa", "data_version": 1}]}
    assert found["ada"] == {"permissions": {"admin": {"options": None, "data_version": 1}}, "roles": []}
    one = api.get(f"{USERS}/rita")
    assert (one.status_code, one.json()) == (
        200,
        {"username": "rita", "permissions": {"rule": limited}, "roles": {"qa": {"data_version": 1}}},
    )
    assert api.head(f"{USERS}/rita").status_code == 200
    person("nothing")
    for nobody in ("nobody", "nothing"):
        refused(api.get(f"{USERS}/{nobody}"), 404)
    assert api.get(f"{USERS}/rita/permissions").json() == {"rule": limited}
    permission = api.get(f"{USERS}/rita/permissions/rule")
    assert (permission.json(), permission["X-Data-Version"]) == (limited, "1")
    refused(api.get(f"{USERS}/rita/permissions/release"), 404)
    assert api.get(f"{USERS}/rita/roles").json() == {"roles": [{"role": "qa", "data_version": 1}]}


def test_users__own_row__may_be_seen_by_anybody(api: Api, client: Any) -> None:
    client.force_login(person("eve", "release_locale"))
    assert api.get(f"{USERS}/eve").status_code == 200
    refused(api.get(f"{USERS}/rita"), 403)
    refused(api.get(USERS), 403)


@pytest.mark.parametrize("name", NAMES)
def test_permission__put_makes_then_changes__post_changes__delete_takes_away(api: Api, name: str) -> None:
    address = f"{USERS}/new@example.com/permissions/{name}"
    refused(api.post(address, {"options": None}), 404)
    made = api.put(address, {"options": "{}"})
    assert (made.status_code, made.json()) == (201, {"new_data_version": 1})
    assert api.get(address).json() == {"options": None, "data_version": 1}
    assert "data_version" in refused(api.put(address, {"options": None}))["detail"]
    assert refused(api.put(address, {"options": None, "data_version": 3}))["detail"] == "OutdatedDataError"
    refused(api.delete(address))
    assert refused(api.delete(f"{address}?data_version=3"))["detail"] == "OutdatedDataError"
    gone = api.delete(f"{address}?data_version=1")
    assert (gone.status_code, gone.content) == (200, b"")
    refused(api.get(address), 404)


def test_permission__options_are_json_text__and_checked(api: Api) -> None:
    address = f"{USERS}/machine/permissions/rule"
    assert api.put(address, {"options": '{"products": ["Acme"], "actions": ["create"]}'}).status_code == 201
    changed = api.put(address, {"options": '{"products": ["Zeta"]}', "data_version": 1})
    assert (changed.status_code, changed.json()) == (200, {"new_data_version": 2})
    posted = api.post(address, {"options": '{"actions": ["modify"]}', "data_version": 2})
    assert (posted.status_code, posted.json()) == (200, {"new_data_version": 3})
    assert api.get(address).json() == {"options": {"actions": ["modify"]}, "data_version": 3}
    for wrong in ("{", "[]", '{"surprise": []}', '{"actions": ["fly"]}', '{"products": "Acme"}'):
        answer = api.put(address, {"options": wrong, "data_version": 3})
        assert answer.status_code == 400, wrong
    refused(api.put(f"{USERS}/machine/permissions/fly", {"options": None}))
    assert Permission.objects.get(user__username="machine").data_version == 3


def test_role__put_is_repeatable__delete_needs_its_version(api: Api) -> None:
    address = f"{USERS}/rita/roles/relman"
    given = api.put(address, {})
    assert (given.status_code, given.json()) == (201, {"new_data_version": 1})
    again = api.put(address, {})
    assert (again.status_code, again.json()) == (200, {"new_data_version": 1})
    refused(api.delete(address))
    assert refused(api.delete(f"{address}?data_version=9"))["detail"] == "OutdatedDataError"
    gone = api.delete(f"{address}?data_version=1")
    assert (gone.status_code, gone.content) == (200, b"")
    refused(api.delete(f"{address}?data_version=1"), 404)
    person("nothing")
    refused(api.put(f"{USERS}/nothing/roles/qa", {}))


def test_role__that_is_needed__stays(api: Api) -> None:
    requires("Acme", "release", qa=2)
    refused(api.delete(f"{USERS}/rita/roles/qa?data_version=1"))


def test_permission__the_last_one__takes_the_roles_along(api: Api) -> None:
    assert api.delete(f"{USERS}/rita/permissions/rule?data_version=1").status_code == 200
    assert api.get(f"{USERS}/rita/roles").json() == {"roles": []}


def test_permission_history__has_both_parts(api: Api) -> None:
    body = api.get("/api/permissions/history").json()
    assert set(body) == {"Permissions", "Permissions scheduled change"}
    assert body["Permissions"]["count"] == 3
    row = body["Permissions"]["revisions"][0]
    assert set(row) == {"username", "permission", "options", "data_version"} | OF_A_REVISION
    narrowed = api.get("/api/permissions/history", {"username": "rita"}).json()
    assert narrowed["Permissions"]["count"] == 1


# --- Section 12.8 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "scope"),
    [(OF_PRODUCT, {"product": "Acme", "channel": "release"}), (OF_PERMISSIONS, {"product": "Acme"})],
    ids=["product", "permissions"],
)
def test_requirement__first_of_a_scope_is_made__everything_else_is_scheduled(
    api: Api, base: str, scope: dict[str, str]
) -> None:
    assert api.get(base).json() == {"count": 0, "required_signoffs": []}
    body = scope | {"role": "qa", "signoffs_required": 2}
    assert "signoffs_required" in str(refused(api.post(base, scope | {"role": "qa"})))
    refused(api.post(base, body | {"signoffs_required": 3}))  # two hold the role
    made = api.post(base, body)
    assert (made.status_code, made.json()) == (201, {"new_data_version": 1})
    row = body | {"data_version": 1}
    assert api.get(base).json() == {"count": 1, "required_signoffs": [row]}
    for again in (body, body | {"signoffs_required": 1}, scope | {"role": "relman", "signoffs_required": 1}):
        refused(api.post(base, again))
    deleted = refused(api.delete(base, scope | {"role": "qa"}))
    assert (deleted["detail"], deleted["required_signoffs"]) == ("Signoff Required", {"qa": 2})
    refused(api.delete(base, scope | {"role": "none"}), 404)

    key = scope | {"role": "qa"}
    past = api.get(f"{base}/revisions", key).json()
    assert (set(past), past["count"]) == ({"count", "required_signoffs"}, 1)
    assert set(past["required_signoffs"][0]) == set(row) | OF_A_REVISION
    assert "role" in refused(api.get(f"{base}/revisions", scope))["errors"]
    refused(api.get(f"{base}/revisions", key | {"role": "none"}), 404)
    parts = api.get(f"{base}/history").json()
    assert {name: part["count"] for name, part in parts.items()} in (
        {"Product Required Signoffs": 1, "Product Required Signoffs scheduled change": 0},
        {"Permissions Required Signoffs": 1, "Permissions Required Signoffs scheduled change": 0},
    )


def test_requirement__of_a_product__is_found_by_its_channel(api: Api) -> None:
    requires("Acme", "release", qa=1)
    requires("Acme", "beta", qa=2)
    found = api.get(OF_PRODUCT, {"channel": "beta"}).json()["required_signoffs"]
    assert [row["signoffs_required"] for row in found] == [2]
    refused(api.get(OF_PRODUCT, {"nonsense": 1}))
