"""A change set may carry a guard, which is asked before every write, and rooms may follow what was written."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from history import bulk
from history.changesets import change_set
from history.models import ChangeSet
from history.signals import change_set_closing
from tests.history.sample.models import Shelf

pytestmark = pytest.mark.django_db


class Recorder:
    """A guard that remembers what it was asked, and refuses what it is told to."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, opened: Any, change: str, rows: Any) -> None:
        self.asked.append((change, [row.name for row in rows]))
        if change in self.refused:
            raise PermissionDenied(change)


def guarded(guard: Any) -> Any:
    return change_set(actor_name="tester", reason="test", guard=guard)


def test_guard__every_way_of_writing__is_asked_before_it() -> None:
    guard = Recorder()
    with guarded(guard):
        shelf = Shelf(name="a")
        shelf.save()
        shelf.save()
        bulk.insert([Shelf(name="b"), Shelf(name="c")])
        shelf.delete()
        bulk.delete(Shelf.objects.order_by("name"))
    assert guard.asked == [
        ("insert", ["a"]),
        ("update", ["a"]),
        ("insert", ["b", "c"]),
        ("delete", ["a"]),
        ("delete", ["b", "c"]),
    ]


@pytest.mark.parametrize("refused", ["insert", "update", "delete"])
def test_guard__refuses__nothing_is_written(refused: str) -> None:
    with change_set(actor_name="tester"):
        shelf = Shelf(name="a")
        shelf.save()
    sets = ChangeSet.objects.count()
    verbs: dict[str, Any] = {
        "insert": lambda: Shelf(name="b").save(),
        "update": shelf.save,
        "delete": shelf.delete,
    }
    with pytest.raises(PermissionDenied), guarded(Recorder(refused)):
        verbs[refused]()
    assert list(Shelf.objects.values_list("name", "data_version")) == [("a", 1)]
    assert ChangeSet.objects.count() == sets


def test_guard__joined_change_set__keeps_the_outer_guard() -> None:
    with guarded(Recorder("insert")), pytest.raises(PermissionDenied), change_set(actor_name="inner"):
        Shelf(name="a").save()


def test_guarded_by__replaces_the_guard_within_the_block_only() -> None:
    outer, inner = Recorder(), Recorder()
    with guarded(outer) as opened:
        with opened.guarded_by(inner):
            Shelf(name="a").save()
        Shelf(name="b").save()
    assert (inner.asked, outer.asked) == ([("insert", ["a"])], [("insert", ["b"])])


def test_change_set_closing__receiver_writes__belongs_to_the_same_act() -> None:
    def follow(change_set: Any, **kwargs: Any) -> None:
        if any(written.model is Shelf for written in change_set.written):
            Shelf(name="followed").save()

    change_set_closing.connect(follow)
    try:
        with change_set(actor_name="tester"):
            Shelf(name="a").save()
    finally:
        change_set_closing.disconnect(follow)
    sets = set(Shelf.history.values_list("name", "change_set_id"))
    assert {name for name, _ in sets} == {"a", "followed"}
    assert len({key for _, key in sets}) == 1


def test_change_set_closing__receiver_raises__all_is_rolled_back() -> None:
    def refuse(**kwargs: Any) -> None:
        raise ValueError("no")

    change_set_closing.connect(refuse)
    try:
        with pytest.raises(ValueError, match="no"), change_set(actor_name="tester"):
            Shelf(name="a").save()
    finally:
        change_set_closing.disconnect(refuse)
    assert not Shelf.objects.exists()
