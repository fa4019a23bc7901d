"""The verbs of rules, shutoffs and pins."""

import pytest
from django.core.exceptions import ValidationError

from history.exceptions import NoChangeSetError, OutdatedDataError
from history.merge import Outcome
from releases.models import Release
from rules import actions
from rules.exceptions import ExistingPinIsNewerError, ShutoffExistsError, StaleRuleError
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.factories import PinFactory, ReleaseFactory, RuleFactory, ShutoffFactory

pytestmark = pytest.mark.django_db

# --- Rules --------------------------------------------------------------------------------------------------


def test_create_rule__by_names_of_releases__is_stored(acting):
    release = ReleaseFactory(name="R1")
    with acting():
        rule = actions.create_rule({"product": "Acme", "mapping": "R1", "fallback_mapping": release})
    stored = Rule.objects.get()
    assert (stored.pk, stored.mapping, stored.fallback_mapping, stored.data_version) == (
        rule.pk,
        release,
        release,
        1,
    )
    assert stored.background_rate == 100


def test_create_rule__unknown_field__is_refused(acting):
    with pytest.raises(ValidationError) as refused, acting():
        actions.create_rule({"chanel": "release", "data_version": 5})
    assert sorted(refused.value.message_dict) == ["chanel", "data_version"]


def test_create_rule__outside_a_change_set__is_refused():
    with pytest.raises(NoChangeSetError):
        actions.create_rule({})


def test_update_rule__some_fields__keeps_the_others(acting):
    rule = RuleFactory.throttled(alias="a")
    with acting():
        changed = actions.update_rule(rule.pk, {"background_rate": 50, "mapping": None}, based_on=1)
    assert (changed.data_version, changed.background_rate, changed.mapping) == (2, 50, None)
    stored = Rule.objects.get()
    assert (stored.alias, stored.fallback_mapping_id) == ("a", rule.fallback_mapping_id)
    assert Rule.history.count() == 2


def test_update_rule__bad_value__changes_nothing(acting):
    rule = RuleFactory()
    with pytest.raises(ValidationError), acting():
        actions.update_rule(rule.pk, {"channel": "r*"}, based_on=1)
    assert Rule.objects.get().data_version == 1


def test_update_rule__stale__is_refused_with_all_three_versions(acting):
    rule = RuleFactory(priority=10, channel="beta", comment="x")
    with acting():
        actions.update_rule(rule.pk, {"priority": 20, "channel": "nightly", "comment": "theirs"}, based_on=1)
    with pytest.raises(StaleRuleError) as refused, acting():
        actions.update_rule(rule.pk, {"priority": 30, "channel": "nightly", "locale": " de "}, based_on=1)
    error = refused.value
    assert isinstance(error, OutdatedDataError)
    assert (error.code, error.expected, error.current, error.changed_by) == ("outdated", 1, 2, "tester")
    assert {
        field.name: (field.outcome, field.base, field.theirs, field.yours)
        for field in error.comparison.changed
    } == {
        "priority": (Outcome.CONFLICT, 10, 20, 30),
        "channel": (Outcome.SAME, "beta", "nightly", "nightly"),
        "comment": (Outcome.ONLY_THEIRS, "x", "theirs", "x"),
        "locale": (Outcome.ONLY_YOURS, None, None, "de"),
    }
    assert "conflict: priority" in str(error)
    stored = Rule.objects.get()
    assert (stored.priority, stored.locale) == (20, None), "nothing is merged, not even what does not overlap"


def test_update_rule__stale_in_releases__compares_their_names(acting):
    rule = RuleFactory()
    old, new = rule.mapping_id, ReleaseFactory().name
    with acting():
        actions.update_rule(rule.pk, {"mapping": new}, based_on=1)
    with pytest.raises(StaleRuleError) as refused, acting():
        actions.update_rule(rule.pk, {"mapping": None}, based_on=1)
    (field,) = refused.value.comparison.changed
    assert (field.base, field.theirs, field.yours) == (old, new, None)


def test_update_rule__version_that_never_was__is_refused(acting):
    rule = RuleFactory()
    with pytest.raises(OutdatedDataError), acting():
        actions.update_rule(rule.pk, {"priority": 1}, based_on=7)


