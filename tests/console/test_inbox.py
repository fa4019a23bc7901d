"""The inbox: what needs me, what waits for whom; filters, batches, and few queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from history.changesets import change_set
from releng.changes.actions import Proposal, cancel, propose, sign_off
from releng.changes.models import ScheduledChange
from releng.changes.upkeep import by_verb, suspend
from releng.console.inbox import SECTIONS
from releng.uptake.models import MetricReading
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory, release_document
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = pytest.mark.django_db
INBOX = "/admin/changes/scheduledchange/"


def planned(author: Any, *, rule: Rule | None = None, **more: Any) -> ScheduledChange:
    rule = rule or RuleFactory()
    with change_set(actor=author):
        return propose(author, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)], **more)


def moved(scheduled: ScheduledChange, **values: Any) -> ScheduledChange:
    """Let time pass for a change."""
    with change_set(actor_name="clock"), by_verb():
        for name, value in values.items():
            setattr(scheduled, name, value)
        scheduled.save()
    return scheduled


@pytest.fixture
def bob() -> Any:
    return person("bob", "rule", "release", roles=["releng"])


@pytest.fixture
def rita() -> Any:
    return person("rita", "rule", roles=["relman"])


def sections(answer: Any) -> dict[str, list[int]]:
    return {
        name: [item.scheduled.pk for item in items] for name, _, _, items in answer.context["inbox"].sections
    }


def test_inbox__each_change__stands_where_it_is_waited_for(client: Any, bob: Any, rita: Any) -> None:
    requires("Acme", "release", relman=1)
    ahead = timezone.now() + timedelta(days=3)
    mine = planned(bob, reason="mine to sign", conditions={"when": ahead})
    agreed = planned(bob, conditions={"when": ahead})
    with change_set(actor=rita):
        sign_off(agreed.pk, rita, "relman")
    other = planned(bob, rule=RuleFactory(channel="beta"))
    soon = planned(
        bob, rule=RuleFactory(channel="beta"), conditions={"when": timezone.now() + timedelta(hours=2)}
    )
    late = planned(bob, rule=RuleFactory(channel="beta"), conditions={"when": ahead})
    moved(late, when=timezone.now() - timedelta(hours=1))
    stopped = planned(bob, rule=RuleFactory(channel="beta"))
    with change_set(actor=bob):
        suspend(stopped, "look at it")
    client.force_login(rita)
    assert sections(client.get(INBOX)) == {
        "mine": [mine.pk],
        "overdue": [late.pk],
        "suspended": [stopped.pk],
        "due": [other.pk, soon.pk],
        "agreed": [agreed.pk],
    }
    client.force_login(bob)
    assert sections(client.get(INBOX))["waiting"] == [mine.pk]
    text = client.get(INBOX).content.decode()
    assert "can sign: rita" in text
    assert "mine to sign" in text
    assert "look at it" in text


@pytest.mark.parametrize("show", [*SECTIONS, "over"], ids=[*SECTIONS, "over"])
def test_inbox__empty_section__says_so(client: Any, show: str) -> None:
    client.force_login(administrator())
    answer = client.get(INBOX, {"show": show})
    assert answer.status_code == 200
    assert 'class="empty"' in answer.content.decode()
    assert "Nothing is scheduled" in client.get(INBOX).content.decode()


def test_filters__stand_in_the_address(client: Any, bob: Any) -> None:
    acme = planned(bob, reason="press embargo")
    other = planned(bob, rule=RuleFactory(product="Other", channel="beta", mapping=None))
    with change_set(actor=bob):
        release = ReleaseFactory(name="Acme-77")
        document = release_document("Acme-77", "12.0")
        third = propose(bob, [Proposal("release", "update", {"document": document}, release.pk)])
    client.force_login(bob)

    def shown(**asked: str) -> set[int]:
        return {key for keys in sections(client.get(INBOX, asked)).values() for key in keys}

    assert shown() == {acme.pk, other.pk, third.pk}
    assert shown(product="Other") == {other.pk}
    assert shown(channel="release") == {acme.pk}
    assert shown(target="release") == {third.pk}
    assert shown(q="EMBARGO") == {acme.pk}
    assert shown(q=str(other.pk)) >= {other.pk}
    assert shown(q="Acme-77") == {third.pk}
    assert shown(author="nobody") == set()
    assert "No open change fits" in client.get(INBOX, {"author": "nobody"}).content.decode()
    assert shown(show="nonsense", target="nonsense") == {acme.pk, other.pk, third.pk}


def test_over__lists_ended_changes__page_by_page(client: Any, bob: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("releng.console.inbox.OVER_ON_A_PAGE", 2)
    changes = [planned(bob) for _ in range(3)]
    for scheduled in changes:
        with change_set(actor=bob):
            cancel(scheduled.pk, bob, comment="not now")
    client.force_login(bob)
    first = client.get(INBOX, {"show": "over"})
    assert [row.pk for row in first.context["over"]] == [changes[2].pk, changes[1].pk]
    assert "not now" in first.content.decode()
    assert [row.pk for row in client.get(INBOX, {"show": "over", "page": "2"}).context["over"]] == [
        changes[0].pk
    ]
    assert client.get(INBOX, {"show": "over", "page": "x"}).status_code == 200


def test_inbox__who_may_see_it(client: Any, bob: Any) -> None:
    planned(bob)
    client.force_login(person("nobody"))
    assert client.get(INBOX).status_code == 403
    client.force_login(auditor())
    answer = client.get(INBOX)
    assert answer.status_code == 200
    assert 'type="checkbox"' not in answer.content.decode(), "auditors choose nothing"
    assert client.post(INBOX).status_code == 405


# --- Batches ------------------------------------------------------------------------------------------------


def test_batch__chosen_in_the_inbox__is_looked_at_and_made(client: Any, bob: Any, rita: Any) -> None:
    requires("Acme", "release", relman=1)
    parts = [planned(bob, reason=f"part {number}") for number in range(2)]
    alone = planned(
        person("else", "rule", products=["Other"]), rule=RuleFactory(product="Other", mapping=None)
    )
    client.force_login(bob)
    chosen = [f"{part.pk}:{part.data_version}" for part in parts]
    text = client.get(INBOX).content.decode()
    assert all(f'value="{value}"' in text for value in chosen)
    assert f'value="{alone.pk}:{alone.data_version}"' in text
    url = reverse("admin:console_changes_together")
    page = client.get(url, {"change": chosen})
    assert "rita" in page.content.decode(), "it says who must agree"
    fields = hidden_fields(page) | {"reason": "both", "when": "nonsense"}
    refused = client.post(url, fields)
    assert refused.status_code == 409
    assert 'value="nonsense"' in refused.content.decode()
    answer = client.post(url, fields | {"when": ""})
    batch = ScheduledChange.objects.latest("pk")
    assert answer.headers["Location"] == f"/admin/changes/scheduledchange/{batch.pk}/change/"
    assert (batch.reason, batch.writes.count()) == ("both", 2)
    assert {part.state for part in ScheduledChange.objects.filter(pk__in=[p.pk for p in parts])} == {
        "cancelled"
    }
    assert client.post(url, fields | {"when": ""}).status_code == 409, "they are over"


def test_batch__of_one_or_of_nonsense__says_what_it_needs(client: Any, bob: Any) -> None:
    scheduled = planned(bob)
    client.force_login(bob)
    url = reverse("admin:console_changes_together")
    for chosen in ([], ["x"], ["1:y"], [f"{scheduled.pk}:1"]):
        assert "two changes at least" in client.get(url, {"change": chosen}).content.decode()
    assert client.put(url).status_code == 405
    client.force_login(auditor())
    assert client.get(url).status_code == 403


def test_batch__of_changes_that_others_may_write__is_not_offered_nor_made(client: Any, bob: Any) -> None:
    parts = [planned(bob), planned(bob)]
    client.force_login(person("else", "rule", products=["Other"]))
    assert 'name="change"' not in client.get(INBOX).content.decode()
    data = {"change": [f"{part.pk}:{part.data_version}" for part in parts]}
    answer = client.post(reverse("admin:console_changes_together"), data)
    assert answer.status_code == 409
    assert "may not change" in answer.content.decode()


# --- Cost ---------------------------------------------------------------------------------------------------


def test_queries__do_not_grow_with_the_changes(client: Any, bob: Any) -> None:
    requires("Acme", "release", relman=1)
    client.force_login(bob)
    counts = []
    for more in (3, 9):
        for _ in range(more):
            planned(bob)
            planned(bob, conditions={"when": timezone.now() + timedelta(hours=2)})
        client.get(INBOX)
        with CaptureQueriesContext(connection) as asked:
            client.get(INBOX)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_numbers__of_many_changes__are_read_few_at_a_time(client: Any, bob: Any) -> None:
    for number in range(30):
        uptake = {"uptake_product": "Acme", "uptake_channel": "release", "uptake_version": f"{number}.0"}
        planned(bob, conditions={**uptake, "uptake_percent": 30})
    client.force_login(bob)
    assert "now unknown" in client.get(INBOX).content.decode()
    assert MetricReading.objects.count() == 5, "so many are read for one page"
    for _ in range(5):
        client.get(INBOX)
    now = timezone.now()
    MetricReading.objects.update(value=40.0, read_at=now, tried_at=now, problem="")
    with CaptureQueriesContext(connection) as then:
        answer = client.get(INBOX)
    assert [name for name, *_ in answer.context["inbox"].sections] == ["due"]
    assert len(then) <= 18
