"""Who may do what: every verb with every kind of person, directly and as a proposal, cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from history.changesets import change_set
from releases import actions as release_actions
from releases.models import AllowedDomain, Release
from releases.storage import DataVersions
from releng.changes.actions import Proposal, propose
from releng.changes.guard import guard
from releng.permissions import actions as permission_actions
from releng.permissions.models import Permission, ProductRequiredSignoff
from rules import actions as rule_actions
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.factories import (
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    release_document,
)
from tests.people import grant, person

pytestmark = pytest.mark.django_db

# Everybody, by what they hold: permission and products. All rows of the tests are of Acme.
PEOPLE: dict[str, tuple[str, list[str] | None]] = {
    "admin": ("admin", None),
    "admin of Acme": ("admin", ["Acme"]),
    "admin of Other": ("admin", ["Other"]),
    "rule": ("rule", None),
    "rule of Acme": ("rule", ["Acme", "Zeta"]),
    "rule of Other": ("rule", ["Other"]),
    "rule create": ("rule:create", None),
    "rule modify": ("rule:modify", None),
    "rule delete": ("rule:delete", None),
    "release": ("release", None),
    "release of Acme": ("release", ["Acme"]),
    "release of Other": ("release", ["Other"]),
    "release create": ("release:create", None),
    "release modify": ("release:modify", None),
    "release delete": ("release:delete", None),
    "release locale": ("release_locale", None),
    "read-only": ("release_read_only", None),
    "read-only set": ("release_read_only:set", None),
    "read-only unset of Acme": ("release_read_only:unset", ["Acme"]),
    "shutoff": ("emergency_shutoff", None),
    "shutoff create of Acme": ("emergency_shutoff:create", ["Acme"]),
    "shutoff delete": ("emergency_shutoff:delete", None),
    "pin": ("pinnable_release", None),
    "pin of Other": ("pinnable_release", ["Other"]),
    "permission": ("permission", None),
    "permission create": ("permission:create", None),
    "permission view": ("permission:view", None),
    "signoffs": ("required_signoff", None),
    "signoffs of Acme": ("required_signoff", ["Acme"]),
    "signoffs of Other": ("required_signoff", ["Other"]),
    "agent": ("scheduled_change", None),
    "auditor": ("", None),
    "nobody": ("", None),
}
ADMINS = {"admin", "admin of Acme"}

# Each verb: how it is done directly, how it is proposed (None where that is no kind of its own), and who may.
Verb = tuple[Callable[[], Any], Callable[[], Proposal] | None, set[str]]


def _rule() -> Rule:
    return Rule.objects.get()


def _release() -> Release:
    return Release.objects.get(name="Acme-1")


def _document() -> dict[str, Any]:
    return release_document("Acme-1", "11.0")


def _requirement() -> ProductRequiredSignoff:
    return ProductRequiredSignoff.objects.get()


def _held() -> Permission:
    return Permission.objects.get(user__username="subject")


VERBS: dict[str, Verb] = {
    "create a rule": (
        lambda: rule_actions.create_rule({"product": "Acme"}),
        lambda: Proposal("rule", "insert", {"product": "Acme"}),
        {*ADMINS, "rule", "rule of Acme", "rule create"},
    ),
    "create a rule of every product": (
        lambda: rule_actions.create_rule({"channel": "x"}),
        lambda: Proposal("rule", "insert", {"channel": "x"}),
        {"admin", "rule", "rule create"},
    ),
    "change a rule": (
        lambda: rule_actions.update_rule(_rule().pk, {"priority": 5}, based_on=1),
        lambda: Proposal("rule", "update", {"priority": 5}, _rule().pk),
        {*ADMINS, "rule", "rule of Acme", "rule modify"},
    ),
    "move a rule to another product": (
        lambda: rule_actions.update_rule(_rule().pk, {"product": "Zeta"}, based_on=1),
        lambda: Proposal("rule", "update", {"product": "Zeta"}, _rule().pk),
        {"admin", "rule", "rule of Acme", "rule modify"},
    ),
    "delete a rule": (
        lambda: rule_actions.delete_rule(_rule().pk, based_on=1),
        lambda: Proposal("rule", "delete", object_id=_rule().pk),
        {*ADMINS, "rule", "rule of Acme", "rule delete"},
    ),
    "create a release": (
        lambda: release_actions.create_release("Acme-2", "Acme", release_document("Acme-2")),
        lambda: Proposal(
            "release", "insert", {"name": "Acme-2", "product": "Acme", "document": release_document("Acme-2")}
        ),
        {*ADMINS, "release", "release of Acme", "release create"},
    ),
    "change a release": (
        lambda: release_actions.update_release("Acme-1", _document(), based_on=DataVersions.of(_release())),
        lambda: Proposal("release", "update", {"document": _document()}, _release().pk),
        {*ADMINS, "release", "release of Acme", "release modify"},
    ),
    "delete a release": (
        lambda: release_actions.delete_release("Acme-1"),
        lambda: Proposal("release", "delete", object_id=_release().pk),
        {*ADMINS, "release", "release of Acme", "release delete"},
    ),
    "remove a locale": (
        lambda: release_actions.remove_locale("Acme-1", "Linux_x86_64-gcc3", "de", based_on=1),
        None,
        {*ADMINS, "release", "release of Acme", "release modify", "release delete"},
    ),
    "lock a release": (
        lambda: release_actions.set_read_only("Acme-1", True, based_on=1),
        lambda: Proposal("release", "update", {"read_only": True}, _release().pk),
        {*ADMINS, "read-only", "read-only set"},
    ),
    "unlock a release": (
        lambda: release_actions.set_read_only("Acme-locked", False, based_on=1),
        lambda: Proposal(
            "release", "update", {"read_only": False}, Release.objects.get(name="Acme-locked").pk
        ),
        {*ADMINS, "read-only", "read-only unset of Acme"},
    ),
    "stop updates": (
        lambda: rule_actions.shut_off("Acme", "beta", "crashes"),
        lambda: Proposal(
            "emergency_shutoff", "insert", {"product": "Acme", "channel": "beta", "comment": "crashes"}
        ),
        {*ADMINS, "shutoff", "shutoff create of Acme"},
    ),
    "resume updates": (
        lambda: rule_actions.lift_shutoff("Acme", "release", based_on=1),
        lambda: Proposal("emergency_shutoff", "delete", object_id=EmergencyShutoff.objects.get().pk),
        {*ADMINS, "shutoff", "shutoff delete"},
    ),
    "make a pin": (
        lambda: rule_actions.set_pin("Acme-1", "Acme", "beta", "9."),
        lambda: Proposal(
            "pinnable_release",
            "insert",
            {"product": "Acme", "channel": "beta", "version": "9.", "mapping": "Acme-1"},
        ),
        {*ADMINS, "pin"},
    ),
    "delete a pin": (
        lambda: rule_actions.delete_pin("Acme", "release", "10.", based_on=1),
        lambda: Proposal("pinnable_release", "delete", object_id=PinnableRelease.objects.get().pk),
        {*ADMINS, "pin"},
    ),
    "give a permission": (
        lambda: permission_actions.grant(_held().user, "rule", ["Acme"]),
        lambda: Proposal(
            "permission", "insert", {"user": _held().user_id, "permission": "rule", "products": ["Acme"]}
        ),
        {"admin", "permission", "permission create"},
    ),
    "change a permission": (
        lambda: permission_actions.update_permission(_held().pk, based_on=1, products=["Acme"]),
        lambda: Proposal("permission", "update", {"products": ["Acme"]}, _held().pk),
        {"admin", "permission"},
    ),
    "take a permission away": (
        lambda: permission_actions.revoke(_held().pk, based_on=1),
        lambda: Proposal("permission", "delete", object_id=_held().pk),
        {"admin", "permission"},
    ),
    "give a role": (
        lambda: permission_actions.grant_role(_held().user, "qa"),
        lambda: Proposal("role", "insert", {"user": _held().user_id, "role": "qa"}),
        {"admin", "permission", "permission create"},
    ),
    "first requirement of a channel": (
        lambda: permission_actions.require_for_product("Acme", "nightly", "qa", 1),
        lambda: Proposal(
            "product_signoff",
            "insert",
            {"product": "Acme", "channel": "nightly", "role": "qa", "signoffs_required": 1},
        ),
        {*ADMINS, "signoffs", "signoffs of Acme"},
    ),
    "allow a domain": (
        lambda: AllowedDomain(host="new.example", products=["Acme"]).save(),
        lambda: Proposal("allowed_domain", "insert", {"host": "new.example", "products": ["Acme"]}),
        {"admin"},
    ),
}


@pytest.fixture
def world() -> None:
    """One row of each kind, all of Acme; nothing needs signoffs."""
    AllowedDomainFactory()
    RuleFactory(mapping=None)
    ReleaseFactory(name="Acme-1", locales=("de",))
    ReleaseFactory(name="Acme-locked", locales=("de",), read_only=True)
    ShutoffFactory()
    PinFactory(version="10.", mapping=ReleaseFactory(name="Acme-0"))
    person("qa", "rule", roles=["qa"])
    grant(person("subject"), "release")


@pytest.mark.parametrize("who", PEOPLE)
def test_matrix__every_verb__is_allowed_to_exactly_those_listed(who: str, world: None) -> None:
    permission, products = PEOPLE[who]
    roles = ["auditor"] if who == "auditor" else []
    user = person("who", *filter(None, [permission]), products=products, roles=roles)
    for name, (directly, proposed, allowed) in VERBS.items():
        ways: list[tuple[str, Callable[[], Any]]] = [("directly", directly)]
        if proposed is not None:
            ways.append(("as a proposal", lambda: propose(user, [proposed()])))  # noqa: B023  # called at once
        for way, verb in ways:
            assert _may(user, verb) == (who in allowed), f"{who}: {name}, {way}"


def _may(user: Any, verb: Callable[[], Any]) -> bool:
    """Try a verb as a request of somebody, and take it back."""
    try:
        with change_set(actor=user, origin="api", guard=guard):
            verb()
            raise Rollback
    except Rollback:
        return True
    except PermissionDenied:
        return False


class Rollback(Exception):
    """Ends a trial."""


def test_guard__nobody_signed_in__is_refused_everything(world: None) -> None:
    for directly, _, _ in VERBS.values():
        assert not _may(None, directly)
