"""Releases over the API as the contract's v2 has them (protocol.md section 12.6, features group O)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Release
from releng.changes.models import ScheduledChange
from rules.models import PinnableRelease
from tests.api.client import Api
from tests.factories import PLATFORM, ReleaseFactory, RuleFactory, locale_document, release_document
from tests.people import person, requires

pytestmark = pytest.mark.django_db
RELEASES = "/api/v2/releases"
N1 = f"{RELEASES}/N1"


@pytest.fixture
def api(client: Any) -> Api:
    """A client of somebody who may write releases and pins of Acme."""
    user = person("build", "release", "release_locale", "release_read_only", "pinnable_release", roles=["qa"])
    client.force_login(user)
    return Api(client)


def soon() -> int:
    return int((timezone.now() + timedelta(hours=1)).timestamp() * 1000)


def tree(top: Any = None, **locales: Any) -> dict[str, Any]:
    found: dict[str, Any] = {} if top is None else {".": top}
    return found | ({"platforms": {PLATFORM: {"locales": locales}}} if locales else {})


def with_locale(locale: str, build_id: str) -> dict[str, Any]:
    return {"platforms": {PLATFORM: {"locales": {locale: {"buildID": build_id}}}}}


# --- Reading -----------------------------------------------------------------------------------------------------


def test_read__has_document_and_versions(api: Api) -> None:
    ReleaseFactory(name="N1")
    found = api.get(N1).json()
    assert found == {
        "blob": release_document("N1"),
        "data_versions": {".": 1, "platforms": {PLATFORM: {"locales": {"de": 1, "en-US": 1}}}},
        "sc_blob": {},
        "sc_data_versions": {},
    }
    assert api.get(f"{N1}/data_versions").json() == {"data_versions": found["data_versions"]}
    assert api.get(f"{N1}/./data_version").status_code in (200, 404)
    place = f".platforms.{PLATFORM}.locales.de"
    assert api.get(f"{N1}/{place}/data_version").json() == {"data_version": 1}
    assert api.get(f"{N1}/.platforms.none.locales.de/data_version").status_code == 404
    assert api.get(f"{RELEASES}/none").status_code == 404


# --- Replacing ---------------------------------------------------------------------------------------------------


def test_put__new__needs_the_product(api: Api) -> None:
    assert api.put(N1, {"blob": release_document("N1")}).status_code == 400
    answer = api.put(N1, {"blob": release_document("N1"), "product": "Acme"})
    assert (answer.status_code, answer.json()) == (
        200,
        tree(1, de=1) | {"platforms": {PLATFORM: {"locales": {"de": 1, "en-US": 1}}}},
    )
    assert api.put(f"{RELEASES}/N2", {"blob": release_document("N1"), "product": "Acme"}).status_code == 400


def test_put__writes_only_what_differs__and_deletes_what_is_missing(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de", "en-US", "fr"))
    document = release_document("N1", locales=("de", "en-US"))
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20260101000000"
    answer = api.put(N1, {"blob": document, "old_data_versions": tree(de=1, fr=1)})
    assert answer.status_code == 200, answer.content
    assert answer.json() == tree(de=2)
    assert api.get(N1).json()["blob"] == document


@pytest.mark.parametrize(
    "told",
    [None, {}, tree(de=2), tree(en=1), {"platforms": 1}, {".": "x"}, tree(de=0), {"strange": 1}],
    ids=["none", "empty", "other version", "other part", "no tree", "no number", "zero", "strange key"],
)
def test_put__version_of_a_changed_part_missing_or_old__is_refused(api: Api, told: Any) -> None:
    ReleaseFactory(name="N1", locales=("de",))
    document = release_document("N1", locales=("de",))
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20260101000000"
    answer = api.put(N1, {"blob": document} | ({} if told is None else {"old_data_versions": told}))
    assert answer.status_code == 400, answer.content
    assert api.get(N1).json()["blob"] == release_document("N1", locales=("de",))


# --- Changing parts ------------------------------------------------------------------------------------------------


def test_post__deep_merges__and_answers_what_changed(api: Api) -> None:
    ReleaseFactory(name="N1")
    body = {"blob": with_locale("de", "20260101000000"), "old_data_versions": tree(de=1)}
    answer = api.post(N1, body)
    assert (answer.status_code, answer.json()) == (200, tree(de=2))
    expected = locale_document("20260101000000")
    assert api.get(N1).json()["blob"]["platforms"][PLATFORM]["locales"]["de"] == expected
    answer = api.post(N1, {"blob": {"appVersion": "11.0"}, "old_data_versions": {".": 1}})
    assert answer.json() == {".": 2}
    assert api.post(N1, {"blob": {"appVersion": "11.0"}, "old_data_versions": {}}).json() == {}, (
        "nothing changes"
    )
    assert api.post(N1, {"blob": {"appVersion": "12.0"}, "old_data_versions": {".": 1}}).status_code == 400
    assert api.post(N1, {"blob": {"appVersion": "12.0"}}).status_code == 400
    assert api.post(f"{RELEASES}/none", {"blob": {}, "old_data_versions": {}}).status_code == 404


def test_post__new_locale__needs_no_version_of_it(api: Api) -> None:
    ReleaseFactory(name="N1")
    blob = {"platforms": {PLATFORM: {"locales": {"fr": locale_document()}}}}
    assert api.post(N1, {"blob": blob, "old_data_versions": {}}).json() == tree(fr=1)


# --- Scheduling ----------------------------------------------------------------------------------------------------


def test_when__schedules__shows__signs__and_enacts_as_one(api: Api) -> None:
    requires("Acme", "release", qa=1)
    ReleaseFactory.mapped(name="N1")
    body = {"blob": with_locale("de", "20260101000000"), "old_data_versions": tree(de=1), "when": soon()}
    told = api.post(N1, body).json()["platforms"][PLATFORM]["locales"]["de"]
    scheduled = ScheduledChange.objects.get()
    assert told == {
        "sc_id": scheduled.pk,
        "change_type": "update",
        "data_version": scheduled.data_version,
        "signoffs": {"build": "qa"},
        "when": body["when"],
    }
    shown = api.get(N1).json()
    assert shown["sc_blob"]["platforms"][PLATFORM]["locales"]["de"]["buildID"] == "20260101000000"
    assert shown["sc_data_versions"] == tree(de=scheduled.data_version)
    assert shown["blob"] == release_document("N1")
    assert api.delete(f"{N1}/signoff").status_code == 200
    assert api.put(f"{N1}/signoff", {"role": "nobody"}).status_code in (400, 403)
    assert api.put(f"{N1}/signoff", {"role": "qa"}).status_code == 200
    agent = Api(type(api.client)())
    agent.client.force_login(person("agent", "scheduled_change:enact", system=True))
    assert agent.post(f"{N1}/enact").status_code in (400, 409), "it is not due"
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        agent.client.force_login(person("agent2", "scheduled_change:enact", system=True))
        assert agent.post(f"{N1}/enact").status_code == 200
        assert agent.post(f"{N1}/enact").status_code == 404, "nothing is scheduled any more"
    found = Release.objects.get(name="N1").blob()["platforms"][PLATFORM]["locales"]["de"]
    assert found["buildID"] == "20260101000000"


def test_when__old_version__is_refused(api: Api) -> None:
    ReleaseFactory(name="N1")
    body = {"blob": with_locale("de", "20260101000000"), "old_data_versions": tree(de=3), "when": soon()}
    assert api.post(N1, body).status_code == 400
    assert not ScheduledChange.objects.exists()


def test_put_of_what_is_stored__cancels_what_is_scheduled(api: Api) -> None:
    ReleaseFactory(name="N1")
    blob = {"platforms": {PLATFORM: {"locales": {"fr": locale_document()}}}}
    api.post(N1, {"blob": blob, "old_data_versions": {}, "when": soon()})
    assert ScheduledChange.objects.open().count() == 1
    assert api.put(N1, {"blob": release_document("N1")}).status_code == 200
    assert not ScheduledChange.objects.open().exists(), "also one of a locale that is still to be made"


def test_new_release_with_when__is_listed__and_not_made_yet(api: Api) -> None:
    answer = api.put(N1, {"blob": release_document("N1"), "product": "Acme", "when": soon()})
    assert answer.json()["."]["change_type"] == "insert"
    assert not Release.objects.exists()
    row = api.get(RELEASES).json()["releases"][0]
    assert (row["name"], row["data_version"], row["scheduled_changes"][0]["path"]) == ("N1", None, ".")
    assert api.get(f"{RELEASES}?names_only=1").json() == ["N1"]
    assert api.get(N1).json()["sc_blob"] == release_document("N1")


def test_delete__cancels_what_is_scheduled(api: Api) -> None:
    ReleaseFactory(name="N1")
    api.post(N1, {"blob": {"appVersion": "11.0"}, "old_data_versions": {".": 1}, "when": soon()})
    assert api.delete(N1).status_code == 200
    assert not Release.objects.exists()
    assert not ScheduledChange.objects.open().exists()
    assert api.delete(N1).status_code == 404


def test_delete__in_use__is_refused_and_cancels_nothing(api: Api) -> None:
    ReleaseFactory.mapped(name="N1")
    api.post(N1, {"blob": {"appVersion": "11.0"}, "old_data_versions": {".": 1}, "when": soon()})
    assert api.delete(N1).status_code == 400
    assert ScheduledChange.objects.open().count() == 1


# --- Read-only, pins, lists ----------------------------------------------------------------------------------------


def test_read_only__lock_then_unlock_with_signoffs__is_scheduled(api: Api) -> None:
    requires("Acme", "release", qa=1)
    ReleaseFactory(name="N1")
    answer = api.put(f"{N1}/read_only", {"read_only": True, "old_data_version": 1})
    assert answer.json() == {".": 2}
    refused = api.post(N1, {"blob": {"appVersion": "11.0"}, "old_data_versions": {".": 2}})
    assert (refused.status_code, refused.json()["title"]) == (400, "Read only")
    assert api.put(f"{N1}/read_only", {"read_only": False, "old_data_version": 1}).status_code == 400
    told = api.put(f"{N1}/read_only", {"read_only": False, "old_data_version": 2}).json()["."]
    assert told["change_type"] == "update"
    assert Release.objects.get().read_only


def test_read_only__permission_for_one_direction__is_that_direction(client: Any) -> None:
    ReleaseFactory(name="N1")
    client.force_login(person("locker", "release_read_only:set"))
    api = Api(client)
    assert api.put(f"{N1}/read_only", {"read_only": True, "old_data_version": 1}).status_code == 200
    assert api.put(f"{N1}/read_only", {"read_only": False, "old_data_version": 2}).status_code == 403


def test_pinnable__sets__keeps_newer__and_schedules(api: Api) -> None:
    ReleaseFactory(name="N1", version="10.0")
    ReleaseFactory(name="N2", version="10.5")
    key = {"product": "Acme", "channel": "release", "version": "10."}
    assert api.put(f"{RELEASES}/N2/pinnable", key).json() == {".": 1}
    kept = api.put(f"{N1}/pinnable", key).json()
    assert kept == {"pin_not_set": True, "reason": "existing_pin_is_newer"}
    assert PinnableRelease.objects.get().mapping_id == "N2"
    assert api.get("/api/v2/pins/Acme/release/10.").json()["mapping"] == "N2"
    told = api.put(f"{N1}/pinnable", {**key, "version": "9.", "when": soon()}).json()
    assert told["."]["change_type"] == "insert"
    assert api.put(f"{N1}/pinnable", {**key, "version": "banana"}).status_code == 400


def test_list__names_signoffs_and_what_is_scheduled__in_few_queries(api: Api) -> None:
    requires("Acme", "release", qa=1)
    for number in range(5):
        rule = RuleFactory(mapping=ReleaseFactory(name=f"Acme-{number}"))
        body = {"blob": with_locale("de", "20260101000000"), "old_data_versions": tree(de=1), "when": soon()}
        assert api.post(f"{RELEASES}/Acme-{number}", body).status_code == 200
    with CaptureQueriesContext(connection) as asked:
        found = api.get(RELEASES).json()
    assert len(asked) <= 18, [query["sql"] for query in asked]
    row = found["releases"][4]
    assert row["rule_info"] == {str(rule.pk): {"product": "Acme", "channel": "release"}}
    assert row["required_signoffs"] == row["product_required_signoffs"] == {"qa": 1}
    assert row["scheduled_changes"][0]["signoffs"] == {"build": "qa"}
    assert json.dumps(row["scheduled_changes"][0]["when"]).isdigit()
