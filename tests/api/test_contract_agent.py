"""What Mozilla's own agent asks for: it can enact here, too (protocol.md section 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.models import Rule
from tests.api.client import Api
from tests.api.proposals import COLUMNS
from tests.api.test_contract_scheduled import api, make_due
from tests.api.world import make_world
from tests.factories import locale_document
from tests.people import person

__all__ = ["api"]

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def polled(client: Any, path: str) -> Any:
    """GET with the body `{}`, as that agent does; the answer must be JSON."""
    answer = client.generic("GET", f"/api{path}", "{}", content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), answer.content
    return answer.json()


def test_poll__each_list__has_what_tells_due_from_not_due(client: Any) -> None:
    make_world()
    client.force_login(person("bob", "release", "scheduled_change"))
    part = {"platforms": {"P1": {"locales": {"de": locale_document()}}}}
    body = {"blob": part, "old_data_versions": {".": 1}, "when": 4_102_444_800_000}
    assert Api(client).post("/api/v2/releases/Acme-1", body).status_code == 200
    for kind in COLUMNS:
        for row in polled(client, f"/scheduled_changes/{kind}")["scheduled_changes"]:
            assert isinstance(row["when"], int)
            assert isinstance(row["sc_id"], int)
            assert isinstance(row["signoffs"], dict)
            assert all(isinstance(count, int) for count in row["required_signoffs"].values())
            assert not row["complete"]
    entries = {entry["name"]: entry for entry in polled(client, "/v2/releases")["releases"]}
    assert all({"scheduled_changes", "required_signoffs"} <= entry.keys() for entry in entries.values())
    (scheduled,) = entries["Acme-1"]["scheduled_changes"]
    assert scheduled["when"] == 4_102_444_800_000
    assert scheduled["signoffs"] == {}


def test_enact__empty_body__is_json_or_empty(api: Api, client: Any) -> None:
    number = Rule.objects.get(alias="acme-signed").pk
    case = {"change_type": "insert", "when": 4_102_444_800_000, "product": "Acme", "channel": "free"}
    values = {"mapping": "Acme-2", "priority": 4, "backgroundRate": 100, "update_type": "minor"}
    sc_id = api.post("/api/scheduled_changes/rules", case | values).json()["sc_id"]
    make_due(api, sc_id)
    client.force_login(person("robot", "scheduled_change:enact", system=True))
    answer = client.post(
        f"/api/scheduled_changes/rules/{sc_id}/enact", json.dumps({}), content_type="application/json"
    )
    assert (answer.status_code, answer["Content-Type"], answer.json()) == (200, "application/json", {})
    assert Rule.objects.exclude(pk=number).get().priority == 4
