"""The public service as real processes on a real PostgreSQL: freshness, and what happens without the database."""

import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from releng.updates.demo import demo_data
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
        manage(env, "load_data", "-", stdin=json.dumps(demo_data()))
        yield server


@pytest.fixture
def workers(database, tmp_path):
    """The ports of worker processes, each with a port of its own, so that every one of them can be asked."""
    with ExitStack() as stack:
        ports = [free_port() for _ in range(WORKERS)]
        for port in ports:
            stack.enter_context(running(granian(port), environment(database.url), port, tmp_path / "log"))
        wait_until(lambda: all(map(is_open, ports)), "every worker has its first snapshot")
        yield ports


def is_stopped(port):
    return fetch(port, DEMO_URL).body == EMPTY_DOCUMENT


def is_open(port):
    return fetch(port, DEMO_URL).body != EMPTY_DOCUMENT


def status(ports, target):
    return {fetch(port, target).status for port in ports}


def test_shutoff__committed__is_served_by_every_worker_in_time(database, workers):
    env = environment(database.url)
    manage(env, "shell", "-c", STOP)
    took = wait_until(
        lambda: all(map(is_stopped, workers)), "the shutoff is served", FRESH_WITHIN_SECONDS + 1
    )
    assert took < FRESH_WITHIN_SECONDS
    manage(env, "shell", "-c", RESUME)
    took = wait_until(
        lambda: all(map(is_open, workers)), "updates are served again", FRESH_WITHIN_SECONDS + 1
    )
    assert took < FRESH_WITHIN_SECONDS


def test_database_away__workers_go_on_and_come_back(database, workers):
    before = fetch(workers[0], DEMO_URL).body
    assert status(workers, "/__heartbeat__") == {200}
    database.stop()
    try:
        wait_until(lambda: status(workers, "/__heartbeat__") == {502}, "the heartbeats say unhealthy", 15)
        for _ in range(50):
            for port in workers:
                got = fetch(port, DEMO_URL)
                assert (got.status, got.body) == (200, before)
        assert status(workers, "/__lbheartbeat__") == {200}
    finally:
        database.start()
    manage(environment(database.url), "shell", "-c", STOP)
    took = wait_until(lambda: all(map(is_stopped, workers)), "fresh again", BACK_WITHIN_SECONDS + 1)
    assert took < BACK_WITHIN_SECONDS
    assert status(workers, "/__heartbeat__") == {200}
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


def test_refreshes_under_load__no_request_fails(database, workers):
    """How long the slowest request takes is told by `make bench`; here every answer must be a right one."""
    stop = threading.Event()
    wrong = []

    def ask():
        while not stop.is_set():
            got = fetch(workers[0], DEMO_URL)
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
