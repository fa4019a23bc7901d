"""Rollouts: uptake as a chart and a table, targets and when they are reached; planning with a preview."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from releng.uptake.clients import OTHER
from releng.uptake.models import UptakeCount
from releng.uptake.traffic import Series
from releng.uptake.trends import Point, projected, trend
from rules.actions import shut_off, update_rule
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]
ROLLOUTS, PLAN = "/admin/rollouts/", "/admin/rollouts/plan/"
NOW = datetime(2030, 1, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def traffic(shares: dict[str, list[float]], *, total: int = 10_000, channel: str = "release") -> None:
    """Let each version have made so many of 100 requests in each of the last hours, the last of them now."""
    now = timezone.now()
    hour, minute = now.replace(minute=0, second=0, microsecond=0), now.replace(second=0, microsecond=0)
    for version, row in shares.items():
        for back, share in enumerate(reversed(row)):
            if share:
                UptakeCount.objects.create(
                    level="minute" if back == 0 else "hour",
                    start=minute if back == 0 else hour - back * HOUR,
                    product="Acme",
                    channel=channel,
                    version=version,
                    build_target="Linux",
                    requests=round(total * share / 100),
                )


def waiting(
    author: Any, rule: Rule, percent: float = 30, version: str = "10.0", **more: Any
) -> ScheduledChange:
    conditions = {"uptake_product": "Acme", "uptake_channel": "release", "uptake_version": version}
    with change_set(actor=author):
        proposal = Proposal("rule", "update", {"background_rate": 0}, rule.pk)
        return propose(author, [proposal], conditions={**conditions, "uptake_percent": percent, **more})


# --- Trends -------------------------------------------------------------------------------------------------


def points(*shares: float, step: timedelta = HOUR) -> list[Point]:
    first = NOW - step * (len(shares) - 1)
    return [Point(first + step * number, share, 100) for number, share in enumerate(shares)]


def test_projection__of_a_straight_line__is_where_it_meets_the_target() -> None:
    found = projected(points(10, 11, 12, 13), 20, DAY, NOW)
    assert found.per_day == pytest.approx(24)
    assert abs(found.expected - NOW - 7 * HOUR) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("given", "target", "why"),
    [
        ([], 20, "no requests"),
        ([10, 11], 20, "only 2 measurements"),
        ([12, 12, 12, 12], 20, "not risen"),
        ([14, 13, 12, 11], 20, "not risen"),
        ([10, 10.01, 10.02, 10.03], 90, "more than 60 days"),
    ],
    ids=["no-point", "two-points", "flat", "falling", "slow"],
)
def test_projection__that_cannot_be_told__stays_unknown(given: list[float], target: float, why: str) -> None:
    found = projected(points(*given), target, DAY, NOW)
    assert (found.reached, found.expected) == (None, None)
    assert why in found.why


def test_projection__reached__is_told_from_when() -> None:
    assert projected(points(10, 21, 19, 20, 22), 20, DAY, NOW).reached == NOW - HOUR
    assert projected(points(30, 31), 20, DAY, NOW).reached == NOW - HOUR


def test_projection__looks_at_what_is_recent_only() -> None:
    found = projected(points(90, 10, 11, 12, 13), 20, 3 * HOUR, NOW)
    assert found.per_day == pytest.approx(24)
    assert "3 days" in projected(points(1, 2), 20, 3 * DAY, NOW).why


def test_trend__names_the_commonest_and_the_wanted__and_counts_the_rest() -> None:
    counts = {"1": 50, "2": 30, "3": 15, "4": 5, OTHER: 100}
    found = trend(Series(HOUR, [(NOW, counts)]), 2, ["4"])
    assert (found.versions, found.rest) == (["4", "1"], 2)
    assert found.shares == {"4": [2.5], "1": [25.0]}
    assert found.points("4") == [Point(NOW, 2.5, 200)]
    assert found.points("9") == []


# --- The page -----------------------------------------------------------------------------------------------


def test_page__shows_lines_target_projection_marks_and_the_table(client: Any) -> None:
    ada = administrator()
    rule = RuleFactory(alias="ship")
    scheduled = waiting(ada, rule, at_latest=timezone.now() + DAY)
    with change_set(actor=ada, reason="a little more"):
        update_rule(rule.pk, {"priority": 90}, based_on=1)
    with change_set(actor=ada, reason="crashes"):
        shut_off("Acme", "release", "crashes")
    traffic({"10.0": [2, 4, 6, 8, 10, 12], "9.0": [97, 95, 93, 91, 89, 87], OTHER: [1] * 6})
    client.force_login(ada)
    answer = client.get(ROLLOUTS, {"product": "Acme", "channel": "release", "span": "1d"})
    text = answer.content.decode()
    (aim,) = answer.context["aims"]
    assert (aim.scheduled, aim.version, aim.percent) == (scheduled, "10.0", 30)
    assert aim.projection.expected is not None
    assert [mark.what for mark in answer.context["marks"]] == [
        ["rule ship: priority 100 \u2192 90"],
        ["updates stopped"],
    ]
    assert text.count("<polyline") == 2
    assert text.count("chart-projection") == 1
    assert text.count("chart-mark--limit") == 1
    for said in (
        "<title",
        "<desc",
        'role="img"',
        "target 30 % of 10.0",
        "as projected",
        "least squares",
        "a little more",
    ):
        assert said in text
    assert "style=" not in text.partition('<svg class="chart-svg"')[2].partition("</svg>")[0]
    rows = answer.context["rows"]
    assert rows[0]["shares"] == pytest.approx([12, 87])
    assert len(rows) == 6


def test_page__unknown__stays_unknown(client: Any) -> None:
    ada = administrator()
    waiting(ada, RuleFactory())
    client.force_login(ada)
    text = client.get(ROLLOUTS, {"product": "Acme", "channel": "release"}).content.decode()
    assert "No client of Acme release has asked" in text
    assert "an unknown number never fires" in text
    assert "the version has made no requests" in text
    assert '<svg class="chart-svg"' not in text
    traffic({"10.0": [50]})
    answer = client.get(ROLLOUTS, {"product": "Acme", "channel": "release"})
    assert "one measurement only" in answer.content.decode()
    assert "reached" in answer.content.decode()


@pytest.mark.parametrize(
    "target", ["", "many", "0", "101", "nan"], ids=["none", "word", "zero", "above", "nan"]
)
def test_page__asked_about_a_target(client: Any, target: str) -> None:
    traffic({"10.0": [2, 4, 6, 8]})
    client.force_login(auditor())
    asked = {"product": "Acme", "channel": "release", "version": "10.0", "span": "6h"}
    assert client.get(ROLLOUTS, asked | {"target": target}).context["aims"] == []
    (aim,) = client.get(ROLLOUTS, asked | {"target": "90"}).context["aims"]
    assert (aim.scheduled, aim.percent) == (None, 90)


@pytest.mark.parametrize("span", ["6h", "1d", "3d", "7d", "14d", "30d", "nonsense"])
def test_page__every_span__is_drawn(client: Any, span: str) -> None:
    traffic({str(number): [number] * 30 for number in range(1, 9)})
    client.force_login(auditor())
    answer = client.get(ROLLOUTS, {"product": "Acme", "channel": "release", "span": span})
    assert len(answer.context["trend"].versions) == 6
    assert answer.context["trend"].rest == 2
    chart = answer.context["chart"]
    if chart is not None:
        assert all(0 <= tick.at <= chart.width for tick in chart.x_ticks)
        assert all(0 <= line.label_y <= chart.height for line in chart.lines)
        assert len({line.label_y for line in chart.lines}) == len(chart.lines), (
            "names do not cover each other"
        )


def test_overview__lists_places_and_what_waits(client: Any) -> None:
    client.force_login(administrator())
    assert "No rule names a product" in client.get(ROLLOUTS).content.decode()
    ada = person("bob", "rule")
    scheduled = waiting(ada, RuleFactory())
    traffic({"10.0": [50, 50]})
    client.force_login(ada)
    answer = client.get(ROLLOUTS)
    assert answer.context["waiting"] == [scheduled]
    assert [
        (place["product"], place["channel"], place["requests"]) for place in answer.context["places"]
    ] == [("Acme", "release", 10_000)]
    assert "Plan a throttled rollout" in answer.content.decode()


def test_pages__who_may_open_them(client: Any) -> None:
    RuleFactory()
    person("bob", "rule", products=["Acme"])
    client.force_login(auditor())
    assert client.get(PLAN).status_code == 403
    for asked in ({}, {"product": "Acme", "channel": "release"}):
        text = client.get(ROLLOUTS, asked).content.decode()
        assert "Plan a throttled" not in text
        assert "These people have it: bob" in text
    client.force_login(person("nobody"))
    assert client.get(ROLLOUTS).status_code == 403


# --- Planning -----------------------------------------------------------------------------------------------


@pytest.fixture
def bob() -> Any:
    requires("Acme", "release", releng=1, relman=1)
    person("rita", "rule", roles=["relman"])
    return person("bob", "rule", roles=["releng"])


def plan(**more: Any) -> dict[str, Any]:
    now = timezone.now()
    times = {"start": now + DAY, "time_limit": now + 3 * DAY, "finish": now + 5 * DAY}
    said = {name: f"{moment:%Y-%m-%d %H:%M}" for name, moment in times.items()}
    return {"rule": "ship", "mapping": "Acme-11", "rate": "25", "target_percent": "30"} | said | more


@pytest.fixture
def rule() -> Rule:
    ReleaseFactory(name="Acme-11", version="11.0")
    return RuleFactory(alias="ship")


def test_plan__is_shown_step_by_step__and_nothing_is_written_before(
    client: Any, bob: Any, rule: Rule
) -> None:
    client.force_login(bob)
    assert 'value="ship"' in client.get(PLAN, {"rule": "ship"}).content.decode()
    sets = ChangeSet.objects.count()
    preview = client.post(PLAN, plan(preview="on"))
    assert preview.status_code == 200
    assert [step.scheduled.reason for step in preview.context["steps"]] == [
        "Rollout of Acme-11: offer it to 25 %.",
        "Rollout of Acme-11: pause at 30 % uptake of 11.0.",
        "Rollout of Acme-11: offer it to everybody.",
    ]
    text = preview.content.decode()
    for said in ("Schedule these 3 steps", "rita", "(by proposing it)", "now unknown", "after step 1"):
        assert said in text
    assert not ScheduledChange.objects.exists()
    assert ChangeSet.objects.count() == sets
    seen = hidden_fields(preview)["previewed"][0]
    answer = client.post(PLAN, plan(schedule="on", previewed=seen))
    first = ScheduledChange.objects.earliest("pk")
    assert answer.headers["Location"] == f"/admin/changes/scheduledchange/{first.pk}/change/"
    assert ScheduledChange.objects.pending().count() == 3


def test_plan__changed_since_its_preview__is_shown_again(
    client: Any, bob: Any, rule: Rule, acting: Any
) -> None:
    client.force_login(bob)
    seen = hidden_fields(client.post(PLAN, plan(preview="on")))["previewed"][0]
    for data in (plan(rate="50"), plan()):
        answer = client.post(
            PLAN, data | {"schedule": "on", "previewed": seen if data["rate"] == "50" else "x"}
        )
        assert "Nothing is scheduled" in answer.content.decode()
    with acting():
        update_rule(rule.pk, {"comment": "other"}, based_on=1)
    assert (
        "look at the steps again" in client.post(PLAN, plan(schedule="on", previewed=seen)).content.decode()
    )
    assert not ScheduledChange.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"rule": "none"}, 400, "there is no such rule"),
        ({"rule": "999999999"}, 400, "there is no such rule"),
        ({"rate": "100"}, 400, "less than or equal to 99"),
        ({"time_limit": "soon"}, 400, "write it as"),
        ({"mapping": "Acme-99"}, 409, "there is no such release"),
        ({"start": "2001-01-01 10:00"}, 409, "is over"),
        ({"finish": "2001-01-01 10:00"}, 409, "must be after"),
    ],
    ids=["alias", "number", "rate", "time", "release", "past", "order"],
)
def test_plan__that_cannot_be__says_why_and_keeps_what_was_typed(
    client: Any, bob: Any, rule: Rule, wrong: dict[str, str], status: int, said: str
) -> None:
    client.force_login(bob)
    answer = client.post(PLAN, plan(preview="on", **wrong))
    assert answer.status_code == status
    text = re.sub(r"&#x27;", "'", answer.content.decode())
    assert said in text
    assert all(f'value="{value}"' in text for value in wrong.values())
    assert not ScheduledChange.objects.exists()


def test_plan__of_a_rule_that_one_may_not_change__is_refused(client: Any, rule: Rule) -> None:
    client.force_login(person("else", "rule", products=["Other"]))
    answer = client.post(PLAN, plan(preview="on"))
    assert answer.status_code == 409
    assert "may not change rule" in answer.content.decode()
    assert client.put(PLAN).status_code == 405


def test_plan__already_scheduled_rule__names_the_change(client: Any, bob: Any, rule: Rule) -> None:
    with change_set(actor=bob):
        propose(bob, [Proposal("rule", "update", {"background_rate": 5}, rule.pk)])
    client.force_login(bob)
    assert "has a scheduled change already" in client.post(PLAN, plan(preview="on")).content.decode()
