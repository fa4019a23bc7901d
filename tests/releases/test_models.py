"""Tables of releases and the allow-list: constraints, validation, and what points where."""

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction

from history import bulk
from releases.models import (
    AllowedDomain,
    Release,
    ReleasePart,
    SpecialForceHost,
    allowlisted_domains,
    stored_allowlist,
)
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    release_document,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "row",
    [
        Release(name="", product="Acme", schema_version=9, document={}),
        Release(name="x" * 101, product="Acme", schema_version=9, document={}),
        Release(name="a", product="", schema_version=9, document={}),
        Release(name="a", product="x" * 16, schema_version=9, document={}),
        Release(name="a", product="Acme", schema_version=7, document={}),
        Release(name="a", product="Acme", schema_version=9, document={}, data_version=0),
        AllowedDomain(host="", products=[]),
        AllowedDomain(host="x" * 254, products=[]),
        SpecialForceHost(prefix=""),
    ],
)
def test_database__value_past_the_validators__is_refused(row, acting):
    with pytest.raises(DatabaseError), acting(), transaction.atomic():
        bulk.insert([row])


@pytest.mark.parametrize(
    "change",
    [{"platform": ""}, {"locale": ""}, {"platform": "p" * 101}, {"locale": "l" * 51}, {"locale": "de"}],
)
def test_database__part_past_the_validators__is_refused(change, acting):
    release = ReleaseFactory()
    values = {"platform": PLATFORM, "locale": "fr"} | change
    with pytest.raises(DatabaseError), acting(), transaction.atomic():
        bulk.insert([ReleasePart(release=release, document={}, **values)])


def test_release__name_twice__is_refused_by_the_database(acting):
    release = ReleaseFactory()
    with pytest.raises(DatabaseError), acting(), transaction.atomic():
        bulk.insert([Release(name=release.name, product="Acme", schema_version=9, document={})])


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"name": "a/b"}, "name", "'a/b': a name has no slash"),
        ({"name": "x" * 101}, "name", "at most 100 characters"),
        ({"product": "Ünter"}, "product", "'Ünter': has characters outside"),
        ({"schema_version": 7}, "schema_version", "7: "),
    ],
)
def test_release__bad_value__message_names_the_value(values, field, said):
    release = Release(
        **({"name": "a", "product": "Acme", "schema_version": 9, "document": {"a": 1}} | values)
    )
    with pytest.raises(ValidationError) as refused:
        release.full_clean()
    assert list(refused.value.message_dict) == [field]
    assert said in refused.value.message_dict[field][0]


def test_blob__release_in_parts__is_the_document_that_was_stored():
    document = release_document("Acme-1", locales=("de", "fr", "ja"))
    release = ReleaseFactory(name="Acme-1", document=document)
    assert release.parts.count() == 3
    stored = Release.objects.get()
    assert stored.document["platforms"][PLATFORM]["locales"] == {}
    assert stored.blob() == document
    assert stored.typed_blob().name == "Acme-1"


def test_pointers__rules_and_pins__are_found_whatever_field_names_the_release():
    free = ReleaseFactory()
    release = ReleaseFactory()
    devices = ReleaseFactory.whitelist("a")
    rules = {
        RuleFactory(mapping=release),
        RuleFactory(fallback_mapping=release),
        RuleFactory(mapping=release, fallback_mapping=release),
    }
    limited = RuleFactory(mapping=None, whitelist=devices)
    pin = PinFactory(mapping=release)
    assert len(release.pointers()) == 4
    assert set(release.pointers()) == {*rules, pin}
    assert devices.pointers() == [limited]
    assert free.pointers() == []
    assert set(Release.objects.unused()) == {free}
    assert {release, devices} <= set(Release.objects.pointed_at())


def test_pointers__nothing_but_its_own_parts__is_unused():
    release = ReleaseFactory()
    assert release.parts.exists()
    assert list(Release.objects.unused()) == [release]
    assert list(Release.objects.pointed_at()) == []


def test_allowlist__whole_hosts_and_paths__keep_their_order():
    AllowedDomainFactory(host="b.example", products=["Acme", "Other"])
    AllowedDomainFactory(host="a.example", path_regex="/x/.*", position=1, products=["Acme"])
    AllowedDomainFactory(host="a.example", path_regex="/x/y/.*", position=0, products=["Other"])
    assert allowlisted_domains() == {
        "a.example": {"/x/y/.*": ["Other"], "/x/.*": ["Acme"]},
        "b.example": ["Acme", "Other"],
    }
    assert list(allowlisted_domains()["a.example"]) == ["/x/y/.*", "/x/.*"]
    allowlist = stored_allowlist()
    assert allowlist.allows("https://b.example/any", "Other")
    assert allowlist.allows("https://a.example/x/z", "Acme")
    assert not allowlist.allows("https://a.example/x/y/z", "Acme")
    assert not allowlist.allows("https://c.example/", "Acme")


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"host": "https://cdn.example"}, "host", "without scheme and path"),
        ({"host": "cdn.example/x"}, "host", "without scheme and path"),
        ({"host": "cdn .example"}, "host", "'cdn .example'"),
        ({"path_regex": "("}, "path_regex", "'(': is not a regular expression"),
        ({"products": "Acme"}, "products", "'Acme': must be a list of product names"),
        ({"products": [""]}, "products", "must be a list of product names"),
        ({"products": [3]}, "products", "must be a list of product names"),
    ],
)
def test_allowed_domain__bad_value__message_names_the_value(values, field, said):
    with pytest.raises(ValidationError) as refused:
        AllowedDomainFactory(**values)
    assert said in refused.value.message_dict[field][0]


def test_allowed_domain__every_path_besides_some_paths__is_refused_both_ways():
    AllowedDomainFactory(host="a.example")
    with pytest.raises(ValidationError, match="cannot have both"):
        AllowedDomainFactory(host="a.example", path_regex="/x")
    AllowedDomainFactory(host="b.example", path_regex="/x")
    with pytest.raises(ValidationError, match="cannot have both"):
        AllowedDomainFactory(host="b.example")


def test_allowed_domain__same_entry_twice__message_names_the_values():
    AllowedDomainFactory(host="a.example", path_regex="/x")
    with pytest.raises(ValidationError, match=r"host 'a\.example', path_regex '/x': there is one already"):
        AllowedDomainFactory(host="a.example", path_regex="/x")


@pytest.mark.parametrize("prefix", ["cdn.example", "ftp://cdn.example", "http://", "http://[x"])
def test_special_force_host__no_url__is_refused(prefix):
    with pytest.raises(ValidationError, match="must begin with http"):
        SpecialForceHost(prefix=prefix).full_clean()
