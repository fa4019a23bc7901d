"""Exports of the feed: whole, filtered, streamed, and harmless in a spreadsheet."""

import csv
import io
import json
from types import GeneratorType

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from history import bulk, feed
from history.changesets import change_set
from history.export import as_csv
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


@pytest.fixture
def story():
    with change_set(actor_name="anna", reason="first shelves", origin="api"):
        bulk.insert(Shelf(name=f"s{number}", height=number) for number in range(3))
    shelf = Shelf.objects.get(name="s1")
    with change_set(actor_name="=bert()", reason="@SUM(1+1)", origin="admin", client_address="192.0.2.1"):
        shelf.height, shelf.tags = 50, "-1"
        shelf.save()
        Book(shelf=shelf, title="+Faust", document={"acts": [1]}).save()
    with change_set(actor_name="carla", reason="away with it"):
        Shelf.objects.get(name="s2").delete()
    return shelf


def csv_rows(client, **query):
    answer = client.get(reverse("history:export_csv"), query)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="history-')
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def json_rows(client, **query):
    return json.loads(b"".join(client.get(reverse("history:export_json"), query).streaming_content))


def test_csv__every_row__has_a_line_for_each_changed_field(admin_client, story):
    lines = csv_rows(admin_client)
    changed = [line for line in lines if line["change"] == "changed"]
    assert [(line["field"], line["before"], line["after"]) for line in changed] == [
        ("tags", "", "'-1"),
        ("height", "1", "50"),
    ]
    assert {(line["model"], line["change"]) for line in lines} == {
        ("sample.Shelf", "created"),
        ("sample.Shelf", "changed"),
        ("sample.Shelf", "deleted"),
        ("sample.Book", "created"),
    }
    assert changed[0]["address"] == "192.0.2.1"


def test_csv__texts_that_a_spreadsheet_would_run__are_defused(admin_client, story):
    cells = [value for line in csv_rows(admin_client) for value in line.values()]
    assert {"'=bert()", "'@SUM(1+1)", "'-1", "'+Faust"} <= set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]


def test_json__every_row__once_with_its_values_as_they_are(admin_client, story):
    rows = json_rows(admin_client)
    assert [(row["sequence"], row["model"], row["change"]) for row in rows] == [
        (3, "sample.Shelf", "deleted"),
        (2, "sample.Book", "created"),
        (2, "sample.Shelf", "changed"),
        *[(1, "sample.Shelf", "created")] * 3,
    ]
    assert rows[2]["who"] == "=bert()"
    assert rows[2]["changes"] == [
        {"field": "tags", "before": "", "after": "-1"},
        {"field": "height", "before": 1, "after": 50},
    ]
    assert {"field": "document", "after": {"acts": [1]}} in rows[1]["changes"]
    assert rows[1]["name"] == "s1 +Faust", "a part is named with its parent"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"person": "carla"}, ["s2"]),
        ({"model": "sample.Book"}, ["s1 +Faust"]),
        ({"room": "s0"}, ["s0"]),
        ({"room": "s1", "person": "=bert()"}, ["s1 +Faust", "s1"]),
        ({"person": "nobody"}, []),
        ({"room": "nowhere"}, []),
    ],
)
def test_export__filtered__has_the_rows_that_the_filters_let_through(admin_client, story, query, expected):
    assert [row["name"] for row in json_rows(admin_client, **query)] == expected


def test_export__bad_filter__is_400_and_says_which(admin_client):
    answer = admin_client.get(reverse("history:export_csv"), {"since": "yesterday"})
    assert answer.status_code == 400
    assert b"since" in answer.content


def test_export__long__is_read_as_it_is_written(monkeypatch):
    monkeypatch.setattr(feed, "ROWS_AT_ONCE", 10)
    with change_set(actor_name="anna"):
        bulk.insert(Shelf(name=f"s{number}") for number in range(100))
    lines = as_csv(feed.stream(feed.Filters(), [Book, Shelf]))
    assert isinstance(lines, GeneratorType)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        next(lines)
        assert len(asked) == 0, "the head needs no query"
        next(lines)
        first = len(asked)
        assert 0 < first <= 4
        assert sum(1 for _ in lines) >= 99
        assert len(asked) <= 10 * 4, "a handful of queries for each batch, whatever the number of models"
