"""Scheduled changes on their pages: read, signed, refused; and the red line when agents do not work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from history.changesets import change_set
from releng.changes.actions import Proposal, propose
from releng.changes.models import AgentHeartbeat, ScheduledChange
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory, release_document
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = pytest.mark.django_db


@pytest.fixture
def scheduled() -> ScheduledChange:
    rule = RuleFactory()
    bob = person("bob", "rule", roles=["releng"])
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", releng=1, relman=1)
    with change_set(actor=bob):
        return propose(bob, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)], reason="slowly")


def page(scheduled: ScheduledChange) -> str:
    return reverse("admin:changes_scheduledchange_change", args=[scheduled.pk])


def verb(scheduled: ScheduledChange, name: str) -> str:
    return reverse("admin:changes_scheduledchange_do", args=[scheduled.pk, name])


def sign_in(client: Any, name: str) -> None:

    client.force_login(get_user_model().objects.get(username=name))


def told(answer: Any) -> str:
    return " ".join(map(str, answer.context["messages"]))


def test_page__pending__shows_the_change_who_signed_and_who_must(
    client: Any, scheduled: ScheduledChange
) -> None:
    sign_in(client, "rita")
    text = client.get(page(scheduled)).content.decode()
    for said in (
        "background_rate",
        "<del>100</del>",
        "<ins>25</ins>",
        "bob</strong> as releng",
        "1 &times; relman",
    ):
        assert said in text
    assert client.get(reverse("admin:changes_scheduledchange_changelist")).status_code == 200


def test_sign__from_the_page__counts_and_of_changed_content_does_not(
    client: Any, scheduled: ScheduledChange
) -> None:
    sign_in(client, "rita")
    shown = hidden_fields(client.get(page(scheduled)))
    data = {"role": "relman", "digest": shown["digest"][0], "comment": "fine"}
    stale = client.post(verb(scheduled, "sign"), data | {"digest": "x"}, follow=True)
    assert "has changed since you looked" in told(stale)
    assert "You have signed it off" in told(client.post(verb(scheduled, "sign"), data, follow=True))
    assert scheduled.signoffs.get(user__username="rita").comment == "fine"
    assert "taken back" in told(client.post(verb(scheduled, "revoke"), follow=True))
    assert not scheduled.signoffs.filter(user__username="rita").exists()


def test_reject_and_cancel__from_the_page(client: Any, scheduled: ScheduledChange) -> None:
    sign_in(client, "rita")
    answer = client.post(verb(scheduled, "cancel"), {"based_on": "99"}, follow=True)
    assert "Nothing was done" in told(answer)
    assert "Say why" in told(client.post(verb(scheduled, "reject"), {"comment": ""}, follow=True))
    client.post(verb(scheduled, "reject"), {"comment": "not today"})
    scheduled.refresh_from_db()
    assert (scheduled.state, scheduled.state_reason) == ("rejected", "not today")
    assert client.get(page(scheduled)).status_code == 200


def test_enact__by_an_administrator__when_everybody_agreed(client: Any, scheduled: ScheduledChange) -> None:
    admin = administrator()
    client.force_login(admin)
    assert "still needs signoffs" in told(client.post(verb(scheduled, "enact"), follow=True))
    sign_in(client, "rita")
    client.post(verb(scheduled, "sign"), {"role": "relman", "digest": scheduled.content_digest})
    client.force_login(admin)
    assert "It is enacted" in told(client.post(verb(scheduled, "enact"), follow=True))
    assert Rule.objects.get().background_rate == 25


def test_pages__auditor__reads_and_has_no_forms(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(auditor())
    text = client.get(page(scheduled)).content.decode()
    assert "Sign off" not in text
    assert "Reject" not in text
    for name in ("sign", "reject", "cancel", "enact", "resume"):
        client.post(verb(scheduled, name), {"comment": "x", "based_on": "1", "role": "relman"})
    scheduled.refresh_from_db()
    assert scheduled.state == "pending"
    assert client.get(verb(scheduled, "sign")).status_code == 405
    assert client.post(page(scheduled)).status_code == 405


def test_pages__somebody_without_permissions__is_refused(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(person("nobody"))
    assert client.get(page(scheduled)).status_code == 403
    assert client.post(verb(scheduled, "reject"), {"comment": "x"}).status_code == 403


def test_page__release_document__shows_paths(client: Any) -> None:
    release = ReleaseFactory(name="Acme-5", locales=("de",))
    bob = person("bob", "release")
    with change_set(actor=bob):
        proposal = Proposal(
            "release", "update", {"document": release_document("Acme-5", "6.0", ("de",))}, release.pk
        )
        scheduled = propose(bob, [proposal])
    client.force_login(bob)
    text = client.get(page(scheduled)).content.decode()
    assert "appVersion" in text
    assert "6.0" in text


def test_every_page__no_agent_or_a_late_change__is_red(client: Any, scheduled: ScheduledChange) -> None:
    sign_in(client, "bob")
    index = reverse("admin:index")
    assert "no agent has ever asked for work" in client.get(index).content.decode()
    heartbeat = AgentHeartbeat.objects.create(name="a", last_pass=timezone.now())
    assert "errornote" not in client.get(index).content.decode()
    heartbeat.last_pass -= timedelta(hours=1)
    heartbeat.save()
    assert "no agent has asked for work since" in client.get(index).content.decode()
    scheduled.when = timezone.now() - timedelta(hours=1)
    with change_set(actor_name="operator"):
        scheduled.save()
    assert f"overdue scheduled changes: {scheduled}" in client.get(index).content.decode()
