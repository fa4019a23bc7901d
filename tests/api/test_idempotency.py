"""`Idempotency-Key`: what makes something can be sent again, and is made once."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from history.models import ChangeSet
from releng.api.models import IdempotencyKey
from rules.models import EmergencyShutoff
from tests.api.described import everything, sent, with_parameter
from tests.api.operation import Operation
from tests.api.operations import OPERATIONS
from tests.api.world import World, make_world
from tests.people import administrator

pytestmark = pytest.mark.django_db

HEADER = "Idempotency-Key"
SHUTOFFS = "/api/emergency_shutoff"
STOP = {"product": "Acme", "channel": "new", "comment": "crashes"}


@pytest.fixture
def world(client: Any) -> World:
    """One row of everything."""
    client.force_login(administrator())
    return make_world()


def taking() -> list[Operation]:
    """Return the operations that take a key."""
    return with_parameter(HEADER, "POST")


def post(client: Any, key: str = "k", body: Any = None, address: str = SHUTOFFS) -> Any:
    return client.post(
        address, json.dumps(body or STOP), content_type="application/json", headers={HEADER: key}
    )


def test_every_post__that_makes_something__takes_a_key() -> None:
    made = {
        operation.id for operation in OPERATIONS if operation.method == "POST" and operation.status == 201
    }
    made |= {"POST /api/rules"}
    made |= {
        operation.id
        for operation in OPERATIONS
        if operation.method == "POST"
        and operation.address.startswith("/api/scheduled_changes/")
        and "{" not in operation.address
    }
    assert not made - {operation.id for operation in taking()}


def test_every_such_post__sent_again__is_answered_as_before_and_done_once(client: Any, world: World) -> None:
    for operation in taking():
        with transaction.atomic():
            operation.made_ready(world)
            first = sent(client, world, operation, **{HEADER: "a"})
            assert first.status_code == operation.status, (operation.id, first.content)
            stands = everything()
            again = sent(client, world, operation, **{HEADER: "a"})
            assert (again.status_code, again.content) == (first.status_code, first.content), operation.id
            assert again["Idempotent-Replayed"] == "true"
            assert "Idempotent-Replayed" not in first
            assert again.get("X-Data-Version") == first.get("X-Data-Version")
            assert everything() == stands, operation.id
            body = operation.sent(world) | {"reason": "another"}
            other = sent(client, world, operation, body=body, **{HEADER: "a"})
            assert other.status_code == 422, operation.id
            assert everything() == stands, operation.id
            transaction.set_rollback(True)


def test_key__of_another_account__is_another_key(client: Any, world: World) -> None:
    assert post(client).status_code == 201
    client.force_login(administrator("bob"))
    answer = post(client, body={**STOP, "channel": "other"})
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer


def test_key__with_another_address__is_422(client: Any, world: World) -> None:
    assert post(client).status_code == 201
    assert post(client, address=f"{SHUTOFFS}?dry_run=0").status_code == 422


def test_request_that_was_refused__leaves_no_key(client: Any, world: World) -> None:
    assert post(client, body={"product": "Acme"}).status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert post(client).status_code == 201


def test_trial_run__neither_leaves_nor_uses_a_key(client: Any, world: World) -> None:
    assert post(client, address=f"{SHUTOFFS}?dry_run=1").status_code == 201
    assert not IdempotencyKey.objects.exists()
    assert post(client).status_code == 201
    assert post(client, address=f"{SHUTOFFS}?dry_run=1").status_code == 400, "it is stopped already"


def test_key__older_than_the_setting__is_new_again(client: Any, world: World, settings: Any) -> None:
    assert post(client).status_code == 201
    old = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS, seconds=1)
    IdempotencyKey.objects.update(time=old)
    assert post(client, body={**STOP, "channel": "other"}).status_code == 201
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"], ids=["empty", "long", "control"])
def test_key__that_is_none__is_400(client: Any, world: World, key: str) -> None:
    assert post(client, key=key).status_code == 400
    assert post(client, key="x" * 255).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_many_at_once__with_one_key__do_it_once() -> None:
    user = administrator()
    answers: list[Any] = [None] * 6

    def send(number: int) -> None:
        try:
            client = Client()
            client.force_login(user)
            ready.wait()
            answers[number] = post(client)
        finally:
            connections.close_all()

    ready = threading.Barrier(len(answers))
    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(answers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * len(answers)
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert EmergencyShutoff.objects.count() == 1
    assert ChangeSet.objects.filter(origin="api").count() == 1
