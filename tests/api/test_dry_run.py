"""`dry_run=1` on every write: all of it is done and told, and none of it stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from history.models import ChangeSet
from rules.models import Rule
from tests.api.client import Api
from tests.api.described import everything, sent, with_parameter
from tests.api.operations import OPERATIONS
from tests.api.world import make_world
from tests.people import administrator, person, requires

pytestmark = pytest.mark.django_db


def test_every_write__is_described_to_take_it() -> None:
    described = {operation.id for operation in with_parameter("dry_run", "POST", "PUT", "PATCH", "DELETE")}
    # What agents note is no change of anything that is decided.
    writes = {
        operation.id
        for operation in OPERATIONS
        if operation.is_write and "/agent/" not in operation.address and "/decide" not in operation.address
    }
    assert not writes - described


def test_every_write__tried_out__answers_as_in_earnest_and_writes_nothing(client: Any) -> None:
    world = make_world()
    client.force_login(person("everybody", "admin", roles=["qa"]))
    wrong = []
    for operation in (operation for operation in OPERATIONS if operation.is_write):
        with transaction.atomic():
            operation.made_ready(world)
            before = everything()
            answer = sent(client, world, operation, query="dry_run=1")
            if everything() != before:
                wrong.append(f"{operation.id}: has written")
            transaction.set_rollback(True)
        if answer.status_code != operation.status:
            wrong.append(f"{operation.id}: {answer.status_code}, not {operation.status}: {answer.content!r}")
        if answer["X-Dry-Run"] != "1":
            wrong.append(f"{operation.id}: does not say that it was none")
        if answer.content.startswith(b"{") and "required_signoffs" not in answer.json():
            wrong.append(f"{operation.id}: does not say who must agree")
    assert not wrong, "\n".join(wrong)


def test_write_that_needs_signoffs__tried_out__names_them_and_is_refused_as_in_earnest(client: Any) -> None:
    world = make_world()
    for name in ("one", "two"):
        person(name, "rule", roles=["qa", "relman"])
    requires("Acme", "release", qa=1, relman=2)
    client.force_login(administrator())
    answer = Api(client).post("/api/rules/acme-release?dry_run=1", {"data_version": 1, "priority": 3})
    assert answer.status_code == 400
    assert answer.json()["required_signoffs"] == {"qa": 1, "relman": 2}
    assert answer["X-Dry-Run"] == "1"
    assert Rule.objects.get(pk=world.keys["rule_id"]).data_version == 1


def test_value__that_says_no__is_earnest(client: Any) -> None:
    make_world()
    client.force_login(administrator())
    before = ChangeSet.objects.count()
    for value, written in (("0", 1), ("false", 2), ("true", 2), ("yes", 2)):
        api, version = Api(client), Rule.objects.get(alias="acme-release").data_version
        answer = api.post(
            f"/api/rules/acme-release?dry_run={value}", {"data_version": version, "priority": 3 + version}
        )
        assert answer.status_code == 200
        assert ChangeSet.objects.count() == before + written


def test_read__takes_no_trial(client: Any) -> None:
    client.force_login(administrator())
    assert client.get("/api/rules?dry_run=1").status_code == 400
