"""`POST /oauth/token`: who gets a token, what it opens, how long, and what is kept of it."""

from __future__ import annotations

import base64
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_application_model

from history.changesets import change_set
from releng.permissions.actions import deactivate
from tests.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    """Requests for tokens are counted by address."""
    cache.clear()


@pytest.fixture
def machine() -> Any:
    """The account that clients act as."""
    return person("build-bot", "release", "release_locale", system=True)


def credentials(name: str = "builds", **options: Any) -> dict[str, str]:
    """Make a client as an operator does; return its credentials as they are sent."""
    told = io.StringIO()
    call_command("create_client", name, stdout=told, **options)
    lines = dict(line.split("=", 1) for line in told.getvalue().split())
    return {
        "grant_type": "client_credentials",
        "client_id": lines["CLIENT_ID"],
        "client_secret": lines["CLIENT_SECRET"],
    }


def token(client: Any, body: dict[str, str]) -> str:
    answer = client.post("/oauth/token", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    return str(answer.json()["access_token"])


def status(client: Any, token: str, address: str = "/api/releases") -> int:
    return int(client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code)


def test_token__by_json_form_and_basic__opens_the_api(client: Any, machine: Any) -> None:
    body = credentials(user="build-bot")
    basic = base64.b64encode(f"{body['client_id']}:{body['client_secret']}".encode()).decode()
    answers = [
        client.post("/oauth/token", body, content_type="application/json"),
        client.post("/oauth/token", {**body, "audience": "x"}, content_type="application/json"),
        client.post("/oauth/token", body),
        client.post(
            "/oauth/token",
            {"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        ),
    ]
    for answer in answers:
        assert answer.status_code == 200
        told = answer.json()
        assert told["token_type"] == "Bearer"
        assert told["expires_in"] == 3600
        assert answer["Cache-Control"] == "no-store"
        assert status(client, told["access_token"]) == 200


def test_secrets__of_clients_and_tokens__are_kept_as_digests_only(client: Any, machine: Any) -> None:
    body = credentials(user="build-bot")
    got = token(client, body)
    application = get_application_model().objects.get()
    assert body["client_secret"] not in application.client_secret
    assert application.client_secret.startswith(("pbkdf2_sha256$", "md5$"))
    stored = get_access_token_model().objects.get()
    assert got not in (stored.token, stored.token_checksum)
    assert all(got not in str(value) for value in get_access_token_model().objects.values_list()[0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_secret": "x"},
        {"client_id": "x"},
        {"client_secret": ""},
        {"grant_type": "password", "username": "build-bot", "password": "only-for-tests"},
        {"grant_type": "authorization_code", "code": "x"},
        {"grant_type": "refresh_token", "refresh_token": "x"},
        {"grant_type": ""},
    ],
    ids=lambda wrong: "-".join(f"{name}-{value}" for name, value in wrong.items()),
)
def test_token__with_anything_wrong__is_refused_and_nothing_is_made(
    client: Any, machine: Any, wrong: dict[str, str]
) -> None:
    body = credentials(user="build-bot") | wrong
    for kind in ({}, {"content_type": "application/json"}):
        answer = client.post("/oauth/token", body, **kind)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"]
    assert not get_access_token_model().objects.exists()


@pytest.mark.parametrize(
    "body", ["[", "[]", '"x"', '{"grant_type": 1}', '{"grant_type": ["x"]}', "\xff"], ids=repr
)
def test_token__json_that_is_no_object_of_texts__is_400(client: Any, body: str) -> None:
    answer = client.post("/oauth/token", body.encode("latin-1"), content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_token__body_that_is_too_large__is_refused(client: Any) -> None:
    answer = client.post("/oauth/token", {"grant_type": "x" * 20_000}, content_type="application/json")
    assert answer.status_code == 400


def test_token__expired__is_401(client: Any, machine: Any) -> None:
    got = token(client, credentials(user="build-bot"))
    assert status(client, got) == 200
    get_access_token_model().objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert status(client, got) == 401


@pytest.mark.parametrize("told", ["", "x", "a.b.c", "Ä"], ids=repr)
def test_token__that_is_none__is_401(client: Any, told: str) -> None:
    assert status(client, told) == 401


def test_rotation__gives_a_new_secret__and_ends_the_old_one_and_its_tokens(client: Any, machine: Any) -> None:
    old = credentials(user="build-bot")
    got = token(client, old)
    new = credentials(rotate=True)
    assert new["client_id"] == old["client_id"]
    assert new["client_secret"] != old["client_secret"]
    assert status(client, got) == 401
    assert client.post("/oauth/token", old).status_code == 401
    assert status(client, token(client, new)) == 200


def test_client__is_tied_to_a_machine__never_to_a_person(machine: Any) -> None:
    person("ada", "admin")
    with pytest.raises(CommandError, match="is a person"):
        credentials(user="ada")
    with pytest.raises(CommandError, match="no such account"):
        credentials(user="nobody")
    credentials(user="build-bot")
    with pytest.raises(CommandError, match="already"):
        credentials(user="build-bot")
    with pytest.raises(CommandError, match="no client"):
        credentials("other", rotate=True)


def test_token__what_it_opens__is_what_its_account_may_do_at_that_moment(client: Any, machine: Any) -> None:
    got = token(client, credentials(user="build-bot"))
    assert status(client, got) == 200
    assert status(client, got, "/api/users") == 403
    with change_set(actor_name="tests"):
        machine.permissions.get(permission="release").delete()
        machine.permissions.get(permission="release_locale").delete()
    assert status(client, got) == 403


def test_token__of_an_account_that_is_deactivated__is_401(client: Any, machine: Any) -> None:
    body = credentials(user="build-bot")
    got = token(client, body)
    with change_set(actor_name="tests"):
        deactivate(machine)
    assert status(client, got) == 401


def test_requests_for_tokens__beyond_the_rate__are_429_with_a_time_to_wait(
    client: Any, machine: Any, settings: Any
) -> None:
    settings.TOKEN_RATE = "3/hour"
    body = credentials(user="build-bot")
    answers = [client.post("/oauth/token", body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    answer = client.post("/oauth/token", body)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 3600
    assert client.post("/oauth/token", body, REMOTE_ADDR="192.0.2.7").status_code == 200
