"""Releases, locales and the allow-list in the admin."""

import json

import pytest
from django.urls import reverse

from history.changesets import change_set
from releases import actions
from releases.models import AllowedDomain, Release, ReleasePart, SpecialForceHost
from releases.storage import DataVersions
from tests.factories import (
    PLATFORM,
    AllowedDomainFactory,
    PinFactory,
    ReleaseFactory,
    SpecialForceHostFactory,
    locale_document,
)
from tests.pages import act, delete, hidden_fields
from tests.people import person

pytestmark = pytest.mark.django_db

NAME = "Acme-10.0-build1"


@pytest.fixture
def release():
    return ReleaseFactory(name=NAME)


def page_of(row, kind="change"):
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{kind}", args=[row.pk])


def listing(model, kind="changelist"):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}")


def told(answer):
    return " ".join(str(message) for message in answer.context["messages"])


@pytest.mark.parametrize(
    "make",
    [
        ReleaseFactory,
        lambda **values: ReleaseFactory().parts.first(),
        lambda **values: AllowedDomainFactory(host=f"h{AllowedDomain.objects.count()}.example"),
        lambda **values: SpecialForceHostFactory(prefix=f"https://h{SpecialForceHost.objects.count()}"),
    ],
)
def test_list__however_many_rows__same_number_of_queries(admin_client, make, django_assert_max_num_queries):
    row = make()
    url = listing(type(row))
    admin_client.get(url)
    with django_assert_max_num_queries(12) as few:
        assert admin_client.get(url).status_code == 200
    for _ in range(8):
        make()
    with django_assert_max_num_queries(len(few.captured_queries)):
        assert admin_client.get(url).status_code == 200


def test_action__lock_and_unlock(admin_client, release):
    other = ReleaseFactory()
    for action, locked, word in (("lock", True, "Read-only"), ("unlock", False, "Writable")):
        answer = act(admin_client, listing(Release), action, release, other)
        assert told(answer) == f"{word} now: {NAME}, {other.name}."
        assert set(Release.objects.values_list("read_only", flat=True)) == {locked}
    assert set(Release.objects.values_list("data_version", flat=True)) == {3}


@pytest.mark.parametrize("action", ["lock", "unlock"])
def test_action__list_on_an_older_version__is_refused_naming_whom_and_switches_none(
    admin_client, release, action
):
    locked = ReleaseFactory.locked(name="Zacme")
    page = admin_client.get(listing(Release))
    with change_set(actor_name="bert"):
        actions.set_read_only("Zacme", False, based_on=1)
    before = list(Release.objects.values_list("name", "read_only", "data_version"))
    answer = act(admin_client, listing(Release), action, release, locked, page=page)
    assert "bert changed read_only meanwhile" in told(answer)
    assert list(Release.objects.values_list("name", "read_only", "data_version")) == before


@pytest.mark.parametrize("shown", [None, "", "1", "x:y", "{pk}:", "{pk}:x", "{pk}:-1", "0:1"])
def test_action__without_the_versions_that_were_shown__is_refused(admin_client, release, shown):
    data = {"action": "lock", "_selected_action": [release.pk]}
    data |= {} if shown is None else {"shown": shown.format(pk=release.pk)}
    answer = admin_client.post(listing(Release), data, follow=True)
    assert "you looked at is not known" in told(answer)
    assert not Release.objects.get().read_only


def test_action__other_product__is_refused_with_the_missing_permission(client, release):
    client.force_login(person("rita", "release_read_only", products=["Other"]))
    answer = act(client, listing(Release), "lock", release)
    assert "rita may not set read only of Acme" in told(answer)
    assert not Release.objects.get().read_only


def test_delete__unused_release__takes_its_parts_along(admin_client, release):
    text = admin_client.get(page_of(release, "delete")).content.decode()
    assert f"release {NAME} with 2 locales" in text
    assert delete(admin_client, page_of(release, "delete")).status_code == 302
    assert not Release.objects.exists()
    assert not ReleasePart.objects.exists()


def test_delete__locale_submitted_since_the_page_was_shown__is_refused_and_nothing_is_lost(
    admin_client, release
):
    url = page_of(release, "delete")
    confirmed = hidden_fields(admin_client.get(url)) | {"post": "yes"}
    with change_set(actor_name="build"):
        actions.submit_locale(NAME, "Acme", PLATFORM, "fr", locale_document())
    answer = admin_client.post(url, confirmed, follow=True)
    assert "fr was not there when you looked: build made it meanwhile" in told(answer)
    assert ReleasePart.objects.count() == 3
    confirmed = hidden_fields(admin_client.get(url)) | {"post": "yes"}
    with change_set(actor_name="build"):
        actions.remove_locale(NAME, PLATFORM, "fr", based_on=1)
    assert "was deleted by build since version 1" in told(admin_client.post(url, confirmed, follow=True))
    assert Release.objects.exists()


