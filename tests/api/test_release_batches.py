"""Many locales of a release in one request: all of them, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from releases.models import Release, ReleasePart
from tests.api.client import Api
from tests.factories import PLATFORM, ReleaseFactory, locale_document
from tests.people import person, requires

pytestmark = pytest.mark.django_db
N1 = "/api/releases/N1"
BUILDS = f"{N1}/builds"


@pytest.fixture
def api(client: Any) -> Any:
    """A client of somebody who may write releases of Acme."""
    client.force_login(person("build", "release", "release_locale", products=["Acme"]))
    return Api(client)


def batch(*builds: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"product": "Acme", "schema_version": 9, "hashFunction": "sha512", "builds": list(builds), **more}


def build(platform: str, locale: str, build_id: str = "20250101000000", **more: Any) -> dict[str, Any]:
    return {"platform": platform, "locale": locale, "data": locale_document(build_id), **more}


def test_batch__new_release__makes_it_whole_as_one_version(api: Api) -> None:
    answer = api.post(BUILDS, batch(build("P1", "de", alias=["P3"]), build("P1", "fr"), build("P2", "de")))
    assert answer.status_code == 201, answer.content
    assert answer.json() == {
        "new_data_version": 2,
        "builds": [
            {"platform": "P1", "locale": "de", "created": True},
            {"platform": "P1", "locale": "fr", "created": True},
            {"platform": "P2", "locale": "de", "created": True},
        ],
    }
    assert answer["X-Data-Version"] == "2"
    platforms = api.get(N1).json()["platforms"]
    assert platforms["P3"] == {"alias": "P1"}
    assert sorted(platforms["P1"]["locales"]) == ["de", "fr"]


def test_batch__same_again__changes_nothing(api: Api) -> None:
    sent = batch(build("P1", "de"), build("P1", "fr"))
    api.post(BUILDS, sent)
    answer = api.post(BUILDS, sent)
    assert (answer.status_code, answer.json()["new_data_version"]) == (200, 2)
    assert ReleasePart.history.count() == 2


def test_batch__some_changed_some_new__one_version_for_all(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de", "fr"))
    sent = batch(
        build(PLATFORM, "de", "20250101000001"), build(PLATFORM, "it"), build("Linux_x86_64-alias", "es"),
        data_version=1,
    )  # fmt: skip
    answer = api.post(BUILDS, sent)
    assert answer.status_code == 201
    assert [item["created"] for item in answer.json()["builds"]] == [False, True, True]
    assert answer.json()["new_data_version"] == 2
    locales = api.get(N1).json()["platforms"][PLATFORM]["locales"]
    assert {name: data["buildID"] for name, data in locales.items()} == {
        "de": "20250101000001",
        "fr": "20250101000000",
        "it": "20250101000000",
        "es": "20250101000000",
    }


def test_batch__one_mistake__nothing_is_stored_and_the_place_is_named(api: Api) -> None:
    bad = build("P1", "fr")
    bad["data"]["completes"] = 7
    answer = api.post(BUILDS, batch(build("P1", "de"), bad))
    assert answer.status_code == 400
    assert "platforms.P1.locales.fr.completes" in json.dumps(answer.json())
    assert not Release.objects.exists()


def test_batch__one_stale_locale__nothing_is_stored(api: Api) -> None:
    ReleaseFactory(name="N1", locales=("de", "fr"))
    assert api.post(BUILDS, batch(build(PLATFORM, "de", "20250101000001"), data_version=1)).status_code == 200
    sent = batch(build(PLATFORM, "fr", "20250101000002"), build(PLATFORM, "de", "20250101000002"))
    answer = api.post(BUILDS, sent | {"data_version": 1})
    assert (answer.status_code, answer.json()["detail"]) == (400, "OutdatedDataError")
    assert [conflict["where"] for conflict in answer.json()["conflicts"]] == [
        f"platforms.{PLATFORM}.locales.de.buildID"
    ]
    assert api.get(f"{N1}/builds/{PLATFORM}/fr").json()["buildID"] == "20250101000000"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"builds": []}, "builds"),
        ({"builds": {}}, "builds"),
        ({"builds": [7]}, "builds[0]"),
        ({"builds": [{"platform": "P1", "locale": "de"}]}, "builds[0].data"),
        ({"builds": [build("P1", "de") | {"extra": 1}]}, "extra"),
        ({"builds": [build("P1", "de"), build("P1", "de")]}, "sent twice"),
        ({"builds": [build("P1", "de") | {"platform": 7}]}, "builds[0].platform"),
        ({"builds": [build("P" * 101, "de")]}, "platform"),
        ({"product": "Other"}, "Permission Denied"),
        ({"schema_version": None}, "schema_version"),
        ({"hashFunction": None}, "hashFunction"),
        ({"schema_version": 4000}, "schema_version"),
    ],
    ids=[
        "none", "no list", "a number", "no data", "unknown key", "twice", "platform", "long platform",
        "other product", "no type", "no hash function", "type without locales",
    ],
)  # fmt: skip
def test_batch__mistake__is_told(api: Api, change: dict[str, Any], said: str) -> None:
    answer = api.post(BUILDS, batch(build("P1", "de")) | change)
    assert answer.status_code in (400, 403), answer.content
    assert said in json.dumps(answer.json())
    assert not Release.objects.exists()


def test_batch__idempotency_key__is_answered_as_before(api: Api) -> None:
    sent = batch(build("P1", "de"))
    first = api.post(BUILDS, sent, **{"Idempotency-Key": "k1"})
    again = api.post(BUILDS, sent, **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert api.post(BUILDS, batch(build("P1", "fr")), **{"Idempotency-Key": "k1"}).status_code == 422


def test_batch__dry_run__writes_nothing(api: Api) -> None:
    answer = api.post(f"{BUILDS}?dry_run=1", batch(build("P1", "de")))
    assert (answer.status_code, answer["X-Dry-Run"]) == (201, "1")
    assert answer.json()["required_signoffs"] == {}
    assert not Release.objects.exists()


def test_batch__release_on_offer__needs_signoffs(api: Api) -> None:
    requires("Acme", "release", qa=1)
    ReleaseFactory.mapped(name="N1")
    answer = api.post(BUILDS, batch(build(PLATFORM, "it"), data_version=1))
    assert (answer.status_code, answer.json()["required_signoffs"]) == (400, {"qa": 1})


def test_batch__a_thousand_locales__queries_do_not_grow_with_them(api: Api) -> None:
    def queries(locales: int, name: str) -> int:
        builds = [build(f"P{n % 10}", f"l{n // 10}") for n in range(locales)]
        with CaptureQueriesContext(connection) as asked:
            assert api.post(f"/api/releases/{name}/builds", batch(*builds)).status_code == 201
        return len(asked)

    assert queries(1_000, "N1") <= queries(10, "N2") + 30  # SQLite takes some hundred rows at once


def test_body__announced_as_too_large__is_refused_before_it_is_read(client: Any, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    client.force_login(person("build", "release", "release_locale"))
    answer = Api(client).post(BUILDS, batch(*(build("P1", f"l{number}") for number in range(50))))
    assert answer.status_code == 413
    assert "1000" in answer.json()["detail"]
    assert not Release.objects.exists()