def test_delete_rule__current_and_stale(acting):
    rule = RuleFactory()
    with acting():
        actions.update_rule(rule.pk, {"priority": 1}, based_on=1)
    with pytest.raises(OutdatedDataError, match="tester changed priority"), acting():
        actions.delete_rule(rule.pk, based_on=1)
    with acting():
        actions.delete_rule(rule.pk, based_on=2)
    assert not Rule.objects.exists()
    with pytest.raises(Rule.DoesNotExist), acting():
        actions.delete_rule(rule.pk, based_on=2)


# --- Shutoffs -----------------------------------------------------------------------------------------------


def test_shut_off__twice__is_refused():
    ShutoffFactory()
    with pytest.raises(ShutoffExistsError, match="already: Acme release"):
        ShutoffFactory(product=" Acme ")
    assert EmergencyShutoff.history.count() == 1


def test_shut_off__bad_value__names_it():
    with pytest.raises(ValidationError, match="blank"):
        ShutoffFactory(channel=" ")


def test_lift_shutoff__current_and_stale(acting):
    ShutoffFactory()
    with pytest.raises(OutdatedDataError), acting():
        actions.lift_shutoff("Acme", "release", based_on=2)
    with acting():
        actions.lift_shutoff("Acme", "release", based_on=1)
    assert not EmergencyShutoff.objects.exists()
    with pytest.raises(EmergencyShutoff.DoesNotExist), acting():
        actions.lift_shutoff("Acme", "release", based_on=1)


# --- Pins ---------------------------------------------------------------------------------------------------


def set_pin(release, version="10."):
    return actions.set_pin(release.name, "Acme", "release", version)


def test_set_pin__newer_release__is_repointed(acting):
    old, new = ReleaseFactory(version="10.0"), ReleaseFactory(version="10.0.2")
    with acting():
        assert set_pin(old).data_version == 1
        pin = set_pin(new)
    assert (pin.mapping, pin.data_version) == (new, 2)
    assert PinnableRelease.objects.get().mapping == new


def test_set_pin__older_release__is_refused(acting):
    old, new = ReleaseFactory(version="9.0"), ReleaseFactory(version="10.0")
    PinFactory(mapping=new)
    with pytest.raises(ExistingPinIsNewerError, match=f"stays with {new.name}") as refused, acting():
        set_pin(old)
    assert refused.value.code == "existing_pin_is_newer"
    assert PinnableRelease.objects.get().mapping == new


def test_set_pin__same_version_elsewhere_and_same_release__repoints_and_stays(acting):
    first, second = ReleaseFactory(version="10.0"), ReleaseFactory(version="10.0")
    PinFactory(mapping=first)
    with acting():
        assert set_pin(second).data_version == 2
        assert set_pin(second).data_version == 2


def test_set_pin__release_without_version__is_refused(acting):
    devices = ReleaseFactory.whitelist("a")
    with pytest.raises(ValidationError, match="has no application version"), acting():
        set_pin(devices)


def test_set_pin__no_such_release__is_an_error(acting):
    with pytest.raises(Release.DoesNotExist), acting():
        actions.set_pin("gone", "Acme", "release", "10.")


def test_delete_pin__current_and_stale(acting):
    PinFactory()
    with pytest.raises(OutdatedDataError), acting():
        actions.delete_pin("Acme", "release", "10.", based_on=2)
    with acting():
        actions.delete_pin("Acme", "release", "10.", based_on=1)
    assert not PinnableRelease.objects.exists()


def test_shut_off__one_platform__beside_the_whole_channel_and_lifted_by_itself(acting):
    for limits in ({}, {"build_target": "WINNT_x86_64"}, {"locale": "de"}):
        ShutoffFactory(**limits)
    with pytest.raises(ShutoffExistsError, match="WINNT_x86_64"):
        ShutoffFactory(build_target="WINNT_x86_64")
    with acting():
        actions.lift_shutoff("Acme", "release", build_target="WINNT_x86_64", based_on=1)
    assert sorted(map(str, EmergencyShutoff.objects.all())) == ["Acme release", "Acme release de"]


def test_shut_off__without_a_reason__is_refused(acting):
    with pytest.raises(ValidationError, match="Say why"), acting():
        actions.shut_off("Acme", "release")
