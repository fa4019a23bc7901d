"""Optimistic locking and history rows, on the sample models."""

import pytest
from django.core import serializers
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from history import bulk, triggers
from history.changesets import change_set
from history.exceptions import NoChangeSetError, OutdatedDataError, UnversionedWriteError
from history.models import ChangeSet, Generation
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


def act(reason="test", name="anna"):
    return change_set(actor_name=name, reason=reason, origin="command")


@pytest.fixture
def shelf():
    with act("new shelf"):
        shelf = Shelf(name="A", tags="x,y", height=3)
        shelf.save()
    return shelf


def test_save__new_row__is_version_one_with_one_history_row(shelf):
    assert shelf.data_version == 1
    row = Shelf.history.get()
    assert (row.history_type, row.data_version, row.name, row.height) == ("+", 1, "A", 3)
    assert (row.change_set.actor_name, row.change_set.reason) == ("anna", "new shelf")


def test_save__again__adds_one_version_and_one_history_row(shelf):
    with act():
        shelf.height = 4
        shelf.save()
        shelf.height = 5
        shelf.save(change_reason="once more")
    assert Shelf.objects.get().data_version == shelf.data_version == 3
    assert list(Shelf.history.values_list("data_version", "height", "history_change_reason")) == [
        (3, 5, "once more"),
        (2, 4, None),
        (1, 3, None),
    ]


def test_save__stale_version__is_refused_and_says_who_changed_what(shelf):
    mine = Shelf.objects.get()
    with act(name="bert"):
        shelf.tags = "x"
        shelf.save()
    mine.height = 9
    with pytest.raises(OutdatedDataError) as refused, act():
        mine.save()
    error = refused.value
    assert (error.expected, error.current, error.changed_by, error.changed_fields) == (
        1,
        2,
        "bert",
        ("tags",),
    )
    assert "bert changed tags" in str(error)
    assert Shelf.objects.get().height == 3
    assert Shelf.history.count() == 2


def test_delete__stale_version__is_refused(shelf):
    mine = Shelf.objects.get()
    with act():
        shelf.save()
    with pytest.raises(OutdatedDataError), act():
        mine.delete()
    assert Shelf.objects.exists()


def test_save__row_deleted_meanwhile__is_refused_and_not_created_again(shelf):
    mine = Shelf.objects.get()
    with act(name="bert"):
        shelf.delete()
    with pytest.raises(OutdatedDataError) as refused, act():
        mine.save()
    assert refused.value.current is None
    assert "deleted by bert" in str(refused.value)
    assert not Shelf.objects.exists()


def test_delete__current_version__leaves_a_history_row(shelf):
    with act():
        shelf.delete(change_reason="gone")
    row = Shelf.history.first()
    assert (row.history_type, row.data_version, row.name, row.history_change_reason) == ("-", 1, "A", "gone")


def test_delete__row_that_others_point_to__is_protected(shelf):
    with act():
        Book(shelf=shelf, title="B").save()
        with pytest.raises(ProtectedError):
            shelf.delete()


def test_save__outside_a_change_set__is_an_error(shelf):
    with pytest.raises(NoChangeSetError, match="change_set"):
        Shelf(name="B").save()
    with pytest.raises(NoChangeSetError):
        shelf.delete()
    assert Shelf.history.count() == 1


def test_save__explicit_key_of_an_existing_row__does_not_overwrite(shelf):
    with pytest.raises(IntegrityError), act(), transaction.atomic():
        Shelf(pk=shelf.pk, name="other").save()
    assert Shelf.objects.get().name == "A"


def test_save__deferred_fields__history_row_is_whole(shelf):
    with act():
        partial = Shelf.objects.only("height").get()
        partial.height = 7
        partial.save()
    assert Shelf.history.first().name == "A"
    assert Shelf.objects.get().height == 7


@pytest.mark.parametrize(
    "write",
    [
        lambda s: Shelf.objects.update(height=1),
        lambda s: Shelf.objects.filter(pk=s.pk).update(height=1),
        lambda s: Shelf.objects.bulk_create([Shelf(name="C")]),
        lambda s: Shelf.objects.bulk_update([s], ["height"]),
        lambda s: Shelf.objects.all().delete(),
        lambda s: Shelf.objects.all()._raw_delete("default"),
        lambda s: s.save(update_fields=["height"]),
        lambda s: next(serializers.deserialize("json", serializers.serialize("json", [s]))).save(),
    ],
)
def test_unversioned_write__any_way__is_refused_and_names_the_right_way(shelf, write):
    with (
        act(),
        pytest.raises(UnversionedWriteError, match=r"save\(\)|action|history.bulk.insert|delete\(\)|whole"),
    ):
        write(shelf)
    assert list(Shelf.objects.values_list("name", "height", "data_version")) == [("A", 3, 1)]


