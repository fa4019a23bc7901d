"""Counts become rows: added up by many, kept while the database is away, written down at a clean stop."""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connections, transaction
from django.db.models import Sum

from releng.uptake import recording
from releng.uptake.clients import OTHER, Client
from releng.uptake.counting import LIMITS, Counter
from releng.uptake.models import UptakeCount
from releng.uptake.recording import MINUTES_WAITING, Recorder
from releng.uptake.rows import Level, add
from tests.servers import wait_until

NOW = datetime(2030, 5, 17, 13, 37, tzinfo=UTC)
KNOWN = frozenset({"Firefox"})


def client(version="1.0"):
    return Client("Firefox", "release", version, "Linux")


def total(**where):
    return UptakeCount.objects.filter(**where).aggregate(total=Sum("requests"))["total"] or 0


class Clock:
    """The time of day, moved by hand."""

    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recorder(db, clock):
    return Recorder(Counter(now=clock), 60.0)


def count(recorder, version="1.0", requests=1):
    ticket = recorder.counter.ticket("Firefox", "release", version, "Linux", KNOWN)
    for _ in range(requests):
        recorder.counter.count(ticket)


@pytest.fixture
def away(monkeypatch):
    """Returns a context manager within which the database refuses."""

    def refuse(*args):
        raise DatabaseError("away")

    def enter():
        patch = monkeypatch.context()
        patched = patch.__enter__()
        patched.setattr(recording, "add", refuse)
        patched.setattr(recording.connections, "close_all", lambda: None)
        return patch

    class Away:
        def __enter__(self):
            self.patch = enter()

        def __exit__(self, *args):
            self.patch.__exit__(*args)

    return Away


@pytest.mark.django_db
def test_add__twice_in_one_minute__is_one_row_with_the_sum():
    add(Level.MINUTE, {(NOW, client()): 3})
    add(Level.MINUTE, {(NOW, client()): 4, (NOW, client("2.0")): 1})
    assert list(UptakeCount.objects.order_by("version").values_list("version", "requests", "start")) == [
        ("1.0", 7, NOW),
        ("2.0", 1, NOW),
    ]


@pytest.mark.django_db
def test_add__more_rows_than_one_statement_takes__all_are_there():
    add(Level.MINUTE, {(NOW, client(f"{number}.0")): number for number in range(1, 1_502)})
    assert (UptakeCount.objects.count(), total()) == (1_501, 1_501 * 751)


def test_flush__counted_requests__are_rows_of_their_minute(recorder, clock):
    count(recorder, requests=3)
    assert recorder.flush()
    clock.now += timedelta(minutes=1)
    recorder.flush()
    count(recorder, requests=2)
    assert recorder.flush()
    rows = UptakeCount.objects.order_by("start").values_list("start", "requests", "level")
    assert list(rows) == [(NOW, 3, "minute"), (NOW + timedelta(minutes=1), 2, "minute")]


def test_flush__nothing_counted__asks_the_database_nothing(recorder, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert recorder.flush()


def test_flush__database_away__keeps_the_counts_and_says_so_once(recorder, away, caplog):
    with caplog.at_level(logging.INFO), away():
        for _ in range(3):
            count(recorder)
            assert not recorder.flush()
    with caplog.at_level(logging.INFO):
        assert recorder.flush()
    assert total() == 3
    assert [record.message for record in caplog.records] == ["uptake.not_written", "uptake.written_again"]


def test_flush__database_away_for_an_hour_of_hostile_requests__memory_is_bounded_and_none_lost(
    recorder, clock, away
):
    counted = 0
    with away():
        for minute in range(60):
            clock.now = NOW + timedelta(minutes=minute)
            for number in range(1_000):
                count(recorder, f"{minute * 1_000 + number}.0")
                counted += 1
            recorder.flush()
            assert len(recorder._waiting) <= MINUTES_WAITING * LIMITS.keys
    assert recorder.flush()
    assert total() == counted
    assert UptakeCount.objects.values("start").distinct().count() <= MINUTES_WAITING + 1
    assert total(version=OTHER) > 0


@pytest.mark.django_db(transaction=True)
def test_recorder__running__writes_by_itself_and_the_rest_when_it_stops():
    recorder = Recorder(Counter(), 0.02)
    recorder.ensure_running()
    count(recorder, requests=5)
    wait_until(lambda: total() == 5, "the thread has written")
    recorder._every_seconds = 60
    recorder.ensure_running()
    recorder.stop()
    count(recorder, requests=7)
    recorder.stop()
    assert total() == 12


@pytest.mark.django_db(transaction=True)
def test_recorder__unexpected_failure__is_logged_and_counting_goes_on(monkeypatch, caplog):
    failures = [ZeroDivisionError("a mistake")]

    def failing(level, counts):
        if failures:
            raise failures.pop()
        add(level, counts)

    monkeypatch.setattr(recording, "add", failing)
    recorder = Recorder(Counter(), 0.02)
    count(recorder, requests=5)
    recorder.ensure_running()
    try:
        wait_until(lambda: total() == 5, "the thread has written after all")
    finally:
        recorder.stop()
    assert "uptake.failed" in caplog.messages


def test_recorder__after_a_fork__leaves_the_parents_counts_to_the_parent(recorder, monkeypatch):
    recorder.ensure_running()
    parents = recorder._stop
    try:
        count(recorder)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        recorder.ensure_running()
        assert recorder.flush()
        assert total() == 0
    finally:
        recorder.stop()
        parents.set()  # there was no real fork: both threads are here


@pytest.mark.django_db(transaction=True)
def test_add__many_threads_on_the_same_rows__nothing_lost():
    keys = {
        (NOW + timedelta(minutes=minute), client(f"{number}.0"))
        for minute in range(3)
        for number in range(20)
    }
    problems = []

    def write():
        try:
            for _ in range(20):
                with transaction.atomic():
                    add(Level.MINUTE, dict.fromkeys(keys, 1))
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert set(UptakeCount.objects.values_list("requests", flat=True)) == {8 * 20}
    assert UptakeCount.objects.count() == len(keys)
