"""Versions in headers, beside `data_version`: ETag, If-None-Match and If-Match on everything that has a version."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from tests.api.client import Api
from tests.api.described import everything, sent, told_of, with_parameter
from tests.api.operation import Operation
from tests.api.operations import OPERATIONS
from tests.api.world import World, make_world
from tests.people import administrator, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]

VERSIONS = ("data_version", "sc_data_version", "old_data_version", "old_data_versions")


@pytest.fixture
def world(client: Any) -> World:
    """One row of everything, and somebody who may do all of it."""
    found = make_world()
    client.force_login(person("everybody", "admin", roles=["qa"]))
    return found


def versioned_reads() -> list[Operation]:
    """Return the reads whose answers have a version."""
    return [
        operation
        for operation in OPERATIONS
        if operation.method == "GET"
        and not operation.address.startswith("/api/v1/")
        and "ETag" in told_of(operation)["responses"]["200"].get("headers", {})
    ]


def test_every_versioned_read__that_the_client_has_already__is_304_without_a_body(
    client: Any, world: World
) -> None:
    reads = versioned_reads()
    assert len(reads) > 15
    for operation in reads:
        first = sent(client, world, operation)
        assert first["ETag"].startswith(f'"{first["X-Data-Version"]}-'), operation.id
        for told in (first["ETag"], f"W/{first['ETag']}", f'"x", {first["ETag"]}', "*"):
            again = sent(client, world, operation, **{"If-None-Match": told})
            assert (again.status_code, again.content) == (304, b""), (operation.id, told)
            assert again["ETag"] == first["ETag"]
        assert sent(client, world, operation, **{"If-None-Match": '"0-0"'}).status_code == 200
        head = client.head(operation.url(world))
        assert head["X-Data-Version"] == first["X-Data-Version"], operation.id
        assert head.content == b""


def test_tag__after_a_write__is_another(client: Any, world: World) -> None:
    tag = client.get("/api/rules/acme-release")["ETag"]
    answer = Api(client).put("/api/rules/acme-release", {"priority": 4}, **{"If-Match": tag})
    assert answer.status_code == 200
    fresh = client.get("/api/rules/acme-release", headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh["ETag"] != tag
    refused = Api(client).put("/api/rules/acme-release", {"priority": 5}, **{"If-Match": tag})
    assert refused.status_code == 412


def conditional_writes(world: World) -> list[tuple[Operation, int]]:
    """Return the writes that take If-Match and are based on a version, with that version."""
    found = []
    for operation in with_parameter("If-Match", "POST", "PUT", "PATCH", "DELETE"):
        body = operation.sent(world)
        told = next((body[name] for name in VERSIONS if name in body), None)
        if isinstance(told, dict):
            told = told["."]
        if told is None and "data_version=" in operation.query:
            told = int(operation.query.split("data_version=")[1].split("&")[0])
        if told is not None:
            found.append((operation, told))
    return found


def asked(client: Any, world: World, operation: Operation, version: int, *, named: bool = False) -> Any:
    """Send a write with If-Match, with or without the version that its body or its arguments name."""
    with transaction.atomic():
        operation.made_ready(world)
        body = operation.sent(world)
        query = operation.query
        if not named:
            body = {name: value for name, value in body.items() if name not in VERSIONS}
            query = "&".join(part for part in query.split("&") if not part.startswith("data_version="))
        before = everything()
        url = operation.url(world).partition("?")[0] + (f"?{query}" if query else "")
        answer = getattr(Api(client), operation.method.lower())(url, body, **{"If-Match": f'"{version}"'})
        answer.wrote = everything() != before
        transaction.set_rollback(True)
    return answer


def test_every_conditional_write__with_if_match_in_place_of_its_version__does_the_same(
    client: Any, world: World
) -> None:
    writes = conditional_writes(world)
    assert len(writes) > 30
    for operation, version in writes:
        answer = asked(client, world, operation, version)
        assert answer.status_code == operation.status, (operation.id, answer.content)
        assert answer.wrote, operation.id


def test_every_conditional_write__with_an_old_if_match__is_412_and_writes_nothing(
    client: Any, world: World
) -> None:
    for operation, version in conditional_writes(world):
        answer = asked(client, world, operation, version + 7)
        assert answer.status_code == 412, (operation.id, answer.content)
        assert not answer.wrote, operation.id


def test_every_conditional_write__whose_version_and_if_match_differ__is_refused_and_writes_nothing(
    client: Any, world: World
) -> None:
    for operation, version in conditional_writes(world):
        answer = asked(client, world, operation, version + 7, named=True)
        assert answer.status_code in (400, 412), (operation.id, answer.content)
        assert not answer.wrote, operation.id


@pytest.mark.parametrize("told", ["5", '"x"', '"1", "2"', '"-1"', '"1'], ids=repr)
def test_if_match__that_is_no_tag__is_400(client: Any, told: str) -> None:
    make_world()
    client.force_login(administrator())
    answer = Api(client).put("/api/rules/acme-release", {"priority": 4}, **{"If-Match": told})
    assert answer.status_code == 400
    assert "If-Match" in answer.json()["detail"]
