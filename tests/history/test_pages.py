"""What each history page shows, to whom, and that filters mean what people expect."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from history import bulk
from history.changesets import change_set
from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


def act(reason="test", name="anna", **kwargs):
    return change_set(actor_name=name, reason=reason, **kwargs)


@pytest.fixture
def auditor(client, django_user_model):
    user = django_user_model.objects.create_user("auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


@pytest.fixture
def moved():
    """A shelf that is renamed, and a book on it."""
    with act("made"):
        shelf = Shelf(name="Faraway", height=1)
        shelf.save()
        book = Book(shelf=shelf, title="Faust", document={"acts": {"one": 1, "two": 2}, "kept": 1})
        book.save()
    with act("renamed"):
        shelf.name = "Nearby"
        shelf.save()
    with act("heightened"):
        shelf.height = 2
        shelf.save()
    with act("rewritten"):
        book.document = {"acts": {"one": 1, "two": 3}, "kept": 1}
        book.save()
    return shelf, book


def reasons(client, **query):
    answer = client.get(reverse("history:feed"), query)
    assert answer.status_code == 200
    return [found.change_set.reason for found in answer.context["acts"]]


def entries(client, **query):
    return [
        (entry.row.instance_type.__name__, entry.row.data_version)
        for found in client.get(reverse("history:feed"), query).context["acts"]
        for entry in found.entries
    ]


def test_facet__change_that_takes_the_value_away__concerns_it_later_ones_do_not(auditor, moved):
    assert reasons(auditor, room="Faraway", model="sample.Shelf") == ["rewritten", "renamed", "made"]
    assert [kind for kind in entries(auditor, room="Faraway") if kind[0] == "Shelf"] == [
        ("Shelf", 2),
        ("Shelf", 1),
    ]
    assert reasons(auditor, room="Nearby") == ["rewritten", "heightened", "renamed", "made"]


def test_facet__parts__follow_their_parent_also_when_both_are_deleted(auditor, moved):
    shelf, book = moved
    with act("gone"):
        book.delete()
        shelf.delete()
    assert entries(auditor, room="Nearby", model="sample.Book") == [("Book", 2), ("Book", 2), ("Book", 1)]


def test_object__by_number__brings_its_parts_along(auditor, moved):
    shelf, book = moved
    with act("more"):
        for number in range(5):
            Shelf(name=f"s{number}").save()
        other = Book(shelf=Shelf.objects.last(), title="elsewhere")
        other.save()
    everything = ["rewritten", "heightened", "renamed", "made"]
    assert reasons(auditor, object=shelf.pk, model="sample.Shelf") == everything
    assert reasons(auditor, object=shelf.pk) == everything
    assert entries(auditor, object=book.pk, model="sample.Book") == [("Book", 2), ("Book", 1)]
    assert reasons(auditor, object=999) == []
    assert auditor.get(reverse("history:feed"), {"object": "9" * 30}).status_code == 400


def test_feed__filtered__shows_only_the_rows_that_the_filters_let_through(auditor, moved):
    assert entries(auditor, model="sample.Book", text="made") == [("Book", 1)]
    assert entries(auditor, text="made") == [("Book", 1), ("Shelf", 1)]


def test_feed__large_change_set__shows_the_first_rows_and_counts_the_rest(auditor):
    with act("a load"):
        bulk.insert(Shelf(name=f"s{number}") for number in range(25))
    answer = auditor.get(reverse("history:feed"))
    (found,) = answer.context["acts"]
    assert (len(found.entries), found.more) == (10, 15)
    assert "and 15 more rows" in answer.content.decode()


def test_feed__many_models_in_one_page__same_number_of_queries(auditor, moved, django_assert_max_num_queries):
    auditor.get(reverse("history:feed"))
    with django_assert_max_num_queries(10):  # one of them asks whether agents do their work
        assert len(reasons(auditor)) == 4


@pytest.mark.parametrize(
    ("query", "words"),
    [({}, "Nothing has happened yet"), ({"person": "nobody"}, "Clear the filters")],
)
def test_feed__empty__says_why(auditor, query, words):
    assert words in auditor.get(reverse("history:feed"), query).content.decode()


def test_change_set__many_rows__every_one_on_some_page(auditor):
    with act("a load"):
        shelf = Shelf(name="base")
        shelf.save()
        bulk.insert(Book(shelf=shelf, title=f"b{number}") for number in range(130))
        bulk.insert(Shelf(name=f"s{number}") for number in range(130))
    url, seen, query = reverse("history:change_set", args=[ChangeSet.objects.get().pk]), [], {}
    while True:
        answer = auditor.get(url, query)
        seen += [str(entry.row.instance) for entry in answer.context["entries"]]
        if answer.context["more"] is None:
            break
        query["after"] = answer.context["more"]
    assert sorted(seen) == sorted(
        ["base", *(f"b{number}" for number in range(130)), *(f"s{number}" for number in range(130))]
    )


def test_change_set__document__is_cut_into_its_keys_and_unchanged_parts_are_counted(auditor, moved):
    found = ChangeSet.objects.get(reason="rewritten")
    text = auditor.get(reverse("history:change_set", args=[found.pk])).content.decode()
    assert "acts.two" in text
    assert "acts.one" not in text
    assert "1 other entry is unchanged" in text
    assert "<summary>acts: 1 changed" in text


def test_object__without_an_admin_of_its_own_or_deleted__has_its_page(auditor, moved):
    _shelf, book = moved
    with act("gone"):
        book.delete()
    text = auditor.get(reverse("history:object", args=["sample.book", book.pk])).content.decode()
    assert "It is deleted." in text
    assert "Nearby Faust" in text


@pytest.mark.parametrize(
    ("label", "key"),
    [("sample.shelf", 999), ("auth.user", 1), ("no.such", 1), ("nonsense", 1), ("sample.shelf", 10**25)],
)
def test_object__that_never_was__is_404(auditor, moved, label, key):
    assert auditor.get(reverse("history:object", args=[label, key])).status_code == 404


@pytest.mark.parametrize("query", ["from=1&to=x", "from=1&to=999999", "version=", "version=999999"])
def test_object__bad_version__is_404(auditor, moved, query):
    url = reverse("history:object", args=["sample.shelf", moved[0].pk])
    assert auditor.get(f"{url}?{query}").status_code == 404


def test_compare__same_version_twice__says_so(auditor, moved):
    row = Shelf.history.first()
    url = reverse("history:object", args=["sample.shelf", moved[0].pk])
    answer = auditor.get(url, {"from": row.pk, "to": row.pk})
    assert "These two versions say the same." in answer.content.decode()


def test_pages__kind_that_one_may_not_view__is_refused_or_left_out(client, django_user_model, moved):
    user = django_user_model.objects.create_user("emil", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_changeset", "view_book"]))
    client.force_login(user)
    assert client.get(reverse("history:object", args=["sample.shelf", moved[0].pk])).status_code == 403
    found = ChangeSet.objects.get(reason="made")
    answer = client.get(reverse("history:change_set", args=[found.pk]))
    assert [entry.row.instance_type for entry in answer.context["entries"]] == [Book]
    assert "may not view are left out" in answer.content.decode()
    answer = client.get(reverse("history:moment"), {"at": "2000-01-01", "model": "sample.Shelf"})
    assert answer.status_code == 400
    assert "Shelf" not in {table.model.__name__ for table in answer.context["tables"] or ()}


def test_change_set__unknown__is_404(auditor):
    assert auditor.get(reverse("history:change_set", args=[uuid.uuid4()])).status_code == 404


def test_moment__bad_and_future__are_told(auditor, moved):
    url = reverse("history:moment")
    bad = auditor.get(url, {"at": "tomorrow"})
    assert bad.status_code == 400
    assert "write it like" in bad.content.decode()
    text = auditor.get(url, {"at": "2999-01-01T00:00:00Z"}).content.decode()
    assert "has not come yet" in text
    assert "The same as now." in text
    assert "Choose a moment" in auditor.get(url).content.decode()


def test_moment__marks__are_signs_and_words(auditor, moved):
    _shelf, book = moved
    with act("gone"):
        book.delete()
        Shelf(name="new").save()
    at = ChangeSet.objects.get(reason="made").time.isoformat()
    text = auditor.get(reverse("history:moment"), {"at": at}).content.decode()
    for sign, word in (("+", "added since"), ("-", "removed since"), ("~", "changed since")):
        assert f'<span aria-hidden="true">{sign}</span> {word}' in text


def test_values__of_people__are_escaped(auditor):
    with act("<script>alert(1)</script>", name="<b>x</b>"):
        shelf = Shelf(name="<img src=x>", tags="</del><script>")
        shelf.save()
        Book(shelf=shelf, title="t", document={"<i>": "<u>"}).save()
        shelf.tags = "<script>2"
        shelf.save()
    urls = [
        reverse("history:feed"),
        reverse("history:object", args=["sample.shelf", shelf.pk]),
        reverse("history:change_set", args=[ChangeSet.objects.get().pk]),
        reverse("history:moment") + "?at=2000-01-01&everything=on",
    ]
    for url in urls:
        text = auditor.get(url).content.decode()
        for raw in ("<script>alert", "<b>x", "<img src=x", "<script>2", "<i>", "<u>"):
            assert raw not in text, url


def test_pages__auditor__finds_no_way_to_write(auditor, moved):
    url = reverse("history:object", args=["sample.shelf", moved[0].pk])
    assert "back\u2026" not in auditor.get(url).content.decode()
    assert "&hellip;" not in auditor.get(url).content.decode()
    row = Shelf.history.last()
    target = reverse("admin:sample_shelf_revert", args=[moved[0].pk, row.pk])
    assert auditor.get(target).status_code == 403
    assert auditor.post(target, {"based_on": "3"}).status_code == 403
