"""The demo: every state is there, its past is true, and loading it again changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from history.models import ChangeSet
from releng.changes.models import ScheduledChange
from releng.changes.watch import problems
from releng.console.inbox import Filters, Inbox
from releng.updates.demo import demo_data
from releng.uptake.models import UptakeCount
from releng.uptake.sources import Reading, uptake_of
from rules.models import EmergencyShutoff, Rule
from rules.wire import rule_to_wire

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def demo(settings: Any) -> None:
    settings.DEBUG = True
    call_command("load_demo", verbosity=0)


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (ChangeSet, Rule, ScheduledChange, UptakeCount))


def test_demo__shows_every_state__and_is_loaded_once(demo: None, django_user_model: Any) -> None:
    loaded = counts()
    call_command("load_demo", verbosity=0)
    assert counts() == loaded
    states = set(ScheduledChange.objects.values_list("state", flat=True))
    assert states == {"pending", "suspended", "enacted", "rejected", "cancelled"}
    assert any("overdue" in problem for problem in problems())
    assert Rule.objects.filter(background_rate__lt=100).exists()
    assert EmergencyShutoff.objects.exists()
    rita = django_user_model.objects.get(username="rita")
    assert {name for name, *_ in Inbox(rita, Filters({})).sections} == {
        "mine",
        "overdue",
        "suspended",
        "waiting",
    }
    bob = django_user_model.objects.get(username="bob")
    assert {name for name, *_ in Inbox(bob, Filters({})).sections} >= {"mine", "waiting"}


def test_demo__rules_in_the_end__are_those_of_its_document(demo: None) -> None:
    wanted = {rule["alias"]: rule for rule in demo_data()["rules"]}
    for rule in Rule.objects.all():
        wire = rule_to_wire(rule)
        said = wanted[str(rule.alias)]
        for name in ("mapping", "fallbackMapping", "backgroundRate", "priority", "channel"):
            assert wire.get(name) == said.get(name), (rule.alias, name)


def test_demo__past__is_in_order_and_whole(demo: None) -> None:
    call_command("verify_history", verbosity=0)
    times = list(ChangeSet.objects.order_by("sequence").values_list("time", flat=True))
    assert times == sorted(times)
    now = timezone.now()
    assert now - times[0] > timedelta(days=8)
    assert times[-1] <= now


def test_demo__two_versions_cross__and_uptake_is_known(demo: None) -> None:
    reading = uptake_of("Firefox", "release", "145.0.1")
    assert isinstance(reading, Reading)
    assert 12 < reading.value < 25
    rows = UptakeCount.objects.filter(
        product="Firefox", channel="release", level="hour", build_target__startswith="W"
    )
    by_version = {
        version: [row.requests for row in rows.filter(version=version).order_by("start")]
        for version in ("144.0", "145.0")
    }
    assert by_version["144.0"][0] > by_version["145.0"][0]
    assert by_version["144.0"][-1] < by_version["145.0"][-1]


def test_demo__without_debug__is_refused(settings: Any) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="needs DEBUG"):
        call_command("load_demo")
