"""The feed, its filters, exports, the moment page: what auditors read."""

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from history import bulk
from history.changesets import change_set
from history.models import ChangeSet
from tests.history.sample.models import Book, Shelf

pytestmark = pytest.mark.django_db


def act(name="anna", reason="test", **kwargs):
    return change_set(actor_name=name, reason=reason, **kwargs)


@pytest.fixture
def story():
    with act("anna", "first shelves", origin="api"):
        bulk.insert(Shelf(name=f"s{number}", height=number) for number in range(3))
    shelf = Shelf.objects.get(name="s1")
    with act("bert", "=cmd|evil", origin="admin"):
        shelf.height = 50
        shelf.save()
        Book(shelf=shelf, title="Faust", document={"acts": 1}).save()
    with act("carla", "away with it"):
        Shelf.objects.get(name="s2").delete()
    return shelf


@pytest.fixture
def auditor(client, django_user_model):
    """Somebody who may read all history, and change nothing."""
    user = django_user_model.objects.create_user("auditor", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def shown(client, **query):
    answer = client.get(reverse("history:feed"), query)
    assert answer.status_code == 200
    return [act.change_set.reason for act in answer.context["acts"]]


def test_feed__all__is_newest_first_grouped_by_change_set(auditor, story):
    assert shown(auditor) == ["away with it", "=cmd|evil", "first shelves"]
    text = auditor.get(reverse("history:feed")).content.decode()
    assert "Faust" in text
    assert "<del>1</del>" in text, "the height before"
    assert "<ins>50</ins>" in text


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        ({"person": "bert"}, ["=cmd|evil"]),
        ({"origin": "api"}, ["first shelves"]),
        ({"text": "SHELVES"}, ["first shelves"]),
        ({"model": "sample.Book"}, ["=cmd|evil"]),
        ({"since": "2999-01-01T00:00"}, []),
        ({"until": "2999-01-01T00:00", "person": "carla"}, ["away with it"]),
        ({"product": "Firefox"}, []),
        ({"room": "s0"}, ["first shelves"]),
        ({"person": "nobody"}, []),
    ],
)
def test_feed__filters__narrow_it(auditor, story, query, reasons):
    assert shown(auditor, **query) == reasons


def test_feed__one_object__has_just_its_acts(auditor, story):
    assert shown(auditor, model="sample.Shelf", object=story.pk) == ["=cmd|evil", "first shelves"]


def test_auditor__reads_all_and_changes_nothing(auditor, django_user_model):
    held = django_user_model.objects.get(username="auditor").get_all_permissions()
    assert {name.split(".")[1].split("_")[0] for name in held} == {"view"}
    assert {"history.view_changeset", "sample.view_shelf", "rules.view_rule", "releases.view_release"} <= held


def test_feed__bad_filter__says_what_is_wrong(auditor, story):
    answer = auditor.get(reverse("history:feed"), {"since": "yesterday"})
    assert answer.status_code == 400
    assert b"Enter a valid date/time" in answer.content


def test_feed__many_change_sets__pages_keep_their_filters(auditor):
    for number in range(30):
        with act("anna" if number % 2 else "bert", f"r{number}"):
            Shelf(name=f"n{number}").save()
    first = auditor.get(reverse("history:feed"))
    assert len(first.context["acts"]) == 25
    second = auditor.get(reverse("history:feed"), {"before": first.context["older"]})
    assert [act.change_set.reason for act in second.context["acts"]] == ["r4", "r3", "r2", "r1", "r0"]


def test_moment__before_between_and_now__side_by_side(auditor, story):
    times = dict(ChangeSet.objects.values_list("reason", "time"))

    def lines(moment):
        answer = auditor.get(
            reverse("history:moment"),
            {
                "at": moment.strftime("%Y-%m-%dT%H:%M:%S.%f"),
                "model": "sample.Shelf",
                "everything": "on",
            },
        )
        (table,) = answer.context["tables"]
        return {line.name: line.sign for line in table.lines}

    assert lines(times["first shelves"]) == {"s0": "=", "s1": "~", "s2": "-"}
    assert lines(times["=cmd|evil"]) == {"s0": "=", "s1": "=", "s2": "-"}
    assert lines(times["away with it"]) == {"s0": "=", "s1": "="}
    assert lines(datetime(2000, 1, 1, tzinfo=UTC)) == {"s0": "+", "s1": "+"}


def test_change_set__page__shows_digest_and_all_it_touched(auditor, story):
    found = ChangeSet.objects.get(reason="=cmd|evil")
    text = auditor.get(reverse("history:change_set", args=[found.pk])).content.decode()
    assert found.digest in text
    assert "Faust" in text
    assert "away with it" not in text


URLS = [("feed", []), ("export_csv", []), ("export_json", []), ("moment", [])]


@pytest.mark.parametrize(("name", "args"), URLS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_pages__writing_methods__are_405(admin_client, story, name, args, method):
    answer = getattr(admin_client, method)(reverse(f"history:{name}", args=args))
    assert answer.status_code == 405


@pytest.mark.parametrize(("name", "args"), URLS)
def test_pages__without_permission__are_refused(client, django_user_model, story, name, args):
    assert client.get(reverse(f"history:{name}", args=args)).status_code == 302
    user = django_user_model.objects.create_user("dora", is_staff=True)
    client.force_login(user)
    assert client.get(reverse(f"history:{name}", args=args)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_changeset"))
    assert client.get(reverse(f"history:{name}", args=args)).status_code == 403


def test_feed__models_that_one_may_not_see__are_left_out(client, django_user_model, story):
    user = django_user_model.objects.create_user("emil", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_changeset", "view_book"]))
    client.force_login(user)
    assert shown(client) == ["=cmd|evil"]
    text = client.get(reverse("history:feed")).content.decode()
    assert "Faust" in text
    assert "s0" not in text
    records = json.loads(b"".join(client.get(reverse("history:export_json")).streaming_content))
    assert {record["model"] for record in records} == {"sample.Book"}


def test_moment__many_rows__goes_on_where_it_stopped(auditor):
    with act():
        bulk.insert(Shelf(name=f"s{number}") for number in range(1_100))
    seen, query = [], {"at": "2999-01-01T00:00:00", "model": "sample.Shelf", "everything": "on"}
    while True:
        (table,) = auditor.get(reverse("history:moment"), query).context["tables"]
        seen += [line.name for line in table.lines]
        if table.after is None:
            break
        query["after"] = table.after
    assert len(seen) == len(set(seen)) == 1_100
