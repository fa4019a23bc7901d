"""The admin base: no lost edit, reasons, and history pages that only read."""

import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse

from history.chain import versioned_models
from history.changesets import change_set
from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


def act(name="anna", reason="test"):
    return change_set(actor_name=name, reason=reason)


@pytest.fixture
def shelf():
    with act():
        shelf = Shelf(name="A", tags="x", height=1)
        shelf.save()
    return shelf


def change_url(shelf):
    return reverse("admin:sample_shelf_change", args=[shelf.pk])


def typed(shelf, **values):
    return {
        "name": shelf.name,
        "tags": shelf.tags,
        "height": shelf.height,
        "opened_0": "2026-01-02",
        "opened_1": "03:04:05",
        "based_on": shelf.data_version,
        "reason": "",
        **values,
    }


def test_save__with_reason__is_one_change_set_of_the_user(admin_client, admin_user, shelf):
    answer = admin_client.post(
        change_url(shelf), typed(shelf, height=5, reason="taller"), REMOTE_ADDR="192.0.2.7"
    )
    assert answer.status_code == 302
    row = ChangeSet.objects.first()
    assert (row.actor, row.reason, row.origin, row.client_address) == (
        admin_user,
        "taller",
        "admin",
        "192.0.2.7",
    )
    assert Shelf.objects.get().height == 5


def test_save__form_on_an_older_version__is_refused_names_whom_and_keeps_what_was_typed(admin_client, shelf):
    page = admin_client.get(change_url(shelf))
    assert b'name="based_on" value="1"' in page.content
    with act("bert"):
        other = Shelf.objects.get()
        other.tags = "theirs"
        other.save()
    answer = admin_client.post(change_url(shelf), typed(shelf, tags="mine"))
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "bert changed tags" in text
    assert 'value="mine"' in text
    assert Shelf.objects.get().tags == "theirs"
    again = typed(shelf, tags="mine", based_on=2)
    assert admin_client.post(change_url(shelf), again).status_code == 302
    assert Shelf.objects.get().tags == "mine"


def test_delete_many__leaves_a_history_row_each(admin_client, shelf):
    with act():
        Shelf(name="B").save()
    pks = list(Shelf.objects.values_list("pk", flat=True))
    url = reverse("admin:sample_shelf_changelist")
    data = {"action": "delete_selected", "_selected_action": pks, "post": "yes"}
    answer = admin_client.post(url, data, follow=True)
    assert "is not known" in "".join(map(str, answer.context["messages"]))
    assert Shelf.objects.count() == 2, "without saying which versions, nothing is deleted"
    data["based_on"] = [f"{pk}:1" for pk in pks]
    assert admin_client.post(url, data).status_code == 302
    assert not Shelf.objects.exists()
    assert Shelf.history.filter(history_type="-").count() == 2
    assert Shelf.history.first().change_set == Shelf.history.all()[1].change_set


def test_history__timeline__tells_who_why_and_what(admin_client, shelf, django_assert_max_num_queries):
    for number in range(5):
        with act("bert", f"reason {number}"):
            shelf.height = 10 + number
            shelf.save()
    with django_assert_max_num_queries(12):
        text = admin_client.get(reverse("admin:sample_shelf_history", args=[shelf.pk])).content.decode()
    assert "reason 4" in text
    assert "<strong>bert</strong>" in text
    assert text.index("version 6") < text.index("version 1<")
    assert "13" in text
    assert "14" in text


def test_history__any_two_versions__are_compared_against_the_chosen_base(admin_client, shelf):
    for height in (2, 3, 4):
        with act():
            shelf.height = height
            shelf.save()
    ids = dict(Shelf.history.values_list("data_version", "history_id"))
    url = reverse("admin:sample_shelf_history", args=[shelf.pk])
    changes = admin_client.get(url, {"from": ids[1], "to": ids[3]}).context["changes"]
    assert [(change.name, change.old, change.new) for change in changes] == [("height", 1, 3)]
    answer = admin_client.get(url, {"from": ids[4], "to": ids[2]})
    assert [(change.old, change.new) for change in answer.context["changes"]] == [(4, 2)]
    assert "backwards" in answer.content.decode()
    with act():
        other = Shelf(name="other")
        other.save()
    foreign = Shelf.history.get(name="other").history_id
    assert admin_client.get(url, {"from": ids[1], "to": foreign}).status_code == 404


def test_history__of_a_deleted_object__stays_readable(admin_client, shelf):
    key = shelf.pk
    with act("bert", "gone"):
        shelf.delete()
    text = admin_client.get(reverse("admin:sample_shelf_history", args=[key])).content.decode()
    assert "deleted" in text
    assert "gone" in text


def test_history__long__is_paged(admin_client, shelf):
    with act():
        for number in range(60):
            shelf.height = number
            shelf.save()
    url = reverse("admin:sample_shelf_history", args=[shelf.pk])
    first = admin_client.get(url)
    second = admin_client.get(url, {"before": first.context["older"]})
    seen = [entry.row.data_version for page in (first, second) for entry in page.context["entries"]]
    assert seen == list(range(61, 0, -1))


def test_history__without_view_permission__is_refused(client, django_user_model, shelf):
    user = django_user_model.objects.create_user("dora", password="x", is_staff=True)
    client.force_login(user)
    url = reverse("admin:sample_shelf_history", args=[shelf.pk])
    assert client.get(url).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_shelf"))
    assert client.get(url).status_code == 403, "reading history is a permission of its own"
    user.user_permissions.add(Permission.objects.get(codename="view_changeset"))
    assert client.get(url).status_code == 200


