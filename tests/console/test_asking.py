"""What would this client get? The page, asked in every way that it can be."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from history.changesets import change_set
from history.models import ChangeSet
from releases.actions import submit_locale
from releng.changes.actions import Proposal, cancel, propose
from releng.changes.models import ScheduledChange
from rules.actions import delete_rule, update_rule
from rules.models import Rule
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    locale_document,
)
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]

ASK = "/admin/ask/"
URL = f"/update/3/Acme/8.0/20200101000000/{PLATFORM}/de/release/default/default/default/update.xml"
FIELDS = {"product": "Acme", "version": "8.0", "build_target": PLATFORM, "channel": "release"}
HOUR = timedelta(hours=1)


@pytest.fixture
def page(client: Client) -> Client:
    """The pages as an auditor sees them, who may do nothing but read."""
    AllowedDomainFactory()
    client.force_login(auditor())
    return client


def release(number: int) -> Any:
    return ReleaseFactory.served(f"Acme-{number}", f"{number}.0")


def text_of(answer: Any) -> str:
    """Return what stands on a page, with single spaces."""
    body = re.sub(r"(?s)<(script|style).*?</\1>", " ", answer.content.decode())
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def planned(rule: Rule, values: dict[str, Any], **conditions: Any) -> ScheduledChange:
    author = person("author", "admin")
    with change_set(actor=author, reason="plan"):
        return propose(
            author,
            [Proposal("rule", "update", values, rule.pk)],
            conditions=conditions,
            reason="Everybody",
        )


def test_page__asked_nothing__says_what_to_do(page: Client) -> None:
    answer = page.get(ASK)
    assert answer.status_code == 200
    assert "Paste the update URL of a client" in text_of(answer)


def test_page__asked_by_url__says_what_is_served_by_which_rule_and_why_no_other(page: Client) -> None:
    RuleFactory(priority=300, locale="fr", alias="french", mapping=release(13))
    RuleFactory(priority=200, channel="beta", alias="beta", mapping=None)
    rule = RuleFactory(mapping=release(12), alias="main")
    text = text_of(page.get(ASK, {"url": URL}))
    assert "served Acme-12" in text
    assert f"Decided by rule {rule.pk} main , priority 100, version 1, written by factory" in text
    assert "locale: wants fr, client has de" in text
    assert "1 by locale, 1 by channel" in text or "1 by channel, 1 by locale" in text
    assert "1 of them are not listed" in text
    assert "channel: wants beta" not in text
    assert "channel: wants beta" in text_of(page.get(ASK, {"url": URL, "every": "on"}))
    assert f"Rule-ID: {rule.pk}" in text


def test_page__asked_by_fields__shows_the_url_of_such_a_client(page: Client) -> None:
    RuleFactory(mapping=release(12))
    text = text_of(page.get(ASK, FIELDS))
    assert "/update/6/Acme/8.0/" in text
    assert "served Acme-12" in text


def test_page__asked_by_url_and_fields__lets_the_fields_replace(page: Client) -> None:
    RuleFactory(mapping=release(12), locale="en-US")
    assert "no rule matches" in text_of(page.get(ASK, {"url": URL}))
    assert "served Acme-12" in text_of(page.get(ASK, {"url": URL, "locale": "en-US"}))


def test_page__asked_with_empty_fields__leads_to_the_short_address(page: Client) -> None:
    answer = page.get(ASK, {"url": URL, "locale": "", "at": ""})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{ASK}?url=%2Fupdate")
    assert "locale" not in answer.headers["Location"]


def test_page__throttled__tells_both_sides_of_the_dice(page: Client) -> None:
    RuleFactory(mapping=release(12), fallback_mapping=release(11), background_rate=25)
    text = text_of(page.get(ASK, {"url": URL}))
    assert "to 25 of 100" in text
    assert "Who loses the throttle gets Acme-11" in text


def test_page__without_an_allowed_payload__says_that_the_answer_is_empty(page: Client) -> None:
    RuleFactory(mapping=ReleaseFactory(name="Acme-12", version="12.0"))
    text = text_of(page.get(ASK, {"url": URL}))
    assert "offered, but nothing is sent" in text


def test_page__stopped__says_so_first(page: Client) -> None:
    RuleFactory(mapping=release(12))
    ShutoffFactory()
    text = text_of(page.get(ASK, {"url": URL}))
    assert "nothing updates are stopped by an emergency shutoff" in text
    assert "Stopped Updates are stopped for Acme release" in text


def test_page__at_a_moment_that_is_over__tells_who_had_written_what(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    then = timezone.now()
    somebody = administrator("sue")
    with change_set(actor=somebody, reason="the newer one"):
        update_rule(rule.pk, {"mapping": "Acme-12"}, based_on=1)
    moment = then.strftime("%Y-%m-%d %H:%M:%S.%f")
    text = text_of(page.get(ASK, {"url": URL, "at": moment, "compare": "on"}))
    before, after = text.split("Everything as it was")
    assert "served Acme-11" in before
    assert "version 1, written by factory" in before
    assert "The client gets something else: Acme-11 → becomes Acme-12" in before
    assert "served Acme-12" in after
    assert "version 2, written by sue" in after
    assert "the newer one" in after


def test_page__at_a_moment_that_is_over__links_to_the_history_of_rules_that_may_be_gone(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    then = timezone.now()
    with change_set(actor_name="sue", reason="gone"):
        delete_rule(rule.pk, based_on=1)
    moment = then.strftime("%Y-%m-%d %H:%M:%S.%f")
    answer = page.get(ASK, {"url": URL, "at": moment, "compare": "on"})
    assert "Acme-11 → becomes nothing, no rule matches" in text_of(answer)
    content = answer.content.decode()
    linked = reverse("history:object", args=["rules.rule", rule.pk])
    assert f'href="{linked}"' in content
    assert f"/admin/rules/rule/{rule.pk}/change/" not in content
    assert page.get(linked).status_code == 200


def test_open_changes__beside_a_moment_that_is_over__are_compared_with_now(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    change = planned(rule, {"mapping": "Acme-12"})
    answer = page.get(ASK, {"url": URL, "at": "#1", "at2": "#2"})
    links = re.findall(r'<a href="([^"]+)">Compare with change', answer.content.decode())
    asked = text_of(page.get(unescape(links[0])))
    assert f"Now, with change {change.pk}" in asked


def test_page__of_a_change_set__shows_what_clients_got_before_and_after(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    with change_set(actor=administrator("sue"), reason="the newer one") as opened:
        update_rule(rule.pk, {"mapping": "Acme-12"}, based_on=1)
    number = ChangeSet.objects.get(pk=opened.id).sequence
    with change_set(actor_name="later", reason="and a comment"):
        update_rule(rule.pk, {"comment": "later"}, based_on=2)
    text = text_of(page.get(ASK, {"set": number}))
    assert "The client gets something else: Acme-11 → becomes Acme-12" in text
    assert f"After change set # {number - 1}" in text or f"After change set #{number - 1}" in text
    assert "by sue" in text
    assert "What changes for clients" in text
    linked = page.get(reverse("history:change_set", args=[opened.id])).content.decode()
    assert f"{ASK}?set={number}" in linked
    assert page.get(ASK, {"url": URL, "at": "#99999"}).status_code == 400
    assert page.get(ASK, {"url": URL, "at": "#x"}).status_code == 400
    assert "Before anything was recorded" in text_of(page.get(ASK, {"url": URL, "at": "#0"}))


def test_page__of_a_change_set_of_a_release__shows_the_clients_that_it_serves(page: Client) -> None:
    served = release(12)
    RuleFactory(mapping=served)
    with change_set(actor_name="build", reason="rebuilt") as opened:
        submit_locale(
            "Acme-12", "Acme", PLATFORM, "en-US", locale_document("20270101000000", 7), base_version=1
        )
    number = ChangeSet.objects.get(pk=opened.id).sequence
    text = text_of(page.get(ASK, {"set": number}))
    assert "The client gets something else" in text
    assert 'buildID="20270101000000"' in text


def test_page__at_a_moment_ahead__says_which_changes_are_applied_and_which_not(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    requires("Acme", "beta", qa=1)
    change = planned(rule, {"mapping": "Acme-12"}, when=timezone.now() + HOUR)
    unsigned = RuleFactory(channel="beta", mapping=None)
    with change_set(actor=change.author, reason="plan"):
        other = propose(
            change.author,
            [Proposal("rule", "update", {"priority": 5}, unsigned.pk)],
            conditions={"when": timezone.now() + HOUR},
        )
    ahead = (timezone.now() + 2 * HOUR).strftime("%Y-%m-%d %H:%M")
    text = text_of(page.get(ASK, {"url": URL, "at": ahead}))
    assert "served Acme-12" in text
    assert f"applied change {change.pk} : Everybody by author" in text
    assert f"left out change {other.pk}" in text
    assert "It lacks signoffs: 1 x qa." in text
    assert "as proposed from version 1" in text


def test_page__of_a_scheduled_change__shows_before_and_after(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    change = planned(rule, {"mapping": "Acme-12"})
    text = text_of(page.get(ASK, {"change": change.pk}))
    assert "The client gets something else: Acme-11 → becomes Acme-12" in text
    assert f"Now, with change {change.pk}" in text
    filled_in = page.get(ASK, {"change": change.pk}).content.decode()
    assert re.search(r'name="url" value="/update/6/Acme/', filled_in), "to ask on from there"
    assert "What changes for clients" in text
    offered = text_of(page.get(ASK, {"url": URL}))
    assert f"Compare with change {change.pk}" in offered


def test_page__of_a_change_that_is_over__says_so(page: Client) -> None:
    change = planned(RuleFactory(), {"priority": 5})
    with change_set(actor=change.author, reason="no"):
        cancel(change.pk, change.author)
    answer = page.get(ASK, {"change": change.pk})
    assert answer.status_code == 400
    assert "this change is cancelled; only open ones can be tried" in text_of(answer)


def test_page__of_a_rule__asks_as_a_client_about_whom_it_decides(page: Client) -> None:
    above = RuleFactory(priority=900, version=">=5.0", mapping=release(12))
    rule = RuleFactory(priority=1, mapping=release(10), locale="de,fr")
    text = text_of(page.get(ASK, {"rule": rule.pk}))
    assert f"Rule {rule.pk} decides about this client." in text
    told = {
        "url": URL,
        "rule": rule.pk,
    }
    assert f"Rule {rule.pk} is not reached: rule {above.pk} decides before it." in text_of(
        page.get(ASK, told)
    )
    french = {"url": URL.replace("/de/", "/es/").replace("8.0", "4.0"), "rule": rule.pk}
    assert f"Rule {rule.pk} does not match this client: locale." in text_of(page.get(ASK, french))
    elsewhere = {"url": URL.replace("Acme", "Zeta"), "rule": rule.pk}
    assert f"Rule {rule.pk} is for Acme, not for Zeta." in text_of(page.get(ASK, elsewhere))
    assert "Rule 999999 is not there." in text_of(page.get(ASK, {"url": URL, "rule": 999_999}))
    assert page.get(ASK, {"rule": 999_999}).status_code == 404
    nobody = RuleFactory(version="<0.0", mapping=None)
    answer = page.get(ASK, {"rule": nobody.pk})
    assert "No client was found that fulfils the conditions" in text_of(answer)


# --- Unsaved values -----------------------------------------------------------------------------------------


def rule_form(rule: Rule | None = None, **values: Any) -> dict[str, Any]:
    """Return what a rule's form sends."""
    found = {
        "product": "Acme",
        "channel": "release",
        "priority": 100,
        "background_rate": 100,
        "update_type": "minor",
        "jaws": "unknown",
        "mig64": "unknown",
        "draft_rule": "new" if rule is None else rule.pk,
    }
    if rule is not None:
        found |= {"mapping": rule.mapping_id or "", "based_on": rule.data_version}
    return {**found, **values}


