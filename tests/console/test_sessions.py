"""Sessions: seen and ended, one's own and for administrators those of others."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from releng.permissions.models import SignIn
from tests.people import administrator, auditor, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]
ALL, END, ME = "/admin/people/sessions/", "/admin/people/sessions/end/", "/admin/people/me/"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", answer.content.decode())))


def signed_in(name: str, browser: str = "Browser/1") -> Client:
    """Return a browser in which somebody has signed in on the page."""
    client = Client(headers={"user-agent": browser}, REMOTE_ADDR="192.0.2.7")
    answer = client.post("/admin/login/", {"username": name, "password": "only-for-tests"})
    assert answer.status_code == 302
    return client


def test_own_sessions__say_when_where_and_which_one_this_is() -> None:
    person("bob", "rule")
    here, _ = signed_in("bob"), signed_in("bob", "Phone/2")
    said = text(here.get(ME))
    assert "by password this one" in said
    assert said.count("192.0.2.7") == 2
    assert "Phone/2" in said


def test_own_session__ended__is_signed_out_and_the_others_stay() -> None:
    person("bob", "rule")
    here, there = signed_in("bob"), signed_in("bob", "Phone/2")
    key = SignIn.objects.get(browser="Phone/2").pk
    assert "has ended" in text(here.post(END, {"session": key}, follow=True))
    assert there.get(ME).status_code == 302
    assert here.get(ME).status_code == 200


def test_own_sessions__all_others_ended__this_one_stays() -> None:
    person("bob", "rule")
    rita = signed_in(person("rita", "rule").username)
    here, *others = [signed_in("bob") for _ in range(3)]
    assert "2 other sessions of yours ended" in text(here.post(END, {"others": "yes"}, follow=True))
    assert [client.get(ME).status_code for client in (here, *others, rita)] == [200, 302, 302, 200]


def test_sessions_of_others__administrator__sees_and_ends_them() -> None:
    administrator("ada")
    bob = person("bob", "rule")
    ada, theirs = signed_in("ada"), signed_in("bob", "Phone/2")
    assert "Phone/2" in text(ada.get(ALL))
    assert "Phone/2" in text(ada.get(f"/admin/people/{bob.pk}/"))
    answer = ada.post(ALL, {"session": SignIn.objects.get(user=bob).pk, "back": "all"})
    assert answer["Location"] == ALL
    assert theirs.get(ME).status_code == 302


@pytest.mark.parametrize("who", ["auditor", "permission"])
def test_sessions_of_others__nobody_else__sees_or_ends_them(who: str) -> None:
    auditor("otto")
    person("perry", "permission")
    bob = person("bob", "rule")
    theirs = signed_in("bob", "Phone/2")
    mine = signed_in("otto" if who == "auditor" else "perry")
    assert mine.get(ALL).status_code == 403
    assert "Phone/2" not in text(mine.get(f"/admin/people/{bob.pk}/"))
    for address in (ALL, END):
        assert mine.post(address, {"session": SignIn.objects.get(user=bob).pk}).status_code == 403
    assert theirs.get(ME).status_code == 200


@pytest.mark.parametrize("sent", [{}, {"session": "x"}, {"session": "999999"}], ids=["none", "text", "gone"])
def test_session__that_is_not_there__is_not_found(sent: dict[str, str]) -> None:
    person("bob", "rule")
    assert signed_in("bob").post(END, sent).status_code == 404


def test_page__never_shows_a_session_key() -> None:
    administrator("ada")
    ada = signed_in("ada")
    key = Session.objects.get().session_key
    for address in (ALL, ME):
        assert key not in ada.get(address).content.decode()


def test_signed_out__the_sign_in_goes_with_the_session() -> None:
    person("bob", "rule")
    bob = signed_in("bob")
    assert SignIn.objects.count() == 1
    bob.post("/admin/logout/")
    assert SignIn.objects.count() == 0


def test_deactivated__nobody_is_signed_in() -> None:
    ada, bob = administrator("ada"), person("bob", "rule")
    client, theirs = signed_in("ada"), signed_in("bob")
    client.post(f"/admin/people/{bob.pk}/switch/", {"is_active": "1", "reason": "left"})
    assert theirs.get(ME).status_code == 302
    assert list(SignIn.objects.values_list("user", flat=True)) == [ada.pk]


def test_asked_by_get__ends_nothing() -> None:
    person("bob", "rule")
    bob = signed_in("bob")
    assert bob.get(END, {"session": SignIn.objects.get().pk})["Location"] == ME
    assert bob.get(ME).status_code == 200
