"""The API in a browser: pages for people, and never for machines; what they link to, and what they offer to send."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from releng.api.docs import operations
from rules.models import Rule
from tests.api.world import World, make_world
from tests.people import administrator, auditor

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
BROWSER = {"Accept": HTML, "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
JSON = ("application/json", "application/problem+json")


@pytest.fixture
def world() -> World:
    return make_world()


def kind(answer: Any) -> str:
    return str(answer["Content-Type"]).partition(";")[0]


def look(client: Any, address: str, status: int = 200) -> str:
    """Return the page that a browser gets."""
    answer = client.get(address, headers=BROWSER)
    assert (answer.status_code, kind(answer)) == (status, "text/html")
    assert "Sec-Fetch-Dest" in answer["Vary"]
    assert "ETag" not in answer, "a page has what the person may do in it, too"
    assert "'unsafe-inline'" not in answer["Content-Security-Policy"]
    return html.unescape(answer.content.decode())


def shown(text: str) -> Any:
    """Return the JSON of a page."""
    found = re.search(r'<pre[^>]*id="browse-answer"[^>]*>(.*?)</pre>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": HTML}, {"Accept": "*/*", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}],
    ids=["nothing", "html", "script"],
)
def test_answer__for_all_but_windows_of_browsers__is_json(
    client: Any, world: World, headers: dict[str, str]
) -> None:
    client.force_login(administrator())
    answer = client.get("/api/rules", headers=headers)
    assert (answer.status_code, kind(answer)) == (200, "application/json")
    assert {"Sec-Fetch-Dest", "Authorization"} <= set(answer["Vary"].split(", "))


def test_answer__for_who_sends_a_token__is_json_whatever_is_accepted(client: Any, world: World) -> None:
    answer = client.get("/api/rules", headers={**BROWSER, "Authorization": "Bearer unknown"})
    assert (answer.status_code, kind(answer)) == (401, "application/problem+json")


def test_answer__asked_for_by_a_write_of_a_browser__is_json(client: Any, world: World) -> None:
    client.force_login(administrator())
    answer = client.post("/api/rules", "{}", content_type="application/json", headers=BROWSER)
    assert (answer.status_code, kind(answer)) == (400, "application/problem+json")


def test_format__is_json_or_refused(client: Any, world: World) -> None:
    client.force_login(administrator())
    answer = client.get("/api/rules?format=json&product=Acme", headers=BROWSER)
    assert (answer.status_code, kind(answer)) == (200, "application/json")
    answer = client.get("/api/rules?format=xml")
    assert answer.status_code == 400
    assert "format: 'xml'" in answer.json()["detail"]
    answer = client.post("/api/rules?format=json", "{}", content_type="application/json")
    assert "Extra query parameter(s) format" in answer.json()["detail"]


def test_every_read__in_a_browser__says_what_it_says_as_json(client: Any, world: World) -> None:
    client.force_login(administrator())
    for one in operations():
        if one.method != "GET" or one.path.startswith("/api/v1/"):
            continue
        address = world.address(one.path.replace("revisions/{version}", "revisions/1"))
        plain = client.get(address)
        if kind(plain) not in JSON:
            continue
        text = look(client, address, plain.status_code)
        again = shown(text)
        for made_anew in ("snapshot", "now", "asked_at"):
            again.pop(made_anew, None) if isinstance(again, dict) else None
        assert one.path == "/api/decide" or again == plain.json(), address
        assert f"#{one.id}" in text, address


def test_pages__without_permission_or_sign_in__say_so(client: Any, world: World) -> None:
    text = look(client, "/api/rules", 401)
    assert 'href="/admin/login/?next=/api/rules"' in text
    assert "What can be sent here" not in text
    client.force_login(auditor())
    text = look(client, "/api/rules/acme-release")
    assert text.count("You may not: it needs") == 3
    assert "data-send" not in text


def test_list__is_paged__and_leads_to_its_rows(client: Any, world: World) -> None:
    client.force_login(administrator())
    text = look(client, "/api/rules?limit=1&product=Acme")
    rule = Rule.objects.get(pk=shown(text)["rules"][0]["rule_id"])
    assert f'href="/api/rules/{rule.pk}"' in text
    assert 'href="/api/rules?limit=1&product=Acme&page=2"' in text
    assert 'href="/api/rules?limit=1&product=Acme&format=json"' in text
    assert 'href="/api/rules/history"' in text
    assert "Page before" in look(client, "/api/rules?limit=1&page=2")
    assert f'href="/api/rules/{rule.pk}"' in look(client, "/api/rules/"), "some write it with a slash"


def test_arguments__that_a_form_sends_empty__count_as_left_out(client: Any, world: World) -> None:
    client.force_login(administrator())
    text = look(client, "/api/rules?product=Acme&page=&limit=&ordering=")
    assert {rule["product"] for rule in shown(text)["rules"]} == {"Acme"}
    assert 'name="product" value="Acme"' in text
    assert client.get("/api/rules?page=").status_code == 400


def test_mistakes__are_told_on_a_page(client: Any, world: World) -> None:
    client.force_login(administrator())
    assert "'nonsense'" in shown(look(client, "/api/rules?ordering=nonsense", 400))["detail"]
    assert shown(look(client, "/api/rules/none-such", 404))["status"] == 404


def test_large_answer__shows_its_beginning__and_where_the_rest_is(
    client: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releng.api.browsing.SHOWN_CHARACTERS", 100)
    client.force_login(administrator())
    text = look(client, "/api/rules")
    assert "Only the beginning is shown" in text


def test_names__are_shown_as_text(client: Any, world: World) -> None:
    client.force_login(administrator())
    answer = client.get("/api/rules/%3Cscript%3Ealert(1)?product=%3Cscript%3Ealert(2)", headers=BROWSER)
    assert b"<script>alert" not in answer.content
