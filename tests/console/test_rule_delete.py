"""Deleting a rule: the page says what clients get instead and who must agree; a refusal loses nothing typed."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from history.changesets import change_set
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from rules.actions import update_rule
from rules.models import Rule
from tests.factories import RuleFactory
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def ada(client: Any) -> Any:
    user = administrator()
    client.force_login(user)
    return user


def page_of(rule: Rule) -> str:
    return reverse("admin:rules_rule_delete", args=[rule.pk])


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def test_page__says_what_is_served_today_and_what_will_match_instead(client: Any, ada: Any) -> None:
    high, low = RuleFactory(priority=20, locale="de"), RuleFactory(priority=10)
    effects = client.get(page_of(high)).context["effects"]
    assert effects
    for words, effect in effects:
        assert ("locale", "de") in words
        assert effect.before.said.startswith(high.mapping_id)
        assert effect.after.said.startswith(low.mapping_id)
        assert effect.rule_after.rule_id == low.pk
    gone = client.get(page_of(low))
    assert [effect.after.said for _, effect in gone.context["effects"]] == ["nothing, no rule matches"]
    assert low.mapping_id in text_of(gone)


def test_page__rule_that_decides_about_nobody__says_that_nothing_changes(client: Any, ada: Any) -> None:
    RuleFactory(priority=20)
    hidden = RuleFactory(priority=10)
    assert "No client was found about whom this rule decides" in text_of(client.get(page_of(hidden)))


def test_delete__where_nobody_must_agree__deletes_with_the_reason(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    page = client.get(page_of(rule))
    assert "Nobody has to sign it off" in text_of(page)
    client.post(page_of(rule), hidden_fields(page) | {"reason": "end of life", "_delete": "on"})
    assert not Rule.objects.exists()
    assert Rule.history.latest("history_id").change_set.reason == "end of life"


def test_delete__where_others_must_agree__is_scheduled(client: Any) -> None:
    rule = RuleFactory()
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    client.force_login(person("bob", "rule", products=["Acme"]))
    page = client.get(page_of(rule))
    text = text_of(page)
    assert "relman</strong> (rita)" in text
    assert 'name="_delete"' not in text
    refused = client.post(page_of(rule), hidden_fields(page) | {"reason": "end of life"})
    assert "needs signoffs" in text_of(refused)
    assert 'value="end of life"' in text_of(refused), "what was typed is still there"
    data = hidden_fields(refused) | {"reason": "end of life", "_schedule": "on"}
    late = client.post(page_of(rule), data | {"schedule_when": "soon"})
    assert 'value="soon"' in text_of(late)
    answer = client.post(page_of(rule), data | {"schedule_when": "2040-01-31 14:00"})
    scheduled = ScheduledChange.objects.get()
    assert answer.url == reverse("admin:changes_scheduledchange_change", args=[scheduled.pk])
    assert (scheduled.writes.get().change, scheduled.reason) == ("delete", "end of life")
    assert Rule.objects.exists()


def test_delete__somebody_was_faster__deletes_nothing_and_shows_the_rule_as_it_is(
    client: Any, ada: Any
) -> None:
    rule = RuleFactory()
    page = client.get(page_of(rule))
    with change_set(actor_name="bert"):
        update_rule(rule.pk, {"priority": 77}, based_on=1)
    answer = client.post(page_of(rule), hidden_fields(page))
    assert "bert changed priority" in text_of(answer)
    assert "priority 77" in text_of(answer)
    assert Rule.objects.exists()
    client.post(page_of(rule), hidden_fields(answer))
    assert not Rule.objects.exists()


def test_page__with_an_open_change__says_so_and_lets_the_deletion_follow(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    with change_set(actor=ada):
        first = propose(ada, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
    page = client.get(page_of(rule))
    assert "Scheduled for this rule" in text_of(page)
    refused = client.post(page_of(rule), hidden_fields(page) | {"_schedule": "on"})
    assert "edit that one, cancel it" in text_of(refused)
    client.post(page_of(rule), hidden_fields(page) | {"_schedule": "on", "schedule_after": first.pk})
    assert ScheduledChange.objects.get(follows=first).writes.get().change == "delete"


def test_page__without_the_permission__is_refused(client: Any) -> None:
    rule = RuleFactory()
    client.force_login(auditor())
    assert client.get(page_of(rule)).status_code == 403
    assert client.post(page_of(rule), {"post": "yes"}).status_code == 403
    assert Rule.objects.exists()
