"""The verbs of whole releases: create, update with merge, lock, delete."""

import copy

import pytest
from django.core.exceptions import ValidationError

from history.exceptions import NoChangeSetError, OutdatedDataError
from releases import actions
from releases.exceptions import (
    ReleaseExistsError,
    ReleaseInUseError,
    ReleaseReadOnlyError,
    StaleDocumentError,
)
from releases.models import Release, ReleasePart
from releases.storage import DataVersions
from tests.factories import (
    CDN,
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    RuleFactory,
    locale_document,
    release_document,
)

pytestmark = pytest.mark.django_db

NAME = "Acme-10.0-build1"


@pytest.fixture
def release():
    return ReleaseFactory(name=NAME)


def edited(document, **top):
    return copy.deepcopy(document) | top


def update(document, based_on, **kwargs):
    return actions.update_release(document["name"], document, based_on=based_on, **kwargs)


# --- create -------------------------------------------------------------------------------------------------


def test_create__new_release__is_stored_in_parts_with_history(release):
    assert (release.data_version, release.schema_version, release.read_only) == (1, 9, False)
    assert Release.history.count() == 1
    assert ReleasePart.history.count() == ReleasePart.objects.count() == 2


def test_create__name_taken__is_refused(release):
    with pytest.raises(ReleaseExistsError, match=NAME):
        ReleaseFactory(name=NAME)
    assert Release.objects.count() == 1


def test_create__outside_a_change_set__is_refused():
    with pytest.raises(NoChangeSetError):
        actions.create_release(NAME, "Acme", release_document(NAME))


def test_create__bad_document__names_every_problem():
    document = release_document(NAME)
    document["platforms"][PLATFORM]["locales"]["de"]["completes"][0]["fileUrl"] = "https://evil.example/x.mar"
    with pytest.raises(ValidationError) as refused:
        ReleaseFactory(name=NAME, document=document)
    assert refused.value.message_dict["document"] == [
        f"platforms.{PLATFORM}.locales.de.completes.0.fileUrl: 'https://evil.example/x.mar': "
        "the allow-list does not permit this host or path for product Acme."
    ]
    del document["hashFunction"]
    document["appversion"] = "1"
    with pytest.raises(ValidationError) as refused:
        ReleaseFactory(name=NAME, document=document)
    assert len(refused.value.message_dict["document"]) == 2
    assert not Release.objects.exists()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"name": "other", "schema_version": 9}, "'other': differs from the release's name"),
        ({"name": NAME, "schema_version": 7}, "schema_version: 7 is not known"),
        ({"name": NAME}, "schema_version: None is not known"),
        (["name"], "must be a JSON object"),
    ],
)
def test_create__no_document_of_this_release__is_refused(document, said):
    with pytest.raises(ValidationError) as refused:
        ReleaseFactory(name=NAME, document=document)
    assert said in refused.value.message_dict["document"][0]


def test_create__allowed_host__is_stored():
    AllowedDomainFactory()
    document = release_document(NAME)
    document["platforms"][PLATFORM]["locales"]["de"]["completes"][0]["fileUrl"] = f"https://{CDN}/x.mar"
    assert ReleaseFactory(name=NAME, document=document).blob() == document


# --- update -------------------------------------------------------------------------------------------------


def test_update__one_locale__writes_that_row_alone(release, acting):
    document = release.blob()
    document["platforms"][PLATFORM]["locales"]["de"] = locale_document("20250202000000")
    with acting():
        update(document, DataVersions.of(release))
    assert Release.objects.get().blob() == document
    assert Release.objects.get().data_version == 1
    assert list(ReleasePart.objects.values_list("locale", "data_version")) == [("de", 2), ("en-US", 1)]
    assert ReleasePart.history.count() == 3


def test_update__top_only__leaves_the_parts(release, acting):
    with acting():
        update(edited(release.blob(), displayVersion="10 (beta)"), DataVersions.of(release))
    assert Release.objects.get().data_version == 2
    assert set(ReleasePart.objects.values_list("data_version", flat=True)) == {1}


def test_update__locale_added_and_removed__makes_and_deletes_rows(release, acting):
    document = release.blob()
    locales = document["platforms"][PLATFORM]["locales"]
    locales["fr"] = locales.pop("de")
    with acting():
        update(document, DataVersions.of(release))
    assert sorted(ReleasePart.objects.values_list("locale", flat=True)) == ["en-US", "fr"]
    assert Release.objects.get().blob() == document
    assert ReleasePart.history.filter(history_type="-").count() == 1


def test_update__nothing_changed__writes_nothing(release, acting):
    with acting():
        update(release.blob(), DataVersions.of(release))
    assert Release.history.count() == 1
    assert ReleasePart.history.count() == 2


