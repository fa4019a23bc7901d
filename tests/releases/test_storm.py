"""A whole localisation storm: 16 processes submit 2,000 different locales of one release that does not exist yet."""

import multiprocessing
import os

import pytest
from django.core.management import call_command
from django.db import connection, connections

from history.changesets import change_set
from releases import actions
from releases.models import Release, ReleasePart

PROCESSES = 16
LOCALES = 2_000
PLATFORMS = 5


def submit(number: int) -> None:
    """Submit every 16th locale; runs in a process of its own."""
    connections.close_all()
    for place in range(number, LOCALES, PROCESSES):
        with change_set(actor_name=f"builder {number}", reason="nightly"):
            actions.submit_locale(
                "storm",
                "Firefox",
                f"P{place % PLATFORMS}",
                f"l{place // PLATFORMS}",
                {"buildID": f"{place:014}", "completes": [{"from": "*", "filesize": 1, "hashValue": "ab"}]},
                schema_version=9,
                hash_function="sha512",
            )
    connections.close_all()
    os._exit(0)  # the test runner's own exit handlers belong to the parent


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_storm__sixteen_processes__all_stored_none_refused():
    if connection.vendor != "postgresql":
        pytest.skip("TEST_DATABASE_URL names no PostgreSQL")
    connections.close_all()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=submit, args=(number,)) for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    release = Release.objects.get(name="storm")
    assert release.parts.count() == LOCALES
    assert ReleasePart.history.count() == LOCALES
    assert {part.document["buildID"] for part in release.parts.all()} == {f"{n:014}" for n in range(LOCALES)}
    assert len(release.document["platforms"]) == PLATFORMS
    call_command("verify_history")
