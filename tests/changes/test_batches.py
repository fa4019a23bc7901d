"""Batches: proposals put together are signed and enacted as one; lists tell how far each change is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from history.changesets import change_set
from history.exceptions import OutdatedDataError
from releng.changes import actions
from releng.changes.actions import Proposal, propose
from releng.changes.batches import put_together, take_apart
from releng.changes.enacting import enact
from releng.changes.examination import examine
from releng.changes.guard import guard
from releng.changes.models import ScheduledChange, Signoff
from releng.changes.standing import standings
from releng.permissions.models import Permission, Role
from releng.permissions.who import people_allowed, people_by_role
from rules.models import Rule
from tests.factories import ReleaseFactory, RuleFactory, ShutoffFactory, release_document
from tests.people import administrator, again, auditor, permissions_require, person, requires

pytestmark = pytest.mark.django_db


def act(user: Any) -> Any:
    return change_set(actor=user, reason="test", origin="admin", guard=guard)


@pytest.fixture
def bob() -> Any:
    return person("bob", "rule", "release", "emergency_shutoff", roles=["releng"])


@pytest.fixture
def rita() -> Any:
    return person("rita", "rule", roles=["relman"])


def rate(author: Any, rule: Rule, to: int, **more: Any) -> ScheduledChange:
    with act(author):
        return propose(author, [Proposal("rule", "update", {"background_rate": to}, rule.pk)], **more)


def fresh(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def test_put_together__signed_and_enacted_as_one(bob: Any, rita: Any) -> None:
    requires("Acme", "release", releng=1, relman=1)
    parts = [rate(bob, RuleFactory(), 25), rate(bob, RuleFactory(), 50)]
    moment = timezone.now() + timedelta(hours=1)
    with act(bob):
        versions = {part.pk: part.data_version for part in parts}
        batch = put_together(bob, versions, conditions={"when": moment}, reason="both")
    assert [fresh(part).state for part in parts] == ["cancelled"] * 2
    assert fresh(parts[0]).state_reason == f"Replaced by scheduled change {batch}."
    assert (batch.writes.count(), batch.when, batch.reason) == (2, moment, "both")
    with act(bob):
        actions.edit(batch.pk, bob, based_on=fresh(batch).data_version, conditions={"when": None})
    with act(rita):
        actions.sign_off(batch.pk, rita, "relman", digest=fresh(batch).content_digest)
    chief = administrator()
    with act(chief):
        enact(batch.pk, chief)
    assert sorted(Rule.objects.values_list("background_rate", flat=True)) == [25, 50]


def test_put_together__changed_since_it_was_shown__is_refused(bob: Any) -> None:
    parts = [rate(bob, RuleFactory(), 25), rate(bob, RuleFactory(), 50)]
    with pytest.raises(OutdatedDataError), act(bob):
        put_together(bob, {part.pk: part.data_version + 1 for part in parts})
    assert ScheduledChange.objects.pending().count() == 2


def test_put_together__others_without_permission_chains_and_single_ones__are_refused(bob: Any) -> None:
    rule = RuleFactory()
    first = rate(bob, rule, 25)
    single = rate(bob, RuleFactory(), 50)
    second = rate(bob, rule, 0, follows=first)
    versions = {row.pk: fresh(row).data_version for row in (first, second, single)}
    for keys in ((first, single), (second, single)):
        with pytest.raises(ValidationError, match="follow each other"), act(bob):
            put_together(bob, {row.pk: versions[row.pk] for row in keys})
    with pytest.raises(ValidationError, match="two proposals"), act(bob):
        put_together(bob, {single.pk: versions[single.pk]})
    carl = person("carl", "release")
    with pytest.raises(PermissionDenied, match="carl may not change rule"), act(carl):
        put_together(carl, {single.pk: versions[single.pk]}, more=[Proposal("rule", "insert", {})])


def test_take_apart__one_change_for_each_write__under_the_same_conditions(bob: Any) -> None:
    rules = [RuleFactory(), RuleFactory()]
    moment = timezone.now() + timedelta(hours=1)
    with act(bob):
        proposals = [Proposal("rule", "update", {"priority": 7}, rule.pk) for rule in rules]
        proposals.append(Proposal("rule", "insert", {"product": "Acme"}))
        batch = propose(bob, proposals, conditions={"when": moment})
    with act(bob):
        found = take_apart(batch.pk, bob, based_on=fresh(batch).data_version)
    assert [change.writes.get().change for change in found] == ["update", "update", "insert"]
    assert {change.when for change in found} == {moment}
    assert fresh(batch).state == "cancelled"
    with pytest.raises(ValidationError, match="no batch"), act(bob):
        take_apart(found[0].pk, bob, based_on=found[0].data_version)


def test_standings__every_kind__say_what_an_examination_says(bob: Any, rita: Any) -> None:
    requires("Acme", "release", releng=1, relman=1)
    requires("Acme", "beta", qa=1)
    permissions_require("Acme", relman=1)
    chief = administrator()
    rule, moved = RuleFactory(), RuleFactory(channel="beta")
    release = ReleaseFactory(name="Acme-7")
    RuleFactory(mapping=release)
    locked = ReleaseFactory.locked(name="Acme-8")
    shutoff = ShutoffFactory()
    with act(chief):
        first = rate(chief, rule, 25)
        changes = [
            first,
            rate(chief, rule, 0, follows=first),
            propose(chief, [Proposal("rule", "update", {"channel": "release"}, moved.pk)]),
            propose(chief, [Proposal("rule", "insert", {"product": "Acme", "channel": "beta"})]),
            propose(
                chief,
                [
                    Proposal(
                        "release", "update", {"document": release_document("Acme-7", "8.0")}, release.pk
                    ),
                    Proposal("release", "update", {"read_only": False}, locked.pk),
                ],
            ),
            propose(chief, [Proposal("emergency_shutoff", "delete", {}, shutoff.pk)]),
            propose(
                chief,
                [
                    Proposal(
                        "permission",
                        "insert",
                        {"user": bob.pk, "permission": "pinnable_release", "products": ["Acme"]},
                    )
                ],
            ),
        ]
    with act(rita):
        actions.sign_off(first.pk, rita, "relman")
    rows = list(ScheduledChange.objects.order_by("pk"))
    with CaptureQueriesContext(connection) as asked:
        found = standings(rows)
    assert len(asked) <= 14
    assert len(found) == len(changes)
    for standing in found:
        examination = examine(standing.scheduled)
        assert standing.required == examination.required, standing.scheduled
        assert standing.missing == examination.missing, standing.scheduled
        assert standing.required
    assert [item.signed for item in found[0].progress] == [(), ("rita",)]
    assert found[0].can_be_signed_by(bob, {"releng"}) == ["releng"]
    assert found[0].can_be_signed_by(rita, {"relman"}) == []


def test_standing__giver_lost_the_role__does_not_count(bob: Any, rita: Any) -> None:
    requires("Acme", "release", relman=1)
    person("second", "rule", roles=["relman"])
    scheduled = rate(bob, RuleFactory(), 25)
    with act(rita):
        actions.sign_off(scheduled.pk, rita, "relman")
    assert standings([fresh(scheduled)])[0].missing == {}
    with change_set(actor_name="operator"):
        Role.objects.get(user=rita).delete()
    assert standings([fresh(scheduled)])[0].missing == {"relman": 1}
    assert Signoff.objects.exists()


def test_who__names_active_people_only(bob: Any, rita: Any) -> None:
    auditor()
    person("limited", "rule", products=["Other"])
    gone = person("gone", "rule", roles=["relman"])
    gone.is_active = False
    gone.save()
    person("robot", "rule", roles=["relman"], system=True)
    assert people_by_role(["relman"]) == {"relman": ["rita"]}
    rule = RuleFactory()
    with CaptureQueriesContext(connection) as asked:
        assert people_allowed("rules.change_rule", rule) == ["bob", "rita"]
    assert len(asked) == 2
    assert Permission.objects.count() > 2
    assert again(bob).has_perm("rules.change_rule", rule)