def test_update__other_type_of_document__moves_the_parts(release, acting):
    document = {
        "name": NAME,
        "schema_version": 50,
        "detailsUrl": "https://acme.example/old",
        "displayVersion": "10.0",
    }
    with acting():
        update(document, DataVersions.of(release))
    stored = Release.objects.get()
    assert (stored.schema_version, stored.blob()) == (50, document)
    assert not ReleasePart.objects.exists()


def test_update__read_only__is_refused(acting):
    release = ReleaseFactory.locked()
    with pytest.raises(ReleaseReadOnlyError, match="read-only"), acting():
        update(edited(release.blob(), appVersion="11.0"), DataVersions.of(release))
    assert Release.objects.get().data_version == 1


def test_update__no_such_release__is_an_error(acting):
    with pytest.raises(Release.DoesNotExist), acting():
        update(release_document("gone"), DataVersions(1))


def test_update__bad_document__changes_nothing(release, acting):
    with pytest.raises(ValidationError), acting():
        update(edited(release.blob(), appVersion=11), DataVersions.of(release))
    with pytest.raises(ValidationError), acting():
        update(release.blob(), DataVersions.of(release), product="a product of too many letters")
    assert Release.objects.get().data_version == 1


def test_update__whitelist_that_a_rule_needs__stays_one(acting):
    devices = ReleaseFactory.whitelist("a", name=NAME)
    RuleFactory.silent(whitelist=devices)
    with pytest.raises(ReleaseInUseError, match="rule"), acting():
        update(release_document(NAME), DataVersions.of(devices))


# --- stale updates ------------------------------------------------------------------------------------------


