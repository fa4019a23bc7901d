"""Rules, shutoffs and pins in the admin."""

import pytest
from django.urls import reverse

from history.changesets import change_set
from history.models import ChangeSet
from rules import actions
from rules.models import EmergencyShutoff, PinnableRelease, Rule
from tests.factories import PinFactory, ReleaseFactory, RuleFactory, ShutoffFactory
from tests.pages import delete
from tests.people import auditor
from tests.releases.test_admin import listing, page_of, told

pytestmark = pytest.mark.django_db


def typed(rule, **values):
    """Return what the form of a rule sends."""
    data = {
        name: "unknown" if name in ("jaws", "mig64") else value
        for name, value in actions.rule_values(rule).items()
    }
    data |= {"based_on": rule.data_version, "reason": ""} | values
    return {name: "" if value is None else value for name, value in data.items()}


@pytest.mark.parametrize(
    "make",
    [
        lambda number: RuleFactory.throttled(mapping=ReleaseFactory(product="Other")),
        lambda number: ShutoffFactory(channel=f"c{number}"),
        lambda number: PinFactory(version=f"{number + 10}."),
    ],
)
def test_list__however_many_rows__same_number_of_queries(admin_client, make, django_assert_max_num_queries):
    url = listing(type(make(0)))
    admin_client.get(url)
    with django_assert_max_num_queries(12) as few:
        assert admin_client.get(url).status_code == 200
    for number in range(1, 9):
        make(number)
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert admin_client.get(url).status_code == 200


def test_list__rule_with_a_warning__shows_it(admin_client):
    RuleFactory(mapping=ReleaseFactory(product="Other"))
    assert "but the rule is for Acme" in admin_client.get(listing(Rule)).content.decode()


def test_list__search__finds_by_number_alias_and_release(admin_client):
    RuleFactory.silent()
    rule = RuleFactory(alias="wanted", mapping=ReleaseFactory(name="Acme-x"))
    for text in (rule.pk, "wanted", "Acme-x"):
        found = admin_client.get(listing(Rule), {"q": text}).context["rules"].rows
        assert [row.rule for row in found] == [rule]


def test_autocomplete__release__is_found_by_name(admin_client):
    release = ReleaseFactory(name="Findable-1")
    found = admin_client.get(
        reverse("admin:autocomplete"),
        {"term": "indab", "app_label": "rules", "model_name": "rule", "field_name": "mapping"},
    ).json()
    assert [item["id"] for item in found["results"]] == [release.name]


def test_add__rule__goes_through_the_verb_and_tells_warnings(admin_client, admin_user):
    other = ReleaseFactory(product="Other")
    data = typed(Rule(), product=" Acme ", mapping=other.name, reason="new channel")
    del data["based_on"]
    answer = admin_client.post(listing(Rule, "add"), data, follow=True)
    rule = Rule.objects.get()
    assert (rule.product, rule.mapping) == ("Acme", other)
    assert "but the rule is for Acme" in told(answer)
    row = ChangeSet.objects.first()
    assert (row.actor, row.reason) == (admin_user, "new channel")


def test_change__rule__goes_through_the_verb(admin_client):
    rule = RuleFactory.throttled()
    answer = admin_client.post(page_of(rule), typed(rule, background_rate=50, mig64="true"))
    assert answer.status_code == 302
    changed = Rule.objects.get()
    assert (changed.background_rate, changed.mig64, changed.data_version) == (50, True, 2)
    assert changed.fallback_mapping_id == rule.fallback_mapping_id


def test_change__bad_values__are_named_beside_their_fields(admin_client):
    rule = RuleFactory()
    answer = admin_client.post(page_of(rule), typed(rule, channel="r*", background_rate=101, version="1 2"))
    errors = answer.context["adminform"].form.errors
    assert sorted(errors) == ["background_rate", "channel", "version"]
    assert "'r*': a pattern" in errors["channel"][0]
    assert Rule.objects.get().data_version == 1


def test_change__stale_form__is_refused_naming_who_changed_what(admin_client):
    rule = RuleFactory()
    with change_set(actor_name="bert"):
        actions.update_rule(rule.pk, {"priority": 7}, based_on=1)
    answer = admin_client.post(page_of(rule), typed(rule, priority=8))
    assert answer.status_code == 200
    assert "bert changed priority" in str(answer.context["adminform"].form.non_field_errors())
    assert Rule.objects.get().priority == 7


def test_change__no_base__is_refused(admin_client):
    rule = RuleFactory()
    answer = admin_client.post(page_of(rule), typed(rule, priority=8, based_on=""), follow=True)
    assert "open the page anew" in answer.content.decode()
    assert Rule.objects.get().priority == 100


def test_delete__rule__goes_through_the_verb(admin_client):
    rule = RuleFactory()
    assert delete(admin_client, page_of(rule, "delete")).status_code == 302
    assert not Rule.objects.exists()
    assert Rule.history.filter(history_type="-").count() == 1


def test_shutoff__made_shown_and_lifted__but_never_changed(admin_client):
    data = {"product": "Acme", "channel": "release*", "comment": "crashes", "reason": "bug"}
    answer = admin_client.post(listing(EmergencyShutoff, "add"), data, follow=True)
    assert "names one channel exactly" in told(answer)
    shutoff = EmergencyShutoff.objects.get()
    assert admin_client.get(page_of(shutoff)).status_code == 200
    assert admin_client.post(page_of(shutoff), data).status_code == 403
    answer = admin_client.post(listing(EmergencyShutoff, "add"), data)
    assert "shut off there already" in str(answer.context["adminform"].form.errors)
    assert delete(admin_client, page_of(shutoff, "delete")).status_code == 302
    assert not EmergencyShutoff.objects.exists()


def test_pin__newer_release__is_repointed_and_an_older_one_refused(admin_client):
    old, new = ReleaseFactory(version="9.0"), ReleaseFactory(version="10.0")
    data = {"product": "Acme", "channel": "release", "version": "10.", "mapping": old.name}
    assert admin_client.post(listing(PinnableRelease, "add"), data).status_code == 302
    pin = PinnableRelease.objects.get()
    assert admin_client.post(page_of(pin), {"mapping": new.name, "based_on": 1}).status_code == 302
    answer = admin_client.post(page_of(pin), {"mapping": old.name, "based_on": 2}, follow=True)
    assert "which is newer than" in told(answer)
    pin.refresh_from_db()
    assert (pin.mapping, pin.data_version) == (new, 2)
    assert delete(admin_client, page_of(pin, "delete")).status_code == 302
    assert not PinnableRelease.objects.exists()


def test_reader__every_page__opens_and_none_writes(client):
    client.force_login(auditor())
    for row in (RuleFactory(), ShutoffFactory(), PinFactory()):
        assert client.get(listing(type(row))).status_code == 200
        assert client.get(page_of(row)).status_code == 200
        assert client.post(page_of(row), {"based_on": 1}).status_code == 403
        assert client.get(page_of(row, "delete")).status_code == 403