def test_bulk_insert__many_rows__keeps_versions_and_writes_history():
    with act("load"):
        assert bulk.insert(Shelf(name=f"s{n}", data_version=n + 1) for n in range(2_500)) == 2_500
    assert Shelf.history.count() == Shelf.objects.count() == 2_500
    assert Shelf.history.get(name="s7").data_version == 8
    with act():
        last = Shelf.objects.get(name="s2499")
        last.height = 1
        last.save()
    assert last.data_version == 2_501


def test_change_set__nothing_written__leaves_no_trace():
    before = Generation.objects.get().number
    with act():
        pass
    assert not ChangeSet.objects.exists()
    assert Generation.objects.get().number == before


def test_change_set__nested__joins_the_outer_one(shelf):
    with act("outer"):
        shelf.save()
        with act("inner", name="bert"):
            shelf.save()
    assert list(ChangeSet.objects.values_list("reason", "actor_name")) == [
        ("outer", "anna"),
        ("new shelf", "anna"),
    ]


def test_change_set__exception__leaves_nothing(shelf):
    shelf.height = 8
    with pytest.raises(ZeroDivisionError), act():
        shelf.save(change_reason=str(1 / (shelf.save() or 0)))
    assert Shelf.objects.get().height == 3
    assert ChangeSet.objects.count() == 1


def test_change_set__each_one__is_numbered_and_moves_the_head(shelf):
    start = Generation.objects.get().number
    for _ in range(3):
        with act():
            shelf.save()
    assert list(ChangeSet.objects.values_list("sequence", flat=True)[:3]) == [start + 3, start + 2, start + 1]
    head = Generation.objects.get()
    assert (head.number, head.digest) == (start + 3, ChangeSet.objects.first().digest)


def test_change_set__savepoint_rolled_back__is_not_in_the_digest(shelf):
    with act():
        try:
            with transaction.atomic():
                shelf.height = 99
                shelf.save()
                raise RuntimeError
        except RuntimeError:
            pass
    assert Shelf.history.count() == 1
    assert ChangeSet.objects.count() == 1


@pytest.mark.parametrize("table", ["sample_historicalshelf", "history_changeset", "history_prunedrow"])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_history__raw_sql__is_refused(shelf, table, verb):
    with connection.cursor() as cursor:
        if table == "history_prunedrow":
            cursor.execute(
                "INSERT INTO history_prunedrow (change_set_id, pruned_by_id, table_name, history_id, "
                "object_id, data_version, digest) SELECT id, id, 'other', 1, 1, 1, '' FROM history_changeset"
            )
        if verb == "TRUNCATE" and connection.vendor != "postgresql":
            pytest.skip("SQLite has no TRUNCATE")
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        column = "digest"
        statement = {
            "UPDATE": f"UPDATE {table} SET {column} = 'x'",
            "DELETE": f"DELETE FROM {table}",
            "TRUNCATE": f"TRUNCATE {table} CASCADE",
        }[verb]
        with pytest.raises(IntegrityError, match="history cannot be changed"), transaction.atomic():
            cursor.execute(statement)
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (1,)


def test_history__replace_into_on_sqlite__is_refused(shelf):
    if connection.vendor != "sqlite":
        pytest.skip("REPLACE INTO is SQLite's")
    with (
        connection.cursor() as cursor,
        pytest.raises(IntegrityError, match="history cannot"),
        transaction.atomic(),
    ):
        cursor.execute("REPLACE INTO sample_historicalshelf SELECT * FROM sample_historicalshelf")


def test_history__orm_update_and_delete__are_refused(shelf):
    for write in (
        lambda: Shelf.history.update(name="x"),
        lambda: Shelf.history.all().delete(),
        lambda: Shelf.history.first().delete(),
        lambda: ChangeSet.objects.update(reason="x"),
    ):
        with pytest.raises((IntegrityError, ProtectedError)), transaction.atomic():
            write()
    assert Shelf.history.get().name == "A"


def test_user__who_has_acted__cannot_be_deleted(django_user_model):
    user = django_user_model.objects.create_user("carla")
    with change_set(actor=user, origin="admin"):
        Shelf(name="Z").save()
    with pytest.raises(ProtectedError):
        user.delete()
    assert ChangeSet.objects.get().actor_name == "carla"


def test_check__trigger_missing__is_an_error():
    assert triggers.missing(connection) == []
    triggers.remove(connection)
    with pytest.raises(SystemCheckError, match=r"history\.E002"):
        call_command("check")
    triggers.install(connection)
    call_command("check")
