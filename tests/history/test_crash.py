"""`kill -9` in the middle of writing: every row has its history row, and the other way round."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.servers import ROOT, environment, manage, own_postgresql

pytestmark = pytest.mark.slow

KILLS = 52  # on each of two databases

WRITER = """
import itertools, os, random, sys
from history import bulk
from history.changesets import change_set
from tests.history.sample.models import Book, Shelf
rng = random.Random(os.getpid())
print("writing", flush=True)
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
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def env(request, tmp_path):
    """An environment with a migrated database of its own."""
    extra = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DEBUG": "true"}
    if request.param == "sqlite":
        found = environment(f"sqlite:///{tmp_path}/crash.sqlite3", **extra)
        manage(found, "migrate", "--verbosity", "0")
        yield found
        return
    with own_postgresql() as server:
        found = environment(server.url, **extra)
        manage(found, "migrate", "--verbosity", "0")
        yield found


def test_kill_at_random_points__history_stays_whole(env):
    rng = random.Random(1)
    written = 0
    # Several writers at once, killed in turn: 100 starts one after the other would take minutes.
    for _ in range(KILLS // 4):
        writers = [
            subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", WRITER],
                env=env,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(4)
        ]
        for writer in writers:
            assert writer.stdout.readline() == b"writing\n"
        for writer in writers:
            time.sleep(rng.uniform(0.0, 0.05))  # the point of the crash
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
            written += 1
    assert written == KILLS
    assert "History is whole" in manage(env, "verify_history")
    counted = manage(env, "shell", "--verbosity", "0", "-c", COUNT).split()
    assert int(counted[-1]) > 0


COUNT = """
from history.models import ChangeSet
print(ChangeSet.objects.count())
"""
