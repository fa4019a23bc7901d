"""Reverting and restoring are ordinary changes."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from history.actions import MissingReferenceError, NothingToRevertError, revert
from history.changesets import change_set
from history.exceptions import NoChangeSetError, OutdatedDataError
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


def act(name="anna", reason="test"):
    return change_set(actor_name=name, reason=reason)


@pytest.fixture
def shelf():
    with act():
        shelf = Shelf(name="A", tags="first", height=1)
        shelf.save()
        shelf.tags, shelf.height = "second", 2
        shelf.save()
        shelf.tags = "third"
        shelf.save()
    return shelf


def version(number, model=Shelf):
    return model.history.exclude(history_type="-").get(data_version=number)


def test_revert__to_the_first_version__is_a_new_version_that_names_it(shelf):
    with act("bert", "back"):
        revert(version(1), based_on=3)
    live = Shelf.objects.get()
    assert (live.tags, live.height, live.data_version) == ("first", 1, 4)
    row = Shelf.history.first()
    assert (row.history_type, row.history_change_reason) == ("~", "restores version 1")
    assert row.change_set.actor_name == "bert"
    call_command("verify_history")


def test_revert__based_on_an_older_version__is_refused(shelf):
    with act("bert"):
        shelf.height = 9
        shelf.save()
    with pytest.raises(OutdatedDataError) as refused, act():
        revert(version(1), based_on=3)
    assert refused.value.changed_by == "bert"
    assert Shelf.objects.get().height == 9


def test_revert__to_what_it_is__says_so(shelf):
    with pytest.raises(NothingToRevertError), act():
        revert(version(3), based_on=3)


def test_revert__outside_a_change_set__is_refused(shelf):
    with pytest.raises(NoChangeSetError):
        revert(version(1), based_on=3)


def test_restore__deleted_object__keeps_its_key_and_goes_on_counting(shelf):
    key = shelf.pk
    with act():
        shelf.delete()
    with act():
        revert(version(2), based_on=None)
    live = Shelf.objects.get()
    assert (live.pk, live.tags, live.data_version) == (key, "second", 4)
    assert Shelf.history.first().history_type == "+"
    call_command("verify_history")


def test_restore__deleted_while_looking__is_refused_as_outdated(shelf):
    with act("bert"):
        shelf.delete()
    with pytest.raises(OutdatedDataError) as refused, act():
        revert(version(1), based_on=3)
    assert refused.value.current is None
    assert refused.value.changed_by == "bert"


def test_restore__somebody_restored_it_before__is_refused(shelf):
    with act():
        shelf.delete()
        revert(version(1), based_on=None)
    with pytest.raises(OutdatedDataError), act():
        revert(version(2), based_on=None)


def test_restore__reference_is_gone__names_it(shelf):
    with act():
        other = Shelf(name="B")
        other.save()
        book = Book(shelf=other, title="T")
        book.save()
        book.delete()
        other.delete()
    with pytest.raises(MissingReferenceError, match=f"shelf {other.pk}|shelf: shelf"), act():
        revert(version(1, Book), based_on=None)


def test_restore__name_is_taken_meanwhile__is_refused_by_validation(shelf):
    with act():
        shelf.delete()
        Shelf(name="A", height=5, tags="new").save()
    with pytest.raises(ValidationError, match="already exists"), act():
        revert(version(2), based_on=None)


def test_revert__the_row_of_a_deletion__is_refused(shelf):
    with act():
        shelf.delete()
    with pytest.raises(NothingToRevertError, match="choose version 3"), act():
        revert(Shelf.history.filter(history_type="-").get(), based_on=None)
