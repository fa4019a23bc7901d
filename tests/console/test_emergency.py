"""The emergency page: stop, resume, marks of good states, and going back to one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from history.changesets import change_set
from history.models import Generation
from releng.changes.models import ScheduledChange
from releng.console.actions import mark_good
from releng.console.goodstates import states_of, suggested
from releng.console.models import GoodState
from releng.uptake.models import UptakeCount
from rules.actions import create_rule, delete_rule, shut_off, update_rule
from rules.models import EmergencyShutoff, Rule
from tests.factories import ReleaseFactory
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]
STOP = "/admin/emergency/stop/?product=Acme&channel=release"
STATES = "/admin/emergency/states/?product=Acme&channel=release"


@pytest.fixture
def rule() -> Any:
    for name in ("Acme-1", "Acme-2"):
        ReleaseFactory(name=name, product="Acme")
    with change_set(actor_name="factory", reason="the first"):
        return create_rule({"product": "Acme", "channel": "release*", "mapping": "Acme-1", "priority": 10})


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def sequence() -> int:
    return Generation.objects.get(pk=Generation.HEAD).number


def on_call(client: Any, *permissions: str, roles: tuple[str, ...] = ()) -> Any:
    user = person("bob", *(permissions or ("emergency_shutoff", "rule")), products=["Acme"], roles=roles)
    client.force_login(user)
    return user


# --- Stop -----------------------------------------------------------------------------------------------------


def test_overview__products__offers_to_stop_each_channel(client: Any, rule: Any) -> None:
    on_call(client)
    answer = client.get("/admin/emergency/")
    assert STOP.replace("&", "&amp;") in answer.content.decode()
    assert "Nothing is stopped" in text(answer)


def test_overview__no_rules__says_what_to_do_first(client: Any) -> None:
    client.force_login(administrator())
    assert "First make a rule" in text(client.get("/admin/emergency/"))


def test_stop__preview__says_who_is_affected(client: Any, rule: Any) -> None:
    on_call(client)
    now = timezone.now()
    for start, requests in ((now - timedelta(minutes=5), 1_200), (now - timedelta(hours=5), 30_000)):
        UptakeCount.objects.create(
            level="minute",
            start=start,
            product="Acme",
            channel="release",
            version="1.0",
            build_target="Linux",
            requests=requests,
        )
    said = text(client.get(STOP))
    assert "1,200 requests" in said
    assert "31,200 requests: 1.0 (31,200)" in said
    assert "at most 91 seconds" in said
    assert "Acme-1" in said
    assert not EmergencyShutoff.objects.exists()


def test_stop__with_a_reason__stops_and_tells_the_whole_story(client: Any, rule: Any) -> None:
    on_call(client)
    sent = {"product": "Acme", "channel": "release", "reason": "Crashes at start"}
    answer = client.post("/admin/emergency/stop/", sent, follow=True)
    shutoff = EmergencyShutoff.objects.get()
    assert (shutoff.product, shutoff.channel, shutoff.comment) == ("Acme", "release", "Crashes at start")
    assert EmergencyShutoff.history.get().change_set.reason == "Crashes at start"
    said = text(answer)
    assert "Updates of Acme release are stopped" in said
    assert "by bob" in said
    assert "Old answers live until" in said


def test_stop__long_ago__no_old_answer_is_left(client: Any, rule: Any, settings: Any) -> None:
    on_call(client)
    with change_set(actor_name="bob", reason="stop"):
        shut_off("Acme", "release", "bad")
    settings.UPDATE_MAX_AGE = -2  # as if all of them were over
    assert "No old answer is left in caches" in text(client.get("/admin/emergency/"))


def test_stop__several_channels_of_one_platform__one_act(client: Any, rule: Any) -> None:
    on_call(client)
    sent = {
        "product": "Acme",
        "channel": ["release", "beta"],
        "build_target": "WINNT_x86-msvc",
        "reason": "bad",
    }
    client.post("/admin/emergency/stop/", sent)
    found = EmergencyShutoff.objects.values_list("channel", "build_target")
    assert sorted(found) == [("beta", "WINNT_x86-msvc"), ("release", "WINNT_x86-msvc")]
    assert len({row.change_set_id for row in EmergencyShutoff.history.all()}) == 1


def test_stop__without_a_reason__is_refused_and_nothing_is_lost(client: Any, rule: Any) -> None:
    on_call(client)
    answer = client.post("/admin/emergency/stop/", {"product": "Acme", "channel": "release", "reason": " "})
    assert answer.status_code == 400
    assert "Say why updates are stopped" in text(answer)
    assert not EmergencyShutoff.objects.exists()


def test_stop__stopped_already__one_of_two_stops_neither(client: Any, rule: Any) -> None:
    on_call(client)
    with change_set(actor_name="rita"):
        shut_off("Acme", "release", "first")
    sent = {"product": "Acme", "channel": ["beta", "release"], "reason": "again"}
    answer = client.post("/admin/emergency/stop/", sent)
    assert "shut off already" in text(answer)
    assert EmergencyShutoff.objects.count() == 1


@pytest.mark.parametrize("method", ["get", "post"])
def test_stop__other_product__names_the_missing_permission(client: Any, rule: Any, method: str) -> None:
    on_call(client)
    answer = getattr(client, method)(
        STOP.replace("Acme", "Other"), {"product": "Other", "channel": "release", "reason": "x"}
    )
    assert answer.status_code == 403
    assert "rules.add_emergencyshutoff is missing" in text(answer)


def test_overview__auditor__sees_and_is_told_who_may(client: Any, rule: Any) -> None:
    person("bob", "emergency_shutoff")
    client.force_login(auditor())
    answer = client.get("/admin/emergency/")
    assert "These people may: bob" in text(answer)
    assert "/emergency/stop/" not in answer.content.decode()
    assert client.get(STOP).status_code == 403
    assert (
        client.post(
            "/admin/emergency/stop/", {"product": "Acme", "channel": "release", "reason": "x"}
        ).status_code
        == 403
    )


# --- Resume -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(rule: Any) -> Any:
    with change_set(actor_name="rita", reason="bad night"):
        return shut_off("Acme", "release", "bad night")


def test_resume__nobody_must_agree__goes_on_at_once(client: Any, stopped: Any) -> None:
    on_call(client)
    url = f"/admin/emergency/resume/{stopped.pk}/"
    assert "Resume updates now" in text(client.get(url))
    client.post(url, {"based_on": stopped.data_version, "reason": "fixed"})
    assert not EmergencyShutoff.objects.exists()


def test_resume__signoffs_needed__is_scheduled_and_says_who_must_sign(client: Any, stopped: Any) -> None:
    requires("Acme", "release", relman=1)
    person("rita", "rule", roles=["relman"])
    on_call(client)
    url = f"/admin/emergency/resume/{stopped.pk}/"
    said = text(client.get(url))
    assert "1 &times; relman: rita" in said
    answer = client.post(url, {"based_on": stopped.data_version, "reason": "fixed"}, follow=True)
    scheduled = ScheduledChange.objects.get()
    assert EmergencyShutoff.objects.exists()
    assert scheduled.writes.get().target == "emergency_shutoff"
    assert "Updates stay stopped" in text(answer)
    assert "Resuming is scheduled" in text(client.get("/admin/emergency/"))
    assert "Resuming is scheduled already" in text(client.get(url))


@pytest.mark.parametrize(
    "sent",
    [{"based_on": "1"}, {"reason": "fixed"}, {"based_on": "9", "reason": "fixed"}],
    ids=["no reason", "no version", "old version"],
)
def test_resume__not_confirmed__stays_stopped(client: Any, stopped: Any, sent: Any) -> None:
    on_call(client)
    answer = client.post(f"/admin/emergency/resume/{stopped.pk}/", sent)
    assert answer.status_code == 409
    assert EmergencyShutoff.objects.exists()


def test_resume__may_only_stop__is_refused(client: Any, stopped: Any) -> None:
    client.force_login(person("sam", "emergency_shutoff:create"))
    url = f"/admin/emergency/resume/{stopped.pk}/"
    assert client.get(url).status_code == 403
    assert client.post(url, {"based_on": 1, "reason": "x"}).status_code == 403
    assert url not in client.get("/admin/emergency/").content.decode()


# --- Good states ------------------------------------------------------------------------------------------------


def change(rule: Any, **values: Any) -> int:
    with change_set(actor_name="bob", reason=f"set {', '.join(values)}"):
        row = Rule.objects.get(pk=rule.pk)
        update_rule(row.pk, values, based_on=row.data_version)
    return sequence()


def test_states__rule_changes__are_told_apart_and_names_do_not_count(rule: Any) -> None:
    first = sequence()
    change(rule, comment="only words")
    second = change(rule, background_rate=25)
    with change_set(actor_name="bob"):
        create_rule({"product": "Acme", "channel": "nightly", "mapping": "Acme-1"})
    with change_set(actor_name="bob"):
        shut_off("Acme", "release", "bad")
    third = sequence()
    found = states_of("Acme", "release")
    assert [state.sequence for state in found] == [third, second, first]
    assert [state.stopped for state in found] == [True, False, False]
    assert [bool(state.throttled) for state in found] == [True, True, False]
    assert found[0].until is None


def test_suggestion__latest_that_served_everybody__and_not_the_present(rule: Any, settings: Any) -> None:
    settings.GOOD_STATE_HOURS = 0
    first = sequence()
    change(rule, background_rate=25, mapping="Acme-2")
    change(rule, background_rate=100)
    assert suggested(states_of("Acme", "release")).sequence == first
    settings.GOOD_STATE_HOURS = 24
    assert suggested(states_of("Acme", "release")) is None


def test_mark__by_who_may_change_rules__is_kept_with_reason_and_history(client: Any, rule: Any) -> None:
    on_call(client)
    one = sequence()
    client.post(
        "/admin/emergency/states/",
        {"product": "Acme", "channel": "release", "sequence": one, "reason": "A week without a crash"},
    )
    two = change(rule, background_rate=50)
    client.post(
        "/admin/emergency/states/",
        {"product": "Acme", "channel": "release", "sequence": two, "reason": "QA says so"},
    )
    mark = GoodState.objects.get()
    assert (mark.sequence, mark.data_version) == (two, 2)
    assert [row.sequence for row in GoodState.history.order_by("history_id")] == [one, two]
    said = text(client.get(STATES))
    assert "QA says so" in said
    assert client.get(f"/admin/history/console.goodstate/{mark.pk}/").status_code == 200


@pytest.mark.parametrize(("sequence_sent", "reason"), [("0", "x"), ("99999", "x"), ("", "x"), ("1", " ")])
def test_mark__nothing_to_mark__is_refused(client: Any, rule: Any, sequence_sent: str, reason: str) -> None:
    on_call(client)
    sent = {"product": "Acme", "channel": "release", "sequence": sequence_sent, "reason": reason}
    assert client.post("/admin/emergency/states/", sent).status_code == 400
    assert not GoodState.objects.exists()


def test_mark__without_permission__is_neither_offered_nor_done(client: Any, rule: Any) -> None:
    person("ruth", "rule", products=["Acme"])
    on_call(client, "emergency_shutoff")
    said = client.get(STATES)
    assert "Mark as good" not in text(said)
    assert "which ruth has" in text(said)
    sent = {"product": "Acme", "channel": "release", "sequence": sequence(), "reason": "x"}
    assert "permission" in text(client.post("/admin/emergency/states/", sent))
    assert not GoodState.objects.exists()


# --- Going back -------------------------------------------------------------------------------------------------


@pytest.fixture
def moved_on(rule: Any) -> int:
    """A mark, and since then a rule changed, one made, one deleted, and one of another channel changed."""
    with change_set(actor_name="factory"):
        gone = create_rule(
            {"product": "Acme", "channel": "release", "mapping": "Acme-1", "priority": 90, "alias": "gone"}
        )
        other = create_rule({"product": "Acme", "channel": "nightly", "mapping": "Acme-1"})
    good = sequence()
    with change_set(actor_name="factory"):
        mark_good("Acme", "release", good, "it was")
    change(rule, mapping="Acme-2", background_rate=25)
    change(other, background_rate=1)
    with change_set(actor_name="bob"):
        create_rule(
            {"product": "Acme", "channel": "release", "mapping": "Acme-2", "priority": 99, "alias": "new"}
        )
        delete_rule(gone.pk, based_on=gone.data_version)
    return good


def back_url(good: int) -> str:
    return f"/admin/emergency/back/?product=Acme&channel=release&to={good}"


def shown_of(client: Any, good: int) -> dict[str, Any]:
    page = client.get(back_url(good)).content.decode()
    return {
        "product": "Acme",
        "channel": "release",
        "to": good,
        "reason": "It was better",
        "shown": re.findall(r'name="shown" value="([^"]*)"', page),
        "write": re.findall(r'name="write" value="([^"]*)" checked', page),
    }


def test_back__enacted__every_rule_is_as_it_was(client: Any, rule: Any, moved_on: int) -> None:
    client.force_login(administrator())
    page = text(client.get(back_url(moved_on)))
    assert "Change back rule" in page
    assert "Make again rule" in page
    assert "Delete rule" in page
    answer = client.post("/admin/emergency/back/", shown_of(client, moved_on), follow=True)
    scheduled = ScheduledChange.objects.get()
    assert "Going back is scheduled" in text(answer)
    assert sorted(write.change for write in scheduled.writes.all()) == ["delete", "insert", "update"]
    client.post(f"/admin/changes/scheduledchange/{scheduled.pk}/enact/do/")
    found = Rule.objects.filter(product="Acme").exclude(channel="nightly").order_by("-priority")
    assert [(row.alias, row.mapping_id, row.background_rate) for row in found] == [
        ("gone", "Acme-1", 100),
        (None, "Acme-1", 100),
    ]
    assert Rule.objects.get(channel="nightly").background_rate == 1
    assert "there is nothing to write" in text(client.get(back_url(moved_on)))


def test_back__signoffs_needed__says_whose_and_waits(client: Any, rule: Any, moved_on: int) -> None:
    requires("Acme", "release", relman=1)
    person("rita", "rule", roles=["relman"])
    on_call(client)
    assert "1 &times; relman: rita" in text(client.get(back_url(moved_on)))
    client.post("/admin/emergency/back/", shown_of(client, moved_on))
    assert ScheduledChange.objects.get().state == "pending"
    assert Rule.objects.get(pk=rule.pk).mapping_id == "Acme-2"


def test_back__some_unticked__writes_the_others(client: Any, rule: Any, moved_on: int) -> None:
    on_call(client)
    client.post("/admin/emergency/back/", shown_of(client, moved_on) | {"write": [str(rule.pk)]})
    assert ScheduledChange.objects.get().writes.get().object_id == rule.pk


def test_back__rule_changed_since_it_was_shown__is_refused(client: Any, rule: Any, moved_on: int) -> None:
    on_call(client)
    sent = shown_of(client, moved_on)
    change(rule, background_rate=30)
    answer = client.post("/admin/emergency/back/", sent)
    assert answer.status_code == 409
    assert "have changed since this page was opened" in text(answer)
    assert not ScheduledChange.objects.exists()


def test_back__open_scheduled_change__is_named_and_left_out(client: Any, rule: Any, moved_on: int) -> None:
    from releng.changes.actions import Proposal, propose

    user = on_call(client)
    with change_set(actor=user):
        propose(user, [Proposal("rule", "update", {"background_rate": 40}, rule.pk)])
    number = ScheduledChange.objects.get().pk
    assert f"open scheduled change ({number})" in text(client.get(back_url(moved_on)))
    assert str(rule.pk) not in shown_of(client, moved_on)["write"]


def test_back__may_not_change_rules__is_told_who_may(client: Any, rule: Any, moved_on: int) -> None:
    person("ruth", "rule", products=["Acme"])
    on_call(client, "emergency_shutoff")
    said = text(client.get(back_url(moved_on)))
    assert "These people may: ruth" in said
    assert "Schedule going back" not in said
    assert client.post("/admin/emergency/back/", shown_of(client, moved_on)).status_code == 409
    assert not ScheduledChange.objects.exists()


@pytest.mark.parametrize(
    "address",
    [
        "/admin/emergency/back/?product=Acme&channel=release&to=x",
        "/admin/emergency/back/",
        "/admin/emergency/states/",
        "/admin/emergency/stop/",
    ],
)
def test_page__nothing_named__is_not_found(client: Any, address: str) -> None:
    client.force_login(administrator())
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "address", ["/admin/emergency/", STOP, STATES, "/admin/emergency/back/?product=Acme&channel=release&to=1"]
)
def test_pages__nobody_in_particular__are_refused(client: Any, rule: Any, address: str) -> None:
    client.force_login(person("nobody"))
    assert client.get(address).status_code == 403
