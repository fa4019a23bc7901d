"""The pages that describe the API: everything of the schema is on them, for everybody, without JavaScript."""

from __future__ import annotations

import html
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from releng.api.contract_kinds import KINDS
from releng.api.description import GROUPS
from releng.api.docs import operations
from tests.people import administrator

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def page(client: Any, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def test_overview__signed_out__has_every_operation_with_a_link_to_it(client: Any) -> None:
    text = page(client, "/api/docs/")
    assert "console-bar" not in text
    for operation in operations():
        assert f"#{operation.id}" in text
        assert f"<code>{operation.path}</code>" in text


def test_overview__signed_in__has_the_bar_of_the_admin(client: Any) -> None:
    client.force_login(administrator())
    assert "console-bar" in page(client, "/api/docs/")
    assert 'href="/api/docs/"' in page(client, "/admin/")


@pytest.mark.parametrize("slug", [group.slug for group in GROUPS])
def test_group__shows_all_of_its_operations__with_parameters_bodies_answers_and_refusals(
    client: Any, slug: str
) -> None:
    text = page(client, f"/api/docs/{slug}/")
    theirs = [operation for operation in operations() if operation.path.startswith(_prefixes(slug))]
    shown = [operation for operation in theirs if f'<h2 id="{operation.id}"' in text]
    assert shown
    for operation in shown:
        for told in operation.parameters:
            assert f"<code>{told['name']}</code>" in text
        for content in operation.bodies:
            assert all(f"<code>{field.path}</code>" in text for field in content.fields)
        for answer in (*operation.answers, *operation.refusals):
            assert f"{answer.status} {answer.phrase}" in text
        assert operation.curl in text


def _prefixes(slug: str) -> tuple[str, ...]:
    return next(group.prefixes for group in GROUPS if group.slug == slug)


def test_groups__together__have_every_operation_once(client: Any) -> None:
    text = "".join(page(client, f"/api/docs/{group.slug}/") for group in GROUPS)
    for operation in operations():
        assert text.count(f'<h2 id="{operation.id}"') == 1


def test_search__by_words__finds_what_has_all_of_them(client: Any) -> None:
    text = page(client, "/api/docs/?q=backgroundRate+POST")
    assert "#rules_create" in text
    assert "#releases_create" not in text
    assert "No operation has all of these words" in page(client, "/api/docs/?q=nothing-like-it")
    assert "<script>x" not in client.get("/api/docs/?q=<script>x").content.decode()


def test_reads_without_parameters__signed_in__are_opened_from_their_description(client: Any) -> None:
    addresses = [one.path for one in operations() if one.method == "GET" and "{" not in one.path]
    assert "/api/rules" in addresses
    assert "as yourself" not in "".join(page(client, f"/api/docs/{group.slug}/") for group in GROUPS)
    client.force_login(administrator())
    shown = "".join(page(client, f"/api/docs/{group.slug}/") for group in GROUPS)
    for address in addresses:
        assert f'<a href="{address}">' in shown
    opened = client.get("/api/rules", headers={"Sec-Fetch-Dest": "document"})
    assert opened["Content-Type"].startswith("text/html")


def test_curl__of_every_operation__is_one_command() -> None:
    for operation in operations():
        words = shlex.split(operation.curl)
        assert words[0] == "curl"
        assert f"$SERVER{operation.path}" in words


def test_address__without_a_slash__leads_to_the_pages(client: Any) -> None:
    assert client.get("/api/docs")["Location"] == "/api/docs/"
    assert client.get("/api/docs/nowhere/").status_code == 404
    assert client.post("/api/docs/").status_code == 405


# --- docs/ --------------------------------------------------------------------------------------------------


def test_api_md__has_every_method_of_every_address() -> None:
    rows = dict(
        re.findall(
            r"^\| `(/\S+)` \| ((?:GET|POST|PUT|PATCH|DELETE) .*) \|$", (DOCS / "api.md").read_text(), re.M
        )
    )
    missing = []
    for operation in operations():
        path = operation.path
        for kind in KINDS:
            path = path.replace(f"/api/scheduled_changes/{kind.address}", "/api/scheduled_changes/{kind}")
        if not re.search(rf"\b{operation.method} \(", rows.get(path, "")):
            missing.append(f"{operation.method} {path}")
    assert not missing, "docs/api.md, Endpoints"
    assert not {"/api/rules", "/oauth/token"} - rows.keys()


def test_api_md__has_every_status_and_header() -> None:
    text = (DOCS / "api.md").read_text()
    for operation in operations():
        for answer in operation.refusals:
            assert answer.status in text
        for told in operation.parameters:
            assert told["place"] != "header" or f"`{told['name']}`" in text


def test_settings_md__has_every_setting() -> None:
    source = (DOCS.parent / "releng" / "settings.py").read_text()
    told = (DOCS / "settings.md").read_text()
    names = re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", source)
    assert len(names) > 50
    assert not [name for name in names if f"`{name}`" not in told]
