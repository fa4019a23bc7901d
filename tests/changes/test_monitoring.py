"""Numbers for alarms: what they say, and to whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from history.changesets import change_set
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from releng.changes.watch import work_for
from tests.factories import RuleFactory, ShutoffFactory
from tests.people import administrator

pytestmark = pytest.mark.django_db
ADDRESS = "/__metrics__"


@pytest.fixture
def token(settings: Any) -> str:
    settings.METRICS_TOKEN = "only-for-monitoring"
    return "Bearer only-for-monitoring"


def numbers(client: Any, token: str) -> dict[str, float]:
    answer = client.get(ADDRESS, headers={"Authorization": token})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_numbers__follow_changes_agents_and_shutoffs(client: Any, token: str) -> None:
    assert numbers(client, token) == {
        "releng_scheduled_changes pending": 0,
        "releng_scheduled_changes suspended": 0,
        "releng_scheduled_changes_overdue": 0,
        "releng_emergency_shutoffs": 0,
    }
    ada = administrator()
    with change_set(actor=ada):
        for _ in range(2):
            propose(
                ada,
                [Proposal("rule", "update", {"priority": 7}, RuleFactory().pk)],
                conditions={"when": timezone.now() + timedelta(hours=1)},
            )
    late = ScheduledChange.objects.earliest("pk")
    with change_set(actor=ada):
        late.when = timezone.now() - timedelta(hours=1)
        late.save()
    ShutoffFactory()
    before = timezone.now().timestamp()
    work_for("agent-1")
    found = numbers(client, token)
    assert found.pop("releng_agent_last_pass_timestamp_seconds agent-1") >= before
    assert found == {
        "releng_scheduled_changes pending": 2,
        "releng_scheduled_changes suspended": 0,
        "releng_scheduled_changes_overdue": 1,
        "releng_emergency_shutoffs": 1,
    }


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Bearer other", "Basic only-for-monitoring"])
def test_without_the_token__nothing_is_told(client: Any, token: str, given: str) -> None:
    answer = client.get(ADDRESS, headers={"Authorization": given})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert b"releng" not in answer.content


def test_without_the_setting__there_is_no_such_page(client: Any, settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    client.force_login(administrator())
    assert client.get(ADDRESS, headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_numbers__can_only_be_read(client: Any, token: str, method: str) -> None:
    assert getattr(client, method)(ADDRESS, headers={"Authorization": token}).status_code == 405
