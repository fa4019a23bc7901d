"""The pages of auditors over 100,000 history rows: few queries each, however much there is."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse

from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.either]

SHELVES = 5_000
VERSIONS = 19
LOADED = 5_000
ROWS = SHELVES * VERSIONS + LOADED
START = datetime(2026, 1, 1, tzinfo=UTC)
MOST_QUERIES = 12


def set_row(sequence):
    return ChangeSet(
        id=uuid.UUID(int=(sequence * 2_654_435_761) % 2**64),
        sequence=sequence,
        time=START + timedelta(minutes=sequence),
        actor_name=f"person{sequence % 50}",
        reason=f"reason {sequence}",
        origin="api" if sequence % 10 else "admin",
        digest="0" * 64,
    )


@pytest.fixture
def long_history():
    """Each shelf is written 19 times, each time in a change set of its own; one change set loads 5,000 books."""
    sets = [set_row(sequence) for sequence in range(1, SHELVES * VERSIONS + 2)]
    ChangeSet.objects.bulk_create(sets, batch_size=5_000)
    shared = {"digest": "0" * 64, "history_date": START}
    names = [f"shelf {number}" for number in range(SHELVES)]
    row_of = Shelf.history.model
    row_of.objects.bulk_create(
        (
            row_of(
                id=number + 1,
                name=names[number],
                height=version,
                data_version=version,
                history_type="+" if version == 1 else "~",
                change_set=sets[(version - 1) * SHELVES + number],
                **shared,
            )
            for version in range(1, VERSIONS + 1)
            for number in range(SHELVES)
        ),
        batch_size=5_000,
    )
    book_of = Book.history.model
    book_of.objects.bulk_create(
        (
            book_of(
                id=n + 1, shelf_id=1 + n % 100, title=f"b{n}", history_type="+", change_set=sets[-1], **shared
            )
            for n in range(LOADED)
        ),
        batch_size=5_000,
    )
    plain = {"data_version": VERSIONS, "height": VERSIONS}
    live = [Shelf(id=number + 1, name=name, **plain) for number, name in enumerate(names)]
    super(type(Shelf.objects.all()), Shelf.objects.all()).bulk_create(live, batch_size=5_000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # as autovacuum does by itself
    return sets


@pytest.fixture
def auditor(client, django_user_model):
    user = django_user_model.objects.create_user("auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


FEED_QUERIES = [
    {},
    {"before": "50000"},
    {"person": "person7"},
    {"person": "nobody"},
    {"origin": "admin"},
    {"origin": "agent"},
    {"text": "REASON 777"},
    {"text": "nowhere to be found"},
    {"since": "2026-01-02T00:00", "until": "2026-01-03T00:00"},
    {"model": "sample.Shelf"},
    {"model": "sample.Book"},
    {"object": "17"},
    {"room": "shelf 4711"},
    {"room": "shelf 5", "model": "sample.Book"},
    {"room": "nowhere"},
    {"product": "Firefox"},
    {"model": "sample.Shelf", "person": "person7", "text": "9", "before": "9000"},
]


def test_every_page__hundred_thousand_rows__few_queries(auditor, long_history, django_assert_max_num_queries):
    assert Shelf.history.count() + Book.history.count() == ROWS == 100_000
    feed, moment = reverse("history:feed"), reverse("history:moment")
    one = reverse("history:object", args=["sample.shelf", 17])
    versions = dict(Shelf.history.filter(id=17).values_list("data_version", "history_id"))
    pages = [
        *((feed, query) for query in FEED_QUERIES),
        (reverse("history:change_set", args=[long_history[-1].id]), {}),
        (reverse("history:change_set", args=[long_history[5].id]), {}),
        (one, {}),
        (one, {"from": versions[3], "to": versions[17]}),
        (one, {"version": versions[3]}),
        *(
            (moment, {"at": at, "model": "sample.Shelf", **more})
            for at in ("2025-01-01", "2026-01-01T12:00", "2026-02-10T00:00", "2027-01-01")
            for more in ({}, {"everything": "on"}, {"after": "2500"})
        ),
        (moment, {"at": "2026-02-10T00:00"}),
    ]
    auditor.get(feed)  # templates are read once
    for address, query in pages:
        with django_assert_max_num_queries(MOST_QUERIES):
            answer = auditor.get(address, query)
        assert answer.status_code == 200, (address, query)
