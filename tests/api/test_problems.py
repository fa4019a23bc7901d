"""Refusals: a problem document for each, with the contract's two keys, and never how the server works inside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError

from releng.api.rules import RuleList
from tests.api.client import Api
from tests.api.operations import OPERATIONS
from tests.api.world import World, make_world
from tests.people import administrator, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]

RULE = "/api/rules/acme-release"


@pytest.fixture
def world(client: Any) -> World:
    """One row of everything."""
    client.force_login(administrator())
    return make_world()


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Return a problem document; fail for anything that is none."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in answer.content.decode()
    return body


def send(client: Any, body: bytes, kind: str = "application/json", **headers: str) -> Any:
    return client.post(RULE, body, content_type=kind, headers=headers)


# --- Bodies -------------------------------------------------------------------------------------------------


def test_every_write__with_a_body_that_is_no_object__is_400(client: Any, world: World) -> None:
    bodies = [
        b"[",
        b"[]",
        b'"x"',
        b"1",
        b"null",
        b"NaN",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b"[" * 50_000,
    ]
    for operation in OPERATIONS:
        if operation.is_write and operation.body:
            for body in bodies:
                answer = client.generic(
                    operation.method, operation.url(world), body, content_type="application/json"
                )
                problem(answer, 400)


def test_every_write__with_a_body_of_another_type__is_415(client: Any, world: World) -> None:
    for operation in OPERATIONS:
        if operation.is_write and operation.body:
            answer = client.generic(
                operation.method,
                operation.url(world),
                b"a=b",
                content_type="application/x-www-form-urlencoded",
            )
            problem(answer, 415)


def test_body__announced_as_too_large__is_413_before_it_is_read(
    client: Any, world: World, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    for operation in OPERATIONS:
        if operation.is_write and "/api/" in operation.address:
            answer = client.generic(
                operation.method,
                operation.url(world),
                json.dumps(operation.sent(world)),
                content_type="application/json",
                CONTENT_LENGTH="101",
                **{"wsgi.input": Unreadable()},
            )
            assert "101" in problem(answer, 413)["detail"]


class Unreadable:
    """A body that must not be read."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def test_body__in_chunks__is_411_and_not_taken_for_an_empty_one(client: Any, world: World) -> None:
    answer = client.generic(
        "POST",
        RULE,
        b"",
        content_type="application/json",
        CONTENT_LENGTH="",
        HTTP_TRANSFER_ENCODING="chunked",
        **{"wsgi.input": Unreadable()},
    )
    assert "Content-Length" in problem(answer, 411)["detail"]


# --- What they tell -----------------------------------------------------------------------------------------


def test_old_version__tells_both_sides(client: Any, world: World) -> None:
    api = Api(client)
    assert api.post(RULE, {"data_version": 1, "priority": 5}).status_code == 200
    body = problem(api.post(RULE, {"data_version": 1, "priority": 6}), 400)
    assert body["detail"] == "OutdatedDataError"
    assert "version" in body["exception"]
    assert [field["name"] for field in body["comparison"]["fields"]] == ["priority"]


def test_mistakes__are_told_by_field__in_the_names_of_the_wire(client: Any, world: World) -> None:
    body = problem(
        Api(client).post(RULE, {"data_version": 1, "backgroundRate": 101, "update_type": "x"}), 400
    )
    assert {"backgroundRate", "update_type"} <= body["errors"].keys()
    assert any("backgroundRate" in line for line in body["exception"])


def test_signoffs__that_are_needed__are_told_by_role(client: Any, world: World) -> None:
    for name in ("one", "two"):
        person(name, "rule", roles=["qa"])
    requires("Acme", "release", qa=2)
    body = problem(Api(client).post(RULE, {"data_version": 1, "priority": 5}), 400)
    assert (body["detail"], body["code"]) == ("Signoff Required", "signoff_required")
    assert body["required_signoffs"] == {"qa": 2}


def test_missing_permission__names_it(client: Any, world: World) -> None:
    client.force_login(person("reader", roles=["auditor"]))
    body = problem(Api(client).post(RULE, {"data_version": 1, "priority": 5}), 403)
    assert body["detail"] == "Permission Denied"
    assert "rules.change_rule" in body["exception"]


def test_nobody__is_told_401_with_the_way_to_sign_in(client: Any, world: World) -> None:
    client.logout()
    answer = client.get("/api/rules")
    assert problem(answer, 401)["detail"] == "PermissionDeniedError"
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "/api/rules/none", 404),
        ("get", "/api/rules/99999999999999999999", 404),
        ("get", "/api/rules/99999999999999999999/revisions", 404),
        ("get", "/api/rules/%00", 400),
        ("get", "/api/rules?product=%00", 400),
        ("get", "/api/rules?nonsense=1", 400),
        ("get", "/api/releases/none", 404),
        ("get", "/api/users/none/permissions", 404),
        ("get", "/api/v2/scheduled_changes/999", 404),
        ("get", "/api/no/such/thing", 404),
        ("patch", "/api/rules", 405),
        ("delete", "/api/rules/none?data_version=1", 404),
        ("delete", "/api/rules/acme-release", 400),
        ("delete", "/api/rules/acme-release?data_version=x", 400),
    ],
    ids=lambda value: str(value),
)
def test_request__that_leads_nowhere__is_a_problem(
    client: Any, world: World, method: str, address: str, status: int
) -> None:
    problem(getattr(client, method)(address), status)


# --- What nobody foresaw ------------------------------------------------------------------------------------


def test_failure__tells_nothing_but_that_it_failed(
    client: Any, world: World, monkeypatch: Any, caplog: Any
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(RuleList, "get", fail)
    answer = client.get("/api/rules")
    assert "secret" not in answer.content.decode()
    assert problem(answer, 500)["detail"] == "Unknown error"
    assert "api.failed" in caplog.text


def test_database__that_is_busy__is_503_and_says_to_try_again(
    client: Any, world: World, monkeypatch: Any
) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(RuleList, "get", fail)
    answer = client.get("/api/rules")
    assert "deadlock" not in answer.content.decode()
    problem(answer, 503)
    assert answer["Retry-After"] == "1"