def patterns(found, prefix=""):
    for entry in found:
        if isinstance(entry, URLResolver):
            names = f"{prefix}{entry.namespace}:" if entry.namespace else prefix
            yield from patterns(entry.url_patterns, names)
        else:
            yield f"{prefix}{entry.name}", entry


def history_urls():
    """Every address of the URL configuration that has to do with history, of all models, ours and others'."""
    samples = {"key": 1, "label": "sample.shelf", "pk": uuid.uuid4(), "object_id": 1}
    for name, pattern in patterns(get_resolver().url_patterns):
        if name.startswith("history:") or (
            name.startswith("admin:") and "history" in name.rpartition(":")[2]
        ):
            wanted = pattern.pattern.converters
            yield name, reverse(name, kwargs={key: samples[key] for key in wanted})


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("enforce_csrf_checks", [False, True])
def test_history_urls__every_model_and_page__refuse_to_write(admin_user, shelf, method, enforce_csrf_checks):
    client = Client(enforce_csrf_checks=enforce_csrf_checks)
    client.force_login(admin_user)
    urls = dict(history_urls())
    for model in admin.site._registry:
        assert f"admin:{model._meta.app_label}_{model._meta.model_name}_history" in urls
    assert {name for name in urls if name.startswith("history:")} == {
        *("history:feed", "history:export_csv", "history:export_json", "history:moment"),
        *("history:change_set", "history:object"),
    }
    versioned = versioned_models()
    assert {Shelf, Book} < set(versioned)
    before = [*(model.history.count() for model in versioned), ChangeSet.objects.count()]
    for url in urls.values():
        answer = getattr(client, method)(url, {"name": "evil"})
        assert answer.status_code == 405, url
        assert answer["Allow"] == "GET, HEAD"
    assert [*(model.history.count() for model in versioned), ChangeSet.objects.count()] == before
    assert Shelf.objects.get().name == "A"


def revert_url(shelf, version):
    row = Shelf.history.exclude(history_type="-").get(data_version=version)
    return reverse("admin:sample_shelf_revert", args=[shelf.pk, row.history_id])


@pytest.fixture
def changed(shelf):
    with act("bert", "more"):
        shelf.height = 7
        shelf.save()
    return shelf


def test_revert__asked_and_confirmed__is_a_change_of_the_user(admin_client, changed):
    page = admin_client.get(revert_url(changed, 1)).content.decode()
    assert "<del>7</del>" in page
    assert "<ins>1</ins>" in page
    assert Shelf.objects.get().height == 7, "asking changes nothing"
    answer = admin_client.post(revert_url(changed, 1), {"based_on": "2", "reason": "it was right"})
    assert answer.status_code == 302
    assert (Shelf.objects.get().height, Shelf.objects.get().data_version) == (1, 3)
    row = Shelf.history.first()
    assert row.history_change_reason == "restores version 1"
    assert (row.change_set.reason, row.change_set.actor_name) == ("it was right", "admin")


def test_revert__somebody_was_faster__is_409_and_nothing_changed(admin_client, changed):
    url = revert_url(changed, 1)
    with act("carla"):
        changed.tags = "new"
        changed.save()
    answer = admin_client.post(url, {"based_on": "2"})
    assert answer.status_code == 409
    assert b"carla changed tags" in answer.content
    assert Shelf.objects.get().height == 7


def test_restore__deleted_object__from_its_history(admin_client, changed):
    with act():
        changed.delete()
    assert admin_client.post(revert_url(changed, 1), {"based_on": ""}).status_code == 302
    assert Shelf.objects.get().data_version == 3


@pytest.mark.parametrize("method", ["get", "post"])
def test_revert__with_view_permission_only__is_refused(client, django_user_model, changed, method):
    user = django_user_model.objects.create_user("dora", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_shelf", "view_changeset"]))
    client.force_login(user)
    assert getattr(client, method)(revert_url(changed, 1), {"based_on": "2"}).status_code == 403
    assert Shelf.objects.get().height == 7
    history = client.get(reverse("admin:sample_shelf_history", args=[changed.pk])).content.decode()
    assert "Put version" not in history


def test_history__one_version__is_shown_whole(admin_client, changed):
    row = Shelf.history.get(data_version=1)
    url = reverse("admin:sample_shelf_history", args=[changed.pk])
    answer = admin_client.get(url, {"version": row.history_id})
    assert {field.name: value for field, value in answer.context["fields"]} == {
        "id": changed.pk,
        "name": "A",
        "tags": "x",
        "height": 1,
        "opened": None,
    }
    assert admin_client.get(url, {"version": 10**6}).status_code == 404


def test_delete__confirmed_on_an_older_version__deletes_nothing_and_says_who_changed_it(admin_client, shelf):
    url = reverse("admin:sample_shelf_delete", args=[shelf.pk])
    assert b'name="based_on" value="1"' in admin_client.get(url).content
    with act("bert"):
        shelf.tags = "new"
        shelf.save()
    answer = admin_client.post(url, {"post": "yes", "based_on": "1"}, follow=True)
    assert b"bert changed tags" in answer.content
    assert Shelf.objects.exists()
    assert admin_client.post(url, {"post": "yes", "based_on": "2"}).status_code == 302
    assert not Shelf.objects.exists()
