"""Effects: what clients get instead when something changes, and who uses a release."""

from __future__ import annotations

from typing import Any

import pytest

from releng.changes.actions import Proposal
from releng.changes.effects import Effects, effects_of
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    ShutoffFactory,
    release_document,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def allowed(db: None) -> None:
    """Payloads may come from where the releases of these tests have them."""
    AllowedDomainFactory()


def said(effects: Effects) -> list[tuple[str, str]]:
    """Return what clients get before and after."""
    return [(effect.before.said, effect.after.said) for effect in effects]


def release(number: int) -> Any:
    return ReleaseFactory.served(f"Acme-{number}", f"{number}.0")


def test_deleting_a_rule__with_one_below__shows_what_matches_instead() -> None:
    rule = RuleFactory(mapping=release(12), priority=90, locale="de,fr")
    RuleFactory(mapping=release(11), priority=50)
    RuleFactory(mapping=release(10), priority=40, product="Other")
    found = effects_of([Proposal("rule", "delete", object_id=rule.pk)])
    assert ("Acme-12", "Acme-11") in said(found)
    assert {effect.rule_before.rule_id for effect in found} == {rule.pk}
    assert found.effects[0].question.query.locale == "de"


def test_deleting_a_rule__with_none_below__shows_that_nobody_gets_anything() -> None:
    rule = RuleFactory(mapping=release(12))
    found = effects_of([Proposal("rule", "delete", object_id=rule.pk)])
    assert said(found) == [("Acme-12", "nothing, no rule matches")]


def test_deleting_a_rule__that_others_stand_before__asks_for_clients_that_reach_it() -> None:
    low = RuleFactory(mapping=release(10), priority=10)
    RuleFactory(mapping=release(12), priority=90, version=">=5.0")
    found = effects_of([Proposal("rule", "delete", object_id=low.pk)])
    assert ("Acme-10", "nothing, no rule matches") in said(found)


def test_deleting_a_rule__that_never_decides__has_no_effect() -> None:
    low = RuleFactory(mapping=release(10), priority=10)
    RuleFactory(mapping=release(12), priority=90)
    assert len(effects_of([Proposal("rule", "delete", object_id=low.pk)])) == 0


def test_throttling_a_rule__shows_both_sides_of_the_dice() -> None:
    rule = RuleFactory(mapping=release(12), fallback_mapping=release(11))
    found = effects_of([Proposal("rule", "update", {"background_rate": 25}, rule.pk)])
    assert said(found) == [("Acme-12", "Acme-12, to 25 of 100; the others: Acme-11")]
    assert not found.effects[0].is_same


def test_changing_a_comment__is_no_change_for_clients() -> None:
    rule = RuleFactory(mapping=release(12))
    found = effects_of([Proposal("rule", "update", {"comment": "said"}, rule.pk)])
    assert [effect.is_same for effect in found] == [True]
    assert found.changed == []


def test_changing_a_release__shows_the_rules_that_serve_it() -> None:
    mapped = release(12)
    rule = RuleFactory(mapping=mapped)
    document = release_document("Acme-12", "12.0", locales=("de",))
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20260101000000"
    found = effects_of([Proposal("release", "update", {"document": document}, mapped.pk)])
    assert [effect.rule_before.rule_id for effect in found] == [rule.pk]


def test_changing_one_locale__asks_as_its_clients() -> None:
    mapped = ReleaseFactory.served("Acme-12", "12.0")
    RuleFactory(mapping=mapped)
    document = mapped.blob()
    document["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20260101000000"
    found = effects_of([Proposal("release", "update", {"document": document}, mapped.pk)])
    assert [effect.client["locale"] for effect in found.changed] == ["de"]


def test_lifting_a_shutoff__shows_who_gets_updates_again() -> None:
    RuleFactory(mapping=release(12))
    shutoff = ShutoffFactory()
    found = effects_of([Proposal("emergency_shutoff", "delete", object_id=shutoff.pk)])
    assert ("nothing, updates are stopped by an emergency shutoff", "Acme-12") in said(found)


def test_moving_a_pin__shows_the_pinned() -> None:
    RuleFactory(mapping=release(12))
    pin = PinFactory(version="10.", mapping=ReleaseFactory.served("Acme-10.1", "10.1"))
    ReleaseFactory.served("Acme-10.2", "10.2")
    found = effects_of([Proposal("pinnable_release", "update", {"mapping": "Acme-10.2"}, pin.pk)])
    assert ("Acme-10.1", "Acme-10.2") in said(found)


def test_release_without_an_allowed_payload__is_told_to_be_an_empty_answer() -> None:
    rule = RuleFactory(mapping=ReleaseFactory(name="Acme-12", version="12.0"))
    found = effects_of([Proposal("rule", "delete", object_id=rule.pk)])
    assert said(found) == [("Acme-12, but the answer is empty", "nothing, no rule matches")]
