"""What agents are given to do and to mail, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from history.changesets import change_set
from releng.changes import actions
from releng.changes.actions import Proposal, propose
from releng.changes.enacting import FIRST_PAUSE, attempt
from releng.changes.models import AgentHeartbeat, Notice, ScheduledChange
from releng.changes.notices import CLAIM, sent
from releng.changes.watch import work_for
from releng.uptake import sources
from rules.actions import update_rule
from rules.models import Rule
from tests.factories import RuleFactory
from tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> Any:
    return person("bob", "rule")


@pytest.fixture
def agent() -> Any:
    return person("robot", "scheduled_change:enact", system=True)


def schedule(bob: Any, values: dict[str, Any] | None = None, **kwargs: Any) -> ScheduledChange:
    rule = RuleFactory(channel=f"c{Rule.objects.count()}")
    with change_set(actor=bob):
        proposal = Proposal("rule", "update", values or {"priority": 7}, rule.pk)
        return propose(bob, [proposal], **kwargs)


def subjects(name: str = "a") -> list[str]:
    return [mail.subject.partition(":")[0] for mail in work_for(name).mails]


def test_ahead__within_the_lead_time__is_mailed_once(bob: Any, settings: Any) -> None:
    settings.MAIL_LEAD_MINUTES = 15
    soon = schedule(bob, conditions={"when": timezone.now() + timedelta(minutes=10)})
    schedule(bob, conditions={"when": timezone.now() + timedelta(minutes=20)})
    work = work_for("a")
    [mail] = work.mails
    assert mail.subject == f"Scheduled change {soon} will be made soon: {soon.writes.get()}"
    assert "priority = 7" in work.mails[0].body
    assert "Signed off by: nobody" in work.mails[0].body
    assert work.mails[0].products == ("Acme",)
    assert (work.due, work.pending) == ([], 2)
    sent([work.mails[0].notice_id])
    assert subjects() == []


def test_mail__claimed_and_never_sent__is_offered_again_later(bob: Any) -> None:
    schedule(bob, conditions={"when": timezone.now() + timedelta(minutes=1)})
    assert len(subjects("a")) == 1
    assert subjects("b") == [], "somebody is sending it"
    Notice.objects.update(claimed_until=timezone.now() - CLAIM)
    assert len(subjects("b")) == 1


def test_edited__what_was_announced_is_announced_anew(bob: Any) -> None:
    scheduled = schedule(bob, conditions={"when": timezone.now() + timedelta(minutes=1)})
    work_for("a")
    with change_set(actor=bob):
        actions.edit(scheduled.pk, bob, based_on=scheduled.data_version, values={0: {"priority": 8}})
    assert subjects() == [f"Scheduled change {scheduled} will be made soon"]


@pytest.mark.parametrize(
    ("value", "announced", "due"), [(15.0, False, False), (17.0, True, False), (21.0, True, True)]
)
def test_uptake__at_80_percent_of_the_target__is_announced_and_due_when_reached(
    bob: Any, monkeypatch: pytest.MonkeyPatch, value: float, announced: bool, due: bool
) -> None:
    """The source is replaced here alone: tests/uptake and the story test the real ones."""
    uptake = {
        "uptake_product": "Acme",
        "uptake_channel": "x",
        "uptake_version": "2.0",
        "uptake_percent": 20.0,
    }
    scheduled = schedule(bob, conditions=uptake)
    reading = sources.Reading(value, timezone.now())
    monkeypatch.setattr("releng.changes.conditions.uptake_of", lambda *args: reading)
    work = work_for("a")
    assert bool(work.mails) == announced
    assert work.due == ([scheduled.pk] if due else [])


def test_unknown_uptake__never_fires_and_at_latest_ends_the_wait(bob: Any) -> None:
    uptake = {
        "uptake_product": "Acme",
        "uptake_channel": "x",
        "uptake_version": "2.0",
        "uptake_percent": 20.0,
    }
    later = timezone.now() + timedelta(hours=1)
    scheduled = schedule(bob, conditions={**uptake, "at_latest": later})
    assert work_for("a").due == []
    with change_set(actor_name="clock"):
        scheduled.at_latest = timezone.now() - timedelta(seconds=1)
        scheduled.save()
    assert work_for("a").due == [scheduled.pk]


def test_enacted_suspended_failed_and_overdue__each_is_mailed(bob: Any, agent: Any) -> None:
    done, doubtful = schedule(bob), schedule(bob)
    with change_set(actor=bob):
        broken = propose(bob, [Proposal("rule", "insert", {"alias": "taken", "product": "Acme"})])
    late = schedule(bob, conditions={"when": timezone.now() + timedelta(hours=1)})
    row = Rule.objects.get(pk=doubtful.writes.get().object_id)
    with change_set(actor_name="operator"):
        update_rule(row.pk, {"priority": 3}, based_on=1)
        Rule(alias="taken").save()
        late.when = timezone.now() - timedelta(hours=1)
        late.save()
    for scheduled in (done, broken):
        with change_set(actor=agent):
            attempt(scheduled.pk, agent)
    assert sorted(subjects()) == sorted(
        [
            f"Scheduled change {done} was made",
            f"Scheduled change {doubtful} was suspended",
            f"Scheduled change {broken} could not be made",
            f"Scheduled change {late} will be made soon",
            f"Scheduled change {late} is overdue",
        ]
    )


def test_failed__is_left_alone_for_a_while_and_then_tried_again(bob: Any, agent: Any) -> None:
    with change_set(actor=bob):
        broken = propose(bob, [Proposal("rule", "insert", {"alias": "taken", "product": "Acme"})])
    with change_set(actor_name="operator"):
        Rule(alias="taken").save()
    with change_set(actor=agent):
        attempt(broken.pk, agent)
    assert work_for("a").due == []
    broken.failures.update(time=timezone.now() - FIRST_PAUSE)
    assert work_for("a").due == [broken.pk]


def test_guard__above_its_limit__suspends_what_is_not_even_due(
    bob: Any, agent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releng.changes.conditions.metric_names", lambda: frozenset({"crashes"}))
    guarded = schedule(
        bob,
        conditions={
            "when": timezone.now() + timedelta(days=1),
            "guard_metric": "crashes",
            "guard_above": 2.0,
        },
    )
    for value, due in ((2.0, []), (2.1, [guarded.pk])):
        reading = sources.Reading(value, timezone.now())
        monkeypatch.setattr("releng.changes.conditions.metric", lambda *args, found=reading: found)
        assert work_for("a").due == due
    with change_set(actor=agent):
        attempt(guarded.pk, agent)
    guarded.refresh_from_db()
    assert guarded.state == "suspended"
    assert "crashes is 2.1, above 2" in guarded.state_reason


def test_share__agents_here_lately__split_the_work_and_help_when_idle(bob: Any) -> None:
    made = {schedule(bob).pk for _ in range(8)}
    for name in ("a", "b"):
        work_for(name)
    first, second = set(work_for("a").due), set(work_for("b").due)
    assert first | second == made
    assert not first & second
    AgentHeartbeat.objects.filter(name="b").update(last_pass=timezone.now() - timedelta(days=1))
    assert set(work_for("a").due) == made, "nobody waits for an agent that is gone"
