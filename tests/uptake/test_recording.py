"""Counts as rows: added up by many, folded once, bounded."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.db.models import Sum
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from releng.uptake import recording
from releng.uptake.counting import OTHER, Client, Counter
from releng.uptake.models import UptakeCount
from releng.uptake.recording import Recorder, add, fold

NOW = datetime(2030, 5, 17, 13, 37, 21, tzinfo=UTC)


def client(version: str = "1.0", product: str = "Firefox") -> Client:
    return Client(product, "release", version, "Linux")


def total(**where: object) -> int:
    return UptakeCount.objects.filter(**where).aggregate(total=Sum("requests"))["total"] or 0


@pytest.mark.django_db
def test_add__twice_in_one_minute__is_one_row_with_the_sum() -> None:
    add({client(): 3}, NOW)
    add({client(): 4, client("2.0"): 1}, NOW + timedelta(seconds=20))
    assert list(UptakeCount.objects.order_by("version").values_list("version", "requests", "level")) == [
        ("1.0", 7, "minute"),
        ("2.0", 1, "minute"),
    ]


class FoldTests(TestCase):
    @settings(max_examples=30)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 90 * 24 * 60), st.sampled_from(["1.0", "2.0", "3.0"]), st.integers(1, 9)
            ),
            max_size=30,
        )
    )
    def test_fold__any_counts__sums_per_version_stay(self, counted: list[tuple[int, str, int]]) -> None:
        expected: Tally[str] = Tally()
        for minutes_ago, version, requests in counted:
            add({client(version): requests}, NOW - timedelta(minutes=minutes_ago))
            expected[version] += requests
        for _ in range(2):  # a second time changes nothing
            fold(NOW)
            found = UptakeCount.objects.values_list("version").annotate(total=Sum("requests"))
            assert dict(found) == dict(expected)
        old_minutes = UptakeCount.objects.filter(level="minute", start__lt=NOW - timedelta(hours=4))
        old_hours = UptakeCount.objects.filter(level="hour", start__lt=NOW - timedelta(days=62))
        assert not old_minutes.exists()
        assert not old_hours.exists()


@pytest.mark.django_db
def test_fold__more_clients_than_kept__rarest_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_KEYS_FOLDED", 10)
    add({client(f"{number}.0"): number for number in range(1, 101)}, NOW - timedelta(days=1))
    fold(NOW)
    rows = UptakeCount.objects.all()
    assert rows.count() == 11
    assert total() == 5050
    assert total(version=OTHER) == sum(range(1, 91))


@pytest.mark.django_db
def test_fold__days_that_are_too_old__are_dropped() -> None:
    add({client(): 1}, NOW - timedelta(days=900))
    fold(NOW)
    assert not UptakeCount.objects.exists()


@pytest.mark.django_db
def test_flush__database_away__keeps_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(Counter(), 1.0)
    recorder.counter.count(client())

    def refuse(*args: object) -> None:
        raise recording.DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr(recording, "add", refuse)
        patched.setattr(recording.connections, "close_all", lambda: None)
        assert not recorder.flush()
    assert recorder.flush()
    assert total() == 1


@pytest.mark.django_db(transaction=True)
def test_flush__many_writers_and_folders_at_once__nothing_lost_or_doubled() -> None:
    versions = [f"{number}.0" for number in range(20)]
    old = timezone.now() - timedelta(days=1)
    problems: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(20):
                add({client(version): 1 for version in versions}, old)
                if connection.vendor == "postgresql":
                    fold()
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    fold()
    assert total() == 6 * 20 * 20
    assert set(UptakeCount.objects.values_list("level", flat=True)) == {"hour"}
