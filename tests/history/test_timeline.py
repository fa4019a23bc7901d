"""Reading rows of many tables at once; how everything was at a moment."""

import random
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from history.changesets import change_set
from history.models import ChangeSet
from history.reading import LongText, compare, entries, read_rows
from history.timeline import as_of, side_by_side, timeline
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db

OPENED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def act(name="anna", reason="test"):
    return change_set(actor_name=name, reason=reason)


@pytest.fixture
def book():
    with act():
        shelf = Shelf(name="\u00c4 'quoted' \"B\"", tags="a,b", opened=OPENED)
        shelf.save()
        book = Book(
            shelf=shelf, title="T", lent=True, document={"a": [1.0, None, "\U0001f4d6", {"b": 2**60}]}
        )
        book.save()
    return book


def values(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_read_rows__live_and_history_rows_of_two_models__are_as_the_orm_reads_them(book):
    sources = [Shelf.objects.all(), Book.objects.all(), Shelf.history.all(), Book.history.all()]
    assert connection.features.supports_json_field, "asks SQLite once for each process"
    with CaptureQueriesContext(connection) as asked:
        found = read_rows(sources)
    assert len(asked) == 1
    expected = [row for source in sources for row in source]
    assert {type(row) for row in found} == {type(row) for row in expected}
    for row in expected:
        (same,) = [other for other in found if type(other) is type(row) and other.pk == row.pk]
        assert values(same) == values(row)
        assert [type(value) for value in values(same).values()] == [type(v) for v in values(row).values()]


def test_read_rows__slices_nothing_and_none__work(book):
    with act():
        for number in range(5):
            Shelf(name=f"s{number}").save()
    found = read_rows([Shelf.objects.order_by("-pk")[:2], Book.objects.none(), Book.objects.all()[:1]])
    assert {str(row) for row in found} == {"s4", "s3", "T"}
    assert read_rows([]) == []
    assert read_rows([Book.objects.none()]) == []


def test_read_rows__long_document__is_left_unread_but_compared(book):
    with act():
        book.document = {"text": "x" * 30_000}
        book.save()
        book.title = "U"
        book.save()
        book.document = {"text": "y" * 30_000}
        book.save()
    rows = {row.data_version: row for row in read_rows([Book.history.all()])}
    assert rows[2].document == LongText(30_011, rows[3].document.digest)
    assert [change.name for change in compare(rows[2], rows[3])] == ["title"]
    assert [change.name for change in compare(rows[3], rows[4])] == ["document"]
    (whole,) = read_rows([Book.history.filter(data_version=4)], whole=True)
    assert whole.document == {"text": "y" * 30_000}


def test_entries__of_all_kinds__say_what_changed_with_few_queries(book):
    with act("bert"):
        book.title = "U"
        book.save()
    with act("carla"):
        book.delete()
    with CaptureQueriesContext(connection) as asked:
        found = entries([Book.history.all(), Shelf.history.all()])
    assert len(asked) <= 4
    by_kind = {entry.row.history_type: entry for entry in found if entry.row.instance_type is Book}
    assert [(c.name, c.old, c.new) for c in by_kind["~"].changes] == [("title", "T", "U")]
    assert {change.name for change in by_kind["+"].changes} == {"shelf", "title", "lent", "document"}
    assert {change.name for change in by_kind["-"].changes} == {"shelf", "title", "lent", "document"}
    assert by_kind["-"].name == "\u00c4 'quoted' \"B\" U"
    assert by_kind["~"].row.change_set.actor_name == "bert"


def test_timeline__paged__never_compares_against_a_row_of_another_page(book):
    with act():
        for number in range(7):
            book.title = f"t{number}"
            book.save()
    seen, before = [], None
    while True:
        found, before = timeline(Book, book.pk, before=before, limit=3)
        seen += [(e.row.data_version, [(c.old, c.new) for c in e.changes]) for e in found if e.base]
        if before is None:
            break
    assert [version for version, _ in seen] == [8, 7, 6, 5, 4, 3, 2]
    assert seen[0] == (8, [("t5", "t6")])
    assert seen[-1] == (2, [("T", "t0")])


def test_as_of__random_life__is_what_the_table_was_after_each_change_set():
    rng, names = random.Random(7), iter(range(10_000))
    was = {}
    for _ in range(30):
        with act():
            for _ in range(rng.randrange(1, 4)):
                shelves = list(Shelf.objects.all())
                chance = rng.random()
                if chance < 0.4 or not shelves:
                    Shelf(name=f"n{next(names)}").save()
                elif chance < 0.8:
                    shelf = rng.choice(shelves)
                    shelf.height = rng.randrange(5)
                    shelf.save()
                else:
                    rng.choice(shelves).delete()
        found = ChangeSet.objects.first()
        was[found.sequence if found else 0] = {shelf.pk: values(shelf) for shelf in Shelf.objects.all()}
    for sequence, table in was.items():
        with CaptureQueriesContext(connection) as asked:
            rows = list(as_of(Shelf, sequence))
        assert len(asked) == 1
        assert {row.id: {name: getattr(row, name) for name in values(Shelf())} for row in rows} == table
        some = list(table)[::2]
        assert {row.id for row in as_of(Shelf, sequence, some)} == set(some)
    _check_side_by_side(was)


def _check_side_by_side(was):
    """Paged, in both ways, the page must say of each object exactly what the two tables say."""
    now = was[max(was)]
    for sequence, then in was.items():
        signs = {
            key: "+" if key not in then else "-" if key not in now else "=" if then[key] == now[key] else "~"
            for key in then.keys() | now.keys()
        }
        for only_differences in (True, False):
            seen, after = {}, None
            while True:
                (table,) = side_by_side(
                    [Shelf], sequence, after=after, only_differences=only_differences, limit=4
                )
                seen |= {line.key: line.sign for line in table.lines}
                after = table.after
                if after is None:
                    break
            # An object written since may have the same values again; its version tells that it was written.
            wanted = {key: sign for key, sign in signs.items() if not only_differences or sign != "="}
            assert {key for key, sign in seen.items() if sign in "+-"} == {
                key for key, sign in signs.items() if sign in "+-"
            }
            assert wanted.keys() <= seen.keys()
            assert all(sign == signs[key] or (sign, signs[key]) == ("~", "=") for key, sign in seen.items())


def test_side_by_side__several_models__few_queries(book):
    with act():
        book.title = "U"
        book.save()
    with CaptureQueriesContext(connection) as asked:
        shelves, books = side_by_side([Shelf, Book], 1)
    assert len(asked) <= 4
    assert shelves.lines == []
    (line,) = books.lines
    assert (line.sign, line.word) == ("~", "changed since")
    assert line.name == "\u00c4 'quoted' \"B\" U"
    assert [(change.old, change.new) for change in line.changes] == [("T", "U")]
