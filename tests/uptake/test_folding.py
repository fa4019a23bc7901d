"""Folding: by age, exactly once, sums kept, rows bounded."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections, transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from releng.uptake import folding
from releng.uptake.clients import OTHER, Client, Limits
from releng.uptake.folding import fold
from releng.uptake.models import UptakeCount
from releng.uptake.rows import Level, add

NOW = datetime(2030, 5, 17, 13, 37, 21, tzinfo=UTC)


def client(version="1.0", channel="release", product="Firefox"):
    return Client(product, channel, version, "Linux")


def store(ago, counts, now=NOW):
    start = folding.start_of(now - ago, Level.MINUTE)
    add(Level.MINUTE, {(start, key): requests for key, requests in counts.items()})


def total(**where):
    return UptakeCount.objects.filter(**where).aggregate(total=Sum("requests"))["total"] or 0


class FoldTests(TestCase):
    @settings(max_examples=40)
    @given(
        st.lists(
            st.tuples(
                st.one_of(st.integers(0, 9 * 60), st.integers(0, 90 * 24 * 60)),
                st.sampled_from(["1.0", "2.0", "3.0"]),
                st.integers(1, 9),
            ),
            max_size=30,
        ),
        st.lists(st.integers(0, 24 * 90), max_size=3),
    )
    def test_fold__any_counts_and_times__sums_per_version_and_day_stay(self, counted, hours_later):
        expected: Tally[tuple[str, object]] = Tally()
        for minutes_ago, version, requests in counted:
            ago = timedelta(minutes=minutes_ago)
            store(ago, {client(version): requests})
            expected[version, (NOW - ago).date()] += requests
        for later in [0, 0, *sorted(hours_later)]:
            now = NOW + timedelta(hours=later)
            fold(now)
            rows = UptakeCount.objects.values_list("version", "start__date").annotate(total=Sum("requests"))
            assert {(version, day): number for version, day, number in rows} == expected
            for level, kept, length in (
                ("minute", timedelta(hours=6), timedelta(hours=1)),
                ("hour", timedelta(days=60), timedelta(days=1)),
            ):
                assert not UptakeCount.objects.filter(level=level, start__lt=now - kept - length).exists()


@pytest.mark.django_db
def test_fold__minutes_that_are_still_young__stay_as_they_are():
    store(timedelta(hours=5, minutes=59), {client(): 1})
    store(timedelta(hours=7), {client(): 2})
    fold(NOW)
    assert list(UptakeCount.objects.order_by("start").values_list("level", "requests", "start__minute")) == [
        ("hour", 2, 0),
        ("minute", 1, 38),
    ]


@pytest.mark.django_db
def test_fold__minutes_that_come_late__join_their_hour():
    for requests in (2, 3):
        store(timedelta(hours=8), {client(): requests})
        fold(NOW)
    assert list(UptakeCount.objects.values_list("level", "requests")) == [("hour", 5)]


def hundred_versions_on_two_channels(monkeypatch):
    monkeypatch.setattr(folding, "LIMITS", Limits(clients=10, channels=2))
    store(timedelta(days=1), {client(f"{number}.0"): number for number in range(1, 101)})
    store(timedelta(days=1), {client(f"{number}.0", "beta"): 1 for number in range(1, 101)})


@pytest.mark.django_db
def test_fold__more_clients_than_are_kept__the_rarest_are_counted_by_channel(monkeypatch):
    hundred_versions_on_two_channels(monkeypatch)
    fold(NOW)
    assert UptakeCount.objects.count() == 12
    assert (total(channel="release"), total(channel="beta")) == (5050, 100)
    assert (total(version=OTHER, channel="release"), total(version=OTHER, channel="beta")) == (
        sum(range(1, 91)),
        100,
    )


@pytest.mark.django_db
def test_fold__more_clients_than_memory_takes_at_once__busy_ones_are_kept_and_sums_too(monkeypatch):
    hundred_versions_on_two_channels(monkeypatch)
    monkeypatch.setattr(folding, "ROWS_AT_ONCE", 30)
    monkeypatch.setattr(folding, "SUMS_AT_ONCE", 60)
    fold(NOW)
    assert UptakeCount.objects.count() <= folding.LIMITS.keys
    assert (total(channel="release"), total(channel="beta")) == (5050, 100)
    assert total(version="100.0", channel="release") == 100


@pytest.mark.django_db
def test_fold__days_that_are_too_old__are_dropped():
    store(timedelta(days=900), {client(): 1})
    store(timedelta(days=700), {client(): 2})
    fold(NOW)
    assert list(UptakeCount.objects.values_list("level", "requests")) == [("day", 2)]


@pytest.mark.django_db
def test_fold__nothing_to_do__asks_four_short_questions(django_assert_max_num_queries):
    store(timedelta(minutes=1), {client(): 1})
    with django_assert_max_num_queries(8):  # savepoints of the test's own transaction included
        fold(NOW)


@pytest.mark.django_db(transaction=True)
def test_fold__by_many_while_others_add_to_the_same_minutes__nothing_lost_or_doubled():
    keys = [client(f"{number}.0") for number in range(20)]
    now = timezone.now()
    start = folding.start_of(now - timedelta(days=1), Level.HOUR)
    problems = []

    def work(number):
        try:
            for turn in range(10):
                minute = start + timedelta(minutes=(number + turn) % 4)
                with transaction.atomic():
                    add(Level.MINUTE, {(minute, key): 1 for key in keys})
                fold(now)
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    fold(now)
    assert set(UptakeCount.objects.values_list("level", "start", "requests")) == {("hour", start, 60)}
    assert UptakeCount.objects.count() == len(keys)
