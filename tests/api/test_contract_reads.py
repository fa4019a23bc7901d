"""What every read of the contract answers with: protocol.md section 11, on the API and on the public service."""

from __future__ import annotations

from typing import Any

import pytest

from releases.models import Release
from tests.api.test_contract_rules import KEYS, OF_A_REVISION
from tests.api.world import World, make_world
from tests.people import administrator

pytestmark = [pytest.mark.django_db, pytest.mark.once]

LOCALE = {"buildID", "completes"}
DOCUMENT = {
    *("name", "schema_version", "hashFunction", "appVersion", "displayVersion", "updateLine", "platforms"),
}
SHUTOFF = {"product", "channel", "comment", "data_version"}
PIN = {"channel", "data_version", "mapping", "product", "version"}
IN_LIST = {"name", "product", "data_version", "read_only", "rule_ids", "rule_info", "required_signoffs"}
IN_LIST_V2 = {
    *("name", "product", "data_version", "read_only", "rule_info", "scheduled_changes"),
    *("required_signoffs", "product_required_signoffs"),
}

# Address, the keys of the answer, the key of its list if it is one, the keys of each row, whether it has a version.
READS: tuple[tuple[str, set[str], str | None, set[str], bool], ...] = (
    ("rules", {"count", "rules"}, "rules", KEYS, False),
    ("rules/{id_or_alias}", KEYS, None, set(), True),
    ("rules/{rule_id}/revisions", {"count", "rules"}, "rules", KEYS | OF_A_REVISION, False),
    ("rules/columns/{column}", {"count", "product"}, None, set(), False),
    ("releases", {"count", "releases"}, "releases", IN_LIST, False),
    ("releases?names_only=1", {"names"}, None, set(), False),
    ("releases/{name}", DOCUMENT, None, set(), True),
    ("releases/{name}/builds/{platform}/{locale}", LOCALE, None, set(), True),
    ("releases/{name}/read_only", {"read_only"}, None, set(), True),
    ("releases/{name}/read_only/product/required_signoffs", {"required_signoffs"}, None, set(), False),
    ("releases/columns/name", {"count", "name"}, None, set(), False),
    ("v2/releases", {"count", "releases"}, "releases", IN_LIST_V2, False),
    ("v2/releases/{name}", {"blob", "data_versions", "sc_blob", "sc_data_versions"}, None, set(), True),
    ("v2/releases/{name}/data_versions", {"data_versions"}, None, set(), True),
    ("v2/releases/{name}/{place}/data_version", {"data_version"}, None, set(), False),
    ("v2/pins/{product}/{channel}/{version}", PIN, None, set(), True),
    ("emergency_shutoff", {"count", "shutoffs"}, "shutoffs", SHUTOFF, False),
    ("emergency_shutoff/{product}/beta", SHUTOFF, None, set(), True),
)
# The public service answers these likewise, to everybody.
PUBLIC = (
    *("rules", "rules/{id_or_alias}", "rules/{rule_id}/revisions", "releases/{name}"),
    *("releases/{name}/builds/{platform}/{locale}", "emergency_shutoff", "emergency_shutoff/{product}/beta"),
)


@pytest.fixture
def world(client: Any) -> World:
    """One row of everything, and somebody who may read it."""
    made = make_world()
    client.force_login(administrator())
    return made


@pytest.mark.parametrize(
    ("path", "keys", "listed", "row_keys", "has_version"), READS, ids=[path for path, *_ in READS]
)
def test_read__answers_with_its_keys__and_head_with_its_version(
    client: Any,
    world: World,
    path: str,
    keys: set[str],
    listed: str | None,
    row_keys: set[str],
    has_version: bool,
) -> None:
    address = f"/api/{world.address(path)}"
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), answer.content
    body = answer.json()
    assert set(body) == keys
    if listed is not None:
        assert body["count"] == len(body[listed])
        assert all(row_keys <= set(row) <= row_keys | {"locale"} for row in body[listed])
    head = client.head(address)
    assert (head.status_code, head.content) == (200, b"")
    assert ("X-Data-Version" in answer) == ("X-Data-Version" in head) == has_version
    if has_version:
        assert int(head["X-Data-Version"]) == int(answer["X-Data-Version"]) >= 1


@pytest.mark.parametrize("path", PUBLIC)
def test_read__of_the_public_service__is_the_same_for_everybody(client: Any, world: World, path: str) -> None:
    mine = client.get(f"/api/{world.address(path)}")
    client.logout()
    public = client.get(f"/api/v1/{world.address(path)}")
    assert (public.status_code, public.json()) == (200, mine.json())
    assert public.headers.get("X-Data-Version") == mine.headers.get("X-Data-Version")


def test_release__keys_are_sorted__and_indented_where_it_is_asked_for(client: Any, world: World) -> None:
    address = f"/api/releases/{world.keys['name']}"
    text = client.get(address).content.decode()
    names = sorted(Release.objects.get(name=world.keys["name"]).blob())
    assert [text.index(f'"{name}":') for name in names] == sorted(text.index(f'"{name}":') for name in names)
    assert '\n    "appVersion"' in client.get(f"{address}?pretty").content.decode()


def test_read__of_nothing__is_a_problem(client: Any, world: World) -> None:
    for path in ("rules/none", "releases/none", "releases/none/builds/P/de", "emergency_shutoff/No/no"):
        answer = client.get(f"/api/{path}")
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
        assert {"detail", "status", "title", "type"} <= answer.json().keys()
