"""The admin base loses nobody's edit: stale forms and confirmations, reasons, and what is refused by checks."""

from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse

from history.admin import VersionedAdmin
from history.changesets import change_set
from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf():
    with change_set(actor_name="anna", reason="made"):
        shelf = Shelf(name="A", tags="x", height=1)
        shelf.save()
    return shelf


def address(obj, what="change"):
    return reverse(f"admin:sample_{obj._meta.model_name}_{what}", args=[obj.pk])


def typed(shelf, **values):
    plain = {"name": shelf.name, "tags": shelf.tags, "height": shelf.height}
    return plain | {"opened_0": "", "opened_1": "", "based_on": shelf.data_version, "reason": ""} | values


def change(obj, name="bert", **values):
    with change_set(actor_name=name, reason="meanwhile"):
        other = type(obj).objects.get(pk=obj.pk)
        for field, value in values.items():
            setattr(other, field, value)
        other.save()


def test_stale_save__shows_base_theirs_and_mine(admin_client, shelf):
    change(shelf, tags="theirs", height=5)
    answer = admin_client.post(address(shelf), typed(shelf, tags="mine", name="B"))
    form = answer.context["adminform"].form
    compared = {
        field.name: (field.outcome.value, field.base, field.theirs, field.yours)
        for field in form.stale.changed
    }
    assert compared == {
        "name": ("only yours", "A", "A", "B"),
        "tags": ("conflict", "x", "theirs", "mine"),
        "height": ("only theirs", 1, 5, 1),
    }
    text = answer.content.decode()
    assert "bert changed tags, height" in text
    assert "yours: saving replaces theirs" in text
    assert Shelf.objects.get().tags == "theirs"


def test_stale_save__sent_again__keeps_mine_and_does_not_take_theirs_back(admin_client, shelf):
    change(shelf, height=5, opened="2026-01-02T03:04:05Z")
    answer = admin_client.post(address(shelf), typed(shelf, tags="mine"))
    form = answer.context["adminform"].form
    again = {name: form.data[name] for name in form.data}
    assert again["based_on"] == "2"
    assert admin_client.post(address(shelf), again).status_code == 302
    live = Shelf.objects.get()
    assert (live.tags, live.height, live.data_version) == ("mine", 5, 3)
    assert live.opened == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_stale_save__checkbox_document_and_relation__are_filled_in(admin_client, shelf):
    with change_set(actor_name="anna"):
        second = Shelf(name="second")
        second.save()
        book = Book(shelf=shelf, title="T", document={"a": 1})
        book.save()
    change(book, lent=True, document={"a": 2}, shelf=second)
    mine = {"shelf": shelf.pk, "title": "mine", "document": '{"a": 1}', "based_on": 1, "reason": ""}
    answer = admin_client.post(address(book), mine)
    form = answer.context["adminform"].form
    assert admin_client.post(address(book), {name: form.data[name] for name in form.data}).status_code == 302
    live = Book.objects.get()
    assert (live.title, live.lent, live.document, live.shelf) == ("mine", True, {"a": 2}, second)


def test_save__without_the_version_it_is_based_on__is_refused(admin_client, shelf):
    data = typed(shelf, tags="mine")
    del data["based_on"]
    answer = admin_client.post(address(shelf), data)
    assert "open the page anew" in answer.content.decode()
    assert Shelf.objects.get().tags == "x"


def test_stale_save__deleted_meanwhile__is_told(admin_client, shelf):
    data = typed(shelf, tags="mine")
    with change_set(actor_name="bert"):
        shelf.delete()
        shelf.pk = data_pk = Shelf.history.first().id
    answer = admin_client.post(reverse("admin:sample_shelf_change", args=[data_pk]), data, follow=True)
    assert "Perhaps it was deleted" in answer.content.decode()
    assert not Shelf.objects.exists()


def test_delete__confirmed_on_an_older_version__is_refused_and_asked_again(admin_client, shelf):
    page = admin_client.get(address(shelf, "delete")).content.decode()
    assert 'name="based_on" value="1"' in page
    change(shelf, tags="theirs")
    data = {"post": "yes", "based_on": "1", "reason": "tidy up"}
    answer = admin_client.post(address(shelf, "delete"), data, follow=True)
    assert "bert changed tags" in answer.content.decode()
    assert Shelf.objects.exists()
    assert admin_client.post(address(shelf, "delete"), data | {"based_on": "2"}).status_code == 302
    assert not Shelf.objects.exists()
    assert ChangeSet.objects.first().reason == "tidy up"


def test_delete_many__one_changed_since_the_confirmation__none_is_deleted(admin_client, shelf):
    with change_set(actor_name="anna"):
        other = Shelf(name="B")
        other.save()
    url = reverse("admin:sample_shelf_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [shelf.pk, other.pk]}
    page = admin_client.post(url, chosen).content.decode()
    assert f'name="based_on" value="{other.pk}:1"' in page
    change(other, tags="theirs")
    data = chosen | {"post": "yes", "based_on": [f"{shelf.pk}:1", f"{other.pk}:1"], "reason": "tidy up"}
    answer = admin_client.post(url, data, follow=True)
    assert "bert changed tags" in answer.content.decode()
    assert Shelf.objects.count() == 2
    data["based_on"] = [f"{shelf.pk}:1", f"{other.pk}:2"]
    assert admin_client.post(url, data).status_code == 302
    assert not Shelf.objects.exists()
    assert ChangeSet.objects.first().reason == "tidy up"


def test_add__reason__is_the_change_sets(admin_client):
    data = {"name": "N", "tags": "", "height": "", "opened_0": "", "opened_1": "", "reason": " more room "}
    assert admin_client.post(reverse("admin:sample_shelf_add"), data).status_code == 302
    assert ChangeSet.objects.get().reason == "more room"


def test_list_editable__is_refused_by_a_check():
    class Editable(VersionedAdmin):
        list_display = ("name", "tags")
        list_editable = ("tags",)

    found = Editable(Shelf, admin.site).check()
    assert [error.id for error in found] == ["history.E003"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_revert__other_methods__are_405(admin_client, shelf, method):
    url = reverse("admin:sample_shelf_revert", args=[shelf.pk, Shelf.history.get().pk])
    answer = getattr(admin_client, method)(url)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, POST"


def test_revert__reference_gone_or_name_taken__is_told_and_nothing_changes(admin_client, shelf):
    with change_set(actor_name="anna"):
        book = Book(shelf=shelf, title="T")
        book.save()
        key = book.pk
        book.delete()
        shelf.delete()
        Shelf(name="A").save()
    url = reverse("admin:sample_book_revert", args=[key, Book.history.filter(history_type="+").get().pk])
    assert "It is deleted." in admin_client.get(url).content.decode()
    answer = admin_client.post(url, {"based_on": ""})
    assert answer.status_code == 409
    assert "does not exist any more; restore it first" in answer.content.decode()
    row = Shelf.history.filter(tags="x", history_type="+").get()
    answer = admin_client.post(
        reverse("admin:sample_shelf_revert", args=[row.id, row.pk]), {"based_on": "", "reason": "typed"}
    )
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "already exists" in text
    assert 'value="typed"' in text, "nothing typed is lost"
    assert Shelf.objects.count() == 1
    call_command("verify_history")