def test_unsaved_values__of_a_rule__are_compared_with_now__and_nothing_is_written(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    release(12)
    before = ChangeSet.objects.count()
    sent = rule_form(rule, mapping="Acme-12", locale="de\nfr")
    answer = page.post(ASK, sent)
    assert answer.status_code == 302
    text = text_of(page.get(answer.headers["Location"]))
    assert f"With unsaved values of rule {rule.pk}" in text
    assert "The client gets something else: Acme-11 → becomes Acme-12" in text
    assert "with the unsaved values" in text
    asked = page.get(f"{answer.headers['Location']}&url={URL.replace('/de/', '/en-US/')}")
    assert "The client gets something else: Acme-11 → becomes nothing, no rule matches" in text_of(asked)
    assert ChangeSet.objects.count() == before
    assert Rule.objects.get().mapping_id == "Acme-11"


def test_unsaved_values__of_a_new_rule__are_tried(page: Client) -> None:
    RuleFactory(mapping=release(11))
    release(12)
    answer = page.post(ASK, rule_form(mapping="Acme-12", priority=900), follow=True)
    text = text_of(answer)
    assert "a new rule" in text
    assert "The client gets something else: Acme-11 → becomes Acme-12" in text
    assert "a rule that is not stored yet" in text
    assert "/admin/rules/rule/2/change/" not in answer.content.decode(), "there is no such page"


def test_unsaved_values__that_cannot_be_stored__say_why(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    answer = page.post(ASK, rule_form(rule, background_rate=101))
    assert answer.status_code == 400
    assert "background rate" in text_of(answer)
    gone = page.post(ASK, rule_form(rule) | {"draft_rule": "999999"})
    assert (gone.status_code, "not there any more" in text_of(gone)) == (400, True)


def test_unsaved_values__too_long_for_an_address__are_answered_at_once(page: Client) -> None:
    rule = RuleFactory(mapping=release(11))
    names = "\n".join(f"partner{number}" for number in range(180))
    answer = page.post(ASK, rule_form(rule, distribution=names, os_version="x" * 900, comment="y" * 400))
    assert answer.status_code == 200
    assert "With unsaved values" in text_of(answer)


@pytest.mark.parametrize(
    "draft",
    [
        "nonsense",
        "[]",
        "{}",
        '{"values": 5}',
        '{"rule": "1", "values": {}}',
        '{"rule": 99999999999999999999, "values": {}}',
        '{"rule": 999999, "values": {"priority": 1}}',
        '{"rule": null, "values": {"colour": 1}}',
        '{"rule": null, "values": {"background_rate": "all"}}',
        "[" * 9_000,
    ],
    ids=lambda draft: draft[:30],
)
def test_unsaved_values__made_up__are_refused(page: Client, draft: str) -> None:
    assert page.get(ASK, {"url": URL, "draft": draft}).status_code == 400


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"url": "/nonsense"}, "is no update URL of any version"),
        ({"url": f"{URL}?unknown=1"}, "The service refuses this with status 400"),
        ({"product": "Acme"}, "version: is needed."),
        ({"url": URL, "at": "tomorrow"}, "Write a moment like 2026-11-20 18:30"),
        ({"url": URL, "changes": "twelve"}, "twelve: is no number of a scheduled change."),
        ({"url": URL, "changes": "12"}, "12: there is no such scheduled change."),
        ({"url": URL, "at": "2020-01-01", "changes": "12"}, "not in the past"),
        ({"url": URL, "at2": "2020-01-01", "changes2": "12"}, "not in the past"),
        ({"url": URL, "rule": "x"}, "Enter a whole number."),
        ({"url": URL, "memory": "much"}, "must be a whole number of MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_page__asked_badly__says_what_is_wrong_and_keeps_what_was_typed(
    page: Client, asked: dict[str, str], told: str
) -> None:
    answer = page.get(ASK, asked)
    assert answer.status_code == 400
    assert told in text_of(answer)
    if "url" in asked:
        assert f'value="{asked["url"]}"' in answer.content.decode()


# --- Who may ------------------------------------------------------------------------------------------------


def test_page__without_permission__is_refused_and_not_linked(client: Client) -> None:
    client.force_login(person("nobody"))
    assert client.get(ASK).status_code == 403
    assert client.post(ASK, rule_form()).status_code == 403
    client.force_login(person("rita", "rule"))
    assert ASK in client.get("/admin/").content.decode()


def test_form_of_a_rule__sent_from_elsewhere__is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator())
    assert client.post(ASK, rule_form()).status_code == 403