def test_stale_update__disjoint_changes__are_merged(release, acting):
    read = DataVersions.of(release)
    mine, theirs = release.blob(), release.blob()
    theirs["displayVersion"] = "theirs"
    theirs["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "20250202000000"
    theirs["platforms"][PLATFORM]["locales"]["fr"] = locale_document()
    with acting():
        update(theirs, read)
    mine["appVersion"] = "10.0.1"
    mine["platforms"][PLATFORM]["locales"]["ja"] = locale_document()
    mine["platforms"][PLATFORM]["locales"]["de"]["completes"][0]["filesize"] = 7
    with acting():
        update(mine, read)
    stored = Release.objects.get().blob()
    assert (stored["displayVersion"], stored["appVersion"]) == ("theirs", "10.0.1")
    locales = stored["platforms"][PLATFORM]["locales"]
    assert sorted(locales) == ["de", "en-US", "fr", "ja"]
    assert (locales["de"]["buildID"], locales["de"]["completes"][0]["filesize"]) == ("20250202000000", 7)


def test_stale_update__overlap__is_refused_naming_paths_and_who(release, acting):
    read = DataVersions.of(release)
    mine, theirs = release.blob(), release.blob()
    theirs["displayVersion"] = "theirs"
    theirs["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "1"
    with acting():
        update(theirs, read)
    mine["displayVersion"] = "mine"
    mine["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "2"
    with pytest.raises(StaleDocumentError) as refused, acting():
        update(mine, read)
    error = refused.value
    assert {
        conflict.path: (conflict.base, conflict.theirs, conflict.yours) for conflict in error.conflicts
    } == {
        ("displayVersion",): ("10.0", "theirs", "mine"),
        ("platforms", PLATFORM, "locales", "de", "buildID"): ("20250101000000", "1", "2"),
    }
    assert (error.expected, error.current, error.changed_by) == (1, 2, "tester")
    assert "displayVersion" in str(error)
    assert Release.objects.get().blob() == theirs


def test_stale_update__locale_they_deleted_and_you_changed__is_refused(release, acting):
    read = DataVersions.of(release)
    mine, theirs = release.blob(), release.blob()
    del theirs["platforms"][PLATFORM]["locales"]["de"]
    mine["platforms"][PLATFORM]["locales"]["de"]["buildID"] = "2"
    with acting():
        update(theirs, read)
    with pytest.raises(StaleDocumentError) as refused, acting():
        update(mine, read)
    assert [conflict.path[-1] for conflict in refused.value.conflicts] == ["de"]


def test_stale_update__set_of_the_type__is_united(acting):
    release = ReleaseFactory(
        name=NAME, document={"name": NAME, "schema_version": 4000, "products": ["A", "B"]}
    )
    read = DataVersions.of(release)
    with acting():
        update({"name": NAME, "schema_version": 4000, "products": ["A", "B", "C"]}, read)
    with acting():
        update({"name": NAME, "schema_version": 4000, "products": ["B", "D"]}, read)
    assert Release.objects.get().document["products"] == ["B", "C", "D"]


def test_stale_update__version_that_history_lacks__is_refused(release, acting):
    with pytest.raises(StaleDocumentError, match="history no longer has"), acting():
        update(edited(release.blob(), appVersion="11.0"), DataVersions(7))
    with pytest.raises(StaleDocumentError), acting():
        update(edited(release.blob(), appVersion="11.0"), DataVersions(1, {(PLATFORM, "xx"): 3}))


def test_stale_update__both_made_the_same_change__is_no_conflict(release, acting):
    read = DataVersions.of(release)
    for _ in range(2):
        with acting():
            update(edited(release.blob(), displayVersion="same"), read)
    assert Release.objects.get().data_version == 2


def test_stale_update__merged_result_is_bad__is_refused(release, acting):
    """Two valid changes make no valid document together: one adds an alias of what the other removes."""
    read = DataVersions.of(release)
    mine, theirs = release.blob(), release.blob()
    theirs["platforms"]["Other"] = {"alias": PLATFORM}
    del mine["platforms"][PLATFORM], mine["platforms"]["Linux_x86_64-alias"]
    with acting():
        update(theirs, read)
    with pytest.raises(ValidationError, match="names a platform that is not listed"), acting():
        update(mine, read)


# --- read-only ----------------------------------------------------------------------------------------------


def test_set_read_only__lock_twice_and_unlock_twice__versions_as_on_the_wire(release, acting):
    with acting():
        assert actions.set_read_only(NAME, True, based_on=1).data_version == 2
        assert actions.set_read_only(NAME, True, based_on=2).data_version == 2
        assert actions.set_read_only(NAME, False, based_on=2).data_version == 3
        assert actions.set_read_only(NAME, False, based_on=3).data_version == 4


def test_set_read_only__stale__is_refused(release, acting):
    with acting():
        actions.set_read_only(NAME, True, based_on=1)
    with pytest.raises(OutdatedDataError, match="tester changed read_only"), acting():
        actions.set_read_only(NAME, False, based_on=1)


# --- delete -------------------------------------------------------------------------------------------------


def test_delete__unused_release__takes_its_parts_along(release, acting):
    with acting():
        actions.delete_release(NAME, based_on=DataVersions.of(release))
    assert not Release.objects.exists()
    assert not ReleasePart.objects.exists()
    assert Release.history.filter(history_type="-").count() == 1
    assert ReleasePart.history.filter(history_type="-").count() == 2


@pytest.mark.parametrize(
    "use",
    [
        lambda release: RuleFactory(mapping=release),
        lambda release: RuleFactory(fallback_mapping=release),
        lambda release: PinFactory(mapping=release),
    ],
)
def test_delete__release_in_use__is_refused_and_names_the_user(release, use, acting):
    user = use(release)
    with pytest.raises(ReleaseInUseError, match=f"{user._meta.verbose_name} {user}") as refused, acting():
        actions.delete_release(NAME)
    assert refused.value.pointers == [user]
    assert release.parts.count() == 2


def test_delete__read_only__is_refused(acting):
    release = ReleaseFactory.locked()
    with pytest.raises(ReleaseReadOnlyError), acting():
        actions.delete_release(release.name)


def test_delete__stale__is_refused(release, acting):
    read = DataVersions.of(release)
    document = release.blob()
    document["platforms"][PLATFORM]["locales"]["de"] = locale_document("20250202000000")
    with acting():
        update(document, read)
    with pytest.raises(OutdatedDataError), acting():
        actions.delete_release(NAME, based_on=read)
    with acting():
        actions.set_read_only(NAME, False, based_on=1)
    with pytest.raises(OutdatedDataError, match="at version 2, not 1"), acting():
        actions.delete_release(NAME, based_on=read)


def test_delete__part_they_added__is_refused(release, acting):
    read = DataVersions.of(release)
    with acting():
        actions.submit_locale(NAME, "Acme", PLATFORM, "fr", locale_document())
    with pytest.raises(OutdatedDataError), acting():
        actions.delete_release(NAME, based_on=read)


# --- versions -----------------------------------------------------------------------------------------------


def test_data_versions__as_tree_and_back__is_the_same(release):
    versions = DataVersions.of(release)
    tree = {".": 1, "platforms": {PLATFORM: {"locales": {"de": 1, "en-US": 1}}}}
    assert versions.as_tree() == tree
    assert DataVersions.from_tree(tree) == versions
    assert DataVersions.from_tree({".": 3}) == DataVersions(3)
    assert DataVersions(3).as_tree() == {".": 3}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (None, "must be an object"),
        ({}, r"\.: None must be a whole number"),
        ({".": True}, "True must be a whole number"),
        ({".": 0}, "0 must be"),
        ({".": 1, "platform": {}}, "must be an object with"),
        ({".": 1, "platforms": []}, "platforms: must be an object"),
        ({".": 1, "platforms": {"P": 1}}, r"platforms\.P\.locales: must be an object"),
        ({".": 1, "platforms": {"P": {"locales": {"de": "1"}}}}, r"platforms\.P\.locales\.de: '1' must be"),
    ],
)
def test_data_versions__no_tree__names_the_place(tree, said):
    with pytest.raises(ValueError, match=said):
        DataVersions.from_tree(tree)
