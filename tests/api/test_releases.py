"""Releases over the API as the contract's v1 has them (protocol.md section 12.5, features group N)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from history.changesets import change_set
from releases.models import Release
from releases.numbering import version_of
from tests.api.client import Api
from tests.factories import (
    PLATFORM,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    locale_document,
    release_document,
)
from tests.people import person, requires

pytestmark = pytest.mark.django_db
RELEASES = "/api/releases"
N1 = f"{RELEASES}/N1"


@pytest.fixture
def api(client: Any) -> Any:
    """A client of somebody who may write releases of Acme."""
    client.force_login(person("build", "release", "release_locale", "release_read_only", products=["Acme"]))
    return Api(client)


def submission(build_id: str = "20250101000000", **more: Any) -> dict[str, Any]:
    data = json.dumps(locale_document(build_id))
    return {"product": "Acme", "data": data, "hashFunction": "sha512", "schema_version": 9, **more}


def version(api: Api, name: str = "N1") -> int:
    return int(api.head(f"{RELEASES}/{name}")["X-Data-Version"])


# --- Worked examples ------------------------------------------------------------------------------------------


def test_e16__first_locales__make_release_platform_and_alias(api: Api) -> None:
    assert api.head(N1).status_code == 404
    answer = api.put(f"{N1}/builds/P1/en-US", submission(alias='["P2"]'))
    assert (answer.status_code, answer.json()) == (201, {"new_data_version": 2})
    answer = api.put(f"{N1}/builds/P1/de", submission(data_version=version(api)))
    assert (answer.status_code, answer.json()) == (201, {"new_data_version": 3})
    answer = api.put(f"{N1}/builds/P2/de", submission("20250101000001", data_version=version(api)))
    assert (answer.status_code, answer.json()) == (201, {"new_data_version": 4})
    document = api.get(N1).json()
    assert document["platforms"]["P2"] == {"alias": "P1"}
    assert document["platforms"]["P1"]["locales"]["de"]["buildID"] == "20250101000001"
    assert api.get(f"{N1}/builds/P2/de").json() == document["platforms"]["P1"]["locales"]["de"]


def test_e17__stale_write_of_an_untouched_key__is_merged(api: Api) -> None:
    api.post(RELEASES, {"name": "N1", "product": "Acme", "blob": json.dumps(release_document("N1"))})
    for number in range(4):
        data = json.dumps({"appVersion": f"{number}.0"})
        assert (
            api.post(N1, {"product": "Acme", "data": data, "data_version": version(api)}).status_code == 200
        )
    assert version(api) == 5
    data = json.dumps({"displayVersion": "ten"})
    answer = api.post(N1, {"product": "Acme", "data": data, "data_version": 2})
    assert (answer.status_code, answer.json()) == (200, {"new_data_version": 6})
    document = api.get(N1).json()
    assert (document["appVersion"], document["displayVersion"]) == ("3.0", "ten")


# --- Whole documents ------------------------------------------------------------------------------------------


def test_post__new_name__creates_version_1(api: Api) -> None:
    body = {"name": "N1", "product": "Acme", "blob": json.dumps(release_document("N1"))}
    answer = api.post(RELEASES, body)
    assert (answer.status_code, answer.json(), answer["X-Data-Version"]) == (
        201,
        {"new_data_version": 1},
        "1",
    )
    assert api.get(N1).json() == release_document("N1")
    again = api.post(RELEASES, body)
    assert again.status_code == 400
    assert "N1" in again.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"product": None}, "product"),
        ({"blob": None}, "blob"),
        ({"blob": "{"}, "blob"),
        ({"blob": "[]"}, "blob"),
        ({"blob": json.dumps({"name": "N1", "schema_version": 77})}, "schema_version"),
        ({"blob": json.dumps(release_document("other"))}, "name"),
    ],
    ids=["no name", "no product", "no blob", "half a blob", "a list", "unknown type", "other name"],
)
def test_post__mistake__names_the_field_and_writes_nothing(api: Api, change: Any, field: str) -> None:
    body = {"name": "N1", "product": "Acme", "blob": json.dumps(release_document("N1"))} | change
    answer = api.post(RELEASES, body)
    assert answer.status_code == 400
    assert field in json.dumps(answer.json())
    assert answer["Content-Type"].startswith("application/problem+json")
    assert not Release.objects.exists()


def test_put__new__is_201_and_empty__then_200(api: Api) -> None:
    body: dict[str, Any] = {"name": "N1", "product": "Acme", "blob": json.dumps(release_document("N1"))}
    answer = api.put(N1, body)
    assert (answer.status_code, answer.content) == (201, b"")
    assert api.put(N1, body).status_code == 400, "an existing release needs a data_version"
    changed = release_document("N1", "11.0", ("de",))
    answer = api.put(N1, body | {"blob": json.dumps(changed), "data_version": 1})
    assert (answer.status_code, answer.json()) == (200, {"new_data_version": 2})
    assert api.get(N1).json() == changed


def test_put__both_changed_the_same__is_refused_with_paths(api: Api) -> None:
    ReleaseFactory(name="N1")
    first = release_document("N1", "11.0")
    api.put(N1, {"product": "Acme", "blob": json.dumps(first), "data_version": 1})
    answer = api.put(
        N1, {"product": "Acme", "blob": json.dumps(release_document("N1", "12.0")), "data_version": 1}
    )
    assert (answer.status_code, answer.json()["detail"]) == (400, "OutdatedDataError")
    assert {"path", "base", "theirs", "yours"} <= answer.json()["conflicts"][0].keys()
    assert api.get(N1).json() == first


def test_post_data__missing_release__makes_it_at_version_2(api: Api) -> None:
    data = json.dumps({"displayVersion": "1"})
    answer = api.post(N1, {"product": "Acme", "data": data, "hashFunction": "sha512", "schema_version": 9})
    assert (answer.status_code, answer.json()) == (201, {"new_data_version": 2})
    assert version(api) == 2
    assert api.get(N1).json() == {
        "name": "N1", "schema_version": 9, "hashFunction": "sha512", "displayVersion": "1"
    }  # fmt: skip


def test_post_data__copy_to__does_the_same_to_others(api: Api) -> None:
    ReleaseFactory(name="N1")
    ReleaseFactory(name="N2", version="9.0")
    body = {"product": "Acme", "data": '{"appVersion": "12.0"}', "data_version": 1, "copyTo": '["N2"]'}
    assert api.post(N1, body).json() == {"new_data_version": 2}
    assert api.get(f"{RELEASES}/N2").json()["appVersion"] == "12.0"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"product": "Other"}, "product"),
        ({"hashFunction": "sha256"}, "hashFunction"),
        ({"schema_version": 8}, "schema_version"),
        ({"data_version": None}, "data_version"),
        ({"data_version": 99}, "OutdatedDataError"),
    ],
    ids=["product", "hash function", "type", "no version", "a version of the future"],
)
def test_post_data__disagreement__is_refused(api: Api, body: Any, field: str) -> None:
    ReleaseFactory(name="N1")
    sent = {"product": "Acme", "data": '{"appVersion": "12.0"}', "data_version": 1} | body
    answer = api.post(N1, sent)
    assert answer.status_code == 400
    assert field in json.dumps(answer.json())
    assert version(api) == 1


def test_delete__needs_the_version__and_nothing_that_points_to_it(api: Api) -> None:
    ReleaseFactory(name="N1")
    rule = RuleFactory(mapping=Release.objects.get(name="N1"))
    assert api.delete(f"{N1}?data_version=1").status_code == 400

    with change_set(actor_name="test"):
        rule.delete()
    assert api.delete(N1).status_code == 400
    assert api.delete(f"{N1}?data_version=7").json()["detail"] == "OutdatedDataError"
    answer = api.delete(f"{N1}?data_version=1")
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.head(N1).status_code == 404


# --- Locales ---------------------------------------------------------------------------------------------------


def test_locale__others_changed_since__is_taken(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de", "fr", "it"))
    for locale in ("de", "fr", "it", "new"):
        answer = api.put(f"{N1}/builds/{PLATFORM}/{locale}", submission("20250101000001", data_version=1))
        assert answer.status_code == (201 if locale == "new" else 200), answer.content
    assert version(api) == 5


def test_locale__itself_changed_since__is_merged_or_refused_with_paths(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de",))
    address = f"{N1}/builds/{PLATFORM}/de"
    assert api.put(address, submission("20250101000001", data_version=1)).status_code == 200
    more = json.dumps(locale_document() | {"appVersion": "10.1"})
    answer = api.put(address, submission(data_version=1) | {"data": more})
    assert answer.status_code == 200, "another key is merged"
    found = api.get(address)
    assert found.json() == locale_document("20250101000001") | {"appVersion": "10.1"}
    assert found["X-Data-Version"] == "3"
    answer = api.put(address, submission("20250101000002", data_version=1))
    assert (answer.status_code, answer.json()["detail"]) == (400, "OutdatedDataError")
    assert "buildID" in json.dumps(answer.json()["conflicts"])


def test_locale__made_by_two_at_once__second_is_refused_unless_it_is_the_same(api: Api) -> None:
    assert api.put(f"{N1}/builds/P1/de", submission()).status_code == 201
    assert api.put(f"{N1}/builds/P1/fr", submission()).status_code == 201, (
        "the other did not know of the release"
    )
    assert api.put(f"{N1}/builds/P1/de", submission()).status_code == 200, "a retry"
    assert api.put(f"{N1}/builds/P1/de", submission("20250101000009")).status_code == 400


def test_locale__deleted_and_made_again__old_versions_mean_old_states(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de", "fr"))
    blob = release_document("N1", locales=("fr",))
    api.put(N1, {"product": "Acme", "blob": json.dumps(blob), "data_version": 1})
    assert (
        api.put(f"{N1}/builds/{PLATFORM}/de", submission("20250101000005", data_version=2)).status_code == 201
    )
    answer = api.put(f"{N1}/builds/{PLATFORM}/de", submission("20250101000006", data_version=1))
    assert (answer.status_code, answer.json()["detail"]) == (400, "OutdatedDataError")
    assert api.get(f"{N1}/revisions/1").json() == release_document("N1", locales=("de", "fr"))
    assert api.get(f"{N1}/revisions/2").json() == blob


@pytest.mark.parametrize(
    "body",
    [{"alias": '["a" '}, {"alias": "[1]"}, {"data": '{"completes": 1}'}, {"data": "7"}, {"copyTo": "{}"}],
    ids=lambda body: next(iter(body.items()))[0] + str(next(iter(body.items()))[1]),
)
def test_locale__mistake__is_400_and_writes_nothing(api: Api, body: Any) -> None:
    answer = api.put(f"{N1}/builds/P1/de", submission() | body)
    assert answer.status_code == 400, answer.content
    assert not Release.objects.exists()


def test_locale__missing__is_404(api: Api) -> None:
    ReleaseFactory(name="N1")
    assert api.get(f"{N1}/builds/{PLATFORM}/xx").status_code == 404
    assert api.get(f"{N1}/builds/nowhere/de").status_code == 404
    assert api.get(f"{RELEASES}/none/builds/P/de").status_code == 404


# --- Read-only ---------------------------------------------------------------------------------------------------


def test_read_only__locks_and_unlocks(api: Api) -> None:
    ReleaseFactory(name="N1")
    assert api.get(f"{N1}/read_only").json() == {"read_only": False}
    answer = api.put(f"{N1}/read_only", {"read_only": True, "data_version": 1})
    assert (answer.status_code, answer.json()) == (201, {"new_data_version": 2})
    assert api.put(f"{N1}/read_only", {"read_only": True, "data_version": 2}).json() == {
        "new_data_version": 2
    }
    for refused in (
        api.post(N1, {"product": "Acme", "data": "{}", "data_version": 2}),
        api.put(f"{N1}/builds/P1/de", submission(data_version=2)),
        api.delete(f"{N1}?data_version=2"),
    ):
        assert (refused.status_code, refused.json()["title"]) == (403, "Read only")
    assert api.put(f"{N1}/read_only", {"read_only": "yes", "data_version": 2}).status_code == 400
    assert api.put(f"{N1}/read_only", {"read_only": False, "data_version": 1}).status_code == 400
    answer = api.put(f"{N1}/read_only", {"read_only": False, "data_version": 2})
    assert answer.json() == {"new_data_version": 3}


def test_unlock_signoffs__are_those_of_the_product(api: Api) -> None:
    requires("Acme", "release", qa=1, releng=2)
    requires("Acme", "beta", qa=2)
    requires("Other", "beta", other=1)
    ReleaseFactory(name="N1")
    found = api.get(f"{N1}/read_only/product/required_signoffs").json()
    assert found == {"required_signoffs": {"qa": 2, "releng": 2}}


# --- Lists ---------------------------------------------------------------------------------------------------------


def test_list__says_who_offers_what_and_who_must_agree(api: Api) -> None:
    requires("Acme", "release", qa=1)
    rule = RuleFactory(mapping=ReleaseFactory(name="Acme-1"), channel="release*")
    ReleaseFactory(name="Acme-2")
    ReleaseFactory(name="Beta-1", product="Beta")
    found = api.get(f"{RELEASES}?product=Acme").json()
    assert found["count"] == 2
    assert found["releases"][0] == {
        "name": "Acme-1",
        "product": "Acme",
        "data_version": 1,
        "read_only": False,
        "rule_ids": [rule.pk],
        "rule_info": {str(rule.pk): {"product": "Acme", "channel": "release*"}},
        "required_signoffs": {"qa": 1},
    }
    assert found["releases"][1]["required_signoffs"] == {}
    assert api.get(f"{RELEASES}?names_only=1").json() == {"names": ["Acme-1", "Acme-2", "Beta-1"]}
    assert api.get(f"{RELEASES}?name_prefix=Be&names_only=1").json() == {"names": ["Beta-1"]}
    assert api.get(f"{RELEASES}?limit=1&page=2&names_only=1").json() == {"names": ["Acme-2"]}
    assert api.get(f"{RELEASES}/columns/product").json() == {"count": 2, "product": ["Acme", "Beta"]}
    assert api.get(f"{RELEASES}/columns/document").status_code == 404
    assert api.get(f"{RELEASES}?nonsense=1").status_code == 400


def test_list__many_releases__few_queries(api: Api) -> None:
    requires("Acme", "release", qa=1)
    for number in range(12):
        RuleFactory(mapping=ReleaseFactory(name=f"Acme-{number}"))
    with CaptureQueriesContext(connection) as asked:
        assert len(api.get(RELEASES).json()["releases"]) == 12
    assert len(asked) <= 12, [query["sql"] for query in asked]


def test_read__release_of_a_thousand_locales__few_queries(api: Api) -> None:
    document = release_document("N1", locales=tuple(f"l{number}" for number in range(100)))
    entry = document["platforms"].pop(PLATFORM)
    document["platforms"] = {f"P{number}": entry for number in range(10)}
    ReleaseFactory(name="N1", document=document)
    with CaptureQueriesContext(connection) as asked:
        assert api.get(N1).json() == document
    assert len(asked) <= 10, [query["sql"] for query in asked]
    with CaptureQueriesContext(connection) as asked:
        assert api.head(N1)["X-Data-Version"] == "1"
    assert not any("releasepart" in query["sql"] for query in asked), "HEAD reads no document"


def test_revisions__every_write_of_the_whole_or_a_part__is_one(api: Api) -> None:
    api.put(f"{N1}/builds/P1/de", submission(), **{"X-Change-Reason": "a build"})
    api.put(f"{N1}/builds/P1/fr", submission(data_version=2))
    api.put(f"{N1}/read_only", {"read_only": True, "data_version": 3})
    found = api.get(f"{N1}/revisions").json()
    assert [(row["data_version"], row["changed_by"]) for row in found["revisions"]] == [
        (4, "build"), (3, "build"), (2, "build")
    ]  # fmt: skip
    assert found["revisions"][-1]["reason"] == "a build"
    assert list(api.get(f"{N1}/revisions/2").json()["platforms"]["P1"]["locales"]) == ["de"]
    assert api.get(f"{N1}/revisions/9").status_code == 404
    assert api.get(f"{N1}/revisions/1").status_code == 404


# --- What all writes have ------------------------------------------------------------------------------------------


def test_dry_run__writes_nothing__and_names_the_signoffs(api: Api) -> None:
    requires("Acme", "release", qa=1)
    ReleaseFactory.mapped(name="N1")
    refused = api.put(f"{N1}/builds/P1/de?dry_run=1", submission(data_version=1))
    assert refused.status_code == 400
    assert refused.json()["required_signoffs"] == {"qa": 1}
    answer = api.put(f"{RELEASES}/N2/builds/P1/de?dry_run=1", submission())
    assert (answer.status_code, answer["X-Dry-Run"]) == (201, "1")
    assert not Release.objects.filter(name="N2").exists()
    assert version_of(Release.objects.get(name="N1")) == 1


def test_if_match__old_tag__is_412__the_current_one_is_taken(api: Api) -> None:
    ReleaseFactory(name="N1")
    tag = api.get(N1)["ETag"]
    body = {"product": "Acme", "data": '{"appVersion": "11.0"}'}
    assert api.post(N1, body, **{"If-Match": tag}).status_code == 200
    body = {"product": "Acme", "data": '{"appVersion": "12.0"}'}
    answer = api.post(N1, body, **{"If-Match": tag})
    assert answer.status_code == 412
    assert api.get(N1, headers={"If-None-Match": api.get(N1)["ETag"]}).status_code == 304


def test_permissions__product_and_locale__both_count(client: Any) -> None:
    ReleaseFactory(name="N1")
    api = Api(client)
    assert api.put(f"{N1}/builds/P1/de", submission()).status_code == 401
    client.force_login(person("only_release", "release"))
    assert api.put(f"{N1}/builds/P1/de", submission(data_version=1)).status_code == 403
    client.force_login(person("only_locale", "release_locale"))
    assert api.put(f"{N1}/builds/P1/de", submission(data_version=1)).status_code == 403
    client.force_login(person("other", "release", "release_locale", products=["Other"]))
    assert api.put(f"{N1}/builds/P1/de", submission(data_version=1)).status_code == 403
    assert api.delete(f"{N1}?data_version=1").status_code == 403
    assert api.put(f"{N1}/read_only", {"read_only": True, "data_version": 1}).status_code == 403
    client.force_login(person("locker", "release_read_only:set"))
    assert api.put(f"{N1}/read_only", {"read_only": True, "data_version": 1}).status_code == 201
    assert api.put(f"{N1}/read_only", {"read_only": False, "data_version": 2}).status_code == 403


def test_pinned_release__is_not_deleted(api: Api) -> None:
    PinFactory(mapping=ReleaseFactory(name="N1"))
    answer = api.delete(f"{N1}?data_version=1")
    assert answer.status_code == 400
    assert "pin" in answer.json()["detail"]
