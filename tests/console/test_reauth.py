"""Whoever changes who may do what is asked again who it is when the sign-in is long ago; nothing typed is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import get_application_model

from history.models import ChangeSet
from releng.changes.models import ScheduledChange
from releng.permissions.models import Account, Permission, ProductRequiredSignoff, Role
from rules.models import Rule
from tests.console.provider import Provider, running_provider
from tests.factories import ReleaseFactory
from tests.pages import hidden_fields
from tests.people import administrator, again, permissions_require, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]
GIVE = "/admin/permissions/permission/add/"
QUESTION = "Is it still you?"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


@pytest.fixture
def ada(client: Any) -> Any:
    """An administrator who signed in an hour ago."""
    user = administrator("ada")
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        client.force_login(user)
    return user


@pytest.fixture
def bob() -> Any:
    return person("bob", "release")


def given(bob: Any) -> dict[str, Any]:
    return {
        "user": bob.pk,
        "permission": "rule",
        "products": "Acme\r\nFirefox",
        "actions": "",
        "reason": "helps out",
    }


def answered(client: Any, question: Any, password: str = "only-for-tests", **more: Any) -> Any:
    """Answer the question as the page does: to the address that was asked, with everything that was sent."""
    page = question.content.decode()
    address = unescape(re.search(r'<form method="post" action="([^"]+)" class="people-form"', page).group(1))  # type: ignore[union-attr]
    fields = hidden_fields(question)
    fields.pop("csrfmiddlewaretoken", None)
    return client.post(address, fields | {"confirm-password": password}, **more)


def test_permission__sign_in_long_ago__asks_and_then_goes_on(client: Any, ada: Any, bob: Any) -> None:
    question = client.post(GIVE, given(bob))
    assert QUESTION in text(question)
    assert "you signed in" in text(question)
    assert not Permission.objects.filter(user=bob, permission="rule").exists()
    done = answered(client, question)
    assert done.status_code == 302
    row = Permission.objects.get(user=bob, permission="rule")
    assert row.products == ["Acme", "Firefox"], "nothing that was typed is lost"
    assert Permission.history.get(id=row.pk).change_set.reason == "helps out"


def test_permission__confirmed__is_not_asked_again(client: Any, ada: Any, bob: Any) -> None:
    answered(client, client.post(GIVE, given(bob)))
    sent = {"user": bob.pk, "role": "qa", "reason": "tests"}
    assert client.post("/admin/permissions/role/add/", sent).status_code == 302
    assert Role.objects.filter(user=bob, role="qa").exists()


def test_permission__sign_in_lately__is_not_asked(client: Any, bob: Any) -> None:
    client.force_login(administrator("ada"))
    assert client.post(GIVE, given(bob)).status_code == 302


@pytest.mark.parametrize(("minutes", "asked"), [(29, False), (31, True)], ids=["before", "after"])
def test_permission__setting__says_how_long(
    client: Any, settings: Any, bob: Any, minutes: int, *, asked: bool
) -> None:
    settings.REAUTH_MINUTES = 30
    with time_machine.travel(timezone.now() - timedelta(minutes=minutes)):
        client.force_login(administrator("ada"))
    assert (QUESTION in text(client.post(GIVE, given(bob)))) is asked


def test_wrong_password__asks_again_and_changes_nothing(client: Any, ada: Any, bob: Any) -> None:
    question = answered(client, client.post(GIVE, given(bob)), "wrong")
    assert "That is not your password" in text(question)
    assert not Permission.objects.filter(user=bob, permission="rule").exists()
    assert answered(client, question).status_code == 302
    assert Permission.objects.filter(user=bob, permission="rule").exists()


def test_wrong_password__too_often__is_locked_like_the_sign_in(
    client: Any, settings: Any, ada: Any, bob: Any
) -> None:
    question = client.post(GIVE, given(bob))
    for _ in range(settings.AXES_FAILURE_LIMIT):
        last = answered(client, question, "wrong")
    assert last.status_code == 429
    assert answered(client, question).status_code == 429
    assert not Permission.objects.filter(user=bob, permission="rule").exists()


def test_wrong_password__no_password_is_written_down(client: Any, ada: Any) -> None:
    sent = {"kind": "person", "name": "rita", "password": "a-new-secret-one", "again": "a-new-secret-one"}
    answered(client, client.post("/admin/people/add/", sent), "wrong-one")
    kept = str(AccessAttempt.objects.values_list("get_data", "post_data")[:])
    assert "a-new-secret-one" not in kept
    assert "wrong-one" not in kept


def test_password_of_somebody_else__is_not_taken(client: Any, ada: Any, bob: Any) -> None:
    bob.set_password("another-password")
    bob.save()
    question = answered(client, client.post(GIVE, given(bob)), "another-password")
    assert "That is not your password" in text(question)


def test_question__without_csrf_token__is_refused(ada: Any, bob: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)
    assert strict.post(GIVE, given(bob) | {"confirm-password": "only-for-tests"}).status_code == 403
    assert not Permission.objects.filter(user=bob, permission="rule").exists()


# --- What is guarded, and what is not -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        *(
            "role",
            "requirement",
            "revoke",
            "account",
            "deactivate",
            "password",
            "client",
            "rotate",
            "end-client",
        ),
        *("list-action", "proposal"),
    ],
)
def test_whatever_says_who_may_do_what__is_asked_for_first(
    client: Any, ada: Any, bob: Any, what: str
) -> None:
    row = Permission.objects.get(user=bob)
    robot = person("robot", "release", system=True)
    application = get_application_model().objects.create(
        name="builds", user=robot, client_type="confidential", authorization_grant_type="client-credentials"
    )
    person("quinn", "rule", roles=["qa"])
    if what == "proposal":
        permissions_require("Acme", qa=1)
    pages: dict[str, tuple[str, dict[str, Any]]] = {
        "role": ("/admin/permissions/role/add/", {"user": bob.pk, "role": "qa"}),
        "requirement": (
            "/admin/permissions/productrequiredsignoff/add/",
            {"product": "Acme", "channel": "release", "role": "qa", "signoffs_required": 1},
        ),
        "revoke": (f"/admin/permissions/permission/{row.pk}/delete/", {"post": "yes"}),
        "account": ("/admin/people/add/", {"kind": "machine", "name": "new-bot"}),
        "deactivate": (f"/admin/people/{bob.pk}/switch/", {"is_active": "1", "reason": "left"}),
        "password": (
            f"/admin/auth/user/{bob.pk}/password/",
            {"password1": "a-long-new-one", "password2": "a-long-new-one", "usable_password": "true"},
        ),
        "client": ("/admin/people/clients/", {"name": "new", "account": "robot"}),
        "rotate": (f"/admin/people/clients/{application.pk}/rotate/", {}),
        "end-client": (f"/admin/people/clients/{application.pk}/revoke/", {}),
        "list-action": ("/admin/auth/user/", {"action": "deactivate", "_selected_action": [bob.pk]}),
        "proposal": (
            GIVE,
            given(bob) | {"_schedule": "Schedule"},
        ),
    }
    address, sent = pages[what]
    sent = {
        name: value for name, value in hidden_fields(client.get(address)).items() if "csrf" not in name
    } | sent
    before = state()
    question = client.post(address, sent)
    assert QUESTION in text(question), text(question)[:2000]
    assert state() == before
    answered(client, question)
    assert state() != before, "and it is done once it is answered"


def state() -> list[Any]:
    users = get_user_model().objects.order_by("pk").values_list("username", "is_active", "password")
    return [
        *users,
        *Permission.objects.order_by("pk").values_list("user", "permission", "data_version"),
        *Role.objects.values_list("user", "role"),
        *ProductRequiredSignoff.objects.values_list("product", "signoffs_required"),
        *Account.objects.order_by("pk").values_list("user", "is_active"),
        *get_application_model().objects.order_by("pk").values_list("name", "client_secret"),
        *ScheduledChange.objects.values_list("pk"),
    ]


def test_rules__are_changed_without_a_question(client: Any, ada: Any) -> None:
    ReleaseFactory(name="Acme-1", product="Acme")
    page = "/admin/rules/rule/add/"
    sent = {"product": "Acme", "channel": "beta", "mapping": "Acme-1", "priority": 1}
    client.post(page, sent | {"background_rate": 100, "update_type": "minor"})
    assert Rule.objects.count() == 1


def test_own_password__is_changed_without_a_second_question(client: Any, ada: Any) -> None:
    sent = {
        "old_password": "only-for-tests",
        "new_password1": "a-long-new-one",
        "new_password2": "a-long-new-one",
    }
    assert client.post("/admin/password_change/", sent).status_code == 302
    assert again(ada).check_password("a-long-new-one")


def test_api__session_long_ago__is_refused_and_says_what_to_do(client: Any, ada: Any, bob: Any) -> None:
    answer = client.post(
        f"/api/users/{bob.username}/permissions/rule", {"options": "{}"}, content_type="application/json"
    )
    put = client.put(
        f"/api/users/{bob.username}/permissions/rule", {"options": "{}"}, content_type="application/json"
    )
    assert 403 in (answer.status_code, put.status_code)
    assert "sign in again" in (answer.content + put.content).decode()
    assert not Permission.objects.filter(user=bob, permission="rule").exists()


def test_question__leaves_no_trace_in_history(client: Any, ada: Any, bob: Any) -> None:
    before = ChangeSet.objects.count()
    client.post("/admin/people/add/", {"kind": "machine", "name": "new-bot"})
    assert ChangeSet.objects.count() == before
    assert not get_user_model().objects.filter(username="new-bot").exists()


# --- At the provider ------------------------------------------------------------------------------------------


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


def at_provider(client: Any, question: Any) -> Any:
    """Follow the link of the question to the provider and back; return the answer to that."""
    found = re.search(r'href="(/admin/oidc/sign-in/[^"]+)"', question.content.decode())
    begun = client.get(unescape(found.group(1)))["Location"]  # type: ignore[union-attr]
    back = urlsplit(requests.get(begun, allow_redirects=False, timeout=5).headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def test_provider__confirms__and_it_goes_on_with_what_was_typed(
    client: Any, provider: Provider, ada: Any, bob: Any
) -> None:
    ada.set_unusable_password()
    ada.save()
    client.force_login(ada)
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        client.force_login(ada)
    question = client.post(GIVE, given(bob))
    assert "Confirm with Acme ID" in text(question)
    assert "Password of" not in text(question)
    back = at_provider(client, question)
    assert back["Location"] == "/admin/people/confirmed/"
    assert (provider.asked[0]["prompt"], provider.asked[0]["max_age"]) == ("login", "0")
    page = client.get(back["Location"])
    assert "Nothing has been changed yet" in text(page)
    fields = hidden_fields(page)
    fields.pop("csrfmiddlewaretoken", None)
    assert client.post(GIVE, fields).status_code == 302
    assert Permission.objects.get(user=bob, permission="rule").products == ["Acme", "Firefox"]
    assert client.get("/admin/people/confirmed/")["Location"] == "/admin/", "kept no longer"


@pytest.mark.parametrize("lie", ["not-asked", "no-time", "somebody-else"])
def test_provider__that_did_not_ask_or_tells_of_somebody_else__confirms_nothing(
    client: Any, provider: Provider, ada: Any, bob: Any, lie: str
) -> None:
    question = client.post(GIVE, given(bob))
    if lie == "not-asked":
        provider.signs_in_again = False
    elif lie == "no-time":
        provider.token_claims = {"auth_time": None}
    else:
        provider.person = {"sub": "2", "email": "bob@example.com", "email_verified": True}
    assert at_provider(client, question).status_code == 403
    assert QUESTION in text(client.post(GIVE, given(bob)))
    assert client.get("/admin/").status_code == 200, "whoever was signed in stays so"


def test_provider__passwords_that_were_typed__are_not_kept(client: Any, provider: Provider, ada: Any) -> None:
    sent = {"kind": "person", "name": "rita", "password": "a-long-new-one", "again": "a-long-new-one"}
    client.post("/admin/people/add/", sent)
    assert "a-long-new-one" not in str(dict(client.session))
    assert "rita" in str(dict(client.session))


def test_confirmed_page__without_anything_kept__leads_home(client: Any, ada: Any) -> None:
    assert client.get("/admin/people/confirmed/")["Location"] == "/admin/"
