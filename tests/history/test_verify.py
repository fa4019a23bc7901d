"""`verify_history`: whole history passes; every way of changing it by hand is found and named."""

import io
import random
from contextlib import suppress

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from history import bulk, triggers
from history.actions import NothingToRevertError, revert
from history.changesets import change_set
from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db

OPERATIONS = 5_000


def act(name="anna", reason="test"):
    return change_set(actor_name=name, reason=reason)


def verify(*arguments):
    out = io.StringIO()
    call_command("verify_history", *arguments, stdout=out)
    return out.getvalue()


def tamper(statement, parameters=()):
    """Change the database as somebody with all rights to it would."""
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount >= 1
    triggers.install(connection)


@pytest.fixture
def story():
    """Some objects with some life behind them."""
    with act():
        bulk.insert(Shelf(name=f"s{number}", height=number) for number in range(20))
    shelves = list(Shelf.objects.order_by("pk"))
    for number, shelf in enumerate(shelves[:10]):
        with act("bert", f"change {number}"):
            shelf.tags = f"t{number}"
            shelf.save()
            Book(shelf=shelf, title=f"b{number}", document={"pages": [number, None, 1.5, "é"]}).save()
    with act("carla"):
        shelves[15].delete()
    return shelves


def test_whole_history__passes_and_prints_its_head(story):
    printed = verify()
    head = printed.split("Head: ")[1].strip()
    assert head.split(":")[0] == str(ChangeSet.objects.first().sequence)
    with act():
        story[0].save()
    assert "whole" in verify("--expect-head", head), "an earlier head stays in the chain"


def test_empty_history__passes(db):
    assert "whole" in verify()


SHELF_ROW = "(SELECT MIN(history_id) + 3 FROM sample_historicalshelf)"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "'x'"),
        ("tags", "'x'"),
        ("height", "99"),
        ("opened", "'2020-01-01 00:00:00'"),
        ("data_version", "7"),
        ("history_type", "'~'"),
        ("history_change_reason", "'x'"),
        (
            "change_set_id",
            "(SELECT id FROM history_changeset WHERE sequence = (SELECT MAX(sequence) FROM history_changeset))",
        ),
        ("digest", "'0'"),
    ],
)
def test_history_row__any_column_changed__is_found_and_named(story, column, value):
    tamper(f"UPDATE sample_historicalshelf SET {column} = {value} WHERE history_id = {SHELF_ROW}")
    with pytest.raises(CommandError, match=r"History differs: (sample\.Shelf \d+|change set \d+)"):
        verify()


def test_history_row__document_changed_by_one_byte__names_the_object_and_its_time(story):
    tamper(
        "UPDATE sample_historicalbook SET document = REPLACE(document, '1.5', '1.6') "
        "WHERE history_id = (SELECT MAX(history_id) FROM sample_historicalbook)"
    )
    with pytest.raises(
        CommandError, match=r"sample\.Book \d+ version 1 \(\d{4}-\d\d-\d\d .* UTC\): .* changed"
    ):
        verify()


@pytest.mark.parametrize(
    "statement",
    [
        f"DELETE FROM sample_historicalshelf WHERE history_id = {SHELF_ROW}",
        "UPDATE history_changeset SET reason = 'x' WHERE sequence = (SELECT MIN(sequence) + 2 FROM history_changeset)",
        "UPDATE history_changeset SET actor_name = 'x' WHERE sequence = (SELECT MIN(sequence) FROM history_changeset)",
        "UPDATE history_changeset SET sequence = sequence + 100 "
        "WHERE sequence = (SELECT MAX(sequence) FROM history_changeset)",
        "UPDATE sample_shelf SET height = 1234 WHERE id = (SELECT MIN(id) + 1 FROM sample_shelf)",
        "UPDATE sample_shelf SET data_version = 9 WHERE id = (SELECT MIN(id) + 1 FROM sample_shelf)",
        "DELETE FROM sample_shelf WHERE id = (SELECT MAX(id) FROM sample_shelf)",
        "INSERT INTO sample_shelf (data_version, name, tags) VALUES (1, 'smuggled', '')",
        "UPDATE history_generation SET number = number - 1",
    ],
)
def test_tampering__any__is_found(story, statement):
    tamper(statement)
    with pytest.raises(CommandError, match="History differs"):
        verify()


def test_end_of_history__cut_off_with_its_head__is_found_by_an_earlier_head(story):
    head = verify().split("Head: ")[1].strip()
    last = ChangeSet.objects.first()
    before = ChangeSet.objects.get(sequence=last.sequence - 1)
    tamper(
        "DELETE FROM sample_historicalshelf WHERE change_set_id = %s",
        [last.id if connection.vendor == "postgresql" else last.id.hex],
    )
    tamper("DELETE FROM history_changeset WHERE sequence = %s", [last.sequence])
    tamper("UPDATE history_generation SET number = %s, digest = %s", [before.sequence, before.digest])
    with pytest.raises(CommandError, match=r"cut or written anew"):
        verify("--expect-head", head, "--all")


def test_missing_trigger__is_reported(story):
    triggers.remove(connection)
    with pytest.raises(CommandError, match="trigger sample_historicalshelf_keep_delete"):
        verify("--all")
    triggers.install(connection)


@pytest.mark.slow
def test_thousands_of_random_operations__history_replays_to_the_live_tables():
    rng = random.Random(3)
    names = iter(range(10**9))
    for _ in range(OPERATIONS // 10):
        with act(rng.choice("abc")):
            for _ in range(10):
                _operate(rng, names)
    assert "whole" in verify()


def _operate(rng, names):
    """Do one random thing: create, edit, delete, load, join another change set, or fail half-way."""
    kind = rng.randrange(9)
    shelves = list(Shelf.objects.order_by("?")[:1]) if kind > 1 else []
    if kind == 0 or not shelves:
        Shelf(name=f"n{next(names)}", height=rng.randrange(9), tags="x" * rng.randrange(5)).save()
    elif kind == 1:
        bulk.insert(Shelf(name=f"n{next(names)}", data_version=rng.randrange(1, 5)) for _ in range(3))
    elif kind in (2, 3):
        shelves[0].height = rng.randrange(100)
        shelves[0].save()
    elif kind == 4 and not Book.objects.filter(shelf=shelves[0]).exists():
        shelves[0].delete()
    elif kind == 5:
        with act("inner"):
            Book(shelf=shelves[0], title="t", document={"a": rng.random()}).save()
    elif kind == 6:
        try:
            with transaction.atomic():
                shelves[0].tags = "rolled back"
                shelves[0].save()
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    elif kind == 7:
        rows = Shelf.history.filter(id=shelves[0].pk).exclude(history_type="-")
        with suppress(NothingToRevertError):
            revert(rng.choice(list(rows)), based_on=shelves[0].data_version)
    else:
        for book in Book.objects.filter(shelf=shelves[0])[:1]:
            book.document = {"b": [rng.randrange(3), {"c": None}]}
            book.save()
