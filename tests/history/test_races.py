"""Many writers at once, on the real database of the run: threads with connections of their own."""

import threading

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from history.changesets import change_set
from history.exceptions import OutdatedDataError
from history.models import ChangeSet
from tests.history.sample.models import Shelf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

WRITERS = 8
ROUNDS = 200


def together(count, work):
    """Run `work(number)` in so many threads at once; raise the first exception that one of them raised."""
    errors = []

    def run(number):
        try:
            work(number)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def act(name):
    return change_set(actor_name=name, reason="race")


def test_one_row__eight_writers_two_hundred_rounds__one_winner_each():
    with act("starter"):
        shelf = Shelf(name="contended", height=0)
        shelf.save()
    barrier = threading.Barrier(WRITERS)
    wins, losses = [], []

    def write(number):
        for round_number in range(ROUNDS):
            mine = Shelf.objects.get(pk=shelf.pk)
            barrier.wait()  # everybody has read the same version
            mine.height = round_number * WRITERS + number
            try:
                with act(f"writer {number}"):
                    mine.save()
                wins.append((round_number, mine.height))
            except OutdatedDataError as error:
                losses.append((error.current - error.expected, error.changed_by.split()[0]))
            barrier.wait()

    together(WRITERS, write)
    assert sorted(number for number, _ in wins) == list(range(ROUNDS))
    assert losses == [(1, "writer")] * ROUNDS * (WRITERS - 1), "each loser is told who was faster"
    history = list(Shelf.history.order_by("history_id").values_list("data_version", "height"))
    assert history == [(1, 0), *((number + 2, height) for number, height in sorted(wins))]
    assert ChangeSet.objects.count() == ROUNDS + 1
    call_command("verify_history")


def test_many_rows__crossing_orders__each_change_set_is_whole_or_absent():
    with act("starter"):
        rows = [Shelf(name=f"row {number}", height=0) for number in range(6)]
        for row in rows:
            row.save()
    done = []

    def write(number):
        for attempt in range(20):
            chosen = rows[number % 3 :: 3] if attempt % 2 else list(reversed(rows[number % 3 :: 3]))
            try:
                with act(f"writer {number}"):
                    for row in chosen:
                        mine = Shelf.objects.get(pk=row.pk)
                        mine.height += 1
                        mine.save()
                done.append(len(chosen))
            except (OutdatedDataError, OperationalError):
                continue  # somebody was faster, or PostgreSQL ended a deadlock: nothing of this was written

    together(6, write)
    assert sum(Shelf.objects.values_list("height", flat=True)) == sum(done) > 0
    call_command("verify_history")
