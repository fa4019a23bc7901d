"""The public service as real processes on a real PostgreSQL: freshness, and what happens without the database."""

import json
import socket
import threading
import time

import pytest

from releng.demo import demo_data
from releng.updates.management.commands.load_demo import DEMO_URL
from rules.engine.render import EMPTY_DOCUMENT
from tests.servers import environment, fetch, free_port, granian, manage, own_postgresql, running, wait_until

pytestmark = pytest.mark.slow

FRESH_WITHIN_SECONDS = 2.0
BACK_WITHIN_SECONDS = 5.0
WORKERS = 2
REFRESHES = 100

STOP = """
from history.changesets import change_set
from rules.models import EmergencyShutoff
with change_set(actor_name="night shift", reason="crashes"):
    EmergencyShutoff(product="Firefox", channel="release").save()
"""
RESUME = """
from history.changesets import change_set
from rules.models import EmergencyShutoff
with change_set(actor_name="night shift", reason="fixed"):
    EmergencyShutoff.objects.get(channel="release").delete()
"""
MANY_CHANGES = f"""
import time
from history.changesets import change_set
from rules.models import Rule
for number in range({REFRESHES}):
    with change_set(actor_name="tester", reason="change"):
        rule = Rule.objects.get(alias="firefox-beta")
        rule.priority = 100 + number
        rule.save()
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def database():
    with own_postgresql() as server:
        env = environment(server.url)
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "load_data", "-", stdin=json.dumps(demo_data()))
        yield server


@pytest.fixture
def service(database, tmp_path):
    port = free_port()
    with running(granian(port, WORKERS), environment(database.url), port, tmp_path / "log"):
        wait_until(lambda: is_open(port), "every worker has its first snapshot")
        yield port


def is_stopped(port):
    """Tell whether every worker has stopped: connections go to either, so many agreeing answers are asked for."""
    return all(fetch(port, DEMO_URL).body == EMPTY_DOCUMENT for _ in range(24))


def is_open(port):
    return all(fetch(port, DEMO_URL).body != EMPTY_DOCUMENT for _ in range(24))


def test_shutoff__committed__is_served_by_every_worker_in_time(database, service):
    assert is_open(service)
    env = environment(database.url)
    manage(env, "shell", "-c", STOP)
    took = wait_until(lambda: is_stopped(service), "the shutoff is served", FRESH_WITHIN_SECONDS + 1)
    assert took < FRESH_WITHIN_SECONDS
    manage(env, "shell", "-c", RESUME)
    took = wait_until(lambda: is_open(service), "updates are served again", FRESH_WITHIN_SECONDS + 1)
    assert took < FRESH_WITHIN_SECONDS


def test_database_away__workers_go_on_and_come_back(database, service):
    before = fetch(service, DEMO_URL).body
    assert fetch(service, "/__heartbeat__").status == 200
    database.stop()
    try:
        wait_until(lambda: fetch(service, "/__heartbeat__").status == 502, "the heartbeat says unhealthy", 15)
        for _ in range(50):
            got = fetch(service, DEMO_URL)
            assert (got.status, got.body) == (200, before)
        assert fetch(service, "/__lbheartbeat__").body == b"OK!"
    finally:
        database.start()
    manage(environment(database.url), "shell", "-c", STOP)
    took = wait_until(lambda: is_stopped(service), "fresh again", BACK_WITHIN_SECONDS + 1)
    assert took < BACK_WITHIN_SECONDS
    assert fetch(service, "/__heartbeat__").status == 200
    manage(environment(database.url), "shell", "-c", RESUME)


def test_database_away_at_start__service_starts_empty_and_fills_itself(database, tmp_path):
    database.stop()
    port = free_port()
    try:
        with running(granian(port), environment(database.url), port, tmp_path / "log"):
            got = fetch(port, DEMO_URL)
            assert (got.status, got.body, got.headers["cache-control"]) == (200, EMPTY_DOCUMENT, "no-store")
            database.start()
            wait_until(lambda: is_open(port), "the first snapshot is there", 15)
    finally:
        if not fetchable(database):
            database.start()


def fetchable(database):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", database.port)) == 0


def test_refreshes_under_load__no_request_fails(database, service):
    """How long the slowest request takes is told by `make bench`; here every answer must be a right one."""
    stop = threading.Event()
    wrong = []

    def ask():
        while not stop.is_set():
            got = fetch(service, DEMO_URL)
            if got.status != 200 or b"<update " not in got.body:
                wrong.append(got)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    try:
        manage(environment(database.url), "shell", "-c", MANY_CHANGES)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert time.monotonic() - started > REFRESHES * 0.1
