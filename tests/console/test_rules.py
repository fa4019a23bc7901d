"""The rules as decisions: order, filters, proposals, permalinks, moving, and who may do what."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from history.changesets import change_set
from releases.actions import set_read_only
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from releng.console.rule_words import conditions, unmet_conditions, update_path
from rules.actions import update_rule
from rules.models import Rule
from rules.wire import rule_to_wire
from tests.factories import ReleaseFactory, RuleFactory, ShutoffFactory
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = pytest.mark.django_db
LIST = "/admin/rules/rule/"


@pytest.fixture
def ada(client: Any) -> Any:
    user = administrator()
    client.force_login(user)
    return user


def shown(client: Any, **asked: str) -> list[Any]:
    return [row.rule.pk for row in client.get(LIST, asked).context["rules"].rows]


def schedule(author: Any, rule: Rule | None, change: str = "update", **values: Any) -> ScheduledChange:
    with change_set(actor=author):
        key = rule.pk if rule is not None else None
        return propose(author, [Proposal("rule", change, values, key)])


# --- The list -----------------------------------------------------------------------------------------------


def test_list__is_in_decision_order__grouped_by_product_and_channel(client: Any, ada: Any) -> None:
    low, high = RuleFactory(priority=1), RuleFactory(priority=900)
    beta, other = RuleFactory(channel="beta"), RuleFactory(product="Bcme", mapping=None)
    everybody = RuleFactory(product=None, channel=None, mapping=None)
    assert shown(client) == [beta.pk, high.pk, low.pk, other.pk, everybody.pk]
    groups = client.get(LIST).context["rules"].groups
    assert [(group.product, group.channel, group.count) for group in groups] == [
        ("Acme", "beta", 1),
        ("Acme", "release", 2),
        ("Bcme", "release", 1),
        (None, None, 1),
    ]


def test_list__product_and_channel__show_everything_that_decides_there(client: Any, ada: Any) -> None:
    star, exact = RuleFactory(channel="rel*", priority=5), RuleFactory(channel="release", priority=7)
    every = RuleFactory(product=None, channel=None, priority=6, mapping=None)
    RuleFactory(channel="beta")
    RuleFactory(product="Bcme", mapping=None)
    assert shown(client, product="Acme", channel="release") == [exact.pk, every.pk, star.pk]
    answer = client.get(LIST, {"product": "Acme", "channel": "release"})
    assert "the first that matches decides" in answer.content.decode()


def test_list__filters__find_throttled_pending_and_what_rules_point_at(client: Any, ada: Any) -> None:
    plain, throttled = RuleFactory(comment="nothing special"), RuleFactory.throttled(alias="slow")
    silent = RuleFactory.silent()
    locked = RuleFactory()
    with change_set(actor_name="factory"):
        set_read_only(locked.mapping_id, True, based_on=locked.mapping.data_version)
    foreign = RuleFactory(mapping=ReleaseFactory(product="Bcme"))
    schedule(ada, plain, priority=5)
    assert shown(client, throttled="on") == [throttled.pk]
    assert shown(client, pending="on") == [plain.pk]
    assert shown(client, points_at="nothing") == [silent.pk]
    assert shown(client, points_at="read_only") == [locked.pk]
    assert shown(client, points_at="other") == [foreign.pk]
    assert shown(client, points_at="missing") == []
    assert shown(client, mapping=plain.mapping_id) == [plain.pk]
    assert shown(client, mapping=str(throttled.fallback_mapping_id)) == [throttled.pk]
    assert shown(client, q="special") == [plain.pk]
    assert shown(client, q="slow Acme") == [throttled.pk]
    assert "No rule fits" in client.get(LIST, {"q": "nowhere"}).content.decode()


def test_list__many_rules__are_paged_and_the_filters_stay_in_the_address(client: Any, ada: Any) -> None:
    with change_set(actor_name="factory"):
        for number in range(101):
            Rule(product="Acme", channel="release", priority=number).save()
    first = client.get(LIST, {"product": "Acme"})
    assert len(first.context["rules"].rows) == 100
    second = client.get(LIST + first.context["rules"].newer)
    assert [row.rule.priority for row in second.context["rules"].rows] == [0]
    assert second.context["rules"].form.chosen == {"product": "Acme"}


def test_list__badges__tell_throttle_fallback_shutoff_and_oddities(client: Any, ada: Any) -> None:
    RuleFactory.throttled(rate=10, channel="release*")
    ShutoffFactory(channel="release")
    text = client.get(LIST).content.decode()
    for said in ("throttled 10 %", "fallback", "stopped: release", "crashes at start"):
        assert said in text


def test_list__empty__says_what_to_do_first(client: Any, ada: Any) -> None:
    text = client.get(LIST).content.decode()
    assert "There are no rules yet" in text
    assert "make the rule that offers it" in text


def test_list__proposals__stand_under_their_rules_each_on_top_of_the_one_before(
    client: Any, ada: Any
) -> None:
    rule = RuleFactory()
    first = schedule(ada, rule, background_rate=25)
    with change_set(actor=ada):
        propose(ada, [Proposal("rule", "update", {"background_rate": 0}, rule.pk)], follows=first)
    schedule(ada, None, "insert", product="Acme", channel="release", priority=900, alias="coming")
    page = client.get(LIST)
    new, old = page.context["rules"].rows
    assert (new.rule.alias, new.rule.pk) == ("coming", None)
    changes = [(change.old, change.new) for proposal in old.proposals for _, change in proposal.labelled]
    assert changes == [(100, 25), (25, 0)]
    text = page.content.decode()
    assert reverse("admin:changes_scheduledchange_change", args=[first.pk]) in text
    assert text.index("coming") < text.index(f'id="rule-{rule.pk}"')


def test_list__proposal_whose_moment_is_over__is_late(client: Any, ada: Any) -> None:
    schedule(ada, RuleFactory(), priority=5)
    proposal = client.get(LIST).context["rules"].rows[0].proposals[0]
    assert not proposal.is_late
    proposal.scheduled.when = timezone.now() - timedelta(days=1)
    assert proposal.is_late
    proposal.scheduled.state = "suspended"
    assert not proposal.is_late


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "Coming"}, True),
        ({"q": "coming soon"}, False),
        ({"throttled": "on"}, True),
        ({"points_at": "nothing"}, True),
        ({"points_at": "other"}, False),
        ({"mapping": "Acme"}, False),
        ({"pending": "on", "product": "Acme", "channel": "release"}, True),
        ({"product": "Bcme"}, False),
    ],
    ids=[
        "text",
        "other text",
        "throttled",
        "nothing",
        "another product's",
        "release",
        "place",
        "other product",
    ],
)
def test_list__rules_that_are_only_proposed__are_filtered_too(
    client: Any, ada: Any, asked: dict[str, str], found: bool
) -> None:
    values = {"product": "Acme", "channel": "release", "alias": "coming", "background_rate": 10}
    schedule(ada, None, "insert", **values)
    assert shown(client, **asked) == ([None] if found else [])


def test_list__proposed_deletion__is_red_under_its_rule(client: Any, ada: Any) -> None:
    schedule(ada, RuleFactory(), "delete")
    assert "This rule would be deleted" in client.get(LIST).content.decode()


def test_list__actions__only_those_that_the_person_may_do(client: Any) -> None:
    rule, other = RuleFactory(), RuleFactory(product="Bcme", mapping=None)
    move = reverse("admin:console_rule_move", args=[rule.pk])
    client.force_login(auditor())
    text = client.get(LIST).content.decode()
    assert move not in text
    assert reverse("admin:console_rollout_plan") not in text
    assert "New rule" not in text
    assert client.get(move).status_code == 403
    client.force_login(person("bob", "rule:modify", products=["Acme"]))
    text = client.get(LIST).content.decode()
    assert move in text
    assert f"{reverse('admin:console_rollout_plan')}?rule={rule.pk}" in text
    assert reverse("admin:console_rule_move", args=[other.pk]) not in text
    assert reverse("admin:rules_rule_delete", args=[rule.pk]) not in text
    assert f"?from={rule.pk}" not in text


def test_list__without_any_permission__is_refused_with_who_can_help(client: Any) -> None:
    administrator()
    client.force_login(person("nobody"))
    answer = client.get(LIST)
    assert answer.status_code == 403
    assert "ada" in answer.content.decode()


@pytest.mark.parametrize("name", ["number", "alias"])
def test_permalink__by_number_and_alias__leads_to_the_rule(client: Any, ada: Any, name: str) -> None:
    rule = RuleFactory(alias="acme-release")
    answer = client.get(f"/admin/rule/{rule.pk if name == 'number' else rule.alias}/")
    assert answer.url == reverse("admin:rules_rule_change", args=[rule.pk])


def test_permalink__of_nothing__searches(client: Any, ada: Any) -> None:
    answer = client.get("/admin/rule/gone/", follow=True)
    assert answer.redirect_chain == [("/admin/rules/rule/?q=gone", 302)]
    assert "There is no rule gone" in answer.content.decode()


def test_copies__are_the_rule_of_the_api_and_a_request_that_it_matches(client: Any, ada: Any) -> None:
    RuleFactory(version="<72.0", locale="de,fr", os_version="Windows_NT 6.1&&x64", memory=">4096", mig64=True)
    row = client.get(LIST).context["rules"].rows[0]
    assert json.loads(row.json) == rule_to_wire(row.rule)
    assert row.unmet == ""
    assert row.update_path.startswith("/update/6/Acme/71.0/")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"version": ">=128.0,115.*", "build_id": "<20250101000000", "channel": "release-cck-*"},
        {
            "version": "115.*",
            "distribution": "a,b",
            "dist_version": "2",
            "instruction_set": "SSE,MMX",
            "jaws": True,
        },
        {"product": "FirefoxVPN", "version": "<2.9", "build_target": "WINNT_x86_64"},
        {"product": None, "channel": None, "build_id": ">5", "memory": "<=2"},
    ],
    ids=["everybody", "at least", "star", "vpn", "no product"],
)
def test_update_path__of_a_rule__fulfils_it(values: dict[str, Any]) -> None:
    rule = Rule(**{"product": "Acme", "channel": "release*"} | values)
    assert unmet_conditions(rule, update_path(rule)) == []


def test_update_path__what_a_path_cannot_tell__is_named() -> None:
    rule = Rule(product="Acme", header_architecture="PPC", whitelist_id="Devices")
    assert unmet_conditions(rule, update_path(rule)) == ["architecture", "only devices of"]


def test_conditions__long_list__is_counted() -> None:
    rule = Rule(locale=",".join(f"l{number}" for number in range(40)), jaws=False)
    assert [(found.label, found.count) for found in conditions(rule)] == [("locale", 40), ("JAWS", 0)]


# --- Moving -------------------------------------------------------------------------------------------------


def move(client: Any, rule: Rule, beside: Rule, where: str, **typed: str) -> Any:
    url = reverse("admin:console_rule_move", args=[rule.pk])
    page = client.get(url, {"beside": beside.alias or beside.pk, "where": where})
    return client.post(url, hidden_fields(page) | typed, follow=True)


def order() -> list[int]:
    return [rule.pk for rule in Rule.objects.all()]


def test_move__before_another__writes_one_change_set(client: Any, ada: Any) -> None:
    one, two, three = (RuleFactory(priority=priority) for priority in (12, 11, 10))
    answer = move(client, three, one, "after", reason="urgent", _save="on")
    assert answer.redirect_chain[-1][0].startswith(LIST)
    assert order() == [one.pk, three.pk, two.pk]
    rows = Rule.history.filter(data_version=2)
    assert len({row.change_set_id for row in rows}) == 1
    assert rows[0].change_set.reason == "urgent"


def test_move__where_others_must_agree__is_scheduled_as_one_batch(client: Any) -> None:
    person("rita", "rule", roles=["relman"])
    client.force_login(person("bob", "rule", products=["Acme"]))
    requires("Acme", "release", relman=1)
    one, two = RuleFactory(priority=10), RuleFactory(priority=10)
    url = reverse("admin:console_rule_move", args=[two.pk])
    page = client.get(url, {"beside": one.pk, "where": "before"})
    text = page.content.decode()
    assert "relman</strong>" in text
    assert "rita" in text
    assert 'name="_save"' not in text
    refused = client.post(url, hidden_fields(page) | {"_save": "on"})
    assert "needs signoffs" in refused.content.decode()
    assert order() == [one.pk, two.pk]
    client.post(url, hidden_fields(page) | {"_schedule": "on"})
    assert [write.values for write in ScheduledChange.objects.get().writes.all()] == [{"priority": 20}]
    assert order() == [one.pk, two.pk]


def test_move__somebody_was_faster__writes_nothing_and_shows_it_anew(client: Any, ada: Any) -> None:
    one, two = RuleFactory(priority=10), RuleFactory(priority=5)
    url = reverse("admin:console_rule_move", args=[two.pk])
    page = client.get(url, {"beside": one.pk, "where": "before"})
    with change_set(actor_name="bert"):
        update_rule(two.pk, {"comment": "mine"}, based_on=1)
    answer = client.post(url, hidden_fields(page) | {"_save": "on"})
    assert "Somebody was faster" in answer.content.decode()
    assert order() == [one.pk, two.pk]


def test_move__beside_nothing_or_itself__is_told(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    url = reverse("admin:console_rule_move", args=[rule.pk])
    for text, said in (("99", "there is no such rule"), (str(rule.pk), "itself"), ("", "required")):
        answer = client.get(url, {"beside": text, "where": "before"})
        assert said in answer.content.decode()
    assert client.get("/admin/rules/rule/99/move/").status_code == 404


def test_move__needs_rules_that_the_person_may_not_change__is_refused_by_name(client: Any) -> None:
    client.force_login(person("bob", "rule", products=["Acme"]))
    one, two = RuleFactory(product=None, priority=10, mapping=None), RuleFactory(priority=10)
    raised = RuleFactory(product=None, channel="release", priority=11, mapping=None)
    url = reverse("admin:console_rule_move", args=[two.pk])
    page = client.get(url, {"beside": one.pk, "where": "before"})
    assert [step.rule for step in page.context["steps"]] == [two, raised]
    assert "permission rules.change_rule is missing" in page.content.decode()
    client.post(url, {"beside": one.pk, "where": "before", "_save": "on"} | hidden_fields(page))
    assert order() == [raised.pk, one.pk, two.pk]
