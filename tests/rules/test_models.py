"""Tables of rules, shutoffs and pins: constraints, validation, normalisation, warnings."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction

from history import bulk
from rules.models import RULE_LENGTHS, EmergencyShutoff, PinnableRelease, Rule
from tests.factories import PinFactory, ReleaseFactory, RuleFactory, ShutoffFactory

pytestmark = pytest.mark.django_db


def insert(row):
    """Write past the validators."""
    with transaction.atomic():
        bulk.insert([row])


@pytest.mark.parametrize(
    "values",
    [
        {"priority": -1},
        {"priority": 2**31},
        {"background_rate": 101},
        {"background_rate": -1},
        {"background_rate": None},
        {"update_type": "patch"},
        {"update_type": None},
        {"data_version": 0},
        {"alias": "1st"},
        {"alias": "first\n"},
        {"alias": ""},
        *({name: "x" * (length + 1)} for name, length in RULE_LENGTHS.items()),
        *({name: ""} for name in RULE_LENGTHS),
    ],
)
def test_database__rule_past_the_validators__is_refused(values, in_change_set):
    with pytest.raises(DatabaseError):
        insert(Rule(**values))


@pytest.mark.parametrize(
    "row",
    [
        EmergencyShutoff(product="", channel="release"),
        EmergencyShutoff(product="Acme", channel="x" * 76),
        EmergencyShutoff(product="Acme", channel="release", comment="x" * 501),
        EmergencyShutoff(product="Acme", channel="release", data_version=0),
    ],
)
def test_database__shutoff_past_the_validators__is_refused(row, in_change_set):
    with pytest.raises(DatabaseError):
        insert(row)


@pytest.mark.parametrize(
    "values",
    [{"version": "10"}, {"version": "10.0"}, {"version": ".10."}, {"product": ""}, {"data_version": 0}],
)
def test_database__pin_past_the_validators__is_refused(values, in_change_set):
    pin = {"product": "Acme", "channel": "release", "version": "10.", "mapping": ReleaseFactory()}
    with pytest.raises(DatabaseError):
        insert(PinnableRelease(**pin | values))


def test_database__the_same_twice__is_refused(in_change_set):
    RuleFactory(alias="first")
    shutoff, pin = ShutoffFactory(), PinFactory()
    for row in (
        Rule(alias="first"),
        EmergencyShutoff(product=shutoff.product, channel=shutoff.channel),
        PinnableRelease(
            product=pin.product, channel=pin.channel, version=pin.version, mapping_id=pin.mapping_id
        ),
    ):
        with pytest.raises(DatabaseError):
            insert(row)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("field", ["mapping", "fallback_mapping", "whitelist"])
def test_database__rule_pointing_to_no_release__is_refused_at_commit(field, acting):
    with pytest.raises(IntegrityError), acting():
        bulk.insert([Rule(**{f"{field}_id": "gone"})])
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"version": "128"}, "version", "'128': '128' is not a version"),
        ({"version": "128.0, 129.0"}, "version", "contains white space"),
        ({"version": ">128.*"}, "version", "'>128.*' is not a version"),
        ({"version": "=128.0"}, "version", "'=128.0' is neither"),
        ({"product": "FirefoxVPN", "version": "2.x.Y"}, "version", "is not a version such as 2.9"),
        ({"channel": "rel*ease"}, "channel", "a star may only stand at the end"),
        ({"channel": "r*"}, "channel", "'r*': a pattern with a star needs at least two characters"),
        ({"channel": "beta,release"}, "channel", "one channel"),
        ({"build_id": "2025x"}, "build_id", "'2025x': must be a whole number"),
        ({"build_id": ">=2025,<2026"}, "build_id", "only one comparison can be given"),
        ({"memory": "8G"}, "memory", "'8G': must be a whole number"),
        ({"locale": "de,,fr"}, "locale", "empty item"),
        ({"os_version": "Windows,&&"}, "os_version", "empty term"),
        ({"product": "a very long product"}, "product", "'a very long product': "),
        ({"product": "Acmé"}, "product", "'Acmé': has characters outside printable ASCII"),
        ({"build_target": "a\nb"}, "build_target", "outside printable ASCII"),
        ({"comment": "naïve"}, "comment", "outside ASCII"),
        ({"alias": "1st"}, "alias", "'1st': An alias is a letter"),
        ({"priority": -1}, "priority", "-1: "),
        ({"priority": 2**31}, "priority", "2147483648: "),
        ({"background_rate": 101}, "background_rate", "101: "),
        ({"background_rate": "many"}, "background_rate", "'many': "),
        ({"update_type": "patch"}, "update_type", "'patch': "),
        ({"mapping": "gone"}, "mapping", "'gone': "),
        ({"fallback_mapping": "gone"}, "fallback_mapping", "'gone': "),
        ({"whitelist": "gone"}, "whitelist", "'gone': "),
    ],
)
def test_rule__bad_value__message_names_field_and_value(values, field, said):
    with pytest.raises(ValidationError) as refused:
        RuleFactory(**{"mapping": None} | values)
    assert list(refused.value.message_dict) == [field]
    assert said in refused.value.message_dict[field][0]


@pytest.mark.parametrize(
    "values",
    [
        {"version": "<=128.0,>130.0,115.*"},
        {"version": "2.9", "product": "FirefoxVPN"},
        {"channel": "release*"},
        {"build_id": ">=20250101000000"},
        {"memory": "<2048"},
        {"os_version": "Windows_NT 6&&SP1,Darwin"},
        {"instruction_set": "SSE3,SSE4_2"},
        {"jaws": False, "mig64": True},
        {"alias": "firefox-release"},
        {"comment": "two\nlines"},
    ],
)
def test_rule__good_value__is_kept(values):
    rule = RuleFactory.silent(**values)
    rule.refresh_from_db()
    assert {name: getattr(rule, name) for name in values} == values


def test_rule__untidy_values__are_normalised():
    rule = RuleFactory.silent(
        product="  Acme ", channel="   ", locale=" de, fr ,\tja", distribution="a b, c", comment="", alias=" "
    )
    rule.refresh_from_db()
    assert (rule.product, rule.channel, rule.locale, rule.distribution) == ("Acme", None, "de,fr,ja", "ab,c")
    assert (rule.comment, rule.alias) == (None, None)


def test_rule__alias_taken__message_names_it():
    RuleFactory(alias="first")
    with pytest.raises(ValidationError) as refused:
        RuleFactory(alias="first")
    assert refused.value.message_dict == {"alias": ["alias 'first': there is one already."]}


def test_rule__whitelist_that_is_none__is_refused():
    release = ReleaseFactory()
    with pytest.raises(ValidationError, match="is no whitelist; its schema_version is 9, not 3000"):
        RuleFactory(whitelist=release)
    rule = RuleFactory(whitelist=ReleaseFactory.whitelist("a"))
    assert rule.warnings() == []


def test_rule__empty_mapping__is_legal_and_no_warning():
    assert RuleFactory.silent().warnings() == []


def test_rule__release_of_another_product__is_a_warning():
    other = ReleaseFactory(name="Devedition-1", product="Devedition")
    rule = RuleFactory(mapping=other, fallback_mapping=other)
    assert rule.warnings() == [
        "mapping Devedition-1 is a release of Devedition, but the rule is for Acme.",
        "fallback_mapping Devedition-1 is a release of Devedition, but the rule is for Acme.",
    ]
    assert RuleFactory(mapping=other, product=None).warnings() == []


def test_rule__whitelist_as_mapping__is_a_warning():
    devices = ReleaseFactory.whitelist("a", name="Devices")
    assert RuleFactory(mapping=devices).warnings() == [
        "mapping Devices is a whitelist, which is never offered to anybody."
    ]


def test_with_releases__many_rules__one_query_without_documents(django_assert_num_queries):
    RuleFactory.throttled()
    RuleFactory.silent(whitelist=ReleaseFactory.whitelist("a"))
    with django_assert_num_queries(1):
        found = [rule.warnings() for rule in Rule.objects.with_releases()]
    assert found == [[], []]
    assert "document" in Rule.objects.with_releases().first().mapping.get_deferred_fields()


def test_shutoff__star_in_the_channel__is_a_warning():
    assert ShutoffFactory(channel="release").warnings() == []
    assert "names one channel exactly" in ShutoffFactory(channel="release*").warnings()[0]


@pytest.mark.parametrize("version", ["10", "10.0", "010.", "10..", "a.", "10.0.0.", ""])
def test_pin__not_as_clients_normalise_it__is_refused(version):
    with pytest.raises(ValidationError) as refused:
        PinFactory(version=version)
    assert repr(version) in refused.value.message_dict["version"][0]
