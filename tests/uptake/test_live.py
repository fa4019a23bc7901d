"""Real server processes count real requests: all of them, and after a crash all but the last interval."""

import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from releng.updates.demo import demo_data
from releng.updates.management.commands.load_demo import DEMO_URL
from tests.servers import (
    ROOT,
    answers,
    environment,
    fetch,
    free_port,
    granian,
    manage,
    own_postgresql,
    query,
    running,
    sqlite_with,
    started,
    wait_until,
)

pytestmark = pytest.mark.slow

THROTTLED = DEMO_URL.split("?")[0]
JSON = "/json/1/FirefoxVPN/2.20.0/WINNT_x86_64/release/update.json"
NOTHING = THROTTLED.replace("/release/", "/release-cck-partner/").replace("144.0", "143.0")
COUNTS = "SELECT product, channel, version, sum(requests) FROM uptake_uptakecount GROUP BY 1, 2, 3"

PROCESSES, COUNTED = 4, 30_000
# Counts into minutes that are old enough to be folded, and folds them, while the others do the same.
COUNT_AND_FOLD = f"""
from datetime import timedelta
from django.utils import timezone
from releng.uptake.counting import Counter
from releng.uptake.folding import fold
from releng.uptake.recording import Recorder
day = timezone.now().replace(hour=12) - timedelta(days=2)
turn = 0
recorder = Recorder(Counter(now=lambda: day + timedelta(minutes=turn)), 0.01)
recorder.ensure_running()
for number in range({COUNTED}):
    version = f"{{number % 7}}.0"
    recorder.counter.count(recorder.counter.ticket("Firefox", "release", version, "Linux", {{"Firefox"}}))
    if number % 1_000 == 0:
        turn += 1
        fold()
recorder.stop()
"""

ROLE = "CREATE ROLE public_service LOGIN; "


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request, tmp_path_factory):
    def prepared(url):
        manage(environment(url), "load_data", "-", stdin=json.dumps(demo_data()))
        return url

    if request.param == "sqlite":
        yield prepared(sqlite_with(demo=False, folder=tmp_path_factory.mktemp("live")))
    else:
        with own_postgresql() as server:
            yield prepared(server.url)


@pytest.fixture
def counts(database_url):
    """Returns a function that tells what the database has; empty at first."""
    query(database_url, "DELETE FROM uptake_uptakecount")
    return lambda: {" ".join(key): int(total) for *key, total in query(database_url, COUNTS)}


def ask(port, target, times):
    with ThreadPoolExecutor(4) as pool:
        assert {reply.status for reply in pool.map(lambda _: fetch(port, target), range(times))} == {200}


def test_server__two_workers_and_a_clean_stop__every_request_is_a_row(database_url, counts, tmp_path):
    port = free_port()
    env = environment(database_url, UPTAKE_FLUSH_SECONDS="0.3")
    with running(granian(port, workers=2), env, port, tmp_path / "log"):
        for target in (DEMO_URL, THROTTLED, JSON):
            ask(port, target, 60)
        wait_until(lambda: sum(counts().values()) > 0, "counts are written while the server runs")
        ask(port, NOTHING, 60)
    assert counts() == {
        "Firefox release 144.0": 120,
        "Firefox release 143.0": 60,
        "FirefoxVPN release 2.20.0": 60,
    }


def test_server__stopped_before_the_first_flush__loses_nothing(database_url, counts, tmp_path):
    port = free_port()
    env = environment(database_url, UPTAKE_FLUSH_SECONDS="3600")
    with running(granian(port, workers=2), env, port, tmp_path / "log"):
        ask(port, THROTTLED, 100)
        assert counts() == {}
    assert counts() == {"Firefox release 144.0": 100}


def test_server__killed__loses_no_more_than_the_last_interval(database_url, counts, tmp_path):
    port = free_port()
    env = environment(database_url, UPTAKE_FLUSH_SECONDS="1")
    with started(granian(port), env, tmp_path / "log") as process:
        wait_until(lambda: answers(port), "the server answers")
        ask(port, THROTTLED, 100)
        wait_until(lambda: counts() == {"Firefox release 144.0": 100}, "the first requests are written")
        ask(port, THROTTLED, 50)
        for pid in [*children(process.pid), process.pid]:
            os.kill(pid, signal.SIGKILL)
        process.wait()
    assert 100 <= sum(counts().values()) <= 150


def test_server__with_no_more_rights_than_the_documentation_gives__counts_and_folds(
    database_url, counts, tmp_path
):
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has no rights")
    [grants] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    query(database_url, ROLE + grants)
    port = free_port()
    env = environment(database_url.replace("postgres@", "public_service@"), UPTAKE_FLUSH_SECONDS="0.2")
    with running(granian(port), env, port, tmp_path / "log"):
        ask(port, THROTTLED, 20)
        wait_until(lambda: counts() == {"Firefox release 144.0": 20}, "counts are written")
        ask(port, THROTTLED, 20)
    assert counts() == {"Firefox release 144.0": 40}
    manage(
        env,
        "shell",
        "-c",
        "from datetime import timedelta; from django.utils import timezone; "
        "from releng.uptake.folding import fold; fold(timezone.now() + timedelta(days=1))",
    )
    assert counts() == {"Firefox release 144.0": 40}
    assert (tmp_path / "log").read_text() == ""


def test_server__counting_switched_off__writes_nothing(database_url, counts, tmp_path):
    port = free_port()
    env = environment(database_url, UPTAKE_FLUSH_SECONDS="0.1", COUNT_TRAFFIC="false")
    with running(granian(port), env, port, tmp_path / "log"):
        ask(port, THROTTLED, 20)
    assert counts() == {}


def test_recorders__of_many_processes_that_fold_meanwhile__lose_and_double_nothing(database_url, counts):
    env = environment(database_url)
    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(lambda _: manage(env, "shell", "-c", COUNT_AND_FOLD), range(PROCESSES)))
    found = counts()
    assert sum(found.values()) == PROCESSES * COUNTED
    assert len(found) == 7


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