@pytest.mark.parametrize("based_on", [None, "", "1", "{}", '{".": 0}', "[]"])
def test_delete__without_the_versions_that_were_shown__is_refused(admin_client, release, based_on):
    data = {"post": "yes"} | ({} if based_on is None else {"based_on": based_on})
    answer = admin_client.post(page_of(release, "delete"), data, follow=True)
    assert f"Which version of {NAME} you looked at is not known" in told(answer)
    assert Release.objects.exists()


def test_delete__release_in_use__is_refused_and_names_the_user(admin_client, release):
    PinFactory(mapping=release)
    text = admin_client.get(page_of(release, "delete")).content.decode()
    assert "points to" in text
    delete(admin_client, page_of(release, "delete"))
    assert Release.objects.exists()


def test_delete_many__one_is_read_only__nothing_is_deleted(admin_client, release):
    locked = ReleaseFactory.locked(name="Zacme")
    chosen = {"action": "delete_selected", "_selected_action": [release.pk, locked.pk]}
    page = admin_client.post(listing(Release), chosen)
    answer = admin_client.post(listing(Release), hidden_fields(page) | {"post": "yes"}, follow=True)
    assert "Zacme is read-only" in told(answer)
    assert Release.objects.count() == 2
    assert ReleasePart.objects.count() == 4


def test_locale__page__edits_adds_and_deletes_through_the_verbs(admin_client, release):
    part = release.parts.get(locale="de")
    document = json.dumps(locale_document("20250202000000"))
    data = {"document": document, "based_on": 1, "reason": ""}
    assert admin_client.post(page_of(part), data).status_code == 302
    part.refresh_from_db()
    assert (part.data_version, part.document["buildID"]) == (2, "20250202000000")
    data = {"release": release.pk, "platform": PLATFORM, "locale": "fr", "document": document}
    assert admin_client.post(listing(ReleasePart, "add"), data).status_code == 302
    assert release.parts.count() == 3
    assert delete(admin_client, page_of(part, "delete")).status_code == 302
    assert sorted(release.parts.values_list("locale", flat=True)) == ["en-US", "fr"]
    assert Release.objects.get().data_version == 1


def test_locale__bad_document_or_stale__is_refused(admin_client, release):
    part = release.parts.get(locale="de")
    answer = admin_client.post(page_of(part), {"document": '{"buildID": "x"}', "based_on": 1}, follow=True)
    assert "must be a whole number" in told(answer)
    with change_set(actor_name="bert"):
        actions.submit_locale(NAME, "Acme", PLATFORM, "de", locale_document("20250202000000"))
    answer = admin_client.post(page_of(part), {"document": "{}", "based_on": 1})
    assert "bert changed document" in str(answer.context["adminform"].form.non_field_errors())
    answer = admin_client.post(page_of(part), {"document": "{}"}, follow=True)
    assert "open the page anew" in answer.content.decode()
    part.refresh_from_db()
    assert part.data_version == 2


def test_allowed_domain__pages__write_through_the_verbs(admin_client):
    data = {"host": "cdn.example", "path_regex": "", "position": 0, "products": '["Acme"]'}
    assert admin_client.post(listing(AllowedDomain, "add"), data).status_code == 302
    row = AllowedDomain.objects.get()
    assert row.products == ["Acme"]
    answer = admin_client.post(page_of(row), data | {"products": '"Acme"', "based_on": 1})
    assert "must be a list of product names" in str(answer.context["adminform"].form.errors)
    assert admin_client.post(page_of(row), data | {"products": "[]", "based_on": 1}).status_code == 302
    row.refresh_from_db()
    assert (row.products, row.data_version) == ([], 2)
    assert delete(admin_client, page_of(row, "delete")).status_code == 302
    assert AllowedDomain.history.count() == 3


def test_revert__locked_release__is_refused_and_a_writable_one_comes_back(admin_client, release):
    with change_set(actor_name="anna"):
        actions.update_release(
            NAME, release.blob() | {"displayVersion": "11"}, based_on=DataVersions.of(release)
        )
        actions.set_read_only(NAME, True, based_on=2)
    rows = {row.data_version: row for row in Release.history.all()}
    url = reverse("admin:releases_release_revert", args=[release.pk, rows[1].history_id])
    assert admin_client.post(url, {"based_on": 3}).status_code == 302, "that version was not read-only"
    assert Release.objects.get().document["displayVersion"] == "10.0"
    with change_set(actor_name="anna"):
        actions.set_read_only(NAME, True, based_on=4)
    part = release.parts.get(locale="de")
    with change_set(actor_name="anna"):
        actions.set_read_only(NAME, False, based_on=5)
        actions.submit_locale(NAME, "Acme", PLATFORM, "de", locale_document("20250202000000"))
        actions.set_read_only(NAME, True, based_on=6)
    first = ReleasePart.history.get(locale="de", data_version=1)
    url = reverse("admin:releases_releasepart_revert", args=[part.pk, first.history_id])
    answer = admin_client.post(url, {"based_on": 2})
    assert "is read-only" in answer.content.decode()
    with change_set(actor_name="anna"):
        actions.set_read_only(NAME, False, based_on=7)
    assert admin_client.post(url, {"based_on": 2}).status_code == 302
    assert ReleasePart.objects.get(locale="de").document == locale_document()
