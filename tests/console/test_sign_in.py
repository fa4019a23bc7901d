"""Signing in: passwords and the lock after wrong ones, and single sign-on at a real provider."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from history.changesets import change_set
from releng.permissions.actions import deactivate
from releng.permissions.models import SignIn
from tests.console.provider import Provider, running_provider
from tests.people import administrator, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]
LOGIN, BEGIN, HOME = "/admin/login/", "/admin/oidc/sign-in/", "/admin/"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


def try_password(client: Client, password: str, name: str = "ada") -> Any:
    return client.post(LOGIN, {"username": name, "password": password})


# --- Passwords and the lock -----------------------------------------------------------------------------------


def test_password__right__opens_the_front_page(client: Any) -> None:
    administrator("ada")
    answer = client.post(
        f"{LOGIN}?next=/admin/rules/rule/", {"username": "ada", "password": "only-for-tests"}
    )
    assert answer.status_code == 302
    assert client.get(HOME).status_code == 200
    assert SignIn.objects.get().how == SignIn.How.PASSWORD


def test_password__wrong_too_often__is_locked_and_says_until_when(client: Any, settings: Any) -> None:
    settings.SIGN_IN_HELP = "Ring the people on call: 555-0199."
    administrator("ada")
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert try_password(client, "wrong").status_code == 200
    answer = try_password(client, "wrong")
    assert answer.status_code == 429
    until = timezone.now() + timedelta(hours=settings.AXES_COOLOFF_TIME)
    assert f"locked for your address until {until:%Y-%m-%d %H:}" in text(answer)
    assert "(in 14 minutes)" in text(answer) or "(in 15 minutes)" in text(answer)
    assert "Ring the people on call: 555-0199." in text(answer)
    assert "axes_reset" not in text(answer)


def test_password__locked__the_right_one_is_refused_until_the_time_that_was_named(
    client: Any, settings: Any
) -> None:
    administrator("ada")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        try_password(client, "wrong")
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        answer = try_password(client, "only-for-tests")
        assert answer.status_code == 429
        assert re.search(r"\(in [45] minutes\)", text(answer)), "trying again does not move the end"
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert try_password(client, "only-for-tests").status_code == 302


def test_password__locked__page_tells_nothing_of_accounts(client: Any, settings: Any) -> None:
    administrator("ada")
    said = []
    for name in ("ada", "nobody-of-that-name"):
        for _ in range(settings.AXES_FAILURE_LIMIT):
            answer = try_password(client, "wrong", name)
        said.append(re.sub(r"\d\d:\d\d:\d\d|in \d+ minutes", "", text(answer)))
    assert said[0] == said[1]
    assert "ada" not in said[0]


def test_password__locked__another_address_is_not(client: Any, settings: Any) -> None:
    administrator("ada")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        try_password(client, "wrong")
    assert try_password(Client(REMOTE_ADDR="192.0.2.9"), "only-for-tests").status_code == 302


def test_password__locked__administrator_unlocks(client: Any, settings: Any) -> None:
    administrator("ada")
    bob = person("bob", "rule")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        try_password(Client(), "wrong", "bob")
    client.force_login(get_user_model().objects.get(username="ada"))
    page = f"/admin/people/{bob.pk}/"
    assert "Locked until" in text(client.get(page))
    assert "is unlocked" in text(client.post(f"{page}unlock/", follow=True))
    assert "Locked until" not in text(client.get(page))
    assert try_password(Client(), "only-for-tests", "bob").status_code == 302


def test_password__locked__others_cannot_unlock(client: Any) -> None:
    bob = person("bob", "rule")
    client.force_login(person("perry", "permission"))
    assert client.post(f"/admin/people/{bob.pk}/unlock/").status_code == 403


def test_password__of_a_machine__opens_nothing(client: Any) -> None:
    robot = person("robot", "release", system=True, staff=False)
    assert try_password(client, "only-for-tests", "robot").status_code == 200
    assert robot.last_login is None


# --- Single sign-on -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(server: Provider, settings: Any) -> Iterator[Provider]:
    before = dict(vars(server))
    for name, value in server.settings.items():
        setattr(settings, name, value)
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS,
        "releng.permissions.oidc.SingleSignOnBackend",
    ]
    yield server
    vars(server).update(before | {"asked": [], "codes": {}})


def through(client: Any, begin: str = BEGIN) -> Any:
    """Go to the provider and come back, as a browser does; return the last answer."""
    answer = client.get(begin)
    assert answer.status_code == 302
    back = urlsplit(requests.get(answer["Location"], allow_redirects=False, timeout=5).headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def test_button__only_where_a_provider_is_configured(client: Any) -> None:
    assert "Sign in with" not in text(client.get(LOGIN))
    for address in (BEGIN, "/admin/oidc/callback/"):
        assert client.get(address).status_code == 404


def test_button__carries_where_one_wanted_to_go(client: Any, provider: Provider) -> None:
    page = client.get(f"{LOGIN}?next=/admin/rules/rule/")
    assert "Sign in with Acme ID" in text(page)
    assert f'href="{BEGIN}?next=/admin/rules/rule/"' in page.content.decode()


def test_single_sign_on__known_mail_address__signs_in_and_goes_on(client: Any, provider: Provider) -> None:
    ada = administrator("ada")
    answer = through(client, f"{BEGIN}?next=/admin/rules/rule/")
    assert answer["Location"] == "/admin/rules/rule/"
    assert client.get("/admin/rules/rule/").status_code == 200
    assert SignIn.objects.get(user=ada).how == SignIn.How.SINGLE_SIGN_ON
    asked = provider.asked[0]
    assert asked["code_challenge_method"] == "S256"
    assert "prompt" not in asked


def test_single_sign_on__account_named_by_mail_address__comes_before_one_that_has_it(
    client: Any, provider: Provider
) -> None:
    person("ada", "rule")
    named = person("ada@example.com", "rule")
    assert through(client).status_code == 302
    assert SignIn.objects.get().user == named


def test_single_sign_on__next_elsewhere__goes_home(client: Any, provider: Provider) -> None:
    administrator("ada")
    assert through(client, f"{BEGIN}?next=https://evil.example/")["Location"] == HOME


def test_single_sign_on__permissions_come_from_rows_alone(client: Any, provider: Provider) -> None:
    person("ada", "rule:modify", products=["Acme"])
    through(client)
    assert client.get("/admin/rules/rule/").status_code == 200
    assert client.get("/admin/people/").status_code == 403


@pytest.mark.parametrize(
    "account", ["none", "inactive", "machine", "no-staff", "two"], ids=lambda value: str(value)
)
def test_single_sign_on__no_account_that_may__signs_nobody_in(
    client: Any, provider: Provider, account: str
) -> None:
    if account == "inactive":
        user = person("ada", "rule")
        with change_set(actor_name="factory"):
            deactivate(user)
    elif account == "machine":
        person("ada", "release", system=True)
    elif account == "no-staff":
        person("ada", "rule", staff=False)
    elif account == "two":
        for name in ("ada", "lovelace"):
            user = person(name, "rule")
            user.email = "ada@example.com"
            user.save()
    count = get_user_model().objects.count()
    answer = through(client)
    assert answer.status_code == 403
    assert "Single sign-on did not work" in text(answer)
    assert client.get(HOME).status_code == 302
    assert get_user_model().objects.count() == count, "no account is made"


@pytest.mark.parametrize(
    "lie",
    [
        {"token_claims": {"iss": "https://evil.example"}},
        {"token_claims": {"aud": "another-client"}},
        {"token_claims": {"aud": ["admin-client", "another"], "azp": "another"}},
        {"token_claims": {"nonce": "another"}},
        {"token_claims": {"exp": 1_000_000_000}},
        {"token_claims": {"exp": None}},
        {"token_claims": {"sub": "2"}},
        {"algorithm": "HS256"},
        {"published": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        {"person": {"sub": "1", "email": "ada@example.com", "email_verified": False}},
        {"person": {"sub": "1"}},
    ],
    ids=[
        *(
            "issuer",
            "audience",
            "authorized-party",
            "nonce",
            "over",
            "endless",
            "subject",
            "algorithm",
            "key",
        ),
        *("unverified", "no-mail"),
    ],
)
def test_single_sign_on__what_cannot_be_trusted__signs_nobody_in(
    client: Any, provider: Provider, lie: dict[str, Any]
) -> None:
    administrator("ada")
    vars(provider).update(lie)
    answer = through(client)
    assert answer.status_code == 403
    assert client.get(HOME).status_code == 302
    assert not SignIn.objects.exists()


def test_single_sign_on__provider_is_down__says_so(client: Any, provider: Provider) -> None:
    administrator("ada")
    begun = client.get(BEGIN)["Location"]
    state = parse_qs(urlsplit(begun).query)["state"][0]
    provider.is_down = True
    answer = client.get("/admin/oidc/callback/", {"code": "x", "state": state})
    assert answer.status_code == 403
    assert "did not answer" in text(answer)


@pytest.mark.parametrize(
    "query",
    [{}, {"code": "x"}, {"code": "x", "state": "unknown"}],
    ids=["empty", "no-state", "unknown-state"],
)
def test_single_sign_on__not_begun_here__signs_nobody_in(
    client: Any, provider: Provider, query: dict[str, str]
) -> None:
    administrator("ada")
    assert client.get("/admin/oidc/callback/", query).status_code == 403
    assert client.get(HOME).status_code == 302


def test_single_sign_on__a_code_used_twice__is_refused(client: Any, provider: Provider) -> None:
    administrator("ada")
    begun = client.get(BEGIN)["Location"]
    back = urlsplit(requests.get(begun, allow_redirects=False, timeout=5).headers["Location"])
    assert client.get(f"{back.path}?{back.query}").status_code == 302
    assert client.get(f"{back.path}?{back.query}").status_code == 403
    assert client.get(HOME).status_code == 200, "and whoever is signed in stays so"


def test_single_sign_on__refused_by_the_provider__says_why_and_signs_nobody_out(
    client: Any, provider: Provider
) -> None:
    client.force_login(administrator("ada"))
    answer = client.get(
        "/admin/oidc/callback/", {"error": "access_denied", "error_description": "You <b>may not"}
    )
    assert answer.status_code == 403
    assert "You <b>may not" in text(answer)
    assert "<b>may" not in answer.content.decode()
    assert client.get(HOME).status_code == 200


def test_single_sign_on__failed_often__locks_nobody(client: Any, provider: Provider, settings: Any) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT + 1):
        assert through(client).status_code == 403
    administrator("ada")
    assert through(client).status_code == 302


# --- Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "named"),
    [({"OIDC_CLIENT_ID": "x"}, "OIDC_CLIENT_SECRET"), ({"REAUTH_MINUTES": "0"}, "REAUTH_MINUTES")],
    ids=["oidc-halfway", "no-minutes"],
)
def test_settings__that_cannot_be_used__end_the_process(environment: dict[str, str], named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import releng.settings"],
        env={"DEBUG": "true", "PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert named in done.stderr
