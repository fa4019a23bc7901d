"""`kill -9` in the middle of writing: every row has its history row, and the other way round."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import ROOT, environment, manage, own_postgresql, sqlite_with, wait_until

pytestmark = pytest.mark.slow

KILLS = 100

# Makes a writer for each line that it reads: a hundred processes that each import Django first would take minutes.
WRITERS = """
import itertools, os, random, signal, sys
from history import bulk
from history.changesets import change_set
from tests.history.sample.models import Book, Shelf

def write():
    rng = random.Random(os.getpid())
    for number in itertools.count():
        with change_set(actor_name="victim", reason=f"act {number}"):
            shelf = Shelf(name=f"{os.getpid()}-{number}", height=number)
            shelf.save()
            for page in range(rng.randrange(4)):
                Book(shelf=shelf, title=str(page), document={"page": page}).save()
            shelf.tags = "again"
            shelf.save()
            if number % 5 == 0:
                bulk.insert(Shelf(name=f"{os.getpid()}-{number}-{i}") for i in range(20))

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        write()
    print(child, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def env(request, tmp_path):
    """An environment with a migrated database of its own."""
    extra = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DEBUG": "true"}
    if request.param == "sqlite":
        found = environment(sqlite_with(demo=False, folder=tmp_path), **extra)
        manage(found, "migrate", "--verbosity", "0")
        yield found
        return
    with own_postgresql() as server:
        found = environment(server.url, **extra)
        manage(found, "migrate", "--verbosity", "0")
        yield found


def test_kill_at_random_points__history_stays_whole(env):
    rng = random.Random(1)
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", WRITERS]
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as maker:
        for _ in range(KILLS // 4):  # several at once, killed in turn
            writers = []
            for _ in range(4):
                print("one more", file=maker.stdin, flush=True)
                writers.append(int(maker.stdout.readline()))
            for writer in writers:
                time.sleep(rng.uniform(0.0, 0.05))  # the point of the crash
                os.kill(writer, signal.SIGKILL)
                wait_until(lambda: not Path(f"/proc/{writer}").exists(), "it is gone")  # noqa: B023
    assert "History is whole" in manage(env, "verify_history")
    counted = manage(env, "shell", "--verbosity", "0", "-c", COUNT).split()
    assert int(counted[-1]) > 0


COUNT = """
from history.models import ChangeSet
print(ChangeSet.objects.count())
"""
