"""The calendar of scheduled changes: what happens when, by product and channel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from history.changesets import change_set
from releng.changes.actions import Proposal, propose
from releng.changes.enacting import enact
from releng.changes.models import ScheduledChange
from releng.changes.upkeep import by_verb, suspend
from rules.models import Rule
from tests.factories import RuleFactory
from tests.people import administrator, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]
CALENDAR = "/admin/changes/calendar/"
NOON = datetime(2030, 1, 10, 12, tzinfo=UTC)


@pytest.fixture
def ada() -> Any:
    return administrator()


def planned(author: Any, *, rule: Rule | None = None, **conditions: Any) -> ScheduledChange:
    rule = rule or RuleFactory()
    with change_set(actor=author):
        proposal = Proposal("rule", "update", {"background_rate": 25}, rule.pk)
        return propose(author, [proposal], conditions=conditions)


def days(answer: Any) -> dict[tuple[str, str], dict[str, list[int]]]:
    return {
        (row.product, row.channel): {
            f"{day.date:%m-%d}": [entry.scheduled.pk for entry in day.entries]
            for day in row.days
            if day.entries
        }
        for row in answer.context["rows"]
    }


def test_week__shows_each_change_in_its_place_and_day(client: Any, ada: Any) -> None:
    requires("Acme", "release", relman=1)
    first = planned(ada, when=NOON)
    later = planned(ada, rule=RuleFactory(channel="beta"), when=NOON + timedelta(days=2))
    planned(ada, when=NOON + timedelta(days=7))  # the week after
    uptake = {"uptake_product": "Acme", "uptake_channel": "beta", "uptake_version": "1", "uptake_percent": 30}
    limited = planned(ada, rule=RuleFactory(channel="beta"), at_latest=NOON, **uptake)
    client.force_login(ada)
    answer = client.get(CALENDAR, {"from": "2030-01-10"})
    assert days(answer) == {
        ("Acme", "beta"): {"01-10": [limited.pk], "01-12": [later.pk]},
        ("Acme", "release"): {"01-10": [first.pk]},
    }
    text = answer.content.decode()
    for said in (
        "needs 1 \u00d7 relman",
        "at the latest",
        "when 30 % of Acme beta",
        "agreed",
        'data-label="Thu 10 Jan"',
    ):
        assert said in text
    assert days(client.get(CALENDAR, {"from": "2030-01-10", "channel": "release"})).keys() == {
        ("Acme", "release")
    }
    assert days(client.get(CALENDAR, {"from": "2030-01-10", "product": "Else"})) == {}


def test_today__has_what_was_made_what_is_late_and_what_has_no_moment(client: Any, ada: Any) -> None:
    made, late, stopped = (planned(ada) for _ in range(3))
    with change_set(actor=ada):
        enact(made.pk, ada)
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=1)
    for scheduled in (late, stopped):
        scheduled.when = today
        with change_set(actor=ada), by_verb():
            scheduled.save()
    with change_set(actor=ada):
        suspend(stopped, "look")
    soon = planned(ada)
    client.force_login(ada)
    answer = client.get(CALENDAR)
    assert set(days(answer)["Acme", "release"][f"{now:%m-%d}"]) == {made.pk, late.pk, stopped.pk}
    assert [entry.scheduled for entry in answer.context["undated"]] == [soon]
    text = answer.content.decode()
    for said in ("made</span>", "not made", "suspended", "Without a moment", "today"):
        assert said in text


@pytest.mark.parametrize("first", ["", "nonsense", "2030-02-31", "0001-01-01", "9999-12-31"])
def test_first_day__that_is_none__is_today(client: Any, ada: Any, first: str) -> None:
    client.force_login(ada)
    answer = client.get(CALENDAR, {"from": first})
    assert answer.context["first"] == timezone.now().date()
    assert "Nothing happens in this week" in answer.content.decode()


def test_calendar__needs_the_permission_to_see_changes(client: Any) -> None:
    client.force_login(person("nobody"))
    assert client.get(CALENDAR).status_code == 403


def test_queries__do_not_grow_with_the_changes(
    client: Any, ada: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        planned(ada, when=NOON + timedelta(hours=number))
    client.force_login(ada)
    with django_assert_max_num_queries(18):
        assert len(days(client.get(CALENDAR, {"from": "2030-01-10"}))) == 1
