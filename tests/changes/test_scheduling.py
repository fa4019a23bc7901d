"""Scheduled changes: proposed, signed off, enacted once; no edit is blocked, no signoff covers other content."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import call_command
from django.utils import timezone

from history.changesets import change_set
from history.exceptions import OutdatedDataError
from history.models import ChangeSet
from history.retention import Criteria, prune
from releases.actions import delete_release, submit_locale
from releases.exceptions import ReleaseInUseError
from releases.models import Release
from releng.changes import actions
from releng.changes.actions import Proposal, propose
from releng.changes.enacting import Outcome, attempt, enact
from releng.changes.examination import examine
from releng.changes.exceptions import (
    ChangeScheduledError,
    ContentChangedError,
    FollowerNotSeenError,
    NotDueError,
    PastTimeError,
    SignoffRefusedError,
    SignoffsMissingError,
    WrongChangeStateError,
)
from releng.changes.guard import guard
from releng.changes.models import ScheduledChange, Signoff
from releng.permissions.models import Permission, Role
from rules import actions as rule_actions
from rules.models import EmergencyShutoff, Rule
from tests.factories import (
    PLATFORM,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    locale_document,
    release_document,
)
from tests.people import again, grant, person, requires

pytestmark = pytest.mark.django_db

State = ScheduledChange.State


def act(user: Any, reason: str = "test") -> Any:
    """A request of somebody."""
    return change_set(actor=user, reason=reason, origin="api", guard=guard)


@pytest.fixture
def agent() -> Any:
    return person("agent", "scheduled_change:enact", system=True)


@pytest.fixture
def bob() -> Any:
    """May modify rules, and signs as releng."""
    return person("bob", "rule", "release", roles=["releng"])


@pytest.fixture
def rita() -> Any:
    return person("rita", "rule:modify", roles=["relman"])


@pytest.fixture
def rule() -> Rule:
    found: Rule = RuleFactory(product="Acme", channel="release", background_rate=100, priority=10)
    return found


@pytest.fixture
def signoffs(rule: Rule, bob: Any, rita: Any) -> None:
    requires("Acme", "release", releng=1, relman=1)


def schedule(user: Any, rule: Rule, values: dict[str, Any], **kwargs: Any) -> ScheduledChange:
    with act(user):
        return propose(user, [Proposal("rule", "update", values, rule.pk)], **kwargs)


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def test_propose__proposed_fields_only__and_its_author_signs_at_once(rule, bob, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25, "priority": 10})
    assert scheduled.writes.get().values == {"background_rate": 25}, "what is as it is now is not proposed"
    assert [(s.user, s.role) for s in scheduled.signoffs.all()] == [(bob, "releng")]
    assert examine(scheduled).missing == {"relman": 1}
    assert fresh(rule).background_rate == 100


def test_enact__signed_by_all__writes_the_proposed_fields_with_the_right_names(
    rule, bob, rita, agent, signoffs
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25}, reason="start slowly")
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman", digest=scheduled.content_digest)
    with act(agent):
        enact(scheduled.pk, agent)
    row = fresh(rule)
    assert (row.background_rate, row.priority, row.data_version) == (25, 10, 2)
    assert fresh(scheduled).state == State.ENACTED
    change = ChangeSet.objects.first()
    assert change is not None
    assert (change.actor_name, change.origin) == ("bob", "agent")
    call_command("verify_history")
    for said in ("start slowly", "bob as releng", "rita as relman", "enacted by agent"):
        assert said in change.reason


def test_enact__signoff_missing__is_refused_and_writes_nothing(rule, bob, agent, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(SignoffsMissingError, match="1 x relman"), act(agent):
        enact(scheduled.pk, agent)
    assert (fresh(rule).background_rate, fresh(scheduled).state) == (100, State.PENDING)


def test_enact__twice__second_is_refused(rule, bob, agent) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(agent):
        enact(scheduled.pk, agent)
    with pytest.raises(WrongChangeStateError, match="enacted"), act(agent):
        enact(scheduled.pk, agent)
    assert fresh(rule).data_version == 2


def test_enact__before_its_time__is_refused(rule, bob, agent) -> None:
    scheduled = schedule(
        bob, rule, {"background_rate": 25}, conditions={"when": timezone.now() + timedelta(hours=1)}
    )
    with pytest.raises(NotDueError), act(agent):
        enact(scheduled.pk, agent)
    assert fresh(rule).background_rate == 100


def test_enact__by_somebody_without_the_permission__is_refused(rule, bob) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(PermissionDenied), act(bob):
        enact(scheduled.pk, bob)


def test_propose__without_permission__is_refused(rule) -> None:
    eve = person("eve", "rule", products=["Other"])
    with pytest.raises(PermissionDenied, match="eve may not change rule of Acme"):
        schedule(eve, rule, {"background_rate": 25})
    assert not ScheduledChange.objects.exists()


def test_propose__into_another_product__needs_the_permission_for_both(rule) -> None:
    eve = person("eve", "rule", products=["Acme"])
    with pytest.raises(PermissionDenied, match="Other"):
        schedule(eve, rule, {"product": "Other"})


def test_propose__bad_value__names_the_field(rule, bob) -> None:
    with pytest.raises(ValidationError) as caught:
        schedule(bob, rule, {"background_rate": 101})
    assert list(caught.value.message_dict) == ["background_rate"]


def test_propose__past_time__is_refused(rule, bob) -> None:
    with pytest.raises(PastTimeError, match="as soon as signed"):
        schedule(
            bob, rule, {"background_rate": 1}, conditions={"when": timezone.now() - timedelta(seconds=1)}
        )


def test_propose__nothing_different__is_refused(rule, bob) -> None:
    with pytest.raises(ValidationError, match="Nothing would change"):
        schedule(bob, rule, {"background_rate": 100})


def test_propose__based_on_an_old_version__is_refused(rule, bob) -> None:
    with act(bob):
        rule_actions.update_rule(rule.pk, {"background_rate": 50}, based_on=1)
        with pytest.raises(OutdatedDataError):
            propose(bob, [Proposal("rule", "update", {"background_rate": 25}, rule.pk, base=1)])


def test_propose__second_for_the_same_row__is_refused(rule, bob) -> None:
    first = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(ChangeScheduledError, match=f"{first.pk}"):
        schedule(bob, rule, {"priority": 3})


# --- The row changes underneath -----------------------------------------------------------------------------


def test_row_edited__other_field__merges_and_voids_the_signoffs_of_others(
    rule, bob, rita, agent, signoffs
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    with change_set(actor_name="operator"):
        rule_actions.update_rule(rule.pk, {"comment": "hello"}, based_on=1)
    scheduled = fresh(scheduled)
    assert scheduled.state == State.PENDING
    assert scheduled.writes.get().base == {"data_version": 2}
    assert [s.user for s in scheduled.signoffs.all()] == [bob], (
        "the author's goes along, others must look again"
    )
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    with act(agent):
        enact(scheduled.pk, agent)
    assert (fresh(rule).comment, fresh(rule).background_rate) == ("hello", 25)


def test_row_edited__same_field__suspends_with_all_three_values_and_blocks_nobody(rule, bob, rita) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        rule_actions.update_rule(rule.pk, {"background_rate": 50}, based_on=1)
    assert fresh(rule).background_rate == 50
    scheduled = fresh(scheduled)
    assert scheduled.state == State.SUSPENDED
    assert "was 100, theirs 50, yours 25" in scheduled.state_reason
    with act(bob):
        actions.edit(scheduled.pk, bob, based_on=scheduled.data_version, values={0: {"background_rate": 30}})
    assert fresh(scheduled).state == State.PENDING
    assert examine(fresh(scheduled)).conflicts == ()


def test_row_edited__to_the_proposed_value__is_no_conflict(rule, bob) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(bob):
        rule_actions.update_rule(rule.pk, {"background_rate": 25}, based_on=1)
    assert fresh(scheduled).state == State.PENDING


def test_row_deleted__directly__is_refused_while_a_change_is_open(rule) -> None:
    bob = person("bob", "rule")
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(ChangeScheduledError, match="cancel it"), act(bob):
        rule_actions.delete_rule(rule.pk, based_on=1)
    with act(bob):
        actions.cancel(scheduled.pk, bob)
        rule_actions.delete_rule(rule.pk, based_on=1)
    assert not Rule.objects.exists()


def test_row_deleted__by_an_operator__suspends(rule, bob) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with change_set(actor_name="operator"):
        rule_actions.delete_rule(rule.pk, based_on=1)
    assert fresh(scheduled).state == State.SUSPENDED
    assert "absent" in fresh(scheduled).state_reason


def test_enact__row_changed_behind_every_hook__signoffs_do_not_count(
    rule, bob, rita, agent, signoffs
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    Rule._base_manager.filter(pk=rule.pk)._update([(Rule._meta.get_field("priority"), None, 77)])
    with pytest.raises(SignoffsMissingError), act(agent):
        enact(scheduled.pk, agent)


# --- Signing ------------------------------------------------------------------------------------------------


def test_sign_off__role_not_held__is_refused(rule, bob, rita, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(PermissionDenied, match="does not hold the role releng"), act(rita):
        actions.sign_off(scheduled.pk, rita, "releng")


def test_sign_off__again__same_role_is_nothing_another_is_refused(rule, rita, signoffs) -> None:
    both = person("both", "rule", roles=["qa", "relman"])
    scheduled = schedule(rita, rule, {"background_rate": 25})
    for _ in range(2):
        with act(both):
            actions.sign_off(scheduled.pk, both, "qa")
    with pytest.raises(SignoffRefusedError, match="one person signs in one role"), act(both):
        actions.sign_off(scheduled.pk, both, "relman")
    assert scheduled.signoffs.filter(user=both).count() == 1


def test_sign_off__content_changed_since_it_was_shown__is_refused(rule, bob, rita, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    shown = scheduled.content_digest
    with act(bob):
        actions.edit(scheduled.pk, bob, based_on=scheduled.data_version, values={0: {"background_rate": 99}})
    with pytest.raises(ContentChangedError), act(rita):
        actions.sign_off(scheduled.pk, rita, "relman", digest=shown)


def test_sign_off__machine__is_refused(rule, bob, signoffs) -> None:
    robot = person("robot", "rule", roles=["relman"], system=True)
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(SignoffRefusedError, match="system account"), act(robot):
        actions.sign_off(scheduled.pk, robot, "relman")


@pytest.mark.parametrize("loss", ["role", "account"])
def test_signoff__its_giver_loses_role_or_account__does_not_count_any_more(
    loss, rule, bob, rita, agent, signoffs
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    if loss == "role":
        with change_set(actor_name="operator"):
            Role.objects.get(user=rita, role="relman").delete()
    else:
        rita.is_active = False
        rita.save()
    with pytest.raises(SignoffsMissingError, match="relman"), act(agent):
        enact(scheduled.pk, agent)


def test_signoff__revoked__does_not_count(rule, bob, rita, agent, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
        assert actions.revoke_signoff(scheduled.pk, rita)
        assert not actions.revoke_signoff(scheduled.pk, rita)
    with pytest.raises(SignoffsMissingError), act(agent):
        enact(scheduled.pk, agent)
    assert Signoff.history.filter(user=rita, history_type="-").exists()


def test_revoke__somebody_elses__needs_the_role_or_an_administrator(rule, bob, rita, signoffs) -> None:
    eve, rolf = person("eve", "rule"), person("rolf", roles=["relman"])
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    with pytest.raises(SignoffRefusedError), act(eve):
        actions.revoke_signoff(scheduled.pk, eve, user=rita)
    with act(rolf):
        assert actions.revoke_signoff(scheduled.pk, rolf, user=rita)


def test_edit__by_another__that_one_becomes_the_author_and_only_their_signoff_stays(
    rule, bob, rita, signoffs
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.edit(scheduled.pk, rita, based_on=scheduled.data_version, values={0: {"background_rate": 26}})
    scheduled = fresh(scheduled)
    assert scheduled.author == rita
    assert [(s.user, s.role) for s in scheduled.signoffs.all()] == [(rita, "relman")]


def test_edit__the_time__voids_the_signoffs_of_others(rule, bob, rita, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    with act(bob):
        later = {"when": timezone.now() + timedelta(days=1)}
        actions.edit(scheduled.pk, bob, based_on=fresh(scheduled).data_version, conditions=later)
    assert [s.user for s in examine(fresh(scheduled)).in_force] == [bob]


def test_authors_signoff__setting_forbids_it__neither_given_nor_counted(
    rule, bob, rita, agent, signoffs, settings
) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    settings.AUTHORS_MAY_SIGN_OFF = False
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    assert examine(scheduled).missing == {"releng": 1}
    with pytest.raises(SignoffRefusedError), act(bob):
        actions.sign_off(scheduled.pk, bob, "releng")


# --- States -------------------------------------------------------------------------------------------------


def test_reject__without_comment__is_refused_and_with_one_ends_it(rule, bob, rita, signoffs) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with pytest.raises(ValidationError, match="Say why"), act(rita):
        actions.reject(scheduled.pk, rita, comment=" ")
    with act(rita):
        actions.reject(scheduled.pk, rita, comment="crashes on startup")
    scheduled = fresh(scheduled)
    assert (scheduled.state, scheduled.state_reason) == (State.REJECTED, "crashes on startup")
    for verb in (
        lambda: actions.sign_off(scheduled.pk, rita, "relman"),
        lambda: actions.cancel(scheduled.pk, bob),
        lambda: actions.edit(scheduled.pk, bob, based_on=scheduled.data_version),
    ):
        with pytest.raises(WrongChangeStateError), act(bob):
            verb()


def test_attempt__author_lost_the_permission__suspends_in_the_enactors_name(rule, bob, agent) -> None:
    scheduled = schedule(bob, rule, {"background_rate": 25})
    with change_set(actor_name="operator"):
        Permission.objects.get(user=bob, permission="rule").delete()
    with act(agent):
        result = attempt(scheduled.pk, agent)
    assert result.outcome == Outcome.SUSPENDED
    assert "bob may not change rule" in fresh(scheduled).state_reason
    assert ChangeSet.objects.first().actor_name == "agent"
    grant(bob, "rule")
    with act(bob):
        actions.resume(scheduled.pk, again(bob))
    with act(agent):
        assert attempt(scheduled.pk, agent).outcome == Outcome.ENACTED


def test_attempt__what_it_writes_became_impossible__is_recorded_and_nothing_written(bob, agent) -> None:
    with act(bob):
        insert = Proposal("rule", "insert", {"alias": "twice", "product": "Acme", "channel": "beta"})
        scheduled = propose(bob, [insert])
    with change_set(actor_name="operator"):
        rule_actions.create_rule({"alias": "twice"})
    with act(agent):
        result = attempt(scheduled.pk, agent)
    assert (result.outcome, "alias" in result.detail) == (Outcome.FAILED, True)
    assert (Rule.objects.count(), scheduled.failures.count()) == (1, 1)
    assert fresh(scheduled).state == State.PENDING


# --- Kinds, batches, chains ---------------------------------------------------------------------------------


def test_batch__one_of_its_writes_fails__nothing_of_it_happens(rule, bob, agent) -> None:
    with act(bob):
        scheduled = propose(
            bob,
            [
                Proposal("rule", "update", {"background_rate": 0}, rule.pk),
                Proposal("rule", "insert", {"alias": "twice", "product": "Acme"}),
            ],
        )
    with change_set(actor_name="operator"):
        rule_actions.create_rule({"alias": "twice"})
    with act(agent):
        assert attempt(scheduled.pk, agent).outcome == Outcome.FAILED
    assert fresh(rule).background_rate == 100


def test_follower__based_on_the_result_of_the_first__both_enacted_in_order(
    rule, bob, rita, agent, signoffs
) -> None:
    first = schedule(bob, rule, {"background_rate": 25})
    second = schedule(bob, rule, {"background_rate": 0, "comment": "paused"}, follows=first)
    with act(rita):
        actions.sign_off(first.pk, rita, "relman", with_followers=True)
    with act(agent):
        assert attempt(second.pk, agent).outcome == Outcome.WAITING
        assert attempt(first.pk, agent).outcome == Outcome.ENACTED
    assert len(examine(fresh(second)).in_force) == 2, (
        "enacting the first is no change of what the second writes"
    )
    with act(agent):
        assert attempt(second.pk, agent).outcome == Outcome.ENACTED
    assert (fresh(rule).background_rate, fresh(rule).data_version) == (0, 3)


def test_follower__signed_along_by_somebody_who_looked__only_as_it_was_shown(
    rule, bob, rita, signoffs
) -> None:
    first = schedule(bob, rule, {"background_rate": 25})
    second = schedule(bob, rule, {"background_rate": 0}, follows=first)
    third = schedule(bob, rule, {"background_rate": 100}, follows=second)
    shown = {change.pk: fresh(change).content_digest for change in (second, third)}

    def sign(digests: dict[int, str]) -> None:
        digest = fresh(first).content_digest
        with act(rita):
            actions.sign_off(
                first.pk, rita, "relman", digest=digest, with_followers=True, follower_digests=digests
            )

    with pytest.raises(FollowerNotSeenError, match=f"change {third}"):
        sign({second.pk: shown[second.pk]})
    with act(bob):
        actions.edit(third.pk, bob, based_on=third.data_version, values={0: {"background_rate": 90}})
    with pytest.raises(ContentChangedError, match=f"change {third}"):
        sign(shown)
    assert not Signoff.objects.filter(user=rita).exists(), "none of them is signed"
    sign(shown | {third.pk: fresh(third).content_digest})
    assert Signoff.objects.filter(user=rita).count() == 3


def test_follower__first_is_edited__signoffs_over_the_second_are_void(rule, bob, rita, signoffs) -> None:
    first = schedule(bob, rule, {"background_rate": 25})
    second = schedule(bob, rule, {"comment": "later"}, follows=first)
    with act(rita):
        actions.sign_off(first.pk, rita, "relman", with_followers=True)
    with act(bob):
        actions.edit(first.pk, bob, based_on=fresh(first).data_version, values={0: {"background_rate": 26}})
    assert [s.user for s in examine(fresh(second)).in_force] == [bob]


def test_follower__first_is_cancelled__is_suspended(rule, bob) -> None:
    first = schedule(bob, rule, {"background_rate": 25})
    second = schedule(bob, rule, {"background_rate": 0}, follows=first)
    with act(bob):
        actions.cancel(first.pk, bob)
    assert fresh(second).state == State.SUSPENDED


def test_release__scheduled__may_not_be_deleted_meanwhile(rule, bob) -> None:
    wanted = ReleaseFactory(name="Acme-11.0")
    scheduled = schedule(bob, rule, {"mapping": wanted.name})
    with pytest.raises(ReleaseInUseError, match="scheduled change"), change_set(actor_name="operator"):
        delete_release(wanted.name)
    tomorrow = Criteria(timezone.now() + timedelta(days=1), None, wanted.name)
    with change_set(actor_name="operator"):
        assert not prune(tomorrow, dry_run=True).objects
    with act(bob):
        actions.cancel(scheduled.pk, bob)
    assert not Release.objects.get(name=wanted.name).pointers()
    with change_set(actor_name="operator"):
        assert prune(tomorrow, dry_run=True).objects == [f"release {wanted.name}"]


def test_release_document__locale_submitted_meanwhile__is_merged(bob, agent) -> None:
    release = ReleaseFactory(name="Acme-12.0", locales=("de",))
    document = release_document("Acme-12.0", "12.0", ("de",))
    with act(bob):
        scheduled = propose(bob, [Proposal("release", "update", {"document": document}, release.pk)])
    with change_set(actor_name="automation"):
        submit_locale("Acme-12.0", "Acme", PLATFORM, "fr", locale_document())
    with act(agent):
        assert attempt(scheduled.pk, agent).outcome == Outcome.ENACTED
    blob = Release.objects.get(name="Acme-12.0").blob()
    assert set(blob["platforms"][PLATFORM]["locales"]) == {"de", "fr"}
    assert blob["appVersion"] == "12.0"


def test_release_document__same_locale_submitted_meanwhile__suspends_with_paths(bob) -> None:
    release = ReleaseFactory(name="Acme-12.0", locales=("de",))
    document = release_document("Acme-12.0", "10.0", ("de",))
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20300101000000"
    with act(bob):
        scheduled = propose(bob, [Proposal("release", "update", {"document": document}, release.pk)])
    with change_set(actor_name="automation"):
        submit_locale("Acme-12.0", "Acme", PLATFORM, "de", locale_document("20310101000000"))
    assert fresh(scheduled).state == State.SUSPENDED
    assert "buildID" in fresh(scheduled).state_reason


def test_shutoff__stop_at_once_and_resume_only_signed(agent) -> None:
    otto = person("otto", "emergency_shutoff", roles=["relman"])
    requires("Acme", "release", relman=1)
    with act(otto):
        shutoff = rule_actions.shut_off("Acme", "release", "crashes")
    with pytest.raises(Exception, match="needs signoffs"), act(otto):
        rule_actions.lift_shutoff("Acme", "release", based_on=1)
    with act(otto):
        scheduled = propose(otto, [Proposal("emergency_shutoff", "delete", object_id=shutoff.pk)])
    with act(agent):
        enact(scheduled.pk, agent)
    assert not EmergencyShutoff.objects.exists()


def test_every_kind__without_writes__is_refused(bob) -> None:
    with pytest.raises(ValidationError, match="at least one write"), act(bob):
        propose(bob, [])
    with pytest.raises(ValidationError, match="known are"), act(bob):
        propose(bob, [Proposal("moon", "insert", {})])
    shutoff = ShutoffFactory()
    with pytest.raises(ValidationError, match="cannot be scheduled"), act(bob):
        propose(bob, [Proposal("emergency_shutoff", "update", {"comment": "x"}, shutoff.pk)])
