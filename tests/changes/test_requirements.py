"""Who must agree to what: by old and new state, known before anything is saved, and asked of direct changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from history.changesets import change_set
from releases import actions as release_actions
from releases.models import Release
from releases.storage import DataVersions
from releng.changes.actions import Proposal, propose
from releng.changes.examination import examine
from releng.changes.exceptions import SignoffRequiredError
from releng.changes.guard import guard
from releng.permissions import actions as permission_actions
from releng.permissions.models import Permission, ProductRequiredSignoff
from rules import actions as rule_actions
from rules.models import EmergencyShutoff, Rule
from tests.factories import (
    PLATFORM,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    locale_document,
    release_document,
)
from tests.people import administrator, grant, permissions_require, person, requires

pytestmark = pytest.mark.django_db

QA, RELMAN, BOTH, NOBODY = {"qa": 1}, {"relman": 2}, {"qa": 1, "relman": 2}, {}


@pytest.fixture
def ada() -> Any:
    """An administrator: nobody is above the signoffs."""
    requires("Acme", "release", qa=1)
    requires("Acme", "beta", relman=2)
    return administrator()


def needs(actor: Any, verb: Callable[[], Any]) -> dict[str, int]:
    """Return whose agreement a direct change needs; what it does is taken back."""
    found: dict[str, int] = {}
    try:
        with change_set(actor=actor, origin="api", guard=guard):
            verb()
            raise Undo
    except Undo:
        return found
    except SignoffRequiredError as error:
        return error.required


class Undo(Exception):
    """Ends a trial."""


def scheduled_needs(actor: Any, proposal: Proposal) -> dict[str, int]:
    """Return whose agreement the same change needs when it is proposed."""
    try:
        with change_set(actor=actor, origin="api", guard=guard):
            raise Found(examine(propose(actor, [proposal])).required)
    except Found as found:
        required: dict[str, int] = found.args[0]
        return required


class Found(Exception):
    """Carries an answer out of a trial."""


@pytest.mark.parametrize(
    ("old", "new", "required"),
    [
        ({"channel": "release"}, {"priority": 7}, QA),
        ({"channel": "beta"}, {"priority": 7}, RELMAN),
        ({"channel": "nightly"}, {"priority": 7}, NOBODY),
        ({"channel": "nightly"}, {"channel": "beta"}, RELMAN),
        ({"channel": "beta"}, {"channel": "release"}, BOTH),
        ({"channel": "rel*"}, {"priority": 7}, QA),
        ({"channel": None}, {"priority": 7}, BOTH),
        ({"channel": "release", "product": "Other"}, {"priority": 7}, NOBODY),
        ({"channel": "release", "product": "Other"}, {"product": "Acme"}, QA),
        ({"channel": "beta", "product": None}, {"priority": 7}, RELMAN),
        ({"channel": "release-cck-corp"}, {"priority": 7}, NOBODY),
    ],
)
def test_rule__old_and_new_state__both_count(ada: Any, old: Any, new: Any, required: dict[str, int]) -> None:
    rule = RuleFactory(mapping=None, **old)
    assert needs(ada, lambda: rule_actions.update_rule(rule.pk, new, based_on=1)) == required
    assert scheduled_needs(ada, Proposal("rule", "update", new, rule.pk)) == required


def test_rule__insert_and_delete(ada: Any) -> None:
    values = {"product": "Acme", "channel": "beta"}
    assert needs(ada, lambda: rule_actions.create_rule(values)) == RELMAN
    rule = RuleFactory(mapping=None)
    assert needs(ada, lambda: rule_actions.delete_rule(rule.pk, based_on=1)) == QA


def test_release__as_the_rules_that_offer_it(ada: Any) -> None:
    release = ReleaseFactory(name="Acme-1", locales=("de",))

    def write() -> None:
        release_actions.update_release(
            "Acme-1", release_document("Acme-1", "3.0"), based_on=DataVersions.of(release)
        )

    def submit() -> None:
        release_actions.submit_locale("Acme-1", "Acme", PLATFORM, "fr", locale_document())

    def remove() -> None:
        release_actions.remove_locale("Acme-1", PLATFORM, "de", based_on=1)

    assert [needs(ada, verb) for verb in (write, submit, remove)] == [NOBODY] * 3
    PinFactory(mapping=release)
    assert needs(ada, submit) == NOBODY, "pins never need signoffs"
    RuleFactory(mapping=release)
    # A new locale (BUG-07) and a removed one are changes of what is offered, like any other.
    assert [needs(ada, verb) for verb in (write, submit, remove)] == [QA] * 3
    RuleFactory(mapping=None, channel="beta", fallback_mapping="Acme-1")
    assert [needs(ada, verb) for verb in (write, submit, remove)] == [BOTH] * 3
    values = {"document": release_document("Acme-1", "3.0")}
    assert scheduled_needs(ada, Proposal("release", "update", values, release.pk)) == BOTH
    place = {"release": release.pk, "platform": PLATFORM, "locale": "fr", "document": locale_document()}
    assert scheduled_needs(ada, Proposal("release_part", "insert", place)) == BOTH


def test_release__part_of_a_superblob__as_the_rules_that_offer_that(ada: Any) -> None:
    ReleaseFactory(name="Child", locales=("de",))
    parent = {"name": "Parent", "schema_version": 4000, "blobs": ["Child"]}
    RuleFactory(mapping=ReleaseFactory(name="Parent", document=parent))
    submit = lambda: release_actions.submit_locale("Child", "Acme", PLATFORM, "fr", locale_document())  # noqa: E731
    assert needs(ada, submit) == QA


def test_read_only__locking_needs_nobody_unlocking_does(ada: Any) -> None:
    mapped = ReleaseFactory.locked(name="Mapped")
    RuleFactory(mapping=mapped, channel="beta")
    ReleaseFactory.locked(name="Lonely")
    ReleaseFactory(name="Open")
    for name, read_only, required in (
        ("Open", True, NOBODY),
        ("Mapped", False, RELMAN),
        ("Lonely", False, BOTH),
    ):
        verb = lambda name=name, flag=read_only: release_actions.set_read_only(name, flag, based_on=1)  # noqa: E731
        assert needs(ada, verb) == required
        proposal = Proposal("release", "update", {"read_only": read_only}, Release.objects.get(name=name).pk)
        assert scheduled_needs(ada, proposal) == required


def test_shutoff__stopping_needs_nobody_and_resuming_does(ada: Any) -> None:
    assert needs(ada, lambda: rule_actions.shut_off("Acme", "beta", "crashes")) == NOBODY
    ShutoffFactory(build_target="WINNT")
    lift = lambda: rule_actions.lift_shutoff("Acme", "release", build_target="WINNT", based_on=1)  # noqa: E731
    assert needs(ada, lift) == QA
    shutoff = EmergencyShutoff.objects.get()
    assert scheduled_needs(ada, Proposal("emergency_shutoff", "delete", object_id=shutoff.pk)) == QA


def test_permission__as_the_products_that_it_reaches(ada: Any) -> None:
    permissions_require("Acme", qa=1)
    permissions_require("Other", relman=2)
    bob = person("bob")
    for products, required in (
        (["Acme"], QA),
        (["Other"], RELMAN),
        (["Acme", "Other"], BOTH),
        (None, BOTH),
        (["X"], {}),
    ):
        assert needs(ada, lambda wanted=products: permission_actions.grant(bob, "rule", wanted)) == required  # type: ignore[misc]
    row = grant(bob, "rule", ["X"])
    widen = lambda: permission_actions.update_permission(row.pk, based_on=1, products=["X", "Other"])  # noqa: E731
    assert needs(ada, widen) == RELMAN
    person("carl", "permission:view")
    unlimited = Permission.objects.get(user__username="carl")
    assert needs(ada, lambda: permission_actions.revoke(unlimited.pk, based_on=1)) == BOTH


def test_requirement__the_first_is_free_and_then_those_that_stand_must_agree(ada: Any) -> None:
    person("q", "rule", roles=["qa", "relman"])
    assert needs(ada, lambda: permission_actions.require_for_product("Acme", "esr", "qa", 1)) == NOBODY
    assert needs(ada, lambda: permission_actions.require_for_product("Acme", "release", "relman", 1)) == QA
    row = ProductRequiredSignoff.objects.get(channel="release")
    assert needs(ada, lambda: permission_actions.drop_requirement(row, based_on=1)) == QA
    assert scheduled_needs(ada, Proposal("product_signoff", "delete", object_id=row.pk)) == QA
    assert needs(ada, lambda: permission_actions.require_for_permissions("Acme", "qa", 1)) == NOBODY


def test_direct_change__refused__leaves_nothing(ada: Any) -> None:
    rule = RuleFactory(mapping=None)
    with pytest.raises(SignoffRequiredError, match="1 x qa"), change_set(actor=ada, guard=guard):
        rule_actions.update_rule(rule.pk, {"priority": 1}, based_on=1)
    assert Rule.objects.get().data_version == 1
    assert Rule.history.count() == 1
