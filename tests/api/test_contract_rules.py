"""Rules, shutoffs and their past over the contract's addresses: protocol.md sections 11, 12.1 to 12.4, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from history.models import ChangeSet
from rules.models import EmergencyShutoff, Rule
from tests.api.client import Api
from tests.factories import ReleaseFactory, RuleFactory, ShutoffFactory, release_document
from tests.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.once]

RULES = "/api/rules"
STOPS = "/api/emergency_shutoff"
# Section 11, and `whitelist`, which is ours (section 17).
KEYS = {
    *(
        "alias",
        "backgroundRate",
        "buildID",
        "buildTarget",
        "channel",
        "comment",
        "data_version",
        "distVersion",
    ),
    *("distribution", "fallbackMapping", "headerArchitecture", "instructionSet", "jaws", "locale", "mapping"),
    *(
        "memory",
        "mig64",
        "osVersion",
        "priority",
        "product",
        "rule_id",
        "update_type",
        "version",
        "whitelist",
    ),
}
OF_A_REVISION = {"change_id", "changed_by", "timestamp"}
NEW = {"product": "Acme", "mapping": "Acme-1", "priority": 90, "backgroundRate": 100, "update_type": "minor"}


@pytest.fixture
def api(client: Any) -> Api:
    """Somebody who may write rules and stop updates of Acme, where there are two releases."""
    for name in ("Acme-1", "Acme-2"):
        ReleaseFactory(name=name)
    client.force_login(person("bob", "rule", "emergency_shutoff", products=["Acme"]))
    return Api(client)


def made(api: Api, **values: Any) -> int:
    """Make a rule; return its number."""
    answer = api.post(RULES, NEW | values)
    assert answer.status_code == 200, answer.content
    return int(answer.content)


def refused(answer: Any, status: int = 400) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/problem+json")
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "detail", "status"} <= body.keys()
    assert body["status"] == status
    return body


# --- Section 12.4 -----------------------------------------------------------------------------------------------


def test_list__rows_have_every_key__and_one_product_can_be_asked_for(api: Api) -> None:
    number = made(api, channel="release")
    other = RuleFactory(product="Other", priority=10).pk
    body = api.get(RULES).json()
    assert (set(body), body["count"]) == ({"count", "rules"}, 2)
    assert [row["rule_id"] for row in body["rules"]] == [other, number], "the lowest priority first"
    assert all(set(row) == KEYS for row in body["rules"])
    row = api.get(RULES, {"product": "Acme"}).json()["rules"][0]
    assert {key: row[key] for key in NEW} == NEW
    assert (row["data_version"], row["channel"], row["alias"], row["jaws"]) == (1, "release", None, None)
    assert api.get(f"{RULES}/").json() == body, "with a slash, too"
    refused(api.get(RULES, {"nonsense": "1"}))


def test_list__at_a_moment__is_what_stood_then(api: Api) -> None:
    number = made(api)
    then = int(ChangeSet.objects.order_by("-sequence")[0].time.timestamp() * 1000) + 1
    api.post(f"{RULES}/{number}", {"data_version": 1, "priority": 91})
    # The change lies within the same millisecond on a fast machine: the moment before both has neither.
    assert api.get(RULES, {"timestamp": "1000"}).json() == {"count": 0, "rules": []}
    (row,) = api.get(RULES, {"timestamp": then + 3_600_000}).json()["rules"]
    assert (row["priority"], row["data_version"]) == (91, 2)
    refused(api.get(RULES, {"timestamp": then, "product": "Acme"}))
    refused(api.get(RULES, {"timestamp": "now"}))


def test_create__answer_is_the_number_as_text(api: Api) -> None:
    answer = api.post(RULES, NEW | {"alias": "acme-release", "surprise": 1})
    assert answer.status_code == 200
    assert answer.content.decode() == str(Rule.objects.get(alias="acme-release").pk)


@pytest.mark.parametrize("name", ["mapping", "priority", "backgroundRate", "update_type"])
@pytest.mark.parametrize("value", [None, "", "   "], ids=["null", "empty", "blanks"])
def test_create__needed_field_missing__is_named(api: Api, name: str, value: Any) -> None:
    body = refused(api.post(RULES, NEW | {name: value}))
    assert name in body["errors"]
    assert not Rule.objects.exists()


LONGEST = [
    *[
        ("product", 15),
        ("version", 75),
        ("channel", 75),
        ("buildTarget", 75),
        ("buildID", 20),
        ("locale", 200),
    ],
    *[("osVersion", 1000), ("instructionSet", 1000), ("distribution", 2000), ("distVersion", 100)],
    *[("headerArchitecture", 10), ("alias", 50), ("comment", 500)],
]
WITHIN = {"buildID": ">=" + "9" * 18, "version": ",".join(["1.0"] * 19)}


@pytest.mark.parametrize(("name", "longest"), LONGEST, ids=[name for name, _ in LONGEST])
def test_create__text_as_long_as_its_limit__is_taken_and_a_longer_one_is_named(
    api: Api, client: Any, name: str, longest: int
) -> None:
    client.force_login(person("all", "rule"))
    fits = WITHIN.get(name, "a" * longest)
    assert len(fits) == longest
    assert api.post(RULES, NEW | {name: fits}).status_code == 200
    assert name in refused(api.post(RULES, NEW | {name: fits + "9"}))["errors"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority", -1),
        ("priority", "high"),
        ("backgroundRate", 101),
        ("backgroundRate", -1),
        ("update_type", "huge"),
        ("mapping", "Nobody-1"),
        ("fallbackMapping", "Nobody-1"),
        ("alias", "1st"),
        ("alias", "with space"),
        ("version", "1.0 2.0"),
        ("memory", "much"),
        ("jaws", "maybe"),
    ],
    ids=lambda value: str(value),
)
def test_create__value_that_cannot_be__is_named(api: Api, name: str, value: Any) -> None:
    assert name in refused(api.post(RULES, NEW | {name: value}))["errors"]


def test_create__alias_that_is_taken__is_refused(api: Api) -> None:
    made(api, alias="acme")
    assert "alias" in json.dumps(refused(api.post(RULES, NEW | {"alias": "acme"})))


def test_create__texts_are_trimmed_and_numbers_may_be_texts(api: Api) -> None:
    number = made(
        api,
        priority=" 91 ",
        backgroundRate="25",
        channel="  release ",
        comment="   ",
        locale=" de, fr ",
        distribution="a , b",
    )
    row = api.get(f"{RULES}/{number}").json()
    assert (row["priority"], row["backgroundRate"], row["channel"]) == (91, 25, "release")
    assert (row["comment"], row["locale"], row["distribution"]) == (None, "de,fr", "a,b")


def test_read__by_number_and_alias__with_its_version(api: Api) -> None:
    number = made(api, alias="acme")
    for name in (number, "acme"):
        answer = api.get(f"{RULES}/{name}")
        assert (set(answer.json()), answer["X-Data-Version"]) == (KEYS, "1")
        head = api.head(f"{RULES}/{name}")
        assert (head.status_code, head.content, head["X-Data-Version"]) == (200, b"", "1")
    assert refused(api.get(f"{RULES}/none"), 404)["title"]
    assert api.head(f"{RULES}/999999").status_code == 404


@pytest.mark.parametrize("method", ["post", "put"])
def test_update__sent_fields_change__the_others_stay(api: Api, method: str) -> None:
    number = made(api, channel="release", comment="kept")
    change = getattr(api, method)
    answer = change(f"{RULES}/{number}", {"data_version": 1, "mapping": "Acme-2", "surprise": 1})
    assert (answer.status_code, answer.json()) == (200, {"new_data_version": 2})
    row = api.get(f"{RULES}/{number}").json()
    assert (row["mapping"], row["comment"], row["channel"]) == ("Acme-2", "kept", "release")
    assert refused(change(f"{RULES}/{number}", {"data_version": 1, "priority": 1}))["detail"] == (
        "OutdatedDataError"
    )
    assert "data_version" in refused(change(f"{RULES}/{number}", {"priority": 1}))["detail"]
    refused(change(f"{RULES}/none", {"data_version": 1, "priority": 1}), 404)
    assert change(f"{RULES}/{number}", {"data_version": "2", "priority": "7"}).json() == {
        "new_data_version": 3
    }


def test_delete__needs_its_version(api: Api) -> None:
    number = made(api, alias="acme")
    refused(api.delete(f"{RULES}/acme"))
    assert refused(api.delete(f"{RULES}/acme?data_version=2"))["detail"] == "OutdatedDataError"
    answer = api.delete(f"{RULES}/acme?data_version=1")
    assert (answer.status_code, answer.content) == (200, b"")
    refused(api.delete(f"{RULES}/{number}?data_version=1"), 404)


def test_revisions__newest_first__and_back_to_one(api: Api) -> None:
    number = made(api)
    for version in range(1, 12):
        api.post(f"{RULES}/{number}", {"data_version": version, "priority": 90 + version})
    body = api.get(f"{RULES}/{number}/revisions").json()
    assert (set(body), body["count"]) == ({"count", "rules"}, 12)
    assert [row["data_version"] for row in body["rules"]] == list(range(12, 2, -1)), "ten of them"
    assert all(set(row) == KEYS | OF_A_REVISION for row in body["rules"])
    assert (body["rules"][0]["changed_by"], body["rules"][0]["priority"]) == ("bob", 101)
    page = api.get(f"{RULES}/{number}/revisions", {"page": 3, "limit": 5}).json()
    assert [row["data_version"] for row in page["rules"]] == [2, 1]
    back = api.post(f"{RULES}/{number}/revisions", {"change_id": page["rules"][1]["change_id"]})
    assert back.status_code == 200
    row = api.get(f"{RULES}/{number}").json()
    assert (row["priority"], row["data_version"]) == (90, 13)
    refused(api.post(f"{RULES}/{number}/revisions", {"change_id": 10**9}), 404)
    refused(api.get(f"{RULES}/999999/revisions"), 404)


def test_columns__each_value_once(api: Api) -> None:
    for priority in (90, 90, 91):
        made(api, priority=priority, channel="release")
    assert api.get(f"{RULES}/columns/priority").json() == {"count": 2, "priority": [90, 91]}
    assert api.get(f"{RULES}/columns/mapping").json() == {"count": 1, "mapping": ["Acme-1"]}
    assert api.get(f"{RULES}/columns/comment").json() == {"count": 0, "comment": []}
    refused(api.get(f"{RULES}/columns/secret"), 404)


def test_history__of_all_rules_and_of_what_was_scheduled(api: Api) -> None:
    number = made(api, channel="release")
    made(api, channel="beta")
    change = {"rule_id": number, "data_version": 1, "change_type": "update", "when": 4_102_444_800_000}
    assert api.post("/api/scheduled_changes/rules", change | {"priority": 3}).status_code == 200
    body = api.get(f"{RULES}/history").json()
    assert {name: (set(part), part["count"]) for name, part in body.items()} == {
        "Rules": ({"count", "revisions"}, 2),
        "Rules scheduled change": ({"count", "revisions"}, 1),
    }
    first, second = body["Rules"]["revisions"]
    assert set(first) == KEYS | OF_A_REVISION
    assert (first["channel"], second["channel"]) == ("beta", "release")
    assert body["Rules scheduled change"]["revisions"][0]["rule_id"] == number

    def count(**asked: Any) -> int:
        return int(api.get(f"{RULES}/history", asked).json()["Rules"]["count"])

    assert [count(channel="beta"), count(product="Other"), count(changed_by="bob"), count(data_version=2)] == [
        1, 0, 2, 0
    ]  # fmt: skip
    assert count(change_id=first["change_id"]) == 1
    assert count(timestamp_from=first["timestamp"] + 1) == 0
    assert count(timestamp_to=second["timestamp"] - 1) == 0
    assert len(api.get(f"{RULES}/history", {"limit": 1}).json()["Rules"]["revisions"]) == 1


# --- Shutoffs: section 11 and the end of 12.9 ---------------------------------------------------------------------


def test_shutoffs__made_listed_read_and_lifted(api: Api) -> None:
    place = {"product": "Acme", "channel": "release"}
    answer = api.post(STOPS, place | {"comment": "crashes"})
    row = place | {"comment": "crashes", "data_version": 1}
    assert (answer.status_code, answer.json()) == (201, row)
    refused(api.post(STOPS, place | {"comment": "again"}))
    assert api.get(STOPS).json() == {"count": 1, "shutoffs": [row]}
    found = api.get(f"{STOPS}/Acme/release")
    assert (found.json(), found["X-Data-Version"]) == (row, "1")
    assert api.head(f"{STOPS}/Acme/release")["X-Data-Version"] == "1"
    assert refused(api.delete(f"{STOPS}/Acme/release?data_version=3"))["detail"] == "OutdatedDataError"
    lifted = api.delete(f"{STOPS}/Acme/release?data_version=1")
    assert (lifted.status_code, lifted.content) == (200, b"")
    refused(api.get(f"{STOPS}/Acme/release"), 404)
    refused(api.delete(f"{STOPS}/Acme/release?data_version=1"), 404)
    assert not EmergencyShutoff.objects.exists()


def test_shutoffs__limited_ones_say_so__the_others_do_not(api: Api) -> None:
    ShutoffFactory(locale="de")
    ShutoffFactory()
    whole, limited = sorted(api.get(STOPS).json()["shutoffs"], key=len)
    assert set(whole) == {"product", "channel", "comment", "data_version"}
    assert limited["locale"] == "de"
    assert api.get(f"{STOPS}/Acme/release").json() == whole


# --- Sections 12.1 and 12.3 -----------------------------------------------------------------------------------------


def test_nobody__is_told_401__somebody_without_permission_403(api: Api, client: Any) -> None:
    number = made(api)
    client.logout()
    body = refused(api.post(f"{RULES}/{number}", {"data_version": 1, "priority": 1}), 401)
    assert (body["title"], body["detail"]) == ("Forbidden", "PermissionDeniedError")
    client.force_login(person("eve", "rule", products=["Other"]))
    body = refused(api.post(f"{RULES}/{number}", {"data_version": 1, "priority": 1}), 403)
    assert body["detail"] == "Permission Denied"


def test_reads__that_the_contract_calls_open__are_open_where_the_setting_says_so(
    api: Api, client: Any, settings: Any
) -> None:
    made(api)
    client.logout()
    refused(api.get(RULES), 401)
    settings.API_ANONYMOUS_READS = True
    for address in (RULES, "/api/releases", STOPS, "/api/scheduled_changes/rules", "/api/v2/releases"):
        assert api.get(address).status_code == 200
    for address in ("/api/users", "/api/users/bob", "/api/permissions/history"):
        refused(api.get(address), 401)
    refused(api.post(RULES, NEW), 401)


def test_release_in_a_body__is_json_text_or_an_object(api: Api, client: Any) -> None:
    client.force_login(person("rel", "release"))
    for name, blob in (("T", json.dumps(release_document("T"))), ("O", release_document("O"))):
        answer = api.post("/api/releases", {"name": name, "product": "Acme", "blob": blob})
        assert (answer.status_code, answer.json()) == (201, {"new_data_version": 1})


@pytest.mark.parametrize(
    "body", ["{", "[]", '"text"', b"\xff\xfe", '{"a": NaN}'], ids=["half", "list", "text", "bytes", "nan"]
)
def test_body__that_is_no_json_object__is_400(api: Api, client: Any, body: Any) -> None:
    refused(client.post(RULES, body, content_type="application/json"))


def test_accept__strange_headers__are_ignored(api: Api) -> None:
    made(api)
    for accept in ("application/json", "text/html", "image/png", "*/*;q=banana"):
        answer = api.get(RULES, headers={"Accept": accept, "Accept-Encoding": "application/json"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
