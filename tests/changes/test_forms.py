"""Scheduling from the forms of the admin, and editing what is scheduled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from releases.models import Release
from releng.changes.models import ScheduledChange
from rules.actions import update_rule
from rules.models import EmergencyShutoff, Rule
from tests.factories import ReleaseFactory, RuleFactory, ShutoffFactory, release_document
from tests.pages import hidden_fields
from tests.people import person, requires

pytestmark = pytest.mark.django_db


def at(row: Any, what: str = "change") -> str:
    model = row if isinstance(row, type) else type(row)
    args = [] if isinstance(row, type) else [row.pk]
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def told(answer: Any) -> str:
    return " ".join(map(str, answer.context["messages"]))


@pytest.fixture
def bob(client: Any) -> Any:
    user = person("bob", "rule", "release", "emergency_shutoff", roles=["releng"])
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", releng=1, relman=1)
    client.force_login(user)
    return user


def typed(rule: Rule, **changed: Any) -> dict[str, Any]:
    fields = ("priority", "background_rate", "update_type", "product", "channel")
    data: dict[str, Any] = {name: getattr(rule, name) for name in fields}
    return {
        **data,
        "mapping": rule.mapping_id or "",
        "based_on": rule.data_version,
        "reason": "slowly",
        **changed,
    }


def test_rule_form__save__is_refused_with_who_must_sign_and_schedule_works(client: Any, bob: Any) -> None:
    rule = RuleFactory()
    page = client.get(at(rule)).content.decode()
    assert "releng</strong> (bob)" in page
    assert "relman</strong> (rita)" in page
    refused = client.post(at(rule), typed(rule, background_rate=25)).content.decode()
    assert "needs signoffs (1 x releng, 1 x relman)" in refused
    assert 'name="background_rate" value="25"' in refused, "what was typed is still there"
    data = typed(rule, background_rate=25) | {
        "_schedule": "Schedule",
        "schedule_when": "2040-01-31 14:00",
    }
    answer = client.post(at(rule), data, follow=True)
    scheduled = ScheduledChange.objects.get()
    assert answer.redirect_chain[-1][0] == at(scheduled)
    assert scheduled.writes.get().values == {"background_rate": 25}
    assert (scheduled.reason, scheduled.when.isoformat()) == ("slowly", "2040-01-31T14:00:00+00:00")
    assert Rule.objects.get().background_rate == 100
    assert not LogEntry.objects.exists()
    assert f"scheduled change {scheduled}" in client.get(at(rule)).content.decode()


def test_rule_form__bad_or_past_time__is_told_and_schedules_nothing(client: Any, bob: Any) -> None:
    rule = RuleFactory()
    for when, said in (("soon", "in UTC"), ("2001-01-01 00:00", "is over")):
        data = typed(rule, priority=5) | {"_schedule": "x", "schedule_when": when}
        refused = client.post(at(rule), data).content.decode()
        assert said in refused
        assert f'value="{when}"' in refused
    assert not ScheduledChange.objects.exists()


def test_rule_add__scheduled__makes_the_rule_only_when_enacted(client: Any, bob: Any) -> None:
    data = {
        "priority": 3,
        "background_rate": 100,
        "update_type": "minor",
        "product": "Acme",
        "_schedule": "x",
    }
    client.post(at(Rule, "add"), data)
    write = ScheduledChange.objects.get().writes.get()
    assert (write.change, write.values["product"]) == ("insert", "Acme")
    assert not Rule.objects.exists()


def test_release_form__scheduled__keeps_the_document(client: Any, bob: Any) -> None:
    release = ReleaseFactory(name="Acme-7")
    RuleFactory(mapping=release)
    url = reverse("admin:console_release_edit", args=[release.pk])
    data = {
        "product": "Acme",
        "blob": json.dumps(release_document("Acme-7", "8.0")),
        "based_on": hidden_fields(client.get(url))["based_on"][0],
        "_schedule": "x",
    }
    assert "It is scheduled" in told(client.post(url, data, follow=True))
    write = ScheduledChange.objects.get().writes.get()
    assert write.values["document"]["appVersion"] == "8.0"
    assert Release.objects.get().document["appVersion"] == "10.0"


def test_shutoff__resumed_by_a_scheduled_deletion(client: Any, bob: Any) -> None:
    shutoff = ShutoffFactory()
    url = at(shutoff, "delete")
    confirmed = hidden_fields(client.get(url)) | {"post": "yes"}
    assert "needs signoffs" in told(client.post(url, confirmed, follow=True))
    answer = client.post(url, confirmed | {"_schedule": "x", "reason": "fixed"}, follow=True)
    scheduled = ScheduledChange.objects.get()
    assert answer.redirect_chain[-1][0] == at(scheduled)
    assert (scheduled.writes.get().change, scheduled.reason) == ("delete", "fixed")
    assert EmergencyShutoff.objects.exists()


def test_edit__suspended_change__is_put_right_on_its_page(client: Any, bob: Any, acting: Any) -> None:
    rule = RuleFactory()
    client.post(at(rule), typed(rule, background_rate=25) | {"_schedule": "x"})
    scheduled = ScheduledChange.objects.get()
    with acting():
        update_rule(rule.pk, {"background_rate": 50}, based_on=1)
    scheduled.refresh_from_db()
    assert scheduled.state == "suspended"
    url = reverse("admin:changes_scheduledchange_do", args=[scheduled.pk, "edit"])
    data = {"based_on": scheduled.data_version, "values-0": "{", "schedule_when": ""}
    assert "this is not JSON" in told(client.post(url, data, follow=True))
    assert "It is edited" in told(
        client.post(url, data | {"values-0": '{"background_rate": 30}'}, follow=True)
    )
    scheduled.refresh_from_db()
    assert (scheduled.state, scheduled.writes.get().values) == ("pending", {"background_rate": 30})
