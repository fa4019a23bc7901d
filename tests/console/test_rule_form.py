"""The form of a rule: groups, lists by line, live checks, who must agree, collisions, and nothing typed is lost."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from history.changesets import change_set
from history.models import ChangeSet
from releases.models import Release
from releng.changes.actions import Proposal, propose
from releng.changes.models import ScheduledChange
from releng.console.rule_form import GROUPS, HELP
from rules.actions import EDITABLE_FIELDS, delete_rule, update_rule
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory, ShutoffFactory
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]
RITA = f"1 {chr(0xD7)} relman (rita)"
ADD = "/admin/rules/rule/add/"
CHECK = "/admin/rules/rule/new/check/"


@pytest.fixture
def ada(client: Any) -> Any:
    user = administrator()
    client.force_login(user)
    return user


def page_of(rule: Rule) -> str:
    return reverse("admin:rules_rule_change", args=[rule.pk])


def check_of(rule: Rule | None) -> str:
    return reverse("admin:console_rule_check", args=[rule.pk]) if rule else CHECK


def typed(client: Any, url: str, **changed: Any) -> dict[str, Any]:
    """Open a form and return what it would send, with some fields changed."""
    form = client.get(url).context["adminform"].form
    names = (*EDITABLE_FIELDS, "based_on", "reason")
    return {name: form[name].value() for name in names if form[name].value() is not None} | changed


def checked(client: Any, rule: Rule | None = None, **values: Any) -> dict[str, Any]:
    data = typed(client, page_of(rule) if rule else ADD, **values)
    answer = client.post(check_of(rule), data)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


# --- Fields -------------------------------------------------------------------------------------------------


def test_groups__have_every_field_once__each_with_one_line_of_help() -> None:
    names = [name for _, group in GROUPS for name in group]
    assert sorted(names) == sorted(EDITABLE_FIELDS) == sorted(HELP)


def test_lists__are_shown_and_read_one_item_per_line(client: Any, ada: Any) -> None:
    rule = RuleFactory(locale="de,fr", os_version="Windows_NT 6.1,Windows_NT 6.2&&x64")
    form = client.get(page_of(rule)).context["adminform"].form
    assert form["locale"].value() == "de\nfr"
    assert ">\nde\nfr</textarea>" in str(form["locale"])
    data = typed(client, page_of(rule), locale="de\r\n it , sv-SE\r\n\r\n", os_version="Darwin 10\nDarwin 11")
    client.post(page_of(rule), data)
    rule.refresh_from_db()
    assert (rule.locale, rule.os_version) == ("de,it,sv-SE", "Darwin 10,Darwin 11")


def test_lists__nobody_touched__stay_as_they_are_written(client: Any, ada: Any) -> None:
    rule = RuleFactory(os_version="Darwin 10, Darwin 11")
    client.post(page_of(rule), typed(client, page_of(rule), os_version="Darwin 10\r\nDarwin 11", priority=7))
    rule.refresh_from_db()
    assert (rule.os_version, rule.priority) == ("Darwin 10, Darwin 11", 7)


def test_releases__are_named__and_what_is_not_there_is_told(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    other = ReleaseFactory(name="Acme-99")
    client.post(page_of(rule), typed(client, page_of(rule), mapping=" Acme-99 "))
    rule.refresh_from_db()
    assert rule.mapping_id == other.name
    text = client.post(page_of(rule), typed(client, page_of(rule), mapping="Acme-nil")).content.decode()
    assert "Acme-nil: there is no such release." in text
    assert 'value="Acme-nil"' in text


def test_form__product_with_silent_fields__folds_them_away(client: Any, ada: Any) -> None:
    form = client.get(ADD, {"product": "FirefoxVPN"}).context["adminform"].form
    assert {"locale", "jaws", "distribution"} <= form.silent_fields
    assert "version" not in form.silent_fields
    rule = RuleFactory(product="FirefoxVPN", locale="de", mapping=None)
    page = client.get(page_of(rule))
    assert "locale" not in page.context["adminform"].form.silent_fields, "what says something is always shown"
    assert "Clients of FirefoxVPN do not send it" in page.content.decode()


def test_duplicate__starts_with_the_other_rules_values__but_for_its_alias(client: Any, ada: Any) -> None:
    rule = RuleFactory(alias="mine", locale="de,fr", mig64=True, comment="why")
    url = f"{ADD}?from={rule.pk}"
    client.post(url, typed(client, url))
    copy = Rule.objects.exclude(pk=rule.pk).get()
    assert (copy.alias, copy.locale, copy.mig64, copy.comment) == (None, "de,fr", True, "why")
    assert copy.mapping_id == rule.mapping_id
    assert client.get(f"{ADD}?from=99999").status_code == 200


def test_form__without_the_permission__shows_facts_and_no_button(client: Any) -> None:
    rule = RuleFactory(comment="for all to read")
    client.force_login(auditor())
    text = client.get(page_of(rule)).content.decode()
    assert "for all to read" in text
    assert 'name="_save"' not in text
    assert 'name="_schedule"' not in text
    assert client.post(page_of(rule), {"priority": 1}).status_code == 403
    assert client.post(CHECK, {}).status_code == 403


# --- Live checks --------------------------------------------------------------------------------------------


def test_check__stores_nothing__and_tells_what_is_wrong_by_field(client: Any, ada: Any) -> None:
    rule, other = RuleFactory(priority=5), RuleFactory(alias="taken", priority=6)
    recorded = ChangeSet.objects.count()
    said = checked(client, rule, version="<", alias="taken", mapping="Acme-nil", priority="x")
    assert said["errors"].keys() == {"version", "alias", "mapping", "priority"}
    rule.refresh_from_db()
    assert rule.data_version == 1
    assert (Rule.objects.count(), ChangeSet.objects.count()) == (2, recorded)
    assert other.alias == "taken"


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ({"background_rate": 25}, "background_rate", "75 of 100 are offered nothing"),
        ({"background_rate": 25, "mapping": ""}, "background_rate", "no mapping"),
        ({"fallback_mapping": "Acme-old"}, "fallback_mapping", "Nobody gets it"),
        ({"mapping": "Bcme-1"}, "mapping", "is a release of Bcme"),
        ({"priority": 900}, "priority", "the lower number decides"),
        ({"product": "acme"}, "product", "spelled as clients send it"),
        ({"channel": "relaese"}, "channel", "No other rule of Acme"),
        ({"channel": "esr"}, "channel", "are stopped"),
        ({"product": "FirefoxVPN", "locale": "de"}, "locale", "do not send it"),
    ],
    ids=[
        *("throttle", "nothing to throttle", "idle fallback", "other product", "priority", "product"),
        *("channel", "stopped", "silent"),
    ],
)
def test_check__what_is_odd__is_told_at_its_field(
    client: Any, ada: Any, values: dict[str, Any], field: str, text: str
) -> None:
    rule = RuleFactory()
    RuleFactory(priority=900)
    ReleaseFactory(name="Acme-old")
    ReleaseFactory(name="Bcme-1", product="Bcme")
    ShutoffFactory(channel="esr")
    said = checked(client, rule, **values)
    assert text in " ".join(said["warnings"][field])
    assert said["errors"] == {}


def test_check__plain_rule__is_told_nothing(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    said = checked(client, rule)
    assert (said["errors"], said["warnings"], said["changes"], said["problems"]) == ({}, {}, [], [])


def test_check__tells_who_must_agree__for_the_old_and_the_new_place(client: Any, ada: Any) -> None:
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    beta = RuleFactory(channel="beta")
    assert checked(client, beta)["needed"] == []
    assert checked(client, beta, channel="release")["needed"] == [RITA]
    assert checked(client, RuleFactory(), channel="beta")["needed"] == [RITA]
    assert checked(client, product="Acme", channel="release", priority=1)["needed"] == [RITA]
    assert checked(client, product="Bcme", priority=1)["needed"] == []


def test_check__tells_what_changes__and_that_somebody_was_faster(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    said = checked(client, rule, background_rate=25, mig64="true")
    assert said["changes"] == [
        {"label": "background rate", "old": "100", "new": "25"},
        {"label": "mig64", "old": "none", "new": "yes"},
    ]
    data = typed(client, page_of(rule))
    with change_set(actor_name="bert"):
        update_rule(rule.pk, {"priority": 3}, based_on=1)
    answer = client.post(check_of(rule), data).json()
    assert "bert changed priority" in answer["problems"][0]


def test_check__asked_by_get__is_refused(client: Any, ada: Any) -> None:
    assert client.get(CHECK).status_code == 405


# --- Saving and scheduling ----------------------------------------------------------------------------------


def test_form__signoffs_needed__schedule_is_the_only_button_that_would_work(client: Any, ada: Any) -> None:
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    text = client.get(page_of(RuleFactory())).content.decode()
    assert "relman</strong> (rita)" in text
    assert 'name="_schedule"' in text
    assert 'name="_save"' not in text
    beta = client.get(page_of(RuleFactory(channel="beta"))).content.decode()
    assert beta.index('name="_save"') < beta.index('name="_schedule"')
    new = client.get(ADD).content.decode()
    assert new.index('name="_schedule"') < new.index('name="_save"'), "a rule for every product needs all"


def test_form__nobody_holds_the_role__says_so(client: Any, ada: Any) -> None:
    requires("Acme", "release", relman=1)
    assert "nobody holds this role" in client.get(page_of(RuleFactory())).content.decode()


def test_save__refused_by_a_verb__keeps_everything_that_was_typed(client: Any) -> None:
    rule = RuleFactory()
    requires("Acme", "release", relman=1)
    client.force_login(person("bob", "rule", products=["Acme"]))
    data = typed(client, page_of(rule), comment="long thought", reason="because", locale="de\nfr")
    text = client.post(page_of(rule), data | {"_save": "on"}).content.decode()
    assert "Nothing was saved" in text
    for kept in ("long thought", "because", ">\nde\nfr</textarea>"):
        assert kept in text
    rule.refresh_from_db()
    assert rule.comment is None


def test_save__into_a_product_of_others__says_which_permission_is_missing(client: Any) -> None:
    rule = RuleFactory()
    administrator()
    ReleaseFactory(product="Bcme")
    client.force_login(person("bob", "rule", products=["Acme"]))
    text = client.post(page_of(rule), typed(client, page_of(rule), product="Bcme")).content.decode()
    assert "the permission rules.change_rule is missing" in text
    assert "Who may: ada" in text
    assert 'value="Bcme"' in text


def test_schedule__after_one_that_is_open__follows_it(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    with change_set(actor=ada):
        first = propose(ada, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
    page = client.get(page_of(rule))
    assert f'<option value="{first.pk}"' in page.content.decode()
    data = typed(client, page_of(rule), priority=9) | {"_schedule": "on"}
    assert "edit that one, cancel it" in client.post(page_of(rule), data).content.decode()
    answer = client.post(page_of(rule), data | {"schedule_after": first.pk, "schedule_when": ""})
    second = ScheduledChange.objects.get(follows=first)
    assert answer.url == reverse("admin:changes_scheduledchange_change", args=[second.pk])
    assert second.writes.get().values == {"priority": 9}


def test_page__of_a_rule__shows_what_is_proposed_and_stopped(client: Any, ada: Any) -> None:
    rule = RuleFactory()
    ShutoffFactory(channel="release")
    with change_set(actor=ada):
        propose(ada, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
    text = client.get(page_of(rule)).content.decode()
    assert "Proposed for this rule" in text
    assert '<del class="removed">100</del>' in text
    assert "stopped: release" in text
    for address in (
        f"{reverse('admin:console_rollouts')}?product=Acme&amp;channel=release",
        f"{reverse('admin:console_rollout_plan')}?rule={rule.pk}",
        f"{reverse('admin:console_asking')}?rule={rule.pk}",
    ):
        assert f'href="{address}"' in text


# --- Two people, one rule -----------------------------------------------------------------------------------


@pytest.fixture
def collision(client: Any, ada: Any) -> tuple[Rule, Any]:
    """A rule that bert has changed while ada typed, and the page that ada got for it."""
    rule = RuleFactory(priority=10, comment="was", locale="de")
    data = typed(client, page_of(rule), comment="mine", locale="de\nfr", reason="ours")
    with change_set(actor_name="bert"):
        update_rule(rule.pk, {"priority": 20, "comment": "theirs"}, based_on=1)
    return rule, client.post(page_of(rule), data)


def sent_again(page: Any, **chosen: str) -> dict[str, Any]:
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in (*EDITABLE_FIELDS, "based_on", "reason")}
    data = {name: value for name, value in data.items() if value is not None}
    for item in form.collisions:
        data[f"shown-{item.field.name}"] = item.stands
    return data | chosen


def test_stale__shows_three_sides__with_what_will_stand(collision: Any) -> None:
    _, page = collision
    form = page.context["adminform"].form
    told = {item.label: [choice.typed for choice in item.choices] for item in form.collisions}
    assert told == {
        "priority": ["10", "20", "10"],
        "comment": ["was", "theirs", "mine"],
        "locale": ["de", "de", "de\nfr"],
    }
    stands = {item.label: item.stands for item in form.collisions}
    assert stands == {"priority": "20", "comment": "mine", "locale": "de\nfr"}
    assert [item.label for item in form.collisions if item.is_conflict] == ["comment"]
    assert "bert changed" in page.content.decode()
    assert [label for label, _ in page.context["outlook"].changes] == ["locale", "comment"], (
        "as it stands below"
    )


@pytest.mark.parametrize(
    ("chosen", "stored"),
    [
        ({}, (20, "mine", "de,fr")),
        ({"choose-comment": "theirs", "choose-priority": "10"}, (10, "theirs", "de,fr")),
        ({"choose-comment": "was", "choose-locale": "de"}, (20, "was", "de")),
        ({"choose-comment": "theirs", "comment": "both"}, (20, "both", "de,fr")),
    ],
    ids=["as it stands", "theirs", "as it was", "typed anew"],
)
def test_stale__saved_again__stores_what_was_chosen(
    client: Any, collision: Any, chosen: dict[str, str], stored: tuple[Any, ...]
) -> None:
    rule, page = collision
    client.post(page_of(rule), sent_again(page, **chosen))
    rule.refresh_from_db()
    assert (rule.priority, rule.comment, rule.locale) == stored
    assert Rule.history.latest("history_id").change_set.reason == "ours"


def test_stale__what_was_typed_wrongly__is_not_replaced_by_theirs(client: Any, ada: Any) -> None:
    rule = RuleFactory(priority=10)
    data = typed(client, page_of(rule), priority="1O")
    with change_set(actor_name="bert"):
        update_rule(rule.pk, {"priority": 20}, based_on=1)
    page = client.post(page_of(rule), data)
    assert page.context["adminform"].form["priority"].value() == "1O"
    assert Release.objects.count() == 1


def test_stale__rule_is_gone__keeps_what_was_typed_as_a_new_rule(client: Any, ada: Any) -> None:
    rule = RuleFactory(alias="mine")
    data = typed(client, page_of(rule), comment="long thought")
    with change_set(actor_name="bert"):
        delete_rule(rule.pk, based_on=1)
    page = client.post(page_of(rule), data)
    text = page.content.decode()
    assert f"bert has deleted rule {rule.pk} meanwhile" in text
    assert "long thought" in text
    assert f'action="{ADD}"' in text
    assert not Rule.objects.exists()
    client.post(ADD, data)
    assert Rule.objects.get().comment == "long thought"


def test_saved__leads_to_where_the_rule_stands(client: Any, ada: Any) -> None:
    rule = RuleFactory(channel="release*")
    answer = client.post(page_of(rule), typed(client, page_of(rule), priority=7) | {"_save": "on"})
    assert answer.url == f"/admin/rules/rule/?product=Acme&channel=release%2A#rule-{rule.pk}"
    assert f'id="rule-{rule.pk}"' in client.get(answer.url).content.decode()


@pytest.mark.parametrize(
    "junk",
    ["abc", "\x00", "9" * 40, "-1", "<script>alert(1)</script>", "a\nb,,;\u2028", "\ud7ff" * 300],
    ids=["letters", "nul", "digits", "negative", "markup", "lines", "long"],
)
def test_form__junk_in_the_address_and_in_fields__is_no_error_of_ours(
    client: Any, ada: Any, junk: str
) -> None:
    rule = RuleFactory()
    page = client.get(ADD, dict.fromkeys((*EDITABLE_FIELDS, "from"), junk))
    assert page.status_code == 200
    assert "<script>alert(1)" not in page.content.decode()
    data = dict.fromkeys((*EDITABLE_FIELDS, "based_on", "reason", "schedule_when", "schedule_after"), junk)
    for url in (CHECK, check_of(rule), page_of(rule), ADD):
        assert client.post(url, data).status_code == 200, url
    assert client.post(f"/admin/rules/rule/{'9' * 30}/check/", data).status_code == 200
    assert Rule.objects.count() == 1
