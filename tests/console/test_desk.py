"""The front page: what needs whom, what is late or stopped, and what changed since one last looked."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from history.changesets import change_set
from history.models import Generation
from releng.changes.actions import Proposal, propose, sign_off
from releng.changes.models import AgentHeartbeat
from releng.console.models import LastLook
from rules.actions import create_rule, shut_off, update_rule
from tests.factories import AllowedDomainFactory, ReleaseFactory
from tests.people import administrator, auditor, person, requires

pytestmark = pytest.mark.django_db
HOME = "/admin/"


@pytest.fixture
def rule() -> Any:
    """A rule, and releases, made a month ago: change sets never go back in time."""
    with time_machine.travel(timezone.now() - timedelta(days=30)):
        for name in ("Acme-1", "Acme-2"):
            ReleaseFactory(name=name, product="Acme")
        with change_set(actor_name="factory", reason="the first"):
            return create_rule(
                {"product": "Acme", "channel": "release", "mapping": "Acme-1", "alias": "acme"}
            )


def section(client: Any, name: str) -> str:
    """Return the text of a section of the front page; empty when it is not there."""
    page = client.get(HOME).content.decode()
    found = re.search(rf'<section[^>]* aria-labelledby="{name}".*?</section>', page, re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", found.group(0)))) if found else ""


def proposed(author: Any, rule: Any, *, reason: str = "half", **conditions: Any) -> Any:
    with change_set(actor=author, reason=reason):
        proposal = Proposal("rule", "update", {"background_rate": 50}, rule.pk, rule.data_version)
        return propose(author, [proposal], conditions=conditions, reason=reason)


# --- Signoffs -------------------------------------------------------------------------------------------------


def test_signoff__of_my_role__is_named_with_role_and_link(client: Any, rule: Any) -> None:
    author, signer = person("bob", "rule"), person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    scheduled = proposed(author, rule)
    client.force_login(signer)
    assert f"change rule {rule.pk} acme: half as relman; proposed by bob" in section(client, "to-sign")
    assert f"/admin/changes/scheduledchange/{scheduled.pk}/change/" in client.get(HOME).content.decode()


def test_signoff__given__is_not_asked_for_again(client: Any, rule: Any) -> None:
    author, signer = person("bob", "rule"), person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    scheduled = proposed(author, rule)
    with change_set(actor=signer):
        sign_off(scheduled.pk, signer, "relman")
    client.force_login(signer)
    assert "None waits for you" in section(client, "to-sign")


def test_signoff__of_a_role_of_others__author_sees_who_can_give_it(client: Any, rule: Any) -> None:
    author = person("bob", "rule")
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", relman=1)
    proposed(author, rule)
    client.force_login(author)
    said = section(client, "to-sign")
    assert "None waits for you" in said
    assert "missing: 1 \u00d7 relman (rita)" in said


# --- Due, suspended -------------------------------------------------------------------------------------------


def test_due__within_a_day__is_shown_and_later_is_not(client: Any, rule: Any) -> None:
    author = administrator()
    proposed(author, rule, reason="soon", when=timezone.now() + timedelta(hours=3))
    client.force_login(author)
    assert "soon" in section(client, "due")
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        assert "Nothing is due" in section(client, "due")


def test_due__hours_ago_and_not_made__is_overdue(client: Any, rule: Any) -> None:
    author = administrator()
    proposed(author, rule, reason="late one", when=timezone.now() + timedelta(hours=3))
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        client.force_login(author)
        said = section(client, "due")
    assert "1 overdue" in said
    assert "late one should have been made" in said


def test_due__waits_for_uptake__says_for_what(client: Any, rule: Any) -> None:
    author = administrator()
    uptake = {"uptake_product": "Acme", "uptake_channel": "release", "uptake_version": "2.0"}
    proposed(author, rule, **uptake, uptake_percent=30.0)
    client.force_login(author)
    assert "waits for uptake of Acme 2.0 on release to reach 30" in section(client, "due")


def test_suspended__mine_come_first(client: Any, rule: Any) -> None:
    other, me = person("bob", "rule"), person("rita", "rule")
    with change_set(actor_name="factory"):
        second = create_rule({"product": "Acme", "channel": "beta", "mapping": "Acme-1"})
    for author, one in ((other, rule), (me, second)):
        proposed(author, one, reason=f"of {author}")
        with change_set(actor_name="quinn", reason="in between"):
            update_rule(one.pk, {"background_rate": 10}, based_on=one.data_version)
    client.force_login(me)
    said = section(client, "due")
    assert said.index("of rita") < said.index("of bob")
    assert "Suspended 2" in said


# --- Stops, throttles, agent ----------------------------------------------------------------------------------


def test_stop__just_now__says_how_long_cached_answers_live(client: Any, rule: Any) -> None:
    with change_set(actor_name="bob", reason="bad"):
        shut_off("Acme", "release", "crashes at start")
    client.force_login(administrator())
    said = section(client, "stopped")
    assert "crashes at start" in said
    assert "cached answers live until" in said


def test_stop__older_than_caches__says_that_none_is_left(client: Any, rule: Any) -> None:
    with time_machine.travel(timezone.now() - timedelta(hours=1)), change_set(actor_name="bob"):
        shut_off("Acme", "release", "crashes at start")
    client.force_login(administrator())
    assert "no old answer is left in caches" in section(client, "stopped")


@pytest.mark.parametrize(("days", "named"), [(6, False), (8, True)], ids=["lately", "long-ago"])
def test_throttle__is_named_after_the_days_of_the_setting(
    client: Any, rule: Any, days: int, *, named: bool
) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=days)), change_set(actor_name="bob"):
        update_rule(rule.pk, {"background_rate": 25}, based_on=rule.data_version)
    client.force_login(administrator())
    assert (f"25 % {rule} Acme release" in section(client, "throttled")) is named


def test_throttle__raised_meanwhile__counts_from_when_it_went_below_100(client: Any, rule: Any) -> None:
    changes = ((9, {"background_rate": 10}), (3, {"background_rate": 50}))
    for days, values in changes:
        with time_machine.travel(timezone.now() - timedelta(days=days)), change_set(actor_name="bob"):
            rule = update_rule(rule.pk, values, based_on=rule.data_version)
    client.force_login(administrator())
    assert "50 %" in section(client, "throttled")


def test_throttle__of_another_release_since__counts_from_there(client: Any, rule: Any) -> None:
    changes = ((9, {"background_rate": 10}), (3, {"mapping": "Acme-2"}))
    for days, values in changes:
        with time_machine.travel(timezone.now() - timedelta(days=days)), change_set(actor_name="bob"):
            rule = update_rule(rule.pk, values, based_on=rule.data_version)
    client.force_login(administrator())
    assert "No rule has offered" in section(client, "throttled")


@pytest.mark.parametrize(("minutes", "word"), [(1, "at work"), (30, "silent")], ids=["lately", "long-ago"])
def test_agent__says_whether_it_works(client: Any, rule: Any, minutes: int, word: str) -> None:
    AgentHeartbeat.objects.create(name="one", last_pass=timezone.now() - timedelta(minutes=minutes))
    client.force_login(administrator())
    assert f"{word} one" in section(client, "agents")


def test_agent__gone_for_days__is_not_named_beside_one_that_works(client: Any, rule: Any) -> None:
    for name, days in (("gone", 3), ("here", 0)):
        AgentHeartbeat.objects.create(name=name, last_pass=timezone.now() - timedelta(days=days))
    client.force_login(administrator())
    said = section(client, "agents")
    assert "here" in said
    assert "gone" not in said


# --- What changed ---------------------------------------------------------------------------------------------


def test_news__of_others__until_it_is_read(client: Any, rule: Any) -> None:
    client.force_login(administrator())
    assert "factory: 1 rule \u2013 the first" in section(client, "news")
    newest = Generation.objects.get(pk=Generation.HEAD).number
    answer = client.post(HOME, {"sequence": newest}, follow=True)
    assert "Noted" in answer.content.decode()
    assert "Nothing was changed by others" in section(client, "news")
    with change_set(actor=person("bob"), reason="the second"):
        create_rule({"product": "Acme", "channel": "beta", "mapping": "Acme-1"})
    said = section(client, "news")
    assert "bob: 1 rule \u2013 the second" in said
    assert "the first" not in said


def test_news__my_own__are_none(client: Any, rule: Any) -> None:
    me = administrator()
    with change_set(actor=me, reason="of mine"):
        update_rule(rule.pk, {"priority": 7}, based_on=rule.data_version)
    client.force_login(me)
    assert "of mine" not in section(client, "news")


def test_news__submissions_of_builds__are_counted_not_listed(client: Any, rule: Any) -> None:
    robot = person("build-bot", "release", system=True)
    for name in ("Acme-8", "Acme-9"):
        with change_set(actor=robot, reason="nightly build"):
            ReleaseFactory(name=name, product="Acme")
    client.force_login(administrator())
    said = section(client, "news")
    assert "build-bot 2" in said
    assert "nightly build" not in said


def test_news__what_one_may_not_see__is_not_told(client: Any, rule: Any) -> None:
    client.force_login(person("bob", "rule"))
    assert "make bob" not in section(client, "news"), "permissions are seen by fewer"
    client.force_login(auditor())
    assert "make bob" in section(client, "news")


def test_news__read_on_an_old_page__never_goes_back(client: Any, rule: Any) -> None:
    me = administrator()
    client.force_login(me)
    newest = Generation.objects.get(pk=Generation.HEAD).number
    for sequence in (newest, 1):
        client.post(HOME, {"sequence": sequence})
    assert LastLook.objects.get(user=me).sequence == newest


@pytest.mark.parametrize(
    "sent", [{}, {"sequence": "x"}, {"sequence": "9" * 40}], ids=["none", "text", "long"]
)
def test_news__read_without_a_number__notes_nothing(client: Any, rule: Any, sent: dict[str, str]) -> None:
    client.force_login(administrator())
    assert "nothing was noted" in client.post(HOME, sent, follow=True).content.decode()
    assert not LastLook.objects.exists()


# --- Who sees what --------------------------------------------------------------------------------------------


def test_somebody_without_permissions__is_told_who_can_help(client: Any, rule: Any) -> None:
    administrator("ada")
    client.force_login(person("nobody"))
    page = client.get(HOME).content.decode()
    assert "These people can give you permissions: <strong>ada</strong>" in page
    for name in ("to-sign", "due", "throttled", "agents", "news", "lists", "first"):
        assert section(client, name) == ""


def test_lists__have_every_model_that_one_may_see(client: Any, rule: Any) -> None:
    client.force_login(administrator())
    page = client.get(HOME).content.decode()
    for address in (
        "/admin/rules/rule/",
        "/admin/releases/release/",
        "/admin/auth/user/",
        "/admin/rules/rule/add/",
    ):
        assert f'href="{address}"' in page


def test_other_methods__are_refused(client: Any) -> None:
    client.force_login(administrator())
    assert client.put(HOME).status_code == 405


# --- First steps ----------------------------------------------------------------------------------------------


def test_empty_system__administrator__is_led(client: Any) -> None:
    client.force_login(administrator())
    said = section(client, "first")
    steps = [
        "Make accounts",
        "Say who must agree",
        "Allow the hosts",
        "Add the first release",
        "Make the first rule",
    ]
    assert [said.index(step) for step in steps] == sorted(said.index(step) for step in steps)
    assert "done" not in said


def test_empty_system__done_steps__say_so(client: Any) -> None:
    client.force_login(administrator())
    with change_set(actor_name="factory"):
        AllowedDomainFactory()
    assert "done Allow the hosts" in section(client, "first")


def test_empty_system__others__are_told_who_may(client: Any) -> None:
    administrator("ada")
    client.force_login(person("rita", "rule"))
    said = section(client, "first")
    assert "done Make accounts" in said
    assert "You may not do this; these people may: ada." in said


def test_first_rule__ends_the_first_steps(client: Any, rule: Any) -> None:
    client.force_login(administrator())
    assert section(client, "first") == ""
