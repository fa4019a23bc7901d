"""The bar, and refusals: what one may not open is not shown, and says who can help."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests.people import administrator, auditor, person

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def links(answer: Any) -> list[str]:
    bar = re.search(r'<nav class="console-bar".*?</nav>', answer.content.decode(), re.DOTALL)
    return re.findall(r">([^<>]+)</a>", bar.group(0)) if bar else []


def test_bar__by_person__shows_what_they_may_open(client: Any) -> None:
    client.force_login(administrator())
    assert {"Home", "Rules", "Releases", "Scheduled", "History"} <= set(links(client.get("/admin/")))
    client.force_login(auditor())
    assert {"Home", "Rules", "Releases", "Scheduled", "History"} <= set(links(client.get("/admin/")))
    client.force_login(person("nobody"))
    for label, answer in ((label, client.get("/admin/")) for label in ("People", "OAuth")):
        assert label not in links(answer)


def test_bar__signed_out__is_not_there(client: Any) -> None:
    assert links(client.get("/admin/login/")) == []


def test_bar__page_of_a_model__is_marked(client: Any) -> None:
    client.force_login(administrator())
    text = client.get("/admin/rules/rule/").content.decode()
    assert re.search(r'<a href="/admin/rules/rule/" aria-current="page">Rules</a>', text)
    assert text.count('aria-current="page"') == 1


def test_refusal__names_the_people_who_can_give_permissions(client: Any) -> None:
    administrator("ada")
    person("limited", "admin", products=["Acme"])
    client.force_login(person("nobody"))
    answer = client.get("/admin/rules/rule/add/")
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "<strong>ada</strong>" in text
    assert "<strong>limited</strong>" not in text
    assert "Nothing was changed" in text


def test_refusal__no_administrator__names_the_command(client: Any) -> None:
    client.force_login(person("nobody"))
    assert "create_admin" in client.get("/admin/rules/rule/add/").content.decode()


def test_missing_page__says_so__signed_in_or_not(client: Any) -> None:
    client.force_login(administrator())
    answer = client.get("/admin/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()
    assert "Rules" in links(answer)
    client.logout()
    assert client.get("/nowhere/").status_code == 404


def test_failure__tells_nothing_but_that_it_failed(client: Any, monkeypatch: Any) -> None:
    client.force_login(administrator())
    monkeypatch.setattr("releng.admin.problems", lambda: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/admin/")
    assert answer.status_code == 500
    assert "nothing was changed" in answer.content.decode()
    assert "ZeroDivision" not in answer.content.decode()


def test_form_of_another_session__says_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator())
    answer = client.post("/admin/rules/rule/add/", {"priority": 1})
    assert answer.status_code == 403
    assert "open the page anew" in answer.content.decode()
