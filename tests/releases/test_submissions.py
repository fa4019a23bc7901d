"""Single locales: what builds submit."""

import pytest
from django.core.exceptions import ValidationError

from releases import actions
from releases.exceptions import ReleaseReadOnlyError, StaleDocumentError
from releases.models import Release, ReleasePart
from tests.factories import PLATFORM, ReleaseFactory, locale_document

pytestmark = pytest.mark.django_db

NAME = "Acme-nightly"
ALIAS = "Linux_x86_64-alias"


def submit(platform=PLATFORM, locale="de", document=None, **kwargs):
    """Submit a locale as automation does."""
    values = {"schema_version": 9, "hash_function": "sha512"} | kwargs
    return actions.submit_locale(
        values.pop("release_name", NAME),
        values.pop("product", "Acme"),
        platform,
        locale,
        document if document is not None else locale_document(),
        **values,
    )


@pytest.fixture(autouse=True)
def _change_set(in_change_set):
    pass


def test_submit__first_locale__makes_release_and_platform():
    done = submit(aliases=["P2"])
    assert done.created
    release = Release.objects.get()
    assert (release.name, release.product, release.schema_version) == (NAME, "Acme", 9)
    assert release.blob() == {
        "name": NAME,
        "schema_version": 9,
        "hashFunction": "sha512",
        "platforms": {PLATFORM: {"locales": {"de": locale_document()}}, "P2": {"alias": PLATFORM}},
    }
    assert (release.data_version, done.part.data_version) == (1, 1)


def test_submit__worked_example_of_automation__versions_add_up():
    """protocol.md section 15, E16: the sum of all rows' versions is what version 1 of the API answers."""
    assert submit("P1", "en-US", aliases=["P2"]).created
    assert submit("P1", "de").created
    last = submit("P2", "de")
    assert last.created  # P2 itself lists no locale
    assert (last.part.platform, last.part.data_version) == ("P1", 2)
    assert Release.objects.get().data_version == 1


def test_submit__further_locale__leaves_the_release_row():
    ReleaseFactory(name=NAME, locales=())
    submit(locale="de")
    submit(locale="fr")
    assert Release.objects.get().data_version == 1
    assert Release.history.count() == 1
    assert ReleasePart.history.count() == 2


def test_submit__same_locale_again__replaces_it():
    submit()
    done = submit(document=locale_document("20250202000000"))
    assert not done.created
    assert done.part.data_version == 2
    assert ReleasePart.objects.get().document["buildID"] == "20250202000000"


def test_submit__to_an_alias__is_stored_under_its_target():
    ReleaseFactory(name=NAME, locales=("de",))
    done = submit(ALIAS, "de", locale_document("20250202000000"))
    assert done.created
    assert (done.part.platform, done.part.data_version) == (PLATFORM, 2)
    assert Release.objects.get().data_version == 1


def test_submit__new_platform_and_aliases__touch_the_release_row_once():
    ReleaseFactory(name=NAME)
    submit("P9", "de", aliases=["P10", ALIAS, "P9"])
    release = Release.objects.get()
    assert release.data_version == 2
    platforms = release.blob()["platforms"]
    assert platforms["P9"] == {"locales": {"de": locale_document()}}
    assert platforms["P10"] == {"alias": "P9"}
    assert platforms[ALIAS] == {"alias": PLATFORM}, "a platform that is listed already stays as it is"
    submit("P9", "fr", aliases=["P10"])
    assert Release.objects.get().data_version == 2


def test_submit__many_locales__history_has_small_rows_only():
    release = ReleaseFactory.growing(5)
    assert Release.history.count() == 1
    assert ReleasePart.history.count() == 5
    assert release.data_version == 1


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"product": "Other"}, "product", "'Other': differs from the release's product, 'Acme'"),
        ({"hash_function": "sha256"}, "hash_function", "'sha256': differs"),
        ({"schema_version": 8}, "schema_version", "8: differs"),
        ({"platform": "p" * 101}, "platform", "at most 100 characters"),
        ({"platform": ""}, "platform", "blank"),
        ({"locale": "l" * 51}, "locale", "at most 50 characters"),
        ({"document": {"buildID": "x"}}, "document", f"platforms.{PLATFORM}.locales.de.buildID: 'x'"),
        ({"document": []}, "document", "must be of type object"),
        ({"aliases": ["a" * 101]}, "platform", "at most 100 characters"),
    ],
)
def test_submit__does_not_fit_the_release__names_field_and_value(values, field, said):
    ReleaseFactory(name=NAME, locales=())
    with pytest.raises(ValidationError) as refused:
        submit(**values)
    assert said in refused.value.message_dict[field][0]
    assert not ReleasePart.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"schema_version": None}, "schema_version"),
        ({"hash_function": None}, "hash_function"),
        ({"schema_version": 50}, "schema_version"),
        ({"schema_version": 7}, "schema_version"),
        ({"hash_function": "crc32"}, "document"),
        ({"product": "x" * 16}, "product"),
    ],
)
def test_submit__new_release_cannot_be_made__names_the_field(values, field):
    with pytest.raises(ValidationError) as refused:
        submit(**values)
    assert field in refused.value.message_dict


def test_submit__existing_release__needs_neither_version_nor_hash():
    ReleaseFactory(name=NAME, locales=())
    assert submit(schema_version=None, hash_function=None).created


def test_submit__release_without_locales__is_refused():
    ReleaseFactory.whitelist("a", name=NAME)
    with pytest.raises(ValidationError, match="documents of this type have no locales"):
        submit(schema_version=None, hash_function=None)


def test_submit__read_only__is_refused():
    ReleaseFactory.locked(name=NAME)
    with pytest.raises(ReleaseReadOnlyError):
        submit()


def test_submit__stale_base_and_disjoint_changes__are_merged():
    submit()
    submit(document=locale_document() | {"buildID": "20250202000000"}, base_version=1)
    done = submit(document=locale_document() | {"displayVersion": "10 (beta)"}, base_version=1)
    assert done.part.data_version == 3
    assert done.part.document == locale_document("20250202000000") | {"displayVersion": "10 (beta)"}


def test_submit__stale_base_and_overlap__is_refused_naming_the_path():
    submit()
    submit(document=locale_document("20250202000000"), base_version=1)
    with pytest.raises(StaleDocumentError) as refused:
        submit(document=locale_document("20250303000000"), base_version=1)
    assert [conflict.path for conflict in refused.value.conflicts] == [
        ("platforms", PLATFORM, "locales", "de", "buildID")
    ]
    assert ReleasePart.objects.get().data_version == 2


def test_submit__base_that_never_was__is_refused():
    with pytest.raises(StaleDocumentError):
        submit(base_version=1)
    submit()
    with pytest.raises(StaleDocumentError, match="history no longer has"):
        submit(base_version=9)
