"""The page of a scheduled change: read, signed, refused, put right; and the red line when agents do not work."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from history.changesets import change_set
from releases.actions import submit_locale
from releng.changes.actions import Proposal, propose
from releng.changes.models import AgentHeartbeat, ScheduledChange
from releng.changes.upkeep import suspend
from rules.actions import update_rule
from rules.models import Rule
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    ReleaseFactory,
    RuleFactory,
    locale_document,
    release_document,
)
from tests.pages import hidden_fields
from tests.people import administrator, auditor, person, requires

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def scheduled() -> ScheduledChange:
    rule = RuleFactory()
    bob = person("bob", "rule", roles=["releng"])
    person("rita", "rule", roles=["relman"])
    requires("Acme", "release", releng=1, relman=1)
    with change_set(actor=bob):
        return propose(bob, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)], reason="slowly")


def page(scheduled: ScheduledChange) -> str:
    return reverse("admin:changes_scheduledchange_change", args=[scheduled.pk])


def verb(scheduled: ScheduledChange, name: str) -> str:
    return reverse("admin:changes_scheduledchange_do", args=[scheduled.pk, name])


def sign_in(client: Any, name: str) -> None:

    client.force_login(get_user_model().objects.get(username=name))


def told(answer: Any) -> str:
    return " ".join(map(str, answer.context["messages"]))


def test_page__pending__shows_the_change_who_signed_and_who_must(
    client: Any, scheduled: ScheduledChange
) -> None:
    sign_in(client, "rita")
    text = client.get(page(scheduled)).content.decode()
    for said in (
        "background_rate",
        "<del>100</del>",
        "<ins>25</ins>",
        "bob</strong> as releng",
        "You sign as <strong>relman</strong>",
    ):
        assert said in text
    assert [str(row.progress.role) for row in client.get(page(scheduled)).context["roles"]] == [
        "releng",
        "relman",
    ]


def test_sign__from_the_page__counts_and_of_changed_content_does_not(
    client: Any, scheduled: ScheduledChange
) -> None:
    sign_in(client, "rita")
    shown = hidden_fields(client.get(page(scheduled)))
    data = {"role": "relman", "digest": shown["digest"][0], "comment": "fine"}
    stale = client.post(verb(scheduled, "sign"), data | {"digest": "x"}, follow=True)
    assert "has changed since you looked" in told(stale)
    assert "You have signed it off" in told(client.post(verb(scheduled, "sign"), data, follow=True))
    assert scheduled.signoffs.get(user__username="rita").comment == "fine"
    assert "taken back" in told(client.post(verb(scheduled, "revoke"), follow=True))
    assert not scheduled.signoffs.filter(user__username="rita").exists()


def test_reject_and_cancel__from_the_page(client: Any, scheduled: ScheduledChange) -> None:
    sign_in(client, "rita")
    answer = client.post(verb(scheduled, "cancel"), {"based_on": "99"}, follow=True)
    assert "Nothing was done" in told(answer)
    assert "Say why" in told(client.post(verb(scheduled, "reject"), {"comment": ""}, follow=True))
    assert answer.status_code == 409
    client.post(verb(scheduled, "reject"), {"comment": "not today"})
    scheduled.refresh_from_db()
    assert (scheduled.state, scheduled.state_reason) == ("rejected", "not today")
    assert client.get(page(scheduled)).status_code == 200


def test_enact__by_an_administrator__when_everybody_agreed(client: Any, scheduled: ScheduledChange) -> None:
    admin = administrator()
    client.force_login(admin)
    assert "still needs signoffs" in told(client.post(verb(scheduled, "enact"), follow=True))
    sign_in(client, "rita")
    client.post(verb(scheduled, "sign"), {"role": "relman", "digest": scheduled.content_digest})
    client.force_login(admin)
    assert "It is enacted" in told(client.post(verb(scheduled, "enact"), follow=True))
    assert Rule.objects.get().background_rate == 25


def test_pages__auditor__reads_and_has_no_forms(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(auditor())
    text = client.get(page(scheduled)).content.decode()
    assert "<form" not in text.partition('id="what"')[2].partition("<footer")[0]
    assert "rita (relman)" in text, "it says who can sign"
    assert "bob" in text
    for name in ("sign", "reject", "cancel", "enact", "resume"):
        client.post(verb(scheduled, name), {"comment": "x", "based_on": "1", "role": "relman"})
    scheduled.refresh_from_db()
    assert scheduled.state == "pending"
    assert client.get(verb(scheduled, "sign")).status_code == 405
    assert client.post(page(scheduled)).status_code == 405


def test_pages__somebody_without_permissions__is_refused(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(person("nobody"))
    assert client.get(page(scheduled)).status_code == 403
    assert client.post(verb(scheduled, "reject"), {"comment": "x"}).status_code == 403


def test_page__release_document__shows_paths(client: Any) -> None:
    release = ReleaseFactory(name="Acme-5", locales=("de",))
    bob = person("bob", "release")
    with change_set(actor=bob):
        proposal = Proposal(
            "release", "update", {"document": release_document("Acme-5", "6.0", ("de",))}, release.pk
        )
        scheduled = propose(bob, [proposal])
    client.force_login(bob)
    text = client.get(page(scheduled)).content.decode()
    assert "appVersion" in text
    assert "6.0" in text


def test_every_page__no_agent_or_a_late_change__is_red(client: Any, scheduled: ScheduledChange) -> None:
    sign_in(client, "bob")
    index = reverse("admin:index")
    assert "no agent has ever asked for work" in client.get(index).content.decode()
    heartbeat = AgentHeartbeat.objects.create(name="a", last_pass=timezone.now())
    assert "errornote" not in client.get(index).content.decode()
    heartbeat.last_pass -= timedelta(hours=1)
    heartbeat.save()
    assert "No agent has asked for work since" in client.get(index).content.decode()
    scheduled.when = timezone.now() - timedelta(hours=1)
    with change_set(actor_name="operator"):
        scheduled.save()
    assert f"Overdue: scheduled change {scheduled}" in client.get(index).content.decode()


# --- Who may do what, and roles -----------------------------------------------------------------------------


def test_sign__several_roles_fit__one_is_chosen(client: Any, scheduled: ScheduledChange) -> None:
    requires("Acme", "release", qa=1)
    client.force_login(person("both", "rule", roles=["qa", "relman"]))
    answer = client.get(page(scheduled))
    assert answer.context["my_roles"] == ["qa", "relman"]
    assert '<select id="role" name="role">' in answer.content.decode()


def test_sign__what_follows__is_shown_and_signed_with_it(client: Any, scheduled: ScheduledChange) -> None:
    rule = Rule.objects.get()
    bob = get_user_model().objects.get(username="bob")
    with change_set(actor=bob):
        second = propose(
            bob,
            [Proposal("rule", "update", {"background_rate": 60}, rule.pk)],
            follows=scheduled,
            reason="then",
        )
    sign_in(client, "rita")
    answer = client.get(page(scheduled))
    assert [step.scheduled for step in answer.context["along"]] == [second]
    assert "<ins>60</ins>" in answer.content.decode()
    fields = {name: values[0] for name, values in hidden_fields(answer).items()}
    client.post(verb(scheduled, "sign"), fields | {"with_followers": "on"})
    assert second.signoffs.filter(user__username="rita", role="relman").exists()


@pytest.mark.parametrize(
    ("name", "status"),
    [("sign", 403), ("cancel", 403), ("enact", 403), ("edit", 403), ("reject", 403), ("apart", 403)],
    ids=["sign", "cancel", "enact", "edit", "reject", "apart"],
)
def test_verb__by_somebody_who_may_not__is_refused_and_not_offered(
    client: Any, scheduled: ScheduledChange, name: str, status: int
) -> None:
    client.force_login(person("other", "rule", products=["Else"]))
    shown = client.get(page(scheduled))
    assert not any(shown.context[key].yes for key in ("sign", "change", "reject", "enact"))
    assert verb(scheduled, name) not in shown.content.decode()
    data = {"role": "relman", "comment": "x", "based_on": scheduled.data_version}
    data |= {"fields-0": "on", "value-0-background_rate": "1"}
    answer = client.post(verb(scheduled, name), data)
    assert answer.status_code == status
    scheduled.refresh_from_db()
    assert scheduled.state == "pending"
    assert scheduled.writes.get().values == {"background_rate": 25}


def test_revoke__of_somebody_who_shares_the_role(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(person("rob", "rule", roles=["releng"]))
    text = client.get(page(scheduled)).content.decode()
    assert "Take the signoff of bob back" in text
    answer = client.post(verb(scheduled, "revoke"), {"user": "bob"}, follow=True)
    assert "taken back" in told(answer)
    assert not scheduled.signoffs.exists()
    assert "no signoff" in told(client.post(verb(scheduled, "revoke"), {"user": "bob"}, follow=True))
    assert "no such person" in told(client.post(verb(scheduled, "revoke"), {"user": "x"}, follow=True))


def test_unknown_verb_and_change__are_not_found(client: Any, scheduled: ScheduledChange) -> None:
    client.force_login(administrator())
    assert client.post(verb(scheduled, "destroy")).status_code == 404
    for key in (scheduled.pk + 1, 10**30, "x"):
        assert client.get(f"/admin/changes/scheduledchange/{key}/change/").status_code == 404


# --- Editing, suspended changes, batches --------------------------------------------------------------------


def test_edit__single_values__and_what_was_typed_survives_a_refusal(
    client: Any, scheduled: ScheduledChange
) -> None:
    sign_in(client, "bob")
    data = {"based_on": scheduled.data_version, "fields-0": "on", "reason": "slower", "schedule_when": ""}
    answer = client.post(verb(scheduled, "edit"), data | {"value-0-background_rate": "many"})
    assert answer.status_code == 400
    assert 'value="many"' in answer.content.decode()
    assert 'value="slower"' in answer.content.decode()
    answer = client.post(verb(scheduled, "edit"), data | {"schedule_when": "tomorrow"})
    assert 'value="tomorrow"' in answer.content.decode()
    moment = timezone.now() + timedelta(days=1)
    data |= {"value-0-background_rate": "10", "schedule_when": f"{moment:%Y-%m-%d %H:%M}"}
    client.post(verb(scheduled, "edit"), data)
    scheduled.refresh_from_db()
    assert (scheduled.reason, scheduled.when) == ("slower", moment.replace(second=0, microsecond=0))
    assert scheduled.writes.get().values == {"background_rate": 10}


@pytest.mark.parametrize(("take", "rate"), [("proposed", 25), ("theirs", 70)], ids=["proposed", "theirs"])
def test_suspended__three_ways_are_shown__and_one_is_chosen_for_each_field(
    client: Any, acting: Any, take: str, rate: int
) -> None:
    rule = RuleFactory(comment="base")
    bob = person("bob", "rule")
    values = {"background_rate": 25, "comment": "proposed"}
    with change_set(actor=bob):
        scheduled = propose(bob, [Proposal("rule", "update", values, rule.pk)])
    with acting():
        update_rule(rule.pk, {"background_rate": 70, "comment": "theirs"}, based_on=1)
    client.force_login(bob)
    text = client.get(page(scheduled)).content.decode()
    for said in ("suspended", 'data-label="when it was proposed">base', 'data-label="proposed">proposed'):
        assert said in text
    assert "cannot be resumed" in told(client.post(verb(scheduled, "resume"), follow=True))
    scheduled.refresh_from_db()
    data = {"based_on": scheduled.data_version, "fields-0": "on", "take-0-background_rate": take}
    data |= {"value-0-background_rate": "25", "value-0-comment": "proposed", "take-0-comment": "proposed"}
    client.post(verb(scheduled, "edit"), data)
    client.force_login(administrator())
    client.post(verb(scheduled, "enact"))
    rule.refresh_from_db()
    assert (rule.background_rate, rule.comment) == (rate, "proposed")


def test_suspended__nothing_stands_against_it_any_more__can_be_resumed(client: Any, acting: Any) -> None:
    rule = RuleFactory()
    bob = person("bob", "rule")
    with change_set(actor=bob):
        scheduled = propose(bob, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
        suspend(scheduled, "by its guard")
    client.force_login(bob)
    assert client.get(page(scheduled)).context["can_resume"]
    assert "waits for its conditions" in told(client.post(verb(scheduled, "resume"), follow=True))


def test_batch__taken_apart__is_one_change_for_each_write(client: Any) -> None:
    rules = [RuleFactory(), RuleFactory()]
    bob = person("bob", "rule")
    proposals = [Proposal("rule", "update", {"background_rate": 25}, rule.pk) for rule in rules]
    with change_set(actor=bob):
        batch = propose(bob, proposals)
    client.force_login(bob)
    assert "Take apart" in client.get(page(batch)).content.decode()
    client.post(verb(batch, "apart"), {"based_on": batch.data_version})
    batch.refresh_from_db()
    assert batch.state == "cancelled"
    assert ScheduledChange.objects.pending().count() == 2


def test_conditions__of_every_kind__are_told(client: Any, settings: Any) -> None:
    settings.METRICS = {"crash_rate": {"traffic": "requests"}}
    rule = RuleFactory()
    bob = person("bob", "rule")
    conditions = {
        "uptake_product": "Acme",
        "uptake_channel": "release",
        "uptake_version": "10.0",
        "uptake_percent": 30,
        "at_latest": timezone.now() + timedelta(days=1),
        "metric": "crash_rate",
        "metric_above": 4,
        "guard_metric": "crash_rate",
        "guard_above": 2.5,
    }
    with change_set(actor=bob):
        scheduled = propose(
            bob, [Proposal("rule", "update", {"background_rate": 0}, rule.pk)], conditions=conditions
        )
    client.force_login(bob)
    text = client.get(page(scheduled)).content.decode()
    for said in (
        "uptake of Acme 10.0 on release",
        "unknown",
        "never fires",
        "goes above 2.5",
        "whatever the numbers",
    ):
        assert said in text
    data = {
        "based_on": scheduled.data_version,
        "uptake_percent": "40",
        "guard_above": "3",
        "metric_above": "x",
    }
    assert "must be a number" in told(client.post(verb(scheduled, "edit"), data, follow=True))
    client.post(verb(scheduled, "edit"), data | {"metric_above": "5"})
    scheduled.refresh_from_db()
    assert (scheduled.uptake_percent, scheduled.metric_above, scheduled.guard_above) == (40, 5, 3)


def told_sides(answer: Any) -> list[str]:
    return [side["where"] for write in answer.context["shown"].writes for side in write.sides]


@pytest.mark.parametrize("kind", ["release", "release_part"])
@pytest.mark.parametrize("side", ["proposed", "theirs"])
def test_suspended__document__is_chosen_place_by_place__and_takes_no_other_work_back(
    client: Any, acting: Any, kind: str, side: str
) -> None:
    release = ReleaseFactory(name="Acme-12", locales=("de", "fr"))
    bob = person("bob", "release", "release_locale", "rule")
    mine, theirs = locale_document(build_id="20260101000000"), locale_document(build_id="20270101000000")
    theirs["completes"][0]["filesize"] = 77
    part = release.parts.get(locale="fr")
    proposal = Proposal("release_part", "update", {"document": mine}, part.pk)
    if kind == "release":
        whole = release.blob()
        whole["platforms"][PLATFORM]["locales"]["fr"] = mine
        proposal = Proposal("release", "update", {"document": whole}, release.pk)
    with change_set(actor=bob):
        scheduled = propose(bob, [proposal])
    with acting():
        submit_locale(
            "Acme-12",
            "Acme",
            PLATFORM,
            "fr",
            theirs,
            schema_version=9,
            hash_function="sha512",
        )
    scheduled.refresh_from_db()
    assert scheduled.state == "suspended"
    client.force_login(bob)
    answer = client.get(page(scheduled))
    assert told_sides(answer) == [f"platforms.{PLATFORM}.locales.fr.buildID"]
    fields = {name: values[0] for name, values in hidden_fields(answer).items()}
    assert "look at the sides again" in told(
        client.post(verb(scheduled, "edit"), fields | {"conflicts-0": "x", "side-0-0": side}, follow=True)
    )
    client.post(verb(scheduled, "edit"), fields | {"side-0-0": side})
    scheduled.refresh_from_db()
    if side == "theirs":
        assert scheduled.state == "suspended", "nothing would be left to write"
        return
    assert scheduled.state == "pending"
    client.force_login(administrator())
    client.post(verb(scheduled, "enact"))
    stored = release.parts.get(locale="fr").document
    assert (stored["buildID"], stored["completes"][0]["filesize"]) == ("20260101000000", 77)


# --- What clients get instead -------------------------------------------------------------------------------


def effects(answer: Any) -> list[tuple[str, str, bool]]:
    return [
        (effect.before.said, effect.after.said, effect.is_same)
        for _, effect in answer.context["effects"].effects
    ]


def test_effects__of_a_rate__show_both_sides(client: Any) -> None:
    rule = RuleFactory(mapping=ReleaseFactory(name="Acme-12"))
    bob = person("bob", "rule")
    with change_set(actor=bob):
        first = propose(bob, [Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
        second = propose(bob, [Proposal("rule", "update", {"background_rate": 0}, rule.pk)], follows=first)
    client.force_login(bob)
    answer = client.get(page(first))
    assert [row[0].split(",")[0] for row in effects(answer)] == ["Acme-12"]
    assert "to 25 of 100" in answer.content.decode()
    assert "to 25 of 100" in effects(client.get(page(second)))[0][0], "what it follows counts as made"


def test_effects__of_a_locale__are_those_of_its_clients(client: Any) -> None:
    AllowedDomainFactory()
    whole = release_document("Acme-12", "12.0", ("de", "fr"))
    whole["fileUrls"] = {"*": {"completes": {"*": "https://cdn.example/acme.mar"}}}
    release = ReleaseFactory(name="Acme-12", document=whole)
    RuleFactory(mapping=release)
    part = release.parts.get(locale="fr")
    bob = person("bob", "release", "release_locale", "rule")
    document = locale_document(build_id="20260101000000")
    with change_set(actor=bob):
        scheduled = propose(bob, [Proposal("release_part", "update", {"document": document}, part.pk)])
    client.force_login(bob)
    answer = client.get(page(scheduled))
    ((words, effect),) = answer.context["effects"].effects
    assert effect.question.query.locale == "fr"
    assert ("locale", "fr") in words
    assert not effect.is_same
    assert "of Acme-12" in answer.content.decode()


def test_effects__of_what_decides_nothing__are_not_asked_for(client: Any) -> None:
    ada = administrator()
    with change_set(actor=ada):
        scheduled = propose(ada, [Proposal("role", "insert", {"user": ada.pk, "role": "qa"})])
    client.force_login(ada)
    assert 'id="effects"' not in client.get(page(scheduled)).content.decode()
