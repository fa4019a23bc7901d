"""`/api/decide`: what a client would get, at any moment and with changes that are only proposed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet
from releng.changes.actions import Proposal, propose
from rules.actions import update_rule
from rules.models import Rule
from tests.api.client import Api
from tests.factories import PLATFORM, AllowedDomainFactory, ReleaseFactory, RuleFactory, ShutoffFactory
from tests.people import auditor, person, requires

pytestmark = pytest.mark.django_db

CLIENT = {"product": "Acme", "version": "8.0", "build_target": PLATFORM, "channel": "release"}
URL = f"/update/3/Acme/8.0/20200101000000/{PLATFORM}/de/release/default/default/default/update.xml"
HOUR = timedelta(hours=1)


@pytest.fixture
def api(client: Any) -> Api:
    """The API as an auditor asks it, who may do nothing but read."""
    AllowedDomainFactory()
    client.force_login(auditor())
    return Api(client)


def release(number: int) -> Any:
    return ReleaseFactory.served(f"Acme-{number}", f"{number}.0")


def test_decide__by_url__answers_and_explains(api: Api) -> None:
    rejected = RuleFactory(priority=300, locale="fr", mapping=release(13))
    elsewhere = RuleFactory(priority=200, channel="beta", mapping=None)
    rule = RuleFactory(mapping=release(12), alias="main")
    RuleFactory(priority=1, mapping=release(11))
    answer = api.get("/api/decide", {"url": f"https://updates.example{URL}"})
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["outcome"], body["release"], body["rule"]["rule_id"]) == ("served", "Acme-12", rule.pk)
    assert [(one["rule_id"], one["rejected_by"]) for one in body["considered"]] == [
        (rejected.pk, "locale"),
        (rule.pk, None),
    ]
    assert (body["considered"][0]["rule_value"], body["considered"][0]["client_value"]) == ("fr", "de")
    assert body["not_listed"] == {"channel": 1}
    assert [step["stage"] for step in body["steps"]] == ["rule", "gate"]
    assert body["answer"]["status"] == 200
    assert body["answer"]["rule_id"] == str(rule.pk)
    assert body["url"] == URL
    assert body["client"]["locale"] == "de"
    assert (body["otherwise"], body["rates"], body["error"]) == (None, [], None)
    every = api.get("/api/decide", {"url": URL, "every_rule": "1"}).json()
    assert [one["rule_id"] for one in every["considered"]] == [rejected.pk, elsewhere.pk, rule.pk]
    assert every["not_listed"] == {}


def test_decide__by_fields__asks_the_newest_version(api: Api) -> None:
    RuleFactory(mapping=release(12))
    body = api.get("/api/decide", CLIENT | {"mig64": "1", "memory": "8192"}).json()
    assert body["url"] == (
        f"/update/6/Acme/8.0/20000101000000/{PLATFORM}/en-US/release/default/ISET:,MEM:8192/default/default/"
        "update.xml?mig64=1"
    )
    assert body["release"] == "Acme-12"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            {"imei": "123"},
            "/update/5/Acme/8.0/20000101000000/P/en-US/release/default/default/default/123/update.xml",
        ),
        (
            {"product": "FirefoxVPN"},
            "/json/1/FirefoxVPN/8.0/P/release/update.json",
        ),
        (
            {"product": "Guardian", "os_version": "Windows 10", "force": "1"},
            "/json/2/Guardian/8.0/P/release/Windows%2010/update.json?force=1",
        ),
        (
            {"jaws": "0", "instruction_set": "SSE4_2", "pin": "10."},
            "/update/6/Acme/8.0/20000101000000/P/en-US/release/default/ISET:SSE4_2,JAWS:0/default/default/"
            "update.xml?pin=10.",
        ),
    ],
    ids=["imei", "json 1", "json 2", "capabilities and pin"],
)
def test_decide__by_fields__makes_the_request_of_such_a_client(
    api: Api, fields: dict[str, str], url: str
) -> None:
    body = api.post("/api/decide", {"fields": CLIENT | {"build_target": "P"} | fields}).json()
    assert body["url"] == url


def test_decide__throttled__tells_both_sides_of_the_dice(api: Api) -> None:
    RuleFactory(mapping=release(12), fallback_mapping=release(11), background_rate=25)
    body = api.get("/api/decide", {"url": URL}).json()
    assert (body["release"], body["rates"], body["otherwise"]["release"]) == ("Acme-12", [25], "Acme-11")
    assert body["otherwise"]["is_fallback"]
    lost = api.get("/api/decide", {"url": URL, "dice": "99"}).json()
    assert (lost["release"], lost["otherwise"]["release"]) == ("Acme-11", "Acme-11")


def test_decide__stopped__says_so(api: Api) -> None:
    RuleFactory(mapping=release(12))
    ShutoffFactory()
    body = api.get("/api/decide", {"url": URL}).json()
    assert (body["outcome"], body["release"]) == ("shut_off", None)
    assert body["steps"][0]["stage"] == "shutoff"


def test_decide__version_that_cannot_be_read__is_what_the_client_gets(api: Api) -> None:
    RuleFactory(mapping=release(12), version="<10.0")
    body = api.get("/api/decide", CLIENT | {"version": "what"}).json()
    assert (body["outcome"], body["answer"]["status"]) == (None, 400)
    assert body["error"]


def test_decide__at_a_moment_that_is_over__answers_as_then(api: Api) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    then = timezone.now()
    with change_set(actor_name="somebody", reason="newer"):
        update_rule(rule.pk, {"mapping": "Acme-12"}, based_on=1)
    body = api.get("/api/decide", {"url": URL, "at": then.isoformat()}).json()
    assert (body["release"], body["rule"]["data_version"]) == ("Acme-11", 1)
    assert body["state"]["change_set"] == ChangeSet.objects.order_by("-sequence")[1].sequence
    assert api.get("/api/decide", {"url": URL}).json()["release"] == "Acme-12"


def planned(values: dict[str, Any], **conditions: Any) -> Any:
    """Schedule a change of the one rule."""
    author = person("author", "admin")
    with change_set(actor=author, reason="plan"):
        return propose(
            author,
            [Proposal("rule", "update", values, Rule.objects.get().pk)],
            conditions=conditions,
            reason="Everybody",
        )


def test_decide__at_a_moment_ahead__applies_what_is_due__and_says_which(api: Api) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    change = planned({"mapping": "Acme-12"}, when=timezone.now() + HOUR)
    asked = {"url": URL, "at": (timezone.now() + 2 * HOUR).isoformat()}
    body = api.get("/api/decide", asked).json()
    assert body["release"] == "Acme-12"
    applied = body["state"]["applied"]
    assert [(one["id"], one["author"], one["reason"]) for one in applied] == [
        (change.pk, "author", "Everybody")
    ]
    assert applied[0]["writes"] == [f"update rule {rule.pk}"]
    assert body["state"]["left_out"] == []
    sooner = api.get("/api/decide", {"url": URL, "at": (timezone.now() + HOUR / 2).isoformat()}).json()
    assert (sooner["release"], sooner["state"]["applied"]) == ("Acme-11", [])


def test_decide__with_a_change__applies_it_whatever_it_lacks(api: Api) -> None:
    requires("Acme", "release", qa=1)
    RuleFactory(mapping=release(11))
    release(12)
    change = planned({"mapping": "Acme-12"})
    asked = {"url": URL, "at": (timezone.now() + HOUR).isoformat()}
    ahead = api.get("/api/decide", asked).json()
    assert (ahead["release"], ahead["state"]["left_out"][0]["why"]) == ("Acme-11", "lacks signoffs: 1 x qa")
    for body in (
        api.get("/api/decide", {"url": URL, "changes": str(change.pk)}).json(),
        api.post("/api/decide", {"url": URL, "changes": [change.pk]}).json(),
    ):
        assert (body["release"], body["state"]["applied"][0]["id"]) == ("Acme-12", change.pk)


def test_decide__with_unsaved_values__writes_nothing(api: Api) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    values = [
        {"target": "rule", "change": "update", "object_id": rule.pk, "values": {"mapping": "Acme-12"}},
        {
            "target": "emergency_shutoff",
            "change": "insert",
            "values": {"product": "Acme", "channel": "beta", "comment": "x"},
        },
    ]
    before = ChangeSet.objects.count()
    assert api.post("/api/decide", {"url": URL, "values": values}).json()["release"] == "Acme-12"
    stopped = api.post("/api/decide", {"fields": CLIENT | {"channel": "beta"}, "values": values}).json()
    assert stopped["outcome"] == "shut_off"
    assert ChangeSet.objects.count() == before
    assert Rule.objects.get().mapping_id == "Acme-11"


OVER = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "/nonsense"}, "url"),
        ({"url": "/update/6/too/short/update.xml"}, "url"),
        ({"url": f"{URL}?unknown=1"}, "url"),
        ({"url": "http://[broken"}, "url"),
        ({"url": URL, "fields": CLIENT}, "url"),
        ({"url": f"/update/3/{'x' * 9000}"}, "url"),
        ({"fields": {"product": "Acme"}}, "version"),
        ({"fields": CLIENT | {"colour": "red"}}, "colour"),
        ({"fields": CLIENT | {"locale": "a/b"}}, "locale"),
        ({"fields": CLIENT | {"locale": 7}}, "locale"),
        ({"fields": CLIENT | {"locale": "x" * 501}}, "locale"),
        ({"fields": CLIENT | {"locale": "a\nb"}}, "locale"),
        ({"fields": CLIENT | {"memory": "much"}}, "memory"),
        ({"fields": CLIENT | {"instruction_set": "a,b"}}, "instruction_set"),
        ({"fields": CLIENT | {"jaws": "maybe"}}, "jaws"),
        ({"fields": CLIENT | {"force": "2"}}, "force"),
        ({"fields": CLIENT | {"imei": "1", "memory": "5"}}, "memory"),
        ({"fields": CLIENT | {"product": "Guardian", "locale": "de"}}, "locale"),
        ({"fields": "Acme"}, "fields"),
        ({"url": URL, "at": "yesterday"}, "at"),
        ({"url": URL, "at": "2030-01-01T00:00:00"}, "at"),
        ({"url": URL, "at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"url": URL, "changes": 5}, "changes"),
        ({"url": URL, "changes": ["five"]}, "changes"),
        ({"url": URL, "changes": [999_999]}, "changes"),
        ({"url": URL, "changes": list(range(1, 30))}, "changes"),
        ({"url": URL, "changes": [1], "at": OVER}, "changes"),
        ({"url": URL, "values": {}}, "values"),
        ({"url": URL, "values": [{"target": "nothing"}]}, "values"),
        ({"url": URL, "values": [{"target": "rule", "change": "update", "values": {}}]}, "values"),
        (
            {
                "url": URL,
                "values": [{"target": "rule", "change": "insert", "values": {"locale": 5, "colour": 1}}],
            },
            "colour",
        ),
        (
            {
                "url": URL,
                "values": [{"target": "rule", "change": "insert", "values": {"background_rate": 101}}],
            },
            "background_rate",
        ),
        ({"url": URL, "values": [{"target": "rule", "change": "delete"}], "at": OVER}, "values"),
        ({"url": URL, "values": [{"target": "rule", "change": "insert"}] * 51}, "values"),
        ({"url": URL, "dice": 100}, "dice"),
        ({"url": URL, "dice": "often"}, "dice"),
        ({"url": URL, "every_rule": "perhaps"}, "every_rule"),
        ({"url": URL, "nonsense": 1}, "nonsense"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_decide__asked_badly__names_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.post("/api/decide", body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert field in told.get("errors", {}) or told["detail"].startswith(f"{field}:"), told


def test_decide__unknown_argument__is_refused(api: Api) -> None:
    assert api.get("/api/decide", {"url": URL, "colour": "red"}).status_code == 400


def test_decide__changes__need_the_permission_to_see_them(client: Any) -> None:
    client.force_login(person("rita", "rule"))
    assert client.get("/api/decide", {"url": URL}).status_code == 200
    assert client.get("/api/decide", {"url": URL, "at": "2100-01-01T00:00:00Z"}).status_code == 200


@pytest.mark.parametrize("who", ["nobody", "agent"])
def test_decide__by_those_who_may_not_see_rules__is_refused(client: Any, who: str) -> None:
    if who == "agent":
        client.force_login(person("agent", "scheduled_change:enact", system=True))
    for answer in (
        client.get("/api/decide", {"url": URL}),
        client.post("/api/decide", {"url": URL}, content_type="application/json"),
    ):
        assert answer.status_code == (401 if who == "nobody" else 403)


def test_decide__with_many_rules__asks_few_queries(api: Api) -> None:
    for number in range(20):
        RuleFactory(priority=500 - number, locale=f"l{number}", mapping=release(100 + number))
    RuleFactory(mapping=release(12))
    planned_at = (timezone.now() + HOUR).isoformat()
    for given, most in (({}, 16), ({"at": OVER}, 16), ({"at": planned_at}, 26)):
        with CaptureQueriesContext(connection) as asked:
            assert api.get("/api/decide", {"url": URL, **given}).status_code == 200
        assert len(asked) <= most, "\n".join(query["sql"][:160] for query in asked.captured_queries)
