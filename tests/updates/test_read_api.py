"""The public read API."""

import json
import re

import pytest
import yaml
from django.core.management import call_command

from history.changesets import change_set
from releases.actions import submit_locale
from releng.updates.urls import read_api_urls
from rules.models import Rule
from tests.updates.client import call

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(demo, make_service):
    service = make_service()

    def get(target, **kwargs):
        got = call(service, target, **kwargs)
        return got.status, got.headers, json.loads(got.body) if got.body else None

    return get


def test_rules__list_and_product__are_wire_rows(get):
    status, _, body = get("/api/v1/rules")
    assert (status, body["count"]) == (200, Rule.objects.count())
    assert {"rule_id", "backgroundRate", "fallbackMapping", "osVersion", "headerArchitecture"} <= body[
        "rules"
    ][0].keys()
    assert get("/api/v1/rules?product=FirefoxVPN")[2]["count"] == 1
    priorities = [rule["priority"] for rule in body["rules"]]
    assert priorities == sorted(priorities)


def test_rule__by_id_and_alias__has_its_version(get):
    status, headers, body = get("/api/v1/rules/firefox-release")
    assert (status, headers["X-Data-Version"], body["rule_id"]) == (200, "1", 1)
    assert get("/api/v1/rules/1")[2] == body


def test_rule_revisions__newest_first__with_who_and_when(get):
    with change_set(actor_name="anna", reason="more"):
        rule = Rule.objects.get(alias="firefox-release")
        rule.background_rate = 50
        rule.save()
    _, _, body = get("/api/v1/rules/1/revisions?limit=1")
    assert (body["count"], len(body["rules"])) == (2, 1)
    assert (body["rules"][0]["backgroundRate"], body["rules"][0]["changed_by"]) == (50, "anna")
    assert get("/api/v1/rules/1/revisions?page=2&limit=1")[2]["rules"][0]["backgroundRate"] == 25
    for wrong in ("page=0", "limit=x", "limit=-1"):
        assert get(f"/api/v1/rules/1/revisions?{wrong}")[0] == 400


def test_releases__list__names_rules(get):
    _, _, body = get("/api/v1/releases?name_prefix=Firefox-145.0.1")
    (row,) = body["releases"]
    assert row["name"] == "Firefox-145.0.1-build1"
    assert 1 in row["rule_ids"]
    assert row["rule_info"]["1"] == {"product": "Firefox", "channel": "release*"}
    assert get("/api/v1/releases?names_only=1&product=GMP")[2] == {"names": ["GMP-Superblob"]}


def test_release__whole_document__is_put_together_and_sorted(get, make_service):
    status, headers, body = get("/api/v1/releases/Firefox-145.0.1-build1")
    assert (status, headers["X-Data-Version"]) == (200, "1")
    assert set(body["platforms"]["WINNT_x86_64-msvc"]["locales"]) == {
        "de",
        "en-US",
        "fr",
        "ja",
        "pt-BR",
        "zh-CN",
    }
    pretty = call(make_service(), "/api/v1/releases/Firefox-145.0.1-build1?pretty=1").body.decode()
    assert pretty.startswith('{\n    "appVersion"')


def test_locale__real_and_alias__are_the_same(get):
    one = get("/api/v1/releases/Firefox-145.0.1-build1/builds/WINNT_x86_64-msvc/de")
    other = get("/api/v1/releases/Firefox-145.0.1-build1/builds/WINNT_x86_64-msvc-x64/de")
    assert one[2] == other[2]
    assert one[2]["buildID"] == "20251116120000"


def test_release__after_a_locale_changed__shows_one_version_everywhere(get):
    name, place = "Firefox-145.0.1-build1", "WINNT_x86_64-msvc/de"
    document = get(f"/api/v1/releases/{name}/builds/{place}")[2]
    with change_set(actor_name="anna", reason="a build"):
        submit_locale(name, "Firefox", *place.split("/"), {**document, "buildID": "20251117120000"})
    assert get(f"/api/v1/releases?name_prefix={name}")[2]["releases"][0]["data_version"] == 2
    for target in (name, f"{name}/builds/{place}", f"{name}/builds/WINNT_x86_64-msvc/fr"):
        assert get(f"/api/v1/releases/{target}")[1]["X-Data-Version"] == "2", target


def test_shutoffs_and_pins__are_shown(get):
    assert get("/api/v1/emergency_shutoff")[2]["count"] == 1
    assert get("/api/v1/emergency_shutoff/Firefox/nightly-oak")[1]["X-Data-Version"] == "1"
    assert get("/api/v1/pins/Firefox/release/144.")[2]["mapping"] == "Firefox-144.0-build2"


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/rules/nobody",
        "/api/v1/rules/99999",
        "/api/v1/rules/99999/revisions",
        "/api/v1/releases/nothing",
        "/api/v1/releases/Firefox-145.0.1-build1/builds/Plan9/de",
        "/api/v1/emergency_shutoff/Firefox/none",
        "/api/v1/pins/Firefox/release/1.",
    ],
)
def test_missing__anything__is_a_problem_document(get, target):
    status, headers, body = get(target)
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert body["status"] == 404
    assert "not found" in body["detail"]


def test_undeclared_argument__anywhere__is_400(get):
    status, headers, body = get("/api/v1/rules?foo=1")
    assert (status, headers["Content-Type"], body["title"]) == (400, "application/problem+json", None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing__is_405(get, method):
    assert get("/api/v1/rules", method=method)[0] == 405


def test_schema__generated__is_valid_and_has_every_path(tmp_path):
    file = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    schema = yaml.safe_load(file.read_text())
    routes = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(route.pattern)) for route in read_api_urls}
    assert routes <= schema["paths"].keys()
    for path in routes:
        assert {"200", "400"} <= schema["paths"][path]["get"]["responses"].keys()
