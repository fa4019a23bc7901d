"""Throttled rollouts: planned in one act, by verb and by command."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from history.changesets import change_set
from releng.changes.models import ScheduledChange
from releng.changes.rollouts import Rollout, throttled_rollout
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory
from tests.people import person, requires

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule() -> Rule:
    ReleaseFactory(name="Acme-145", version="145.0")
    found: Rule = RuleFactory(alias="acme-release", background_rate=100)
    return found


@pytest.fixture
def bob() -> Any:
    return person("bob", "rule", roles=["relman"])


def plan(rule: Rule, **changed: Any) -> Rollout:
    now = timezone.now()
    given = {
        "rule_id": rule.pk,
        "mapping": "Acme-145",
        "rate": 25,
        "target_percent": 30.0,
        "start": now + timedelta(hours=1),
        "time_limit": now + timedelta(hours=30),
        "finish": now + timedelta(hours=60),
    }
    return Rollout(**(given | changed))


def test_rollout__three_steps__each_follows_the_one_before(rule: Rule, bob: Any) -> None:
    requires("Acme", "release", relman=1)
    wanted = plan(rule)
    with change_set(actor=bob):
        steps = throttled_rollout(bob, wanted, reason="145.")
    assert [step.writes.get().values for step in steps] == [
        {"mapping": "Acme-145", "background_rate": 25},
        {"background_rate": 0},
        {"background_rate": 100},
    ]
    assert [step.follows for step in steps] == [None, steps[0], steps[1]]
    first, second, third = steps
    assert (first.when, third.when) == (wanted.start, wanted.finish)
    assert (second.uptake_product, second.uptake_channel, second.uptake_version) == (
        "Acme",
        "release",
        "145.0",
    )
    assert (second.uptake_percent, second.at_latest) == (30.0, wanted.time_limit)
    assert [step.signoffs.count() for step in steps] == [1, 1, 1]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": 100}, "rate"),
        ({"mapping": "Nothing"}, "mapping"),
        ({"rule_id": 999}, "rule_id"),
        ({"target_percent": 101.0}, "uptake_percent"),
        ({"time_limit": timezone.now() + timedelta(minutes=5)}, "time_limit"),
        ({"guard_metric": "crashes", "guard_above": 1.0}, "guard_metric"),
    ],
)
def test_rollout__bad_plan__names_the_field_and_leaves_nothing(
    rule: Rule, bob: Any, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught, change_set(actor=bob):
        throttled_rollout(bob, plan(rule, **changed))
    assert field in caught.value.message_dict
    assert not ScheduledChange.objects.exists()


def test_rollout__rule_of_every_product__is_refused(bob: Any) -> None:
    ReleaseFactory(name="Acme-145", version="145.0")
    with pytest.raises(ValidationError, match="must name a product"), change_set(actor=bob):
        throttled_rollout(bob, plan(RuleFactory(product=None)))


def test_command__plans_and_tells_what_is_needed(
    rule: Rule, bob: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    person("qa", "rule", roles=["qa"])
    requires("Acme", "release", relman=1, qa=1)
    limit = (timezone.now() + timedelta(days=1)).isoformat()
    call_command(
        "throttled_rollout",
        "acme-release",
        "Acme-145",
        "--author",
        "bob",
        "--target",
        "30",
        "--time-limit",
        limit,
    )
    assert capsys.readouterr().out.count("needs 1 x qa") == 2
    assert ScheduledChange.objects.count() == 2


def test_command__refusals__are_one_line(rule: Rule, bob: Any) -> None:
    limit = (timezone.now() + timedelta(days=1)).isoformat()
    options = ["--target", "30", "--time-limit", limit]
    with pytest.raises(CommandError, match="no such active account"):
        call_command("throttled_rollout", "acme-release", "Acme-145", "--author", "eve", *options)
    with pytest.raises(CommandError, match="no such rule"):
        call_command("throttled_rollout", "moon", "Acme-145", "--author", "bob", *options)
    person("carl", "release")
    with pytest.raises(CommandError, match="carl may not change rule"):
        call_command("throttled_rollout", "acme-release", "Acme-145", "--author", "carl", *options)
